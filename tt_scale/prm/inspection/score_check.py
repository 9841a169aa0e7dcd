"""Scores of one worked example, whole and step by step, compared across engines."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from tt_scale.backends import ENGINES, installed_engines, resolve
from tt_scale.base_classes import PRM, Generator
from tt_scale.config import Config
from tt_scale.core.path import Path
from tt_scale.core.records import Problem, Scores
from tt_scale.engines.dtypes import TYPES, check_dtype, engine_device, slow_dtype
from tt_scale.engines.model_dtypes import generator_dtype, prm_dtypes
from tt_scale.errors import ConfigError, PRMError
from tt_scale.prm.inspection.example import Example, path_of
from tt_scale.registry import available, family_backend, generator_class, is_own_name, prm_class

__all__ = [
    "Agreement",
    "EngineScores",
    "agreement",
    "comparable",
    "engines",
    "judges",
    "measure",
    "score_remarks",
    "slow_dtypes",
    "tolerance",
]


@runtime_checkable
class AsksInWords(Protocol):
    """A PRM that asks a language model in words instead of scoring token positions."""

    def asked(self, problem: Problem, path: Path) -> Sequence[str]:
        """Return the prompts for the unscored steps of a path."""


@dataclass(frozen=True, slots=True)
class EngineScores:
    """Scores of the example on one engine.

    Attributes:
        engine: name of the backend.
        whole: scores of each solution, all steps in one call [solutions][steps].
        by_step: scores of each solution, one call for each step [solutions][steps].
        tokens: input tokens of `by_step`.
        cached: how many of them came from a cache.
        prompts: prompts for the last step, if the PRM asks in words.
    """

    engine: str
    whole: tuple[tuple[float, ...], ...]
    by_step: tuple[tuple[float, ...], ...]
    tokens: int = 0
    cached: int = 0
    prompts: tuple[str, ...] = ()


def comparable(config: Config) -> Config:
    """Set the dtype to float32, so that rounding hides no difference, unless one is set or the weights are quantized.

    A dtype that depends on the device is resolved once, so that all engines compute in the same one.
    """
    if config.dtype is None and not config.prm_quantization:
        return config.model_copy(update={"dtype": "float32"})
    if config.dtype in TYPES:
        return config
    models = resolve(config)
    dtypes = [generator_dtype(models)] if judges(config) else prm_dtypes(models)
    return config.model_copy(update={"dtype": dtypes[0]}) if dtypes else config


def tolerance(config: Config) -> float:
    """Return the largest difference of two scores that is attributed to rounding."""
    return 1e-4 if config.dtype == "float32" and not config.prm_quantization else 0.02


def engines(config: Config) -> list[str]:
    """The backends to check: the configured one, or every installed one.

    Raises:
        ConfigError: there is no PRM with a model, there are several, it scores no token positions, or no engine is
            installed.
    """
    if len(config.prm_names) > 1:
        raise ConfigError(f"prm-check checks one PRM; {config.prm_name!r} names several.", "Name one at a time.")
    own = _family(config)
    if own and config.prm in ("auto", own) and config.prm_adapter == "auto":
        raise ConfigError(
            f"The PRM {config.prm_name!r} runs on the backend {own!r}, which does not score at token positions of its "
            "input, so there is no layout to check.",
            "Measure it with tt-scale prm-eval.",
        )
    if config.prm_name in ("none", "") or set(_named(config)) - {_judge(config)}:
        raise ConfigError(f"There is no model behind the PRM {config.prm_name!r}.", "Name one, for example: pocket-prm")
    if judges(config):
        _refuse_worlds(config)
    asked = config.generator if judges(config) and config.prm in ("auto", _judge(config)) else config.prm
    if asked != "auto":
        _backend_class(config, asked)  # rejects unknown names
        return [asked]
    installed = installed_engines()
    if not installed:
        resolve(config)  # raises an error that names what to install
    return installed


def _backend_class(config: Config, engine: str) -> type[Generator] | type[PRM]:
    """Class of one of `engines`: a generator for a judge, otherwise a PRM."""
    return generator_class(engine) if judges(config) else prm_class(engine)


def judges(config: Config) -> bool:
    """Return whether the PRM asks a generator."""
    return bool(_judge(config))


def _judge(config: Config) -> str:
    """The configured backend that prompts a language model; empty if there is none."""
    return next((name for name in _named(config) if prm_class(name).engine == "generator"), "")


def _named(config: Config) -> list[str]:
    """Names in `prm` and `prm_name` of backends without a model of their own."""
    return [name for name in (config.prm, config.prm_name) if is_own_name("prms", name)]


def _family(config: Config) -> str:
    """The special backend of the PRM's family; empty if an adapter reads its scores."""
    given = config.prm in available("prms") and prm_class(config.prm).names
    return config.prm if given else family_backend(config.prm_name)


def _refuse_worlds(config: Config) -> None:
    for name in (config.model_name, config.generator):
        if is_own_name("generators", name):
            raise ConfigError(f"The judge needs a language model; {name!r} is not one.", "Name another model.")


async def measure(config: Config, engine: str, example: Example) -> EngineScores:
    """Start an engine, score both solutions whole and step by step, and close it.

    Raises:
        TTScaleError: the engine cannot be started, or the model failed.
    """
    async with _opened(config, engine) as prm:
        problem, stops = example.problem, config.stop_tokens
        paths = [path_of(steps, stops, finished=True) for steps in example.solutions]
        results = await prm.score(problem, paths)
        whole = [_checked(scores, len(steps)) for scores, steps in zip(results, example.solutions, strict=True)]
        by_step, tokens, cached = [], 0, 0
        for steps in example.solutions:
            known: tuple[float, ...] = ()
            for end in range(1, len(steps) + 1):
                path = path_of(steps[:end], stops, known, finished=end == len(steps))
                [scores] = await prm.score(problem, [path])
                known += _checked(scores, 1)
                tokens, cached = tokens + scores.tokens, cached + scores.cached
            by_step.append(known)
        last = path_of(example.steps, stops, whole[0][:-1], finished=True)
        prompts = prm.asked(problem, last) if isinstance(prm, AsksInWords) else ()
        return EngineScores(engine, tuple(whole), tuple(by_step), tokens, cached, tuple(prompts))


def slow_dtypes(config: Config, tried: Sequence[str]) -> list[str]:
    """Warnings about a dtype that is slow on the device of an engine, as sentences.

    Raises:
        ConfigError: an engine does not support the dtype on its device.
    """
    runs_on = [_backend_class(config, backend).engine for backend in tried]
    targets = [engine_device(engine, config.prm_device) for engine in runs_on if engine in ENGINES]
    for target in targets:
        check_dtype(config.dtype, target)
    return list(dict.fromkeys(filter(None, [slow_dtype(config.dtype, target) for target in targets])))


@asynccontextmanager
async def _opened(config: Config, engine: str) -> AsyncIterator[PRM]:
    judge = _judge(config)
    generator = generator_class(engine if judge else "simulated").from_config(config)
    prm = prm_class(judge or engine).from_config(config, generator)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(generator.close)
        await generator.start()
        stack.push_async_callback(prm.close)
        await prm.start()
        yield prm


def _checked(scores: Scores, expected: int) -> tuple[float, ...]:
    if scores.too_long:
        raise PRMError("The example exceeds the context of the PRM.", "Use a shorter one: --question --step")
    scores.check(expected)
    return scores.values


@dataclass(frozen=True)
class Agreement:
    """Comparison of the scores of all engines, whole and step by step.

    Attributes:
        reference: name of the scores that the others are compared with.
        differences: largest difference of each from the reference, by name.
        most: largest difference that is attributed to rounding.
    """

    reference: str
    differences: Mapping[str, float]
    most: float

    @property
    def off(self) -> dict[str, float]:
        """Differences from the reference that are larger than `most`."""
        return {way: difference for way, difference in self.differences.items() if difference > self.most}


def agreement(found: Sequence[EngineScores], names: Mapping[str, str], most: float) -> Agreement:
    """Compare the scores of all engines, whole and step by step.

    Args:
        found: scores of the engines, at least one.
        names: display names of the engines.
        most: largest difference that is attributed to rounding.
    """
    ways = {
        f"{names.get(each.engine, each.engine)} {how}": scores
        for each in found
        for how, scores in (("by step", each.by_step), ("whole", each.whole))
    }
    return Agreement(list(ways)[-1], spread(ways), most)


def spread(ways: Mapping[str, Sequence[Sequence[float]]]) -> dict[str, float]:
    """Largest difference of each entry from the last one, by name.

    Args:
        ways: scores [solutions][steps] by name; at least one.
    """
    flat = {name: [value for solution in scores for value in solution] for name, scores in ways.items()}
    reference = list(flat.values())[-1]
    return {
        name: max([abs(one - other) for one, other in zip(values, reference, strict=True)])
        for name, values in flat.items()
    }


def score_remarks(example: Example, whole: Sequence[Sequence[float]]) -> list[str]:
    """Warnings about implausible scores, as sentences.

    Args:
        example: the example that was scored.
        whole: its scores [solutions][steps].
    """
    every = [value for solution in whole for value in solution]
    if len(every) > 1 and max(every) - min(every) < 1e-6:
        return [f"all scores are {every[0]:.4f}, as from a head that was never trained."]
    if example.wrong and whole[0][-1] <= whole[1][-1]:
        return [
            f"the right last step scores {whole[0][-1]:.4f} and the wrong one {whole[1][-1]:.4f}: the wrong label, "
            "position or adapter, or a model that cannot distinguish them."
        ]
    return []
