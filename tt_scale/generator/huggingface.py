"""Transformers as generator: batches of whatever is waiting, a random stream for each request.

Slower than vLLM, but it runs wherever torch does, and in float32 a row does not depend on what shares its batch.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from tt_scale.base_classes import Ended, Step, StepRequest
from tt_scale.batching import MicroBatcher
from tt_scale.errors import ConfigError, GeneratorError, MissingExtraError
from tt_scale.generator.language_model import Choice, LanguageModel
from tt_scale.generator.sampling import draw
from tt_scale.generator.smollm2 import resolve_model
from tt_scale.generator.tokens import Tokens

if TYPE_CHECKING:
    from typing_extensions import Self

    from tt_scale.config import Config

__all__ = ["HuggingFaceGenerator"]


@dataclass(slots=True)
class _Row:
    """A request while it grows."""

    request: StepRequest
    chance: Any
    cached: int
    ids: list[int] = field(default_factory=list)
    ended: Ended | None = None

    def step(self, text: str) -> Step:
        request = self.request
        assert self.ended is not None
        return Step(text, tuple(self.ids), self.ended, request.seed, request.sampling.temperature, self.cached)


class HuggingFaceGenerator(LanguageModel):
    """A causal language model on Transformers.

    Args:
        config: of the run; read are the model's name and how to load it.

    Raises:
        ConfigError: it asks for several GPUs, which is vLLM's business.
    """

    summary: ClassVar[str] = "any causal language model on Transformers, batched; CPU or one GPU"

    def __init__(self, config: Config) -> None:
        if config.tensor_parallel_size > 1:
            raise ConfigError(
                f"tensor_parallel_size is {config.tensor_parallel_size}; the huggingface generator uses one device.",
                "Type: --generator vllm",
            )
        self.context = config.max_model_len
        self._config = config
        self._model: Any = None
        self._thread = ThreadPoolExecutor(1)  # one call of the model at a time
        self._samples: MicroBatcher[StepRequest, Step] = MicroBatcher(
            self._sample,
            self._thread,
            weigh=lambda request: len(request.ids) + request.max_tokens,
            max_weight=65_536,
            max_items=64,
        )
        self._choices: MicroBatcher[tuple[tuple[int, ...], tuple[int, ...]], Choice] = MicroBatcher(
            self._choose, self._thread, weigh=lambda asked: len(asked[0]), max_weight=16_384, max_items=64
        )

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """Make one as a configuration says; nothing is loaded before `start`."""
        return cls(config)

    async def start(self) -> None:
        """Load tokenizer and model.

        Raises:
            GeneratorError: the model cannot be loaded.
            MissingExtraError: torch or transformers is not installed.
        """
        await asyncio.to_thread(self._load)

    async def close(self) -> None:
        """Let go of the weights."""
        self._model = None
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def generate(self, requests: Sequence[StepRequest]) -> list[Step]:
        """Sample one continuation for each request, in the order of the requests."""
        fits = [request for request in requests if len(request.ids) + request.max_tokens <= self.context]
        drawn = iter(await self._samples.ask(fits))
        return [
            next(drawn)
            if len(request.ids) + request.max_tokens <= self.context
            else Step("", (), "context", request.seed, request.sampling.temperature)
            for request in requests
        ]

    async def choose(self, prompts: Sequence[tuple[int, ...]], choices: Sequence[int]) -> list[Choice]:
        """Ask how likely each of several tokens is to come next; see `LanguageModel.choose`."""
        for prompt in prompts:
            if len(prompt) >= self.context:
                raise GeneratorError(f"A prompt has {len(prompt)} tokens; the context holds {self.context}.")
        return await self._choices.ask([(prompt, tuple(choices)) for prompt in prompts])

    def _load(self) -> None:
        config = self._config
        try:
            import torch
            from transformers import AutoModelForCausalLM
        except ImportError as error:
            raise MissingExtraError(error.name or "transformers", "hf", f"Running {config.model_name!r}") from None
        name = resolve_model(config.model_name)
        self.tokens = Tokens.load(name, trust_remote_code=config.trust_remote_code)
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        how: dict[str, Any] = {"dtype": "auto" if config.dtype == "auto" else getattr(torch, config.dtype)}
        how |= _quantization(config, name)
        try:
            model = AutoModelForCausalLM.from_pretrained(name, trust_remote_code=config.trust_remote_code, **how)
        except (OSError, ValueError, ImportError) as error:
            line = str(error).strip().splitlines()[0]
            raise GeneratorError(f"The model {config.model_name!r} cannot be loaded: {line}") from error
        self.parameters = sum([weight.numel() for weight in model.parameters()])
        self._model = model.eval() if "quantization_config" in how else model.to(self._device).eval()

    def _sample(self, requests: list[StepRequest]) -> list[Step]:
        """Grow a batch to its end; rows that are done leave it."""
        import torch

        with torch.inference_mode():
            rows, logits, cache, mask = self._read(requests)
            growing = rows
            while growing:
                for row, scores in zip(growing, logits, strict=True):
                    self._extend(row, scores)
                kept = [place for place, row in enumerate(growing) if row.ended is None]
                if len(kept) < len(growing):
                    growing = [growing[place] for place in kept]
                    if not growing:
                        break
                    places = torch.tensor(kept, device=self._device)
                    cache.reorder_cache(places)
                    mask = mask.index_select(0, places)
                mask = torch.cat([mask, mask.new_ones(len(growing), 1)], dim=1)
                newest = torch.tensor([[row.ids[-1]] for row in growing], device=self._device)
                places = mask.sum(dim=1, keepdim=True) - 1
                out = self._model(
                    input_ids=newest, attention_mask=mask, position_ids=places, past_key_values=cache, use_cache=True
                )
                logits = out.logits[:, -1]
        return [row.step("".join(self.pieces(row.ids))) for row in rows]

    def _read(self, requests: list[StepRequest]) -> tuple[list[_Row], Any, Any, Any]:
        """Read each distinct prompt once and give every request its copy of the cache: siblings share the work."""
        import torch

        distinct = list(dict.fromkeys([request.ids for request in requests]))
        logits, cache, mask = self._prefill(distinct, use_cache=True)
        places = [distinct.index(request.ids) for request in requests]
        rows = [
            _Row(
                request,
                torch.Generator().manual_seed(request.seed),
                cached=len(request.ids) if place in places[:number] else 0,
            )
            for number, (request, place) in enumerate(zip(requests, places, strict=True))
        ]
        chosen = torch.tensor(places, device=self._device)
        cache.reorder_cache(chosen)
        return rows, logits.index_select(0, chosen), cache, mask.index_select(0, chosen)

    def _prefill(self, prompts: Sequence[tuple[int, ...]], *, use_cache: bool) -> tuple[Any, Any, Any]:
        """Read prompts, padded on the left: logits of the next token [prompts, vocabulary], cache, mask."""
        import torch

        longest = max(len(prompt) for prompt in prompts)
        ids = torch.zeros(len(prompts), longest, dtype=torch.long)
        mask = torch.zeros(len(prompts), longest, dtype=torch.long)
        for row, prompt in enumerate(prompts):
            ids[row, longest - len(prompt) :] = torch.tensor(prompt)
            mask[row, longest - len(prompt) :] = 1
        ids, mask = ids.to(self._device), mask.to(self._device)
        places = (mask.cumsum(dim=1) - 1).clamp(min=0)
        out = self._model(input_ids=ids, attention_mask=mask, position_ids=places, use_cache=use_cache)
        return out.logits[:, -1], out.past_key_values, mask

    def _extend(self, row: _Row, logits: Any) -> None:
        request = row.request
        seen = (*request.ids, *row.ids) if request.sampling.repetition_penalty != 1 else ()
        token = draw(logits, request.sampling, seen, row.chance)
        row.ids.append(token)
        if token in self.tokens.eos_ids:
            row.ended = "eos"
        elif request.stop and self._completes(row.ids, request.stop):
            row.ended = "stop"
        elif len(row.ids) >= request.max_tokens:
            row.ended = "length"

    def _completes(self, ids: list[int], stop: Sequence[str]) -> bool:
        """Whether the newest token completes a delimiter; only the tail that can hold one is decoded."""
        tail = max(len(delimiter) for delimiter in stop) + 4
        text = "".join(self.pieces(ids[-tail:]))
        return any(delimiter in text for delimiter in stop)

    def _choose(self, asked: list[tuple[tuple[int, ...], tuple[int, ...]]]) -> list[Choice]:
        import torch

        with torch.inference_mode():
            logits, _, _ = self._prefill([prompt for prompt, _ in asked], use_cache=False)
            logprobs = torch.log_softmax(logits.float(), dim=-1).cpu()
        return [Choice(tuple(row[list(choices)].tolist())) for row, (_, choices) in zip(logprobs, asked, strict=True)]


def _quantization(config: Config, name: str) -> dict[str, Any]:
    """Say how to quantize, or check that the checkpoint is what the configuration says; never silently neither.

    Raises:
        ConfigError: the quantization asked for cannot be had here.
    """
    if config.quantization is None:
        return {}
    import torch

    if config.quantization == "bitsandbytes":
        from importlib.util import find_spec

        if not torch.cuda.is_available():
            raise ConfigError("quantization is 'bitsandbytes', which needs a CUDA device; there is none.")
        if find_spec("bitsandbytes") is None:
            raise ConfigError("quantization is 'bitsandbytes', which is not installed.", "pip install bitsandbytes")
        from transformers import BitsAndBytesConfig

        how = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_compute_dtype=torch.float16, bnb_4bit_quant_type="nf4")
        return {"quantization_config": how, "device_map": {"": 0}}
    from transformers import AutoConfig

    found = getattr(AutoConfig.from_pretrained(name), "quantization_config", None) or {}
    method = str(found.get("quant_method", "")) if isinstance(found, dict) else str(found.quant_method)
    if not method or not config.quantization.startswith(method):
        raise ConfigError(
            f"quantization is {config.quantization!r}, but the weights of {config.model_name!r} are "
            f"{'quantized by ' + method if method else 'not quantized'}.",
            "Name such a checkpoint as --model-name, or use --quantization bitsandbytes on a GPU.",
        )
    return {}
