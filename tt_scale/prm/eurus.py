"""EurusPRM, an implicit PRM: how much likelier a trained model finds a step than the model that it was trained from.

The reward of a step is `beta` times the sum, over its tokens, of log p - log p of the reference. It is not calibrated:
its sigmoid lies near 0.5 and says which of several steps is better, never how good one is. A threshold such as `tau`
means nothing to it; in an ensemble it belongs under "rank-mean".
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from tt_scale.base_classes import PRM, Generator, Problem, Scores
from tt_scale.batching import MicroBatcher, model_thread
from tt_scale.errors import ConfigError, EngineDeadError, PRMError
from tt_scale.generator.quantization import quantization
from tt_scale.generator.tokens import Tokens
from tt_scale.model_names import resolve_model
from tt_scale.path import Path
from tt_scale.prm.adapter import Checkpoint, Reading
from tt_scale.prm.finding import check_knobs, context_of, settings_of
from tt_scale.prm.heads import load_causal
from tt_scale.prm.reader import MOST_READ, Reader, Verdicts, most_held
from tt_scale.prm.spans import SpanReading, StepSpans
from tt_scale.vllm_reason import sentence
from tt_scale.weights import explained, free_memory, placement, require_torch

if TYPE_CHECKING:
    from typing_extensions import Self

    from tt_scale.config import Config

__all__ = ["REFERENCE", "EurusPRM"]

REFERENCE = "Qwen/Qwen2.5-Math-7B-Instruct"
MOST_ROWS = 512
"""Rows of logits that are made at a time: those of a whole path over a whole vocabulary take gibibytes."""


class EurusPRM(PRM):
    """EurusPRM-Stage1 and -Stage2, and any two models that an implicit PRM is made of; on Transformers.

    Both models read each new step once and keep what they read before, in half of the PRM's memory each. Its tokens in
    the tables are those given to both.

    Args:
        config: of the run; read are `prm_name` and the keys that begin with `prm_`, `dtype`, `kv_cache_gib` and
            `stop_tokens`.
        reference: the model that the PRM was trained from: hub name or local folder.
        beta: factor of the reward, above 0.

    Raises:
        ConfigError: a knob out of range, or it asks for several GPUs.
    """

    summary: ClassVar[str] = "EurusPRM, two models: log p - log p_ref of each step; for ranking only, uncalibrated"
    source: ClassVar[str] = "Yuan et al. 2024, arXiv 2412.01981; code of PRIME-RL/EurusPRM-Stage2"
    knobs: ClassVar[tuple[str, ...]] = ("reference", "beta")

    def __init__(self, config: Config, *, reference: str = REFERENCE, beta: float = 0.001) -> None:
        if beta <= 0:
            raise ConfigError(f"prm_args: beta is {beta}; it is above 0.")
        if config.tensor_parallel_size > 1:
            raise ConfigError(
                f"tensor_parallel_size is {config.tensor_parallel_size}; the eurus PRM uses one device.",
                "Leave out --tensor-parallel-size, or take another PRM.",
            )
        self._config = config
        self._reference = reference
        self._beta = beta
        self._readers: list[Reader] = []
        self._sizes: list[int] = []
        self._thread = model_thread("eurus-prm")  # one call of the models at a time
        self._batch: MicroBatcher[SpanReading, Scores] = MicroBatcher(
            self._rewards, self._thread, weigh=lambda reading: len(reading.ids), max_weight=MOST_READ, max_items=64
        )

    @classmethod
    def from_config(cls, config: Config, generator: Generator) -> Self:
        """Make one as a configuration says, with the knobs in `prm_args`; nothing is loaded before `start`."""
        check_knobs(cls.knobs, config.prm_args)
        try:
            return cls(config, **config.prm_args)
        except TypeError as error:
            raise ConfigError(f"prm_args do not fit the PRM: {error}.") from None

    async def start(self) -> None:
        """Load tokenizer and both models.

        Raises:
            PRMError: one of them is no causal language model or lacks weights, or their vocabularies differ.
            MissingExtraError: torch or transformers is not installed.
        """
        await asyncio.to_thread(self._load)

    def _load(self) -> None:
        config, name = self._config, self._config.prm_name
        require_torch(f"Scoring with {name!r}")
        sources = [resolve_model(name), resolve_model(self._reference)]
        if sources[0] == sources[1]:
            raise PRMError(
                f"{name!r} is its own reference, so every reward would be 0.",
                "Name the model that it was trained from. Type: --prm-args '{reference: NAME}'",
            )
        settings = [settings_of(each, source) for each, source in zip((name, self._reference), sources, strict=True)]
        for each, found in zip((name, self._reference), settings, strict=True):
            _refuse_scorer(each, found.get("architectures") or [])
        tokens = [Tokens.load(source, trust_remote_code=config.trust_remote_code) for source in sources]
        if tokens[0].tokenizer.get_vocab() != tokens[1].tokenizer.get_vocab():
            raise PRMError(
                f"The reference {self._reference!r} has another vocabulary than {name!r}; their probabilities of a "
                "token cannot be compared.",
                "Name the model that the PRM was trained from. Type: --prm-args '{reference: NAME}'",
            )
        self._spans = StepSpans(Checkpoint(name, tokens[0], settings[0], config.stop_tokens))
        self._context = min(context_of(found, config) for found in settings)
        half = config.model_copy(update={"prm_gpu_mem_util": config.prm_gpu_mem_util / 2})
        for each, source in zip((name, self._reference), sources, strict=True):
            with explained(f"The PRM {each!r}", PRMError):
                how = placement(config.dtype, config.prm_device) | quantization(config, source, prm=True)
                model = load_causal(each, source, how)
                self._readers.append(Reader(_NextTokens(model), most_held(model.base_model, half)))
            self._sizes.append(int(model.num_parameters()))
        self.parameters = sum(self._sizes)

    async def close(self) -> None:
        """Let go of the weights; a second call does nothing."""
        await asyncio.to_thread(self._thread.shutdown, cancel_futures=True)
        if self._readers:
            self._readers = []
            await asyncio.to_thread(free_memory)

    async def score(self, problem: Problem, paths: Sequence[Path]) -> list[Scores]:
        """Score the new steps of each path; one that does not fit into the context is said to be too long.

        Raises:
            PRMError: the models failed.
            EngineDeadError: the PRM is closed, or the GPU failed.
        """
        if not self._readers:
            raise EngineDeadError("The PRM is closed.")
        readings = [self._spans.read(problem, path) for path in paths]
        fitting = [reading for reading in readings if len(reading.ids) <= self._context]
        answers = iter(await self._batch.ask(fitting))
        return [
            next(answers) if len(reading.ids) <= self._context else Scores((), too_long=True) for reading in readings
        ]

    def _rewards(self, readings: list[SpanReading]) -> list[Scores]:
        # A token is predicted at the one before it.
        wanted = [Reading(each.ids, tuple(range(each.spans[0][0] - 1, each.spans[-1][1] - 1))) for each in readings]
        try:
            found = [reader.read(wanted) for reader in self._readers]
        except RuntimeError as error:
            for reader in self._readers:
                reader.forget()  # for want of memory, say
            if "CUDA error" in str(error):
                raise EngineDeadError(f"The GPU failed: {sentence(error)}") from error
            raise PRMError(f"The PRM failed to read {len(readings)} paths: {sentence(error)}") from error
        return [self._scores(reading, both) for reading, both in zip(readings, zip(*found, strict=True), strict=True)]

    def _scores(self, reading: SpanReading, both: Sequence[Verdicts]) -> Scores:
        ratios = [own - reference for own, reference in zip(*[each.values for each in both], strict=True)]
        begin = reading.spans[0][0]
        computed = [each.computed for each in both]
        return Scores(
            tuple([self._score(ratios[first - begin : last - begin]) for first, last in reading.spans]),
            tokens=2 * len(reading.ids),
            cached=2 * len(reading.ids) - sum(computed),
            flops=2.0 * sum([size * tokens for size, tokens in zip(self._sizes, computed, strict=True)]),
        )

    def _score(self, ratios: Sequence[float]) -> float:
        reward = self._beta * math.fsum(ratios)
        value = 0.5 + 0.5 * math.tanh(reward / 2)  # the sigmoid, which has no overflow in this form
        if not 0.0 <= value <= 1.0:  # a number that is none fails here too
            raise PRMError(f"The PRM gave the score {value}.", "Type: --dtype bfloat16")
        return value


class _NextTokens:
    """Reads the log-probability of the token behind each position, in float32."""

    def __init__(self, model: Any) -> None:
        self.base = model.base_model
        self._head = model.get_output_embeddings()

    def values(self, hidden: Any, reading: Reading) -> Any:
        """Give log-probabilities [positions]; see `reader.Readout`."""
        import torch

        ids = [reading.ids[place + 1] for place in reading.positions]
        following = torch.tensor(ids, dtype=torch.long, device=hidden.device)
        found = [
            self._head(states).float().log_softmax(-1).gather(-1, wanted[:, None])[:, 0]
            for states, wanted in zip(hidden.split(MOST_ROWS), following.split(MOST_ROWS), strict=True)
        ]
        return torch.cat(found)


def _refuse_scorer(name: str, kinds: Sequence[str]) -> None:
    if not any(kind.endswith("ForCausalLM") for kind in kinds):
        raise PRMError(
            f"{name!r} is a {', '.join(kinds) or 'model that does not say what it is'}; an implicit PRM is made of two "
            "causal language models.",
            "Leave out --prm, so that the PRM is asked as its name or architecture says.",
        )
