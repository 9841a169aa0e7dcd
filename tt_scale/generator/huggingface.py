"""Generator on Transformers: batches waiting requests, with a separate random stream for each.

It is slower than vLLM, but runs wherever torch does, and in float32 a row does not depend on the rest of its batch.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from threading import Event
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from tt_scale.core.logprobs import TOP_LOGPROBS
from tt_scale.core.records import Step, StepRequest
from tt_scale.core.waiting import progressed
from tt_scale.engines.context_length import fitted_to_model
from tt_scale.engines.load_errors import sentence
from tt_scale.engines.micro_batcher import MicroBatcher, model_thread
from tt_scale.engines.model_names import at_revision, refuse_scorer, resolve_model
from tt_scale.engines.transformers.loading import (
    best_device,
    explained,
    free_memory,
    gpu_failed,
    placement,
    require_torch,
)
from tt_scale.engines.transformers.parameters import count_parameters
from tt_scale.engines.transformers.quantization import quantization
from tt_scale.errors import ConfigError, EngineDeadError, GeneratorError, TTScaleError
from tt_scale.generator.decoding import Decoder, DecodeRequest
from tt_scale.generator.language_model import Choice, LanguageModel
from tt_scale.generator.tokens import Tokens

if TYPE_CHECKING:
    from typing_extensions import Self

    from tt_scale.config import Config

__all__ = ["HuggingFaceGenerator", "split_on_failure", "error_text"]

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST_ROWS = 128
MAX_BATCH_TOKENS = 16_384
"""Largest batch of prompts, in padded tokens."""


class HuggingFaceGenerator(LanguageModel):
    """A causal language model on Transformers.

    Args:
        config: configuration of the run; uses the model's name and the keys for loading models.

    Raises:
        ConfigError: `tensor_parallel_size` is above 1, which only vLLM supports.
    """

    summary: ClassVar[str] = "any causal language model on Transformers, batched; CPU or one GPU"
    engine: ClassVar[str] = "huggingface"
    can_score: ClassVar[bool] = True
    most_logprobs = TOP_LOGPROBS

    def __init__(self, config: Config) -> None:
        if config.tensor_parallel_size > 1:
            raise ConfigError(
                f"tensor_parallel_size is {config.tensor_parallel_size}; the huggingface generator uses one device.",
                "Type: --generator vllm",
            )
        self.context = config.max_model_len or 0  # `start` resolves null
        self._config = config
        self._thread = model_thread("huggingface")  # one call of the model at a time
        self._closed = Event()
        self._decoder: Decoder | None = None

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """Create the generator from a configuration; nothing is loaded before `start`."""
        return cls(config)

    async def start(self) -> None:
        """Load tokenizer and model.

        Raises:
            GeneratorError: the model cannot be loaded.
            ConfigError: `quantization` is not possible, or `max_model_len` exceeds the model's context.
            MissingExtraError: torch or transformers is not installed.
        """
        most = await asyncio.to_thread(self._load)
        self._samples: MicroBatcher[StepRequest, Step] = MicroBatcher(
            self._sample,
            self._thread,
            weigh=lambda request: len(request.ids) + request.max_tokens,
            max_weight=most,
            max_items=MOST_ROWS,
        )
        self._choices: MicroBatcher[DecodeRequest, Choice] = MicroBatcher(
            self._choose,
            self._thread,
            weigh=lambda request: len(request[0]),
            max_weight=MAX_BATCH_TOKENS,
            max_items=MOST_ROWS,
        )

    async def close(self) -> None:
        """Abort running requests and release the weights; a second call does nothing."""
        self._closed.set()
        await asyncio.to_thread(self._thread.shutdown, cancel_futures=True)
        if self._decoder is not None:
            self._decoder = None
            await asyncio.to_thread(free_memory)

    async def generate(self, requests: Sequence[StepRequest]) -> list[Step]:
        """Sample one continuation for each request, in the order of the requests.

        Raises:
            EngineDeadError: the device failed for good, or the generator is closed.
        """
        self._check_open()
        fits = [len(request.ids) + request.max_tokens <= self.context for request in requests]
        sampled = await self._samples.ask([request for request, fit in zip(requests, fits, strict=True) if fit])
        drawn = iter(sampled)
        return [
            next(drawn) if fit else Step("", (), "context", request.seed, request.sampling.temperature)
            for request, fit in zip(requests, fits, strict=True)
        ]

    async def choose(self, prompts: Sequence[tuple[int, ...]], choices: Sequence[int]) -> list[Choice]:
        """Compute the log-probabilities of several next tokens; see `LanguageModel.choose`."""
        self._check_open()
        for prompt in prompts:
            if len(prompt) >= self.context:
                raise GeneratorError(f"A prompt has {len(prompt)} tokens; the context holds {self.context}.")
        return await self._choices.ask([(prompt, tuple(choices)) for prompt in prompts])

    def _check_open(self) -> None:
        if self._closed.is_set():
            raise EngineDeadError("The generator is closed.")

    def _load(self) -> int:
        """Load the model, and return the largest number of tokens of a batch that fits into memory."""
        config = self._config
        require_torch(f"Running {config.model_name!r}")
        source = resolve_model(config.model_name)
        self._config = config = fitted_to_model(config, source)
        self.context = config.context
        refuse_scorer(source, config.model_name, config.model_revision)
        self.tokens = Tokens.load(source, trust_remote_code=config.trust_remote_code, revision=config.model_revision)
        self.tokens.check_template()
        with explained(f"The model {config.model_name!r}", GeneratorError):
            from transformers import AutoModelForCausalLM

            how = placement(config.dtype, source, revision=config.model_revision) | quantization(config, source)
            how |= at_revision(config.model_revision)
            model = AutoModelForCausalLM.from_pretrained(source, trust_remote_code=config.trust_remote_code, **how)
            self.parameters = count_parameters(model)
            most = _most_tokens(model, config)
            self._decoder = self._made_decoder(model.eval(), most)
            return most

    def _made_decoder(self, model: Any, most: int) -> Decoder:
        """Create the decoder of a model; `most` is how many tokens' keys and values fit into memory."""
        return Decoder(model, self.tokens, best_device(), self._tick)

    def _tick(self) -> bool:
        """Note a new token of every row; return whether the decoder must stop because the generator was closed."""
        progressed(self)
        return self._closed.is_set()

    def _sample(self, requests: list[StepRequest]) -> list[Step]:
        def failed(request: StepRequest, error: Exception) -> Step:
            return Step(
                "",
                (),
                "error",
                request.seed,
                request.sampling.temperature,
                error=error_text(error),
            )

        assert self._decoder is not None, "start() comes first"
        return split_on_failure(self._decoder.sample, requests, failed)

    def _choose(self, requests: list[DecodeRequest]) -> list[Choice]:
        def failed(_: DecodeRequest, error: Exception) -> Choice:
            if isinstance(error, TTScaleError):
                raise error
            raise GeneratorError(f"The model failed: {sentence(error)}") from error

        assert self._decoder is not None, "start() comes first"
        return split_on_failure(self._decoder.choose, requests, failed)


def split_on_failure(
    call: Callable[[list[Item]], list[Result]], items: list[Item], failed: Callable[[Item, Exception], Result]
) -> list[Result]:
    """Call with all items; on failure (out of memory, for example) retry with halves, down to single items.

    Raises:
        EngineDeadError: the device failed, after which CUDA serves no further calls.
    """
    try:
        return call(items)
    except TTScaleError as error:
        return [failed(item, error) for item in items]
    except Exception as error:
        if gpu_failed(error):
            raise EngineDeadError(f"The GPU failed: {sentence(error)}") from error
        if len(items) == 1:
            return [failed(items[0], error)]
    free_memory()  # outside of the handler the tensors of the failed call are no longer referenced
    middle = len(items) // 2
    return split_on_failure(call, items[:middle], failed) + split_on_failure(call, items[middle:], failed)


def error_text(error: Exception) -> str:
    """Return the message of an error."""
    return str(error) if isinstance(error, TTScaleError) else sentence(error)


def _most_tokens(model: Any, config: Config) -> int:
    """Compute how many tokens' keys and values fit into the memory that the configuration grants."""
    import torch

    settings = model.config.get_text_config()
    heads = getattr(settings, "num_key_value_heads", None) or settings.num_attention_heads
    width = getattr(settings, "head_dim", None) or settings.hidden_size // settings.num_attention_heads
    each = 2 * settings.num_hidden_layers * heads * width * model.dtype.itemsize
    room = config.kv_cache_gib * 2**30
    if model.device.type == "cuda":
        free, total = torch.cuda.mem_get_info(model.device)
        room = min(config.gpu_mem_util * total - model.get_memory_footprint(), free)
    if room < each * config.context:
        raise GeneratorError(
            f"After the weights, {max(room, 0) / 2**30:.1f} GiB are left for keys and values, and a single solution of "
            f"max_model_len {config.context} needs {each * config.context / 2**30:.1f} GiB.",
            "Lower --max-model-len, or give more: --gpu-mem-util, on a CPU --kv-cache-gib.",
        )
    return int(room / each)
