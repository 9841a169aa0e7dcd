"""EurusPRM, an implicit PRM: the log-likelihood ratio of a step under a trained model and its reference model.

The reward of a step is `beta` times the sum over its tokens of log p - log p_reference. It is not calibrated: its
sigmoid is close to 0.5, which ranks steps but does not measure how good a step is. Thresholds such as `tau` do not
apply to it; in an ensemble, combine it with "rank-mean".
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
from tt_scale.prm.adapters.base import Checkpoint, ScoringInput
from tt_scale.prm.adapters.lookup import check_knobs, settings_of
from tt_scale.prm.implicit.next_tokens import ModelPair, TokenLogprobs
from tt_scale.prm.implicit.spans import SpanInput, StepSpans

if TYPE_CHECKING:
    from typing_extensions import Self

    from tt_scale.config import Config

__all__ = ["EurusPRM"]

REFERENCE = "Qwen/Qwen2.5-Math-7B-Instruct"
DIGITS = 3
"""Decimals of the log-ratio of a step; in float32, scoring whole and step by step differ by about 1e-5."""

UNSUPPORTED_SETTINGS = ("final_logit_softcapping", "logit_scale", "logits_scaling")
"""Settings of Gemma, Cohere and Granite with which logits are not a linear function of the last hidden state."""


class EurusPRM(PRM):
    """EurusPRM-Stage1 and -Stage2, and any other pair of a trained model and its reference.

    Both models compute each new step once and cache their prefixes; each has half of the PRM's memory. The token counts
    in the tables are those of both models.

    Args:
        config: configuration of the run; uses `prm_name` and the keys that begin with `prm_`, `generator`, `dtype`,
            `kv_cache_gib` and `stop_tokens`.
        reference: model that the PRM was trained from: hub name or local folder.
        reference_revision: branch, tag or commit of the reference on the hub; None is the newest.
        beta: factor of the reward, above 0.
        engine: "vllm" or "huggingface"; "auto" is the generator's engine if it is one of these.

    Raises:
        ConfigError: an argument is out of range, or `tensor_parallel_size` is above 1 on Transformers.
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
            raise ConfigError(f"prm_args: beta is {beta}; it must be above 0.")
        engines = ("auto", *ENGINES)
        if engine not in engines:
            raise ConfigError(
                f"prm_args: engine is {engine!r}; allowed: {', '.join(engines)}.", nearest(engine, engines)
            )
        if engine == "auto":
            engine = resolve_generator(config).engine_beside
        if config.tensor_parallel_size > 1 and engine == "huggingface":
            raise ConfigError(
                f"tensor_parallel_size is {config.tensor_parallel_size}; eurus on Transformers uses one device.",
                "Omit --tensor-parallel-size, or type: --prm-args '{engine: vllm}'",
            )
        self._config = config
        self._reference = reference
        self._revisions = (config.prm_revision, reference_revision)
        self._beta = beta
        self._engine = engine
        self._models: ModelPair | None = None

    @classmethod
    def from_config(cls, config: Config, generator: Generator) -> Self:
        """Create the PRM from a configuration and its `prm_args`; nothing is loaded before `start`."""
        check_knobs(cls.knobs, config.prm_args)
        try:
            return cls(config, **config.prm_args)
        except TypeError as error:
            raise ConfigError(f"prm_args do not fit the PRM: {error}.") from None

    @classmethod
    def weights(cls, config: Config) -> Sequence[Weights]:
        """List the PRM and its reference model; `prm_args` names the reference, and the engine of both."""
        knobs = config.prm_args
        engine = str(knobs.get("engine", cls.engine))
        return (
            Weights(config.prm_name, config.prm_revision, engine),
            Weights(str(knobs.get("reference", REFERENCE)), knobs.get("reference_revision"), engine),
        )

    async def start(self) -> None:
        """Load the tokenizer and both models.

        Raises:
            PRMError: a model is not a causal language model or lacks weights, or the vocabularies differ.
            GeneratorError: vLLM cannot start one of the engines.
            ConfigError: `prm_device` does not exist.
            MissingExtraError: torch, transformers or vLLM is not installed.
        """
        await asyncio.to_thread(self._check_models)
        assert self._models is not None
        await self._models.start()
        self.parameters = sum(self._models.sizes)

    def _check_models(self) -> None:
        """Check that the two models can be compared, before their weights are loaded."""
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
        for name, model_settings in zip(names, settings, strict=True):
            _check_supported(name, model_settings)
        tokens = [
            Tokens.load(source, trust_remote_code=config.trust_remote_code, revision=revision)
            for _, source, revision in models
        ]
        if tokens[0].tokenizer.get_vocab() != tokens[1].tokenizer.get_vocab():
            raise PRMError(
                f"The reference {self._reference!r} has another vocabulary than {config.prm_name!r}; their token "
                "probabilities cannot be compared.",
                "Name the model that the PRM was trained from. Type: --prm-args '{reference: NAME}'",
            )
        self._spans = StepSpans(Checkpoint(config.prm_name, tokens[0], settings[0], config.stop_tokens))
        self._context = min(self.context_of(model_settings, config) for model_settings in settings)
        self._models = self._create_pair(models)

    def _create_pair(self, models: Sequence[tuple[str, str, str | None]]) -> ModelPair:
        if self._engine == "vllm":
            from tt_scale.prm.implicit.eurus_vllm import VLLMModelPair

            return VLLMModelPair(self._config, models, self._context)
        from tt_scale.prm.implicit.eurus_huggingface import TransformersModelPair

        return TransformersModelPair(self._config, models)

    async def close(self) -> None:
        """Release both models; a second call does nothing."""
        if self._models is not None:
            await self._models.close()

    async def score(self, problem: Problem, paths: Sequence[Path]) -> list[Scores]:
        """Score the new steps of each path; a path longer than the context is returned as too long.

        Raises:
            PRMError: the models failed.
            EngineDeadError: the PRM is closed, or an engine or the GPU failed.
        """
        if self._models is None:
            raise EngineDeadError("The PRM is closed.")
        inputs = [self._spans.read(problem, path) for path in paths]
        fitting = [each for each in inputs if len(each.ids) <= self._context]
        # A token is predicted at the position before it.
        targets = [
            ScoringInput(each.ids, tuple(range(each.spans[0][0] - 1, each.spans[-1][1] - 1))) for each in fitting
        ]
        logprobs = await self._models.read(targets)
        scores = iter([self._scores(each, pair) for each, pair in zip(fitting, logprobs, strict=True)])
        return [next(scores) if len(each.ids) <= self._context else Scores((), too_long=True) for each in inputs]

    def _scores(self, spans: SpanInput, pair: tuple[TokenLogprobs, TokenLogprobs]) -> Scores:
        assert self._models is not None
        policy, reference = pair
        ratios = [one - other for one, other in zip(policy.values, reference.values, strict=True)]
        begin = spans.spans[0][0]
        tokens, computed = policy.tokens + reference.tokens, policy.computed + reference.computed
        return Scores(
            tuple([self._score(ratios[first - begin : last - begin]) for first, last in spans.spans]),
            tokens=tokens,
            cached=tokens - computed,
            flops=2.0 * sum([size * each.computed for size, each in zip(self._models.sizes, pair, strict=True)]),
        )

    def _score(self, ratios: Sequence[float]) -> float:
        reward = self._beta * round(math.fsum(ratios), DIGITS)
        value = 0.5 + 0.5 * math.tanh(reward / 2)  # the sigmoid, in a form without overflow
        if not 0.0 <= value <= 1.0:  # also true for NaN
            raise PRMError(f"The PRM gave the score {value}.", "Type: --dtype bfloat16")
        return value


def _check_supported(name: str, settings: Mapping[str, Any]) -> None:
    kinds = settings.get("architectures") or []
    if not any(kind.endswith("ForCausalLM") for kind in kinds):
        raise PRMError(
            f"{name!r} is a {', '.join(kinds) or 'model of unnamed architecture'}; an implicit PRM consists of two "
            "causal language models.",
            "Omit --prm: the backend then follows from the PRM's name or architecture.",
        )
    unsupported = [f"{key} {settings[key]}" for key in UNSUPPORTED_SETTINGS if settings.get(key) not in (None, 1, 1.0)]
    if unsupported:
        raise PRMError(
            f"{name!r} transforms its logits after the last layer ({', '.join(unsupported)}), which the eurus PRM does "
            "not support."
        )
