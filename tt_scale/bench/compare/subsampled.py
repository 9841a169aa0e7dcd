"""Fewer samples from more: what a method that draws independent whole solutions finds with fewer of them.

The seed of a sample depends on run, problem, repeat and number alone, so the first four solutions of a run of sixteen
are those that a run of four draws. Their grades stand in the record, and so does what each of them cost: a row for
four is worked out from those four, never by proportion. Only the seconds are not known: `usage.seconds` is 0.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path as FilePath
from typing import Any

from tt_scale.bench.record import Row, verdicts
from tt_scale.bench.run.journal import read_records
from tt_scale.bench.run.manifest import METHOD_KEYS
from tt_scale.bench.run.plan import Plan
from tt_scale.bench.stats.vote_curve import VoteCurve
from tt_scale.core.aggregate import aggregate
from tt_scale.core.budget import Usage
from tt_scale.core.selection import SELECTORS, Candidate
from tt_scale.errors import JournalError

__all__ = ["derived_row", "sources", "vote_curve"]

IGNORED = METHOD_KEYS | {"method", "method_args", "selector", "final_agg", "budget", "max_generated_tokens"}


def sources(plans: Sequence[Plan]) -> dict[int, int]:
    """Find the runs that need no search because a wider one holds their samples.

    Runs share samples where all is equal but the method, how many it draws, and who selects by which aggregate. Methods
    that look at scores are searched first, so that scores are there for all. Where a limit of the whole problem can cut
    a sample short, runs of different width end at different places: such runs are all searched.

    Args:
        plans: of a comparison [plans].

    Returns:
        Place of a run -> place of the run whose pool it is read off; all others are searched.
    """
    drawn = {place: plan.searcher.samples or 0 for place, plan in enumerate(plans) if _can_share(plan)}
    found: dict[int, int] = {}
    searched: list[int] = []
    for place in sorted(drawn, key=lambda place: (not plans[place].searcher.uses_prm, -drawn[place], place)):
        wider = [other for other in searched if drawn[other] >= drawn[place]]
        source = next((other for other in wider if _drawn_from(plans[other]) == _drawn_from(plans[place])), None)
        if source is None:
            searched.append(place)
        else:
            found[place] = source
    return found


def _can_share(plan: Plan) -> bool:
    """Whether it draws independent solutions, and no limit of the whole problem can cut one of them short."""
    config, samples = plan.config, plan.searcher.samples
    if samples is None or config.max_prm_tokens is not None or config.max_seconds is not None:
        return False
    return config.max_generated_tokens is None or config.max_generated_tokens >= samples * config.max_tokens


def _drawn_from(plan: Plan) -> dict[str, Any]:
    """Everything that decides what the samples of a run are and how they are scored and graded."""
    shared = {key: value for key, value in plan.journal.experiment.items() if key not in IGNORED}
    return {**shared, "temperature": getattr(plan.searcher, "temperature", None)}


def derived_row(record: Mapping[str, Any], samples: int, selector: str, final_agg: str | None = None) -> Row:
    """Work out what the first samples of a recorded search give.

    Args:
        record: of a method that draws independent whole solutions.
        samples: how many of them, at least 1.
        selector: who chooses among their answers.
        final_agg: by which step scores; None takes the aggregate that all these runs search with.

    Raises:
        JournalError: the record does not say what each sample cost.
    """
    whole = Row.of(record)
    if whole.error:
        return whole
    drawn = [node for node in record["tree"] if _number(node) < samples]
    pool = [member for member in record["pool"] if _number(member) < samples]
    usage = Usage()
    for node in drawn:
        usage.charge(_cost(node))
    scores = {node["key"]: _score(node, final_agg) for node in drawn}
    candidates = [Candidate(member["class"], scores[member["key"]]) for member in pool]
    grades = [member["grade"] for member in pool]
    chosen = SELECTORS[selector](candidates)
    found = {
        **record,
        "answer": None if chosen is None else pool[chosen]["answer"],
        "grade": "no_answer" if chosen is None else grades[chosen],
        "selectors": verdicts(candidates, grades),
        "pool": pool,
        "stopped": "enough",
        "usage": asdict(usage),
        "telemetry": {
            **whole.telemetry,
            "nodes": len(drawn),
            "pool": len(pool),
            "truncated": sum([node["state"] == "truncated" for node in drawn]),
            "failed": sum([node["state"] == "failed" for node in drawn]),
            "cut": sum([member.get("cut", False) for member in pool]),
            "wasted_tokens": usage.generated_tokens - sum([member["tokens"] for member in pool]),
        },
    }
    return Row.of(found)


def _number(node: Mapping[str, Any]) -> int:
    return int(node["key"].rpartition(".")[2])


def _score(node: Mapping[str, Any], final_agg: str | None) -> float:
    """Of a whole solution, as a run with that aggregate selects by."""
    return float(node["score"]) if final_agg is None else aggregate(final_agg, node["scores"], finished=True)


def _cost(node: Mapping[str, Any]) -> Usage:
    try:
        return Usage(**node["usage"])
    except KeyError:
        raise JournalError(
            "A run in this folder was written by an older version, which did not record what each sample cost.",
            "Type: --no-derive, or give another --run-tag.",
        ) from None


def vote_curve(folder: FilePath, samples: int, among: Collection[tuple[str, int]] | None = None) -> VoteCurve:
    """Vote over every prefix of the pools of a run; errors as in `derived_row`.

    Args:
        folder: of a run that draws independent whole solutions.
        samples: how many.
        among: problem ids and repeats that count; None counts all.
    """
    spent = [0.0] * samples
    outcomes: dict[str, list[list[bool]]] = {}
    count = 0
    for record in read_records(folder):
        if among is not None and (record["id"], record["repeat"]) not in among:
            continue
        count += 1
        tokens, right = _votes(record, samples)
        spent = [total + each for total, each in zip(spent, tokens, strict=True)]
        outcomes.setdefault(record["id"], []).append(right)
    shares = {
        problem: [sum(each) / len(each) for each in zip(*repeats, strict=True)] for problem, repeats in outcomes.items()
    }
    return VoteCurve([total / max(count, 1) for total in spent], shares)


def _votes(record: Mapping[str, Any], samples: int) -> tuple[list[int], list[bool]]:
    """Tokens of the first 1, 2, ... samples, and whether their majority is right; a failed search is never right."""
    costs = {_number(node): _cost(node).generated_tokens for node in record["tree"]}
    members = {_number(member): member for member in record["pool"]}
    tokens, right, spent = [], [], 0
    pool: list[Candidate] = []
    grades: list[str] = []
    for number in range(samples):
        spent += costs.get(number, 0)
        member = members.get(number)
        if member is not None:
            pool.append(Candidate(member["class"], member["score"]))
            grades.append(member["grade"])
        chosen = SELECTORS["majority"](pool)
        tokens.append(spent)
        right.append(chosen is not None and grades[chosen] == "correct")
    return tokens, right
