"""Qwen2.5-Math-PRM on Transformers, without the code that comes with the checkpoint.

That code breaks on newer releases of Transformers; the model is a Qwen2 with a small head, and both are stated here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, ClassVar

from tt_scale.base_classes import PRM, Generator, Problem, Scores
from tt_scale.batching import MicroBatcher
from tt_scale.errors import MissingExtraError, PRMError
from tt_scale.generator.smollm2 import resolve_model
from tt_scale.generator.tokens import Tokens
from tt_scale.path import Path
from tt_scale.prm.qwen_math import QwenMathProtocol, Reading, read_model_config

if TYPE_CHECKING:
    from typing_extensions import Self

    from tt_scale.config import Config

__all__ = ["HuggingFacePRM"]


class HuggingFacePRM(PRM):
    """A checkpoint of the Qwen2.5-Math-PRM architecture on Transformers; whole paths, batched across problems.

    Args:
        config: of the run; read are `prm_name`, `dtype` and `stop_tokens`.
    """

    summary: ClassVar[str] = "Qwen2.5-Math-PRM and its like on Transformers, no remote code"

    def __init__(self, config: Config) -> None:
        self._config = config
        self._model: Any = None
        self._thread = ThreadPoolExecutor(1)  # one call of the model at a time
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
        try:
            import torch
            import transformers  # noqa: F401
        except ImportError as error:
            raise MissingExtraError(error.name or "transformers", "hf", "Scoring with a PRM") from None
        name = resolve_model(config.prm_name)
        context = int(read_model_config(name).get("max_position_embeddings", 4096))
        self._protocol = QwenMathProtocol(Tokens.load(name), config.stop_tokens, context)
        dtype = "auto" if config.dtype == "auto" else getattr(torch, config.dtype)
        model = _load_model(name, dtype)
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._model = model.to(self._device).eval()
        self.parameters = sum([weight.numel() for weight in model.parameters()])

    async def close(self) -> None:
        """Let go of the weights."""
        self._model = None
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def score(self, problem: Problem, paths: Sequence[Path]) -> list[Scores]:
        """Score the new steps of each path; the whole path is read for it."""
        readings = [self._protocol.read(problem, path) for path in paths]
        values = await self._batch.ask(readings)
        return [Scores(each, tokens=len(reading.ids)) for each, reading in zip(values, readings, strict=True)]

    def _forward(self, readings: list[Reading]) -> list[tuple[float, ...]]:
        import torch

        longest = max(len(reading.ids) for reading in readings)
        ids = torch.zeros(len(readings), longest, dtype=torch.long)
        mask = torch.zeros(len(readings), longest, dtype=torch.long)
        for row, reading in enumerate(readings):
            ids[row, : len(reading.ids)] = torch.tensor(reading.ids)
            mask[row, : len(reading.ids)] = 1
        with torch.inference_mode():
            right = self._model(ids.to(self._device), mask.to(self._device)).cpu()  # [paths, length]
        return [tuple(right[row, list(reading.positions)].tolist()) for row, reading in enumerate(readings)]


def _load_model(name: str, dtype: Any) -> Any:
    """Load the base model and its head: linear, ReLU, linear to (wrong, right)."""
    import torch
    from transformers import Qwen2Config, Qwen2Model, Qwen2PreTrainedModel

    class ProcessRewardModel(Qwen2PreTrainedModel):  # type: ignore[misc]
        def __init__(self, config: Any) -> None:
            super().__init__(config)
            self.model = Qwen2Model(config)
            width = config.hidden_size
            self.score = torch.nn.Sequential(
                torch.nn.Linear(width, width), torch.nn.ReLU(), torch.nn.Linear(width, 2)
            )
            self.post_init()

        def forward(self, ids: Any, mask: Any) -> Any:
            """Give the probability of "right" at every position, in float32 [paths, length]."""
            hidden = self.model(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
            return torch.softmax(self.score(hidden).float(), dim=-1)[..., 1]

    settings = Qwen2Config.from_pretrained(name)
    model, loading = ProcessRewardModel.from_pretrained(name, config=settings, dtype=dtype, output_loading_info=True)
    missing = sorted(loading["missing_keys"])
    if missing:
        raise PRMError(
            f"The PRM {name!r} has no weights for {', '.join(missing[:4])}; a PRM of this architecture needs a head "
            "score.0, score.2.",
            "Give a folder with the whole checkpoint.",
        )
    return model
