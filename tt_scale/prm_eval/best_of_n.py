"""Gain of best-of-N selection by a PRM."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from tt_scale.core.selection import SELECTORS, Candidate, oracle
from tt_scale.grading import Grader
from tt_scale.prm_eval.figures import RANKED_BY, Figure, Judged, weighted_mean

__all__ = ["best_of_n_figures"]


async def best_of_n_figures(rows: Sequence[Judged], agg: str, grader: Grader) -> list[Figure]:
    """Measure the accuracy of best-of-N selection by a PRM, and of baselines without a PRM.

    Candidates are the finished solutions that the PRM scored, selected as in a search: a solution without an answer
    neither votes nor is chosen.

    Args:
        rows: rows of one set; the result is empty unless a problem has several solutions and all are labelled.
        agg: the aggregate whose gain is reported.
        grader: an open grader, which groups equal answers.
    """
    pools: dict[str, list[Judged]] = {}
    for row in rows:
        pools.setdefault(row.solution.problem.id, []).append(row)
    most = max(map(len, pools.values()), default=0)
    if most < 2 or any(row.solution.correct is None for row in rows):
        return []
    groups = await asyncio.gather(*[grader.group([row.solution.answer for row in pool]) for pool in pools.values()])
    shares: dict[str, list[float]] = {name: [] for name in ("one solution", "majority", *RANKED_BY, agg, "oracle")}
    for pool, classes in zip(pools.values(), groups, strict=True):
        rights = [bool(row.solution.correct) for row in pool]
        shares["one solution"].append(sum(rights) / len(rights))
        shares["oracle"].append(float(oracle(rights) is not None))
        members = [(row, number) for row, number in zip(pool, classes, strict=True) if row.solution.finished]
        shares["majority"].append(_right(members, "majority", agg))
        scored = [(row, number) for row, number in members if row.scores]
        for name in {*RANKED_BY, agg}:
            shares[name].append(_right(scored, "best", name))
    questions = [pool[0].group for pool in pools.values()]
    shown = {
        "one solution": shares["one solution"],
        f"majority of {most}": shares["majority"],
        **{f"best of {most} by {name}": shares[name] for name in dict.fromkeys((*RANKED_BY, agg))},
        f"one of {most} is right": shares["oracle"],
        f"gain by {agg} over one solution": _gaps(shares[agg], shares["one solution"]),
        f"gain by {agg} over majority": _gaps(shares[agg], shares["majority"]),
    }
    return [weighted_mean(name, values, questions) for name, values in shown.items()]


def _right(members: Sequence[tuple[Judged, int]], selector: str, agg: str) -> float:
    """1 if the selected solution is correct, 0 if it is wrong or none can be selected; members are (row, class)."""
    chosen = SELECTORS[selector]([Candidate(number, row.aggregate(agg)) for row, number in members])
    return float(chosen is not None and bool(members[chosen][0].solution.correct))


def _gaps(one: Sequence[float], other: Sequence[float]) -> list[float]:
    return [first - second for first, second in zip(one, other, strict=True)]
