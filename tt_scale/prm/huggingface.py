"""Qwen2.5-Math-PRM on Transformers, without the code that comes with the checkpoint.

That code breaks on newer releases of Transformers; the model is a Qwen2 with a small head, and both are stated here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, ClassVar

from tt_scale.base_classes import PRM, Generator, Problem, Scores
from tt_scale.batching import MicroBatcher
from tt_scale.errors import ConfigError, EngineDeadError, PRMError
from tt_scale.generator.tokens import Tokens
from tt_scale.model_names import resolve_model
from tt_scale.path import Path
from tt_scale.prm.qwen_math import ARCHITECTURE, QwenMathProtocol, Reading, context_of, read_model_config
from tt_scale.vllm_reason import sentence
from tt_scale.weights import best_device, count_parameters, explained, free_memory, placement, require_torch

if TYPE_CHECKING:
    from typing_extensions import Self

    from tt_scale.config import Config

__all__ = ["HuggingFacePRM"]


class HuggingFacePRM(PRM):
    """A checkpoint of the Qwen2.5-Math-PRM architecture on Transformers; whole paths, batched across problems.

    Args:
        config: of the run; read are `prm_name`, `dtype` and `stop_tokens`.

    Raises:
        ConfigError: it asks for several GPUs, which is vLLM's business.
    """

    summary: ClassVar[str] = "Qwen2.5-Math-PRM and its like on Transformers, no remote code"

    def __init__(self, config: Config) -> None:
        if config.tensor_parallel_size > 1:
            raise ConfigError(
                f"tensor_parallel_size is {config.tensor_parallel_size}; the huggingface PRM uses one device.",
                "Type: --prm vllm",
            )
        self._config = config
        self._model: Any = None
        self._thread = ThreadPoolExecutor(1, "huggingface-prm")  # one call of the model at a time
        self._batch: MicroBatcher[Reading, tuple[float, ...]] = MicroBatcher(
            self._forward, self._thread, weigh=lambda reading: len(reading.ids), max_weight=16_384, max_items=64
        )

    @classmethod
    def from_config(cls, config: Config, generator: Generator) -> Self:
        """Make one as a configuration says; nothing is loaded before `start`."""
        return cls(config)

    async def start(self) -> None:
        """Load tokenizer and weights.

        Raises:
            PRMError: the folder holds another model, or no weights for the head.
            MissingExtraError: torch or transformers is not installed.
        """
        await asyncio.to_thread(self._load)

    def _load(self) -> None:
        config = self._config
        require_torch(f"Scoring with {config.prm_name!r}")
        name = resolve_model(config.prm_name)
        context = context_of(read_model_config(name, config.prm_name))
        self._protocol = QwenMathProtocol(Tokens.load(name), config.stop_tokens, context)
        with explained(f"The PRM {config.prm_name!r}", PRMError):
            model = _load_model(name, placement(config.dtype))
        self.parameters = count_parameters(model)
        self._device = best_device()
        self._model = model

    async def close(self) -> None:
        """Let go of the weights; a second call does nothing."""
        await asyncio.to_thread(self._thread.shutdown, cancel_futures=True)
        if self._model is not None:
            self._model = None
            await asyncio.to_thread(free_memory)

    async def score(self, problem: Problem, paths: Sequence[Path]) -> list[Scores]:
        """Score the new steps of each path; the whole path is read for it.

        Raises:
            PRMError: a path is too long, the model failed, or what it gave is no probability.
            EngineDeadError: the device failed for good, or the PRM is closed.
        """
        if self._model is None:
            raise EngineDeadError("The PRM is closed.")
        readings = [self._protocol.read(problem, path) for path in paths]
        values = await self._batch.ask(readings)
        return [
            Scores(reading.checked(each), tokens=len(reading.ids))
            for each, reading in zip(values, readings, strict=True)
        ]

    def _forward(self, readings: list[Reading]) -> list[tuple[float, ...]]:
        """Read a batch, padded on the right, where causal attention makes padding invisible."""
        import torch

        longest = max(len(reading.ids) for reading in readings)
        padding = [longest - len(reading.ids) for reading in readings]
        ids = [[*reading.ids, *[0] * more] for reading, more in zip(readings, padding, strict=True)]
        mask = [[1] * len(reading.ids) + [0] * more for reading, more in zip(readings, padding, strict=True)]
        try:
            with torch.inference_mode():
                right = self._model(
                    torch.tensor(ids, device=self._device), torch.tensor(mask, device=self._device)
                ).cpu()  # [paths, length]
        except RuntimeError as error:
            if "CUDA error" in str(error):
                raise EngineDeadError(f"The GPU failed: {sentence(error)}") from error
            raise PRMError(
                f"The PRM failed to read {len(ids)} paths of up to {longest} tokens: {sentence(error)}"
            ) from error
        return [tuple(right[row, list(reading.positions)].tolist()) for row, reading in enumerate(readings)]


def _load_model(name: str, how: dict[str, Any]) -> Any:
    """Load the base model and its head: linear, ReLU, linear to (wrong, right).

    The head computes in float32, as it does in vLLM.
    """
    import torch
    from transformers import Qwen2Config, Qwen2Model, Qwen2PreTrainedModel

    class ProcessRewardModel(Qwen2PreTrainedModel):  # type: ignore[misc]
        def __init__(self, config: Any) -> None:
            super().__init__(config)
            self.model = Qwen2Model(config)
            width = config.hidden_size
            self.score = torch.nn.Sequential(torch.nn.Linear(width, width), torch.nn.ReLU(), torch.nn.Linear(width, 2))
            self.post_init()

        def forward(self, ids: Any, mask: Any) -> Any:
            """Give the probability of "right" at every position, in float32 [paths, length]."""
            hidden = self.model(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
            return torch.softmax(self.score(hidden.float()), dim=-1)[..., 1]

    settings = Qwen2Config.from_pretrained(name)
    model, loading = ProcessRewardModel.from_pretrained(name, config=settings, output_loading_info=True, **how)
    _check_complete(name, loading["missing_keys"], loading["unexpected_keys"])
    model.score.float()
    return model.eval()


def _check_complete(name: str, missing: Collection[str], unexpected: Collection[str]) -> None:
    """A head of random numbers scores noise."""
    if missing:
        besides = f"; it holds besides: {', '.join(sorted(unexpected)[:4])}" if unexpected else ""
        raise PRMError(
            f"The PRM {name!r} has no weights for {', '.join(sorted(missing)[:4])}. A {ARCHITECTURE} needs those of "
            f"model.*, score.0 and score.2{besides}.",
            "Give a folder with the whole checkpoint.",
        )
