"""What differs between two runs: keys, versions, problems, verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tt_scale.bench.reader.run_data import ProblemRecord, RunData, Search
from tt_scale.bench.record import Row
from tt_scale.bench.run.journal import differing_keys

__all__ = ["ABSENT", "RunDiff", "compare_two"]

ABSENT = "-"
"""Stands for a key or package that one run does not have."""

Pairs = Mapping[str, tuple[Any, Any]]
"""Name -> the value of the first run and that of the second."""


@dataclass(frozen=True)
class RunDiff:
    """Two runs held against each other.

    Attributes:
        runs: both.
        keys: of the experiment that differ.
        origins: versions of packages, commit and machine that differ.
        changed: problems of the same id that state something else.
        missing: searches that only the first run has, and those that only the second has.
        both: searches that both have, in the order of the set.
        verdicts: those of them with another grade or answer.
        right: of `both`, how many are right in both runs, only in the first, only in the second, in neither.
    """

    runs: tuple[RunData, RunData]
    keys: Pairs
    origins: Pairs
    changed: tuple[tuple[ProblemRecord, ProblemRecord], ...]
    missing: tuple[tuple[Search, ...], tuple[Search, ...]]
    both: tuple[Search, ...]
    verdicts: tuple[tuple[Row, Row], ...]
    right: tuple[int, int, int, int] = field(default=(0, 0, 0, 0))

    @property
    def equal(self) -> bool:
        """Whether nothing differs; other versions and machines are no difference of their own."""
        return not (self.keys or self.changed or any(self.missing) or self.verdicts)


def compare_two(one: RunData, other: RunData) -> RunDiff:
    """Hold two runs against each other.

    Args:
        one: the first.
        other: the second.
    """
    keys = differing_keys(one.experiment, other.experiment)
    both = sorted(one.by_search.keys() & other.by_search.keys(), key=lambda search: _place(one.by_search[search]))
    pairs = [(one.by_search[search], other.by_search[search]) for search in both]
    shared = sorted(one.problems.keys() & other.problems.keys(), key=lambda name: one.problems[name].index)
    problems = [(one.problems[name], other.problems[name]) for name in shared]
    return RunDiff(
        runs=(one, other),
        keys={key: (one.experiment.get(key, ABSENT), other.experiment.get(key, ABSENT)) for key in keys},
        origins=_origins(one.manifest, other.manifest),
        changed=tuple([(own, its) for own, its in problems if own != its]),
        missing=(_only(one, other), _only(other, one)),
        both=tuple(both),
        verdicts=tuple([(own, its) for own, its in pairs if (own.grade, own.answer) != (its.grade, its.answer)]),
        right=_counts(pairs),
    )


def _counts(pairs: list[tuple[Row, Row]]) -> tuple[int, int, int, int]:
    verdicts = [(own.correct, its.correct) for own, its in pairs]
    both, first, second, neither = (
        verdicts.count(kind) for kind in ((True, True), (True, False), (False, True), (False, False))
    )
    return both, first, second, neither


def _only(one: RunData, other: RunData) -> tuple[Search, ...]:
    return tuple([search for search in one.by_search if search not in other.by_search])


def _place(row: Row) -> tuple[int, int]:
    return row.index, row.repeat


def _origins(one: Mapping[str, Any], other: Mapping[str, Any]) -> Pairs:
    """Versions by package, then what else says where a run was computed."""
    own, its = _flat(one), _flat(other)
    names = dict.fromkeys([*own, *its])
    return {
        name: (own.get(name, ABSENT), its.get(name, ABSENT))
        for name in names
        if own.get(name, ABSENT) != its.get(name, ABSENT)
    }


def _flat(manifest: Mapping[str, Any]) -> dict[str, Any]:
    updates = {f"{package}, later": later for package, later in dict(manifest.get("updates") or {}).items()}
    hardware = manifest.get("hardware")
    rest = dict(hardware) if isinstance(hardware, dict) else {}
    return {**dict(manifest.get("versions") or {}), **updates, "commit": manifest.get("commit", ABSENT), **rest}
