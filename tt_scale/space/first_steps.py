"""What a quantile as `tau` comes to: the scores of a sample of a run's first steps, drawn before the search.

"The scores seen so far" would depend on which problem came first, so that no number could be had twice. The sample
depends on nothing but the configuration and the problems: their first steps are drawn under the seeds that the
searches use, so that they are steps of this very run. The number is kept with the run, which goes on with it.

Not covered: what a step further down scores. With `agg: prod` scores fall with depth, and fewer pass there.
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

__all__ = ["FirstSteps", "asked_quantile", "measure"]

ENOUGH = 64
"""First steps that are drawn. The share of all first steps that passes is then known to 6 points (one standard
error at q0.5, binomial), at the price of 64 steps for the whole run."""

MOST_OF_ONE = 8
"""First steps of one problem; a set of few problems gives fewer scores, not many of the same kind."""


@dataclass(frozen=True, slots=True)
class FirstSteps:
    """A sample of first steps and the score that it stands for.

    Attributes:
        tau: as it was asked for, "q0.5".
        value: the score that it comes to, in [0, 1].
        scores: of all steps drawn, in ascending order [steps].
        problems: how many problems they are of.
        usage: what they cost; charged to the run, in no problem's usage.
    """

    tau: str
    value: float
    scores: tuple[float, ...]
    problems: int
    usage: Usage

    def record(self) -> dict[str, Any]:
        """Write it down for the manifest."""
        return asdict(self)

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> FirstSteps:
        """Read it back.

        Raises:
            KeyError, TypeError: the record is damaged.
        """
        usage, scores = Usage(**record["usage"]), tuple(map(float, record["scores"]))
        return cls(record["tau"], float(record["value"]), scores, record["problems"], usage)


def asked_quantile(searcher: Searcher) -> str | None:
    """Give the quantile that a method has as `tau`; None where it has a number, or no such knob."""
    tau = getattr(searcher, "tau", None)
    return tau if isinstance(tau, str) else None


async def measure(
    tau: str, searcher: Searcher, problems: Sequence[Problem], generator: Generator, prm: PRM | None, config: Config
) -> FirstSteps:
    """Draw and score first steps, at the temperature of the method's first attempt, and take their quantile.

    Args:
        tau: a quantile.
        searcher: its `temp_origin` is the temperature; `temperature` of the configuration where it has none.
        problems: of the run, at least one; a seeded sample of `ENOUGH` where there are more.
        generator: started.
        prm: started.
        config: of the run.

    Raises:
        EngineDeadError: the engine died.
        PRMError: no step got a score. A problem that fails is left out; it has a row of its own later.
    """
    began = time.monotonic()
    chosen = list(problems)
    if len(chosen) > ENOUGH:
        chosen = Random(f"{config.seed}/first steps").sample(chosen, ENOUGH)
    each = min(MOST_OF_ONE, ceil(ENOUGH / len(chosen)))
    heat = float(getattr(searcher, "temp_origin", config.temperature))
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
            return await space.expand(space.roots(each), 1, temperature=heat)
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
