"""What a PRM gains when it picks one of several solutions of a problem."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from tt_scale.core.selection import SELECTORS, Candidate, oracle
from tt_scale.grading import Grader
from tt_scale.prm_eval.figures import RANKED_BY, Figure, Judged, weighted_mean

__all__ = ["best_of_n_figures"]


async def best_of_n_figures(rows: Sequence[Judged], agg: str, grader: Grader) -> list[Figure]:
    """Measure what is right when a PRM picks, beside the means that need none.

    Every solution that ended by itself and that the PRM scored is a candidate, and chosen as in a search: one that
    states no answer neither votes nor is the best.

    Args:
        rows: of one set; nothing is measured unless some problem has several solutions and all were judged.
        agg: the aggregate whose gain is told.
        grader: open; equal answers are found by it.
    """
    pools: dict[str, list[Judged]] = {}
    for row in rows:
        pools.setdefault(row.solution.problem.id, []).append(row)
    most = max(map(len, pools.values()), default=0)
    if most < 2 or any(row.solution.correct is None for row in rows):
        return []
    groups = await asyncio.gather(*[grader.group([row.solution.answer for row in pool]) for pool in pools.values()])
    found: dict[str, list[float]] = {name: [] for name in ("one solution", "majority", *RANKED_BY, agg, "oracle")}
    for pool, classes in zip(pools.values(), groups, strict=True):
        rights = [bool(row.solution.correct) for row in pool]
        found["one solution"].append(sum(rights) / len(rights))
        found["oracle"].append(float(oracle(rights) is not None))
        members = [(row, number) for row, number in zip(pool, classes, strict=True) if row.solution.finished]
        found["majority"].append(_right(members, "majority", agg))
        scored = [(row, number) for row, number in members if row.scores]
        for name in {*RANKED_BY, agg}:
            found[name].append(_right(scored, "best", name))
    questions = [pool[0].group for pool in pools.values()]
    shown = {
        "one solution": found["one solution"],
        f"majority of {most}": found["majority"],
        **{f"best of {most} by {name}": found[name] for name in dict.fromkeys((*RANKED_BY, agg))},
        f"one of {most} is right": found["oracle"],
        f"gain by {agg} over one solution": _gaps(found[agg], found["one solution"]),
        f"gain by {agg} over majority": _gaps(found[agg], found["majority"]),
    }
    return [weighted_mean(name, values, questions) for name, values in shown.items()]


def _right(members: Sequence[tuple[Judged, int]], selector: str, agg: str) -> float:
    """Whether the chosen one of (solution, class of its answer) is right, as 0 or 1; 0 where none can be chosen."""
    chosen = SELECTORS[selector]([Candidate(number, row.aggregate(agg)) for row, number in members])
    return float(chosen is not None and bool(members[chosen][0].solution.correct))


def _gaps(one: Sequence[float], other: Sequence[float]) -> list[float]:
    return [first - second for first, second in zip(one, other, strict=True)]
