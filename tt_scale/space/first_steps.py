"""Estimate the score behind a quantile as `tau` from a sample of a run's first steps, taken before the search.

The scores seen so far would depend on which problem finished first, and no result could be repeated. The sample depends
only on configuration and problems: first steps are sampled with the seeds of the searches themselves. The value is
stored with the run, which continues with it.

Scores of later steps are not covered: with `agg: prod` scores decrease with depth, and fewer pass there.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import ceil
from random import Random
from typing import Any

from tt_scale.base_classes import PRM, Generator, Searcher
from tt_scale.config import Config
from tt_scale.core.budget import Usage
from tt_scale.core.concurrency import ending_of, gather_or_cancel
from tt_scale.core.path import Path
from tt_scale.core.records import Problem
from tt_scale.core.text import described
from tt_scale.core.threshold import quantile, read_quantile
from tt_scale.errors import EngineDeadError, PRMError
from tt_scale.space.search_space import SearchSpace

__all__ = ["FirstSteps", "asked_quantile", "known_tau", "measure"]

ENOUGH = 64
"""Number of first steps in the sample; the standard error of the share that passes is then 6 points (at q0.5)."""

MOST_OF_ONE = 8
"""Maximum number of first steps of one problem."""


@dataclass(frozen=True, slots=True)
class FirstSteps:
    """Sample of first steps, and the score at the quantile.

    Attributes:
        tau: quantile as configured, "q0.5".
        value: score at the quantile, in [0, 1].
        scores: scores of all sampled steps in ascending order [steps].
        problems: number of problems in the sample.
        usage: cost of the sample, part of the run but of no problem's usage.
    """

    tau: str
    value: float
    scores: tuple[float, ...]
    problems: int
    usage: Usage

    def record(self) -> dict[str, Any]:
        """Convert to plain values for the manifest."""
        return asdict(self)

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> FirstSteps:
        """Convert from plain values.

        Raises:
            KeyError, TypeError: the record is damaged.
        """
        usage, scores = Usage(**record["usage"]), tuple(map(float, record["scores"]))
        return cls(record["tau"], float(record["value"]), scores, record["problems"], usage)


def asked_quantile(searcher: Searcher) -> str | None:
    """Return the quantile that a method has as `tau`; None if it is a number or the method has no `tau`."""
    tau = getattr(searcher, "tau", None)
    return tau if isinstance(tau, str) else None


def known_tau(tau: float | str | None, quantile_value: float | None) -> float | None:
    """Return the score that steps are judged by, as far as it is known.

    Args:
        tau: as the method has it, a number or a quantile; None for methods without.
        quantile_value: `FirstSteps.value` of the run; None where there are no first steps yet.

    Returns:
        A score in [0, 1]; None for methods without one, and for a quantile of which nothing is known.
    """
    return quantile_value if isinstance(tau, str) else tau


async def measure(
    tau: str, searcher: Searcher, problems: Sequence[Problem], generator: Generator, prm: PRM | None, config: Config
) -> FirstSteps:
    """Sample and score first steps, at the temperature of the method's first attempt, and compute the quantile.

    Args:
        tau: quantile.
        searcher: its `temp_origin` is the temperature; without one, `temperature` of the configuration.
        problems: problems of the run, at least one; a seeded sample of `ENOUGH` is used if there are more.
        generator: started generator.
        prm: started PRM.
        config: configuration of the run.

    Raises:
        EngineDeadError: the engine died.
        PRMError: no step got a score. A problem that fails is left out; it has a row of its own later.
    """
    began = time.monotonic()
    chosen = list(problems)
    if len(chosen) > ENOUGH:
        chosen = Random(f"{config.seed}/first steps").sample(chosen, ENOUGH)
    each = min(MOST_OF_ONE, ceil(ENOUGH / len(chosen)))
    temperature = float(getattr(searcher, "temp_origin", config.temperature))
    gate = asyncio.Semaphore(config.concurrency)

    async def draw(problem: Problem) -> tuple[list[float], Usage, str]:
        usage = Usage()
        async with gate:
            ending = await ending_of(grow(problem, usage))
        if isinstance(ending.error, EngineDeadError):
            raise ending.error
        if ending.error is not None:  # as in a run: one bad problem never ends it
            return [], usage, f"{problem.id}: {described(ending.error)}"
        children = [child for family in ending.result for child in family]
        return [child.score for child in children if child.scores and (child.is_open or child.is_finished)], usage, ""

    async def grow(problem: Problem, usage: Usage) -> list[list[Path]]:
        space = SearchSpace(problem, generator, prm, config)
        try:
            return await space.expand(space.roots(each), 1, temperature=temperature)
        finally:
            usage.charge(space.usage)

    drawn = await gather_or_cancel([draw(problem) for problem in chosen])
    scores = sorted([score for found, _, _ in drawn for score in found])
    if not scores:
        faults = [fault for _, _, fault in drawn if fault] or ["every step was cut short"]
        raise PRMError(f"tau is {tau!r}, but no first step got a score: {faults[0]}.", "Give a number: --tau 0.6")
    usage = sum([each for _, each, _ in drawn], Usage())
    usage.seconds = time.monotonic() - began  # they were drawn side by side
    value = quantile(scores, read_quantile(tau))
    return FirstSteps(tau, value, tuple(scores), sum([bool(found) for found, _, _ in drawn]), usage)
