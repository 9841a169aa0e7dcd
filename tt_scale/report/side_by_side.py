"""Runs over one problem set beside each other: their names, the searches that all have done, and what to know first."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from pathlib import Path as FilePath

from tt_scale.bench.compare.finished import NEVER_VARIED, compare_runs, labels
from tt_scale.bench.compare.written import compare_again, was_compared
from tt_scale.bench.reader.opened_runs import OpenedRuns, open_runs
from tt_scale.bench.reader.run_data import ProblemRecord, RunData, Search
from tt_scale.bench.reader.search_record import Row
from tt_scale.bench.run.journal import differing_keys
from tt_scale.bench.run.manifest import rules_changed
from tt_scale.bench.stats.comparison import Comparison
from tt_scale.errors import ConfigError, JournalError, nearest
from tt_scale.report.digest import Digest, digests_of

__all__ = ["SideBySide", "side_by_side"]

MOST_LINES = 3
"""Damaged lines of a run that are named one by one."""


@dataclass(frozen=True)
class SideBySide:
    """Runs over one problem set.

    Attributes:
        runs: with names that differ.
        comparison: of the searches that all have done; its lines are more than the runs where some were read off.
        searches: that all runs have done.
        notes: caveats to all numbers.
    """

    runs: Sequence[RunData]
    comparison: Comparison
    searches: frozenset[Search]
    notes: Sequence[str]

    @cached_property
    def rows(self) -> Mapping[str, Sequence[Row]]:
        """Run name -> the numbers of the searches that all have done."""
        return {run.name: [row for row in run.rows if (row.id, row.repeat) in self.searches] for run in self.runs}

    @cached_property
    def problems(self) -> Sequence[ProblemRecord]:
        """Every problem that any run has searched, in the order of the set."""
        known = {name: problem for run in self.runs for name, problem in run.problems.items()}
        return sorted(known.values(), key=lambda problem: (problem.index, problem.id))

    @cached_property
    def digests(self) -> Mapping[str, Sequence[Digest]]:
        """Run name -> what tables and charts need of its trees; reads each tree once."""
        return {run.name: digests_of(run, self.searches) for run in self.runs}

    @property
    def scored(self) -> Mapping[str, Sequence[Digest]]:
        """The digests of the runs in which a PRM scored a path of a pool."""
        return {name: own for name, own in self.digests.items() if any(each.paths for each in own)}

    @property
    def dataset(self) -> str:
        """The name of the problem set."""
        return self.comparison.dataset

    @property
    def models(self) -> str:
        """Generator and PRM."""
        return self.comparison.models

    @property
    def series(self) -> Sequence[str]:
        """Every name that a chart tells apart, in order: lines of the comparison, then those of single budgets."""
        entries = self.comparison.entries
        names = [entry.label for entry in entries] + [entry.name for entry in entries]
        return list(dict.fromkeys([*names, *(run.name for run in self.runs)]))

    def run(self, named: str | None) -> RunData:
        """Find a run by its name or folder; the first where nothing is named.

        Raises:
            ConfigError: there is none of that name.
        """
        if named is None:
            return self.runs[0]
        for run in self.runs:
            if named in (run.name, str(run.folder), run.folder.name):
                return run
        raise ConfigError(f"There is no run {named!r}.", nearest(named, [run.name for run in self.runs]))

    def problem(self, named: str) -> ProblemRecord:
        """Find a problem by its id, or by its number in the set, from 0.

        Raises:
            ConfigError: there is none, or several whose id ends so.
        """
        for problem in self.problems:
            if named in (problem.id, str(problem.index)):
                return problem
        ending = [problem for problem in self.problems if problem.id.endswith(named)]
        if len(ending) == 1:
            return ending[0]
        told = f"{len(ending)} problems end in {named!r}" if ending else f"There is no problem {named!r} in the run"
        first = self.problems[0] if self.problems else None
        hint = f"Give an id or a number, such as {first.id} or {first.index}." if first else ""
        raise ConfigError(f"{told}.", hint)


def side_by_side(
    paths: Sequence[str | FilePath], meant: Collection[str] | None = (), comparison: Comparison | None = None
) -> SideBySide:
    """Open runs and hold them against each other.

    Args:
        paths: run folders, or folders of run folders.
        meant: keys that may differ beside each method's own knobs; None for all that may: the runs of one command.
        comparison: of these runs, where it is known.

    Raises:
        JournalError: a folder that is no run, or one that cannot be read.
        ConfigError: the runs differ in what they must have in common, or have no finished search in common.
    """
    opened = open_runs(paths)
    runs = opened.runs
    _name(runs)
    searches = frozenset.intersection(*[frozenset(run.by_search) for run in runs])
    if not searches:
        counts = ", ".join([f"{run.name}: {len(run.rows)} of {run.wanted} done" for run in runs])
        raise ConfigError(f"The runs have no finished search in common ({counts}).", "Let them finish some problems.")
    differing = _differing(runs)
    allowed = differing if meant is None else meant
    found = comparison or _comparison(paths, opened, searches, allowed)
    notes = [*opened.notes, *_notes(runs, searches), *_differences(runs, differing)]
    return SideBySide(runs, found, searches, notes)


def _differing(runs: Sequence[RunData]) -> list[str]:
    """The keys beside the methods' own knobs in which runs differ, as far as they may."""
    shared = [run.finished.shared for run in runs]
    found = {key for one, other in combinations(shared, 2) for key in differing_keys(one, other)}
    return sorted(found - set(NEVER_VARIED))


def _differences(runs: Sequence[RunData], keys: Sequence[str]) -> Iterator[str]:
    for key in keys:
        told = ", ".join([f"{run.finished.shared.get(key)} for {run.name}" for run in runs])
        yield f"The runs differ in {key}: {told}."


def _name(runs: Sequence[RunData]) -> None:
    """Give each run a name of its own: the method, what tells it from others, and its budget where that does."""
    named = labels([run.finished for run in runs])
    for run, label in zip(runs, named, strict=True):
        budget = run.experiment.get("budget")
        run.name = label if budget is None or named.count(label) == 1 else f"{label} at budget {budget}"


def _comparison(
    paths: Sequence[str | FilePath], opened: OpenedRuns, searches: frozenset[Search], meant: Collection[str]
) -> Comparison:
    """The comparison that `compare` wrote beside the runs, made again; one of the runs alone where there is none."""
    runs = opened.runs
    intact = not opened.unread and not any(run.damaged or run.partial for run in runs)
    if len(paths) == 1 and intact and not meant and was_compared(FilePath(paths[0])):
        try:
            found = compare_again(FilePath(paths[0]))
        except JournalError:
            found = []
        if len(found) == 1:
            return found[0]
    finished = [run.finished for run in runs]
    some = None if all(len(run.rows) == len(searches) for run in runs) else searches
    return compare_runs(finished, meant, some, votes=not any(run.damaged for run in runs))


def _notes(runs: Sequence[RunData], searches: Collection[Search]) -> Iterator[str]:
    for run in runs:
        if run.partial:
            yield f"{run.name} is not finished: {len(run.rows):,} of {run.wanted:,} searches are recorded."
        for line in run.damaged[:MOST_LINES]:
            yield f"{run.name}: line {line.number} of its journal is damaged ({line.reason}) and left out."
        if len(run.damaged) > MOST_LINES:
            yield f"{run.name}: {len(run.damaged) - MOST_LINES} more lines are damaged and left out."
        if changed := rules_changed(run.experiment):
            yield f"{run.name} was searched by older rules; since then {changed}."
    if any(len(run.rows) > len(searches) for run in runs):
        yield f"Tables and charts hold what every run has done: {len(searches):,} of the searches."
    if any(run.damaged for run in runs):
        yield "The vote at equal tokens is left out, since it needs every line."
