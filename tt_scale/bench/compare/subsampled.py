"""Subsampled runs: derive the result of a method with fewer independent samples from a run with more.

The seed of a sample depends only on run, problem, repeat and number, so the first four solutions of a run of sixteen
are those that a run of four samples. The record contains the grade and the cost of each: a row for four is computed
from those four, never by proportion. Only the seconds are unknown: `usage.seconds` is 0.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path as FilePath
from typing import Any

from tt_scale.bench.record import CALL_SECONDS, Row, source_part, unpack, verdicts
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
    """Find the runs that need no search because a wider run contains their samples.

    Runs share samples if they differ only in the method, its number of samples, the selector and its aggregate. Methods
    that use scores are searched first, so that scores are available for all. If a limit per problem can truncate a
    sample, runs of different width are truncated differently, and all of them are searched.

    Args:
        plans: runs of a comparison [plans].

    Returns:
        Index of a derived run -> index of the run from whose pool it is derived; all others are searched.
    """
    samples = {index: plan.searcher.samples or 0 for index, plan in enumerate(plans) if _can_share(plan)}
    source_of: dict[int, int] = {}
    searched: list[int] = []
    for index in sorted(samples, key=lambda index: (not plans[index].searcher.uses_prm, -samples[index], index)):
        wider = [other for other in searched if samples[other] >= samples[index]]
        source = next((other for other in wider if _sample_keys(plans[other]) == _sample_keys(plans[index])), None)
        if source is None:
            searched.append(index)
        else:
            source_of[index] = source
    return source_of


def _can_share(plan: Plan) -> bool:
    """Whether the run samples independent solutions alone, and no limit per problem can truncate one of them."""
    config, samples = plan.config, plan.searcher.samples
    if samples is None or config.max_prm_tokens is not None or config.max_seconds is not None:
        return False
    if config.last_resort != "none":  # whether it is needed, and what it gives, depends on all samples of a run
        return False
    return config.max_generated_tokens is None or config.max_generated_tokens >= samples * config.max_tokens


def _sample_keys(plan: Plan) -> dict[str, Any]:
    """All keys that determine the samples of a run, their scores and their grades."""
    shared = {key: value for key, value in plan.journal.experiment.items() if key not in IGNORED}
    return {**shared, "temperature": getattr(plan.searcher, "temperature", None)}


def derived_row(record: Mapping[str, Any], samples: int, selector: str, final_agg: str | None = None) -> Row:
    """Compute the row of the first samples of a recorded search.

    Args:
        record: record of a method that samples independent complete solutions.
        samples: number of samples, at least 1.
        selector: selector of the answer.
        final_agg: aggregate of step scores for the selection; None is the aggregate of the search.

    Raises:
        JournalError: the record lacks the cost of each sample.
    """
    whole = Row.of(record)
    if whole.error:
        return whole
    drawn = [node for node in _samples_of(unpack(record)["tree"]) if _number(node) < samples]
    pool = [member for member in _samples_of(record["pool"]) if _number(member) < samples]
    usage = Usage()
    for node in drawn:
        usage.charge(_cost(node))
    scores = {node["key"]: _score(node, final_agg) for node in drawn}
    candidates = [Candidate(member["class"], scores[member["key"]]) for member in pool]
    grades = [member["grade"] for member in pool]
    chosen = SELECTORS[selector](candidates)
    derived = {
        **{key: value for key, value in record.items() if key not in CALL_SECONDS},
        "answer": None if chosen is None else pool[chosen]["answer"],
        "grade": "no_answer" if chosen is None else grades[chosen],
        "selectors": verdicts(candidates, grades),
        "pool": pool,
        "right": sum([grade == "correct" for grade in grades]),
        "stopped": "enough",
        "usage": asdict(usage),
        "telemetry": {
            **whole.telemetry,
            "nodes": len(drawn),
            "pool": len(pool),
            "truncated": sum([node["state"] == "truncated" for node in drawn]),
            "failed": sum([node["state"] == "failed" for node in drawn]),
            "unreadable": sum([node["state"] == "unreadable" for node in drawn]),
            "cut": sum([member.get("cut", False) for member in pool]),
            "forced": 0,
            "wasted_tokens": max(usage.generated_tokens - sum([member["tokens"] for member in pool]), 0),
        },
    }
    if "source" in record:
        own = [record["source"]["verdicts"][member["key"]] for member in pool]
        derived["source"] = source_part([member["key"] for member in pool], candidates, own, chosen)
    return Row.of(derived)


def _samples_of(paths: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Nodes or members that are samples, children of the first root; that of `last_resort` has its own."""
    return [path for path in paths if path["key"].startswith("0.")]


def _number(node: Mapping[str, Any]) -> int:
    return int(node["key"].rpartition(".")[2])


def _score(node: Mapping[str, Any], final_agg: str | None) -> float:
    """Score of a complete solution under an aggregate."""
    return float(node["score"]) if final_agg is None else aggregate(final_agg, node["scores"], finished=True)


def _cost(node: Mapping[str, Any]) -> Usage:
    try:
        return Usage(**node["usage"])
    except KeyError:
        raise JournalError(
            "A run in this folder was written by an older version, which did not record the cost of each sample.",
            "Type: --no-derive, or give another --run-tag.",
        ) from None


def vote_curve(folder: FilePath, samples: int, among: Collection[tuple[str, int]] | None = None) -> VoteCurve:
    """Compute the majority vote over the first 1, 2, ... samples of a run; errors as in `derived_row`.

    Args:
        folder: folder of a run that samples independent complete solutions.
        samples: number of samples of the run.
        among: problem ids and repeats to include; None for all.
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
    """Tokens of the first 1, 2, ... samples, and whether their vote is correct; never for a failed search."""
    costs = {_number(node): _cost(node).generated_tokens for node in _samples_of(unpack(record)["tree"])}
    members = {_number(member): member for member in _samples_of(record["pool"])}
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
