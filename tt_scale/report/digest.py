"""Digest of a search's tree for tables and charts: votes by aggregate, scored paths, tokens by fate."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from tt_scale.bench.reader.run_data import RunData, Search
from tt_scale.bench.reader.search_record import Node, Row, SearchRecord
from tt_scale.core.aggregate import AGGREGATES, aggregate
from tt_scale.core.selection import SELECTORS, Candidate

__all__ = ["FATES", "SCORING_SELECTORS", "Digest", "ScoredPath", "digest_search", "digests_of"]

SCORING_SELECTORS = ("best", "weighted")
"""The selectors that use scores."""

FATES = ("in the pool", "retried", "cut by a limit", "not continued")
"""Fates of generated tokens: on a path of the pool; on a child of an attempt after which the search backtracked; on a
path that a limit, an error or the PRM's context ended; on any other path."""


@dataclass(frozen=True, slots=True)
class ScoredPath:
    """One path of a pool whose answer was graded and whose steps were scored.

    Attributes:
        score: that selectors saw, in [0, 1].
        steps: scores of its steps, in [0, 1] [steps].
        right: whether its answer is.
    """

    score: float
    steps: tuple[float, ...]
    right: bool


@dataclass(frozen=True, slots=True)
class Digest:
    """Numbers taken from one search's tree.

    Attributes:
        row: its numbers.
        votes: (aggregate, selector) -> whether the answer chosen by it is right; empty where nothing was scored.
        paths: of the pool, those that have scores [paths].
        tokens: generated, by fate; they add up to all that were generated.
    """

    row: Row
    votes: Mapping[tuple[str, str], bool]
    paths: tuple[ScoredPath, ...]
    tokens: Mapping[str, int]


def digests_of(run: RunData, searches: Collection[Search]) -> list[Digest]:
    """Read the trees of some searches of a run, one at a time; those that are damaged are left out."""
    return [digest_search(each) for each in run.searches() if (each.row.id, each.row.repeat) in searches]


def digest_search(search: SearchRecord) -> Digest:
    """Compute the digest of one search."""
    scores = search.path_scores
    paths = [
        ScoredPath(member.score, scores[member.key], member.grade == "correct")
        for member in search.pool
        if member.grade in ("correct", "wrong") and scores.get(member.key)
    ]
    return Digest(search.row, _votes(search, scores), tuple(paths), _tokens(search))


def _votes(search: SearchRecord, scores: Mapping[str, tuple[float, ...]]) -> dict[tuple[str, str], bool]:
    if not any(scores.get(member.key) for member in search.pool):
        return {}
    found = {}
    for agg in AGGREGATES:
        pool = [
            Candidate(each.answer_class, aggregate(agg, scores.get(each.key, ()), finished=True), each.weight)
            for each in search.pool
        ]
        for selector in SCORING_SELECTORS:
            place = SELECTORS[selector](pool)
            found[agg, selector] = place is not None and search.pool[place].grade == "correct"
    return found


def _tokens(search: SearchRecord) -> dict[str, int]:
    pool = {member.key for member in search.pool}
    useful = {".".join(key.split(".")[:end]) for key in pool for end in range(2, key.count(".") + 2)}
    retried = _retried(search)
    found: Counter[str] = Counter()
    for node in search.nodes:
        found[_fate(node, useful, retried)] += node.tokens
    found["not continued"] += search.row.usage.generated_tokens - found.total()
    return {fate: found[fate] for fate in FATES}


def _fate(node: Node, useful: Collection[str], retried: Collection[str]) -> str:
    if node.key in useful:
        return "in the pool"
    if node.state in ("truncated", "failed", "unreadable"):
        return "cut by a limit"
    return "retried" if node.key in retried else "not continued"


def _retried(search: SearchRecord) -> set[str]:
    """Children of paths to which the search backtracked after they were sampled."""
    last = {key: event.created for event in search.events if event.kind == "backtrack" for key in event.keys}
    return {node.key for order, node in enumerate(search.nodes) if order < last.get(node.parent, 0)}
