"""EurusPRM, an implicit PRM: how much likelier a trained model finds a step than the model that it was trained from.

The reward of a step is `beta` times the sum, over its tokens, of log p - log p of the reference. It is not calibrated:
its sigmoid lies near 0.5 and says which of several steps is better, never how good one is. A threshold such as `tau`
means nothing to it; in an ensemble it belongs under "rank-mean".
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from tt_scale.backends import ENGINES, resolve_generator
from tt_scale.base_classes import PRM, Generator
from tt_scale.core.path import Path
from tt_scale.core.records import Problem, Scores, Weights
from tt_scale.engines.model_names import resolve_model
from tt_scale.engines.transformers.loading import require_torch
from tt_scale.errors import ConfigError, EngineDeadError, PRMError, nearest
from tt_scale.generator.tokens import Tokens
from tt_scale.prm.adapters.base import Checkpoint, Reading
from tt_scale.prm.adapters.lookup import check_knobs, settings_of
from tt_scale.prm.implicit.next_tokens import Following, TwoModels
from tt_scale.prm.implicit.spans import SpanReading, StepSpans

if TYPE_CHECKING:
    from typing_extensions import Self

    from tt_scale.config import Config

__all__ = ["EurusPRM"]

REFERENCE = "Qwen/Qwen2.5-Math-7B-Instruct"
DIGITS = 3
"""Decimals of the log-ratio of a step; read whole and step by step, in float32, it differs by about 1e-5."""

BENT = ("final_logit_softcapping", "logit_scale", "logits_scaling")
"""Settings of Gemma, Cohere and Granite by which logits are more than a linear layer of the last hidden state."""


class EurusPRM(PRM):
    """EurusPRM-Stage1 and -Stage2, and any two models that an implicit PRM is made of.

    Both models read each new step once and keep what they read before, in half of the PRM's memory each. Its tokens in
    the tables are those given to both.

    Args:
        config: of the run; read are `prm_name` and the keys that begin with `prm_`, `generator`, `dtype`,
            `kv_cache_gib` and `stop_tokens`.
        reference: the model that the PRM was trained from: hub name or local folder.
        reference_revision: branch, tag or commit of it on the hub; None is the newest.
        beta: factor of the reward, above 0.
        engine: "vllm" or "huggingface"; "auto" is the generator's, as far as it is one of them.

    Raises:
        ConfigError: a knob out of range, or it asks Transformers for several GPUs.
    """

    summary: ClassVar[str] = "EurusPRM, two models: log p - log p_ref of each step; for ranking only, uncalibrated"
    source: ClassVar[str] = "Yuan et al. 2024, arXiv 2412.01981; code of PRIME-RL/EurusPRM-Stage2"
    names: ClassVar[tuple[str, ...]] = ("eurusprm",)
    engine: ClassVar[str] = "auto"
    config_keys: ClassVar[frozenset[str]] = PRM.config_keys - {"prm_adapter"}
    uses_generator: ClassVar[bool] = False
    knobs: ClassVar[tuple[str, ...]] = ("reference", "reference_revision", "beta", "engine")

    def __init__(
        self,
        config: Config,
        *,
        reference: str = REFERENCE,
        reference_revision: str | None = None,
        beta: float = 0.001,
        engine: str = "auto",
    ) -> None:
        if beta <= 0:
            raise ConfigError(f"prm_args: beta is {beta}; it is above 0.")
        known = ("auto", *ENGINES)
        if engine not in known:
            raise ConfigError(
                f"prm_args: engine is {engine!r}; it is one of {', '.join(known)}.", nearest(engine, known)
            )
        if engine == "auto":
            engine = resolve_generator(config).engine_beside
        if config.tensor_parallel_size > 1 and engine == "huggingface":
            raise ConfigError(
                f"tensor_parallel_size is {config.tensor_parallel_size}; eurus on Transformers uses one device.",
                "Leave out --tensor-parallel-size, or type: --prm-args '{engine: vllm}'",
            )
        self._config = config
        self._reference = reference
        self._revisions = (config.prm_revision, reference_revision)
        self._beta = beta
        self._engine = engine
        self._models: TwoModels | None = None

    @classmethod
    def from_config(cls, config: Config, generator: Generator) -> Self:
        """Make one as a configuration says, with the knobs in `prm_args`; nothing is loaded before `start`."""
        check_knobs(cls.knobs, config.prm_args)
        try:
            return cls(config, **config.prm_args)
        except TypeError as error:
            raise ConfigError(f"prm_args do not fit the PRM: {error}.") from None

    @classmethod
    def weights(cls, config: Config) -> Sequence[Weights]:
        """The PRM and the model that it was trained from; `prm_args` names the second one, and the engine of both."""
        knobs = config.prm_args
        engine = str(knobs.get("engine", cls.engine))
        return (
            Weights(config.prm_name, config.prm_revision, engine),
            Weights(str(knobs.get("reference", REFERENCE)), knobs.get("reference_revision"), engine),
        )

    async def start(self) -> None:
        """Load tokenizer and both models.

        Raises:
            PRMError: one of them is no causal language model or lacks weights, or their vocabularies differ.
            GeneratorError: vLLM cannot start one of them.
            ConfigError: there is no such device.
            MissingExtraError: torch, transformers or vLLM is not installed.
        """
        await asyncio.to_thread(self._read_up)
        assert self._models is not None
        await self._models.start()
        self.parameters = sum(self._models.sizes)

    def _read_up(self) -> None:
        """Make sure that the two belong together, before anything large is loaded."""
        config, names = self._config, (self._config.prm_name, self._reference)
        require_torch(f"Scoring with {config.prm_name!r}")
        sources = [resolve_model(name) for name in names]
        if sources[0] == sources[1]:
            raise PRMError(
                f"{config.prm_name!r} is its own reference, so every reward would be 0.",
                "Name the model that it was trained from. Type: --prm-args '{reference: NAME}'",
            )
        models = list(zip(names, sources, self._revisions, strict=True))
        settings = [settings_of(*model) for model in models]
        for name, found in zip(names, settings, strict=True):
            _refuse_others(name, found)
        tokens = [
            Tokens.load(source, trust_remote_code=config.trust_remote_code, revision=revision)
            for _, source, revision in models
        ]
        if tokens[0].tokenizer.get_vocab() != tokens[1].tokenizer.get_vocab():
            raise PRMError(
                f"The reference {self._reference!r} has another vocabulary than {config.prm_name!r}; their "
                "probabilities of a token cannot be compared.",
                "Name the model that the PRM was trained from. Type: --prm-args '{reference: NAME}'",
            )
        self._spans = StepSpans(Checkpoint(config.prm_name, tokens[0], settings[0], config.stop_tokens))
        self._context = min(self.context_of(found, config) for found in settings)
        self._models = self._made(models)

    def _made(self, models: Sequence[tuple[str, str, str | None]]) -> TwoModels:
        if self._engine == "vllm":
            from tt_scale.prm.implicit.eurus_vllm import TwoOnVLLM

            return TwoOnVLLM(self._config, models, self._context)
        from tt_scale.prm.implicit.eurus_huggingface import TwoOnTransformers

        return TwoOnTransformers(self._config, models)

    async def close(self) -> None:
        """Let go of both models; a second call does nothing."""
        if self._models is not None:
            await self._models.close()

    async def score(self, problem: Problem, paths: Sequence[Path]) -> list[Scores]:
        """Score the new steps of each path; one that does not fit into the context is said to be too long.

        Raises:
            PRMError: the models failed.
            EngineDeadError: the PRM is closed, or an engine or the GPU failed.
        """
        if self._models is None:
            raise EngineDeadError("The PRM is closed.")
        readings = [self._spans.read(problem, path) for path in paths]
        fitting = [reading for reading in readings if len(reading.ids) <= self._context]
        # A token is predicted at the one before it.
        wanted = [Reading(each.ids, tuple(range(each.spans[0][0] - 1, each.spans[-1][1] - 1))) for each in fitting]
        said = await self._models.read(wanted)
        answers = iter([self._scores(reading, both) for reading, both in zip(fitting, said, strict=True)])
        return [
            next(answers) if len(reading.ids) <= self._context else Scores((), too_long=True) for reading in readings
        ]

    def _scores(self, reading: SpanReading, both: tuple[Following, Following]) -> Scores:
        assert self._models is not None
        own, reference = both
        ratios = [one - other for one, other in zip(own.values, reference.values, strict=True)]
        begin = reading.spans[0][0]
        tokens, computed = own.tokens + reference.tokens, own.computed + reference.computed
        read = zip(self._models.sizes, both, strict=True)
        return Scores(
            tuple([self._score(ratios[first - begin : last - begin]) for first, last in reading.spans]),
            tokens=tokens,
            cached=tokens - computed,
            flops=2.0 * sum([size * each.computed for size, each in read]),
        )

    def _score(self, ratios: Sequence[float]) -> float:
        reward = self._beta * round(math.fsum(ratios), DIGITS)
        value = 0.5 + 0.5 * math.tanh(reward / 2)  # the sigmoid, which has no overflow in this form
        if not 0.0 <= value <= 1.0:  # a number that is none fails here too
            raise PRMError(f"The PRM gave the score {value}.", "Type: --dtype bfloat16")
        return value


def _refuse_others(name: str, settings: Mapping[str, Any]) -> None:
    kinds = settings.get("architectures") or []
    if not any(kind.endswith("ForCausalLM") for kind in kinds):
        raise PRMError(
            f"{name!r} is a {', '.join(kinds) or 'model that does not say what it is'}; an implicit PRM is made of two "
            "causal language models.",
            "Leave out --prm, so that the PRM is asked as its name or architecture says.",
        )
    bent = [f"{key} {settings[key]}" for key in BENT if settings.get(key) not in (None, 1, 1.0)]
    if bent:
        raise PRMError(
            f"{name!r} changes its logits after the last layer ({', '.join(bent)}), which the eurus PRM does not read."
        )
