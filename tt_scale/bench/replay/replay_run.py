"""A run searched again from its records: no model, no network, no clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from tt_scale._version import __version__
from tt_scale.bench.format.lines import NO_RECORD
from tt_scale.bench.reader.run_data import ANOTHER_MANIFEST, DamagedLine, RunData, Search
from tt_scale.bench.record import Row, unpack
from tt_scale.bench.replay.search_again import Difference, ReplayRules, differences
from tt_scale.bench.replay.tables import Tables, check_tables
from tt_scale.config import Config
from tt_scale.engines.bounded_gather import in_flight
from tt_scale.errors import ConfigError, JournalError
from tt_scale.grading import Grader
from tt_scale.models import make_searcher
from tt_scale.space.first_steps import FirstSteps

__all__ = ["RunReplay", "SearchReplay", "replay_run", "replay_with", "rules_of"]

AT_ONCE = 8
"""Searches in flight; their answers are graded by other processes."""

BEFORE_TAPES = "written before records held what a replay needs"
NO_REQUEST = "failed before its first request"
NO_TAPE = "failed, and what it was given could not be written"


@dataclass(frozen=True, slots=True)
class SearchReplay:
    """One search, run again.

    Attributes:
        search: problem id and repeat.
        differences: between record and replay; empty where both are equal.
        skipped: why it was not run again; empty where it was.
    """

    search: Search
    differences: tuple[Difference, ...] = ()
    skipped: str = ""


@dataclass
class RunReplay:
    """A run, searched again.

    Attributes:
        run: as it was recorded.
        grader: that graded now, with its version.
        equal: how many searches were run again and found equal.
        skipped: reason -> how many searches were not run again.
        differing: searches that differ, in the order of the journal.
        tables: that were compared; of a run that is not finished, none.
        generated_tokens: of the searches that are equal.
    """

    run: RunData
    grader: str
    equal: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    differing: list[SearchReplay] = field(default_factory=list)
    tables: Tables = field(default_factory=Tables)
    generated_tokens: int = 0

    @property
    def damaged(self) -> list[DamagedLine]:
        """Lines that could not be read."""
        return self.run.damaged

    @property
    def confirmed(self) -> bool:
        """Whether nothing differs and nothing is damaged."""
        return not (self.differing or self.damaged or self.tables.differences)


async def replay_run(run: RunData, finished: Callable[[Row], None] = lambda row: None) -> RunReplay:
    """Run all searches of a run again from their records, and compare everything.

    Args:
        run: read from its folder.
        finished: called with the recorded numbers of each search that was run again.

    Raises:
        JournalError: no record holds what a replay needs, or this version cannot read the run's configuration.
        ConfigError: the run's method is not installed.
    """
    with Grader(seconds=_config_of(run).grade_timeout) as grader:
        return await replay_with(rules_of(run, grader), run, finished)


def rules_of(run: RunData, grader: Grader) -> ReplayRules:
    """Take the rules of a run from its manifest; errors as of `replay_run`."""
    config, steps = _config_of(run), _first_steps(run)
    return ReplayRules(config, make_searcher(config), grader, steps.scores if steps else ())


async def replay_with(
    rules: ReplayRules, run: RunData, finished: Callable[[Row], None] = lambda row: None
) -> RunReplay:
    """Do the same by rules that are given; arguments and errors as of `replay_run`."""
    replay = RunReplay(run, f"{rules.grader.name} {rules.grader.version}")

    async def work(row: Row) -> None:
        search = row.id, row.repeat
        found = await _replayed(run, search, rules)
        _count(replay, found, row)
        finished(row)

    await in_flight(run.rows, work, AT_ONCE)
    if run.rows and replay.skipped[BEFORE_TAPES] == len(run.rows):
        wrote = run.manifest.get("versions", {}).get("tt-scale", "unknown")
        raise JournalError(
            f"Nothing in {str(run.folder)!r} can be searched again: version {wrote} wrote no tapes.",
            "Search with this version, then replay that run.",
        )
    places = {search: place for place, search in enumerate(run.by_search)}
    replay.differing.sort(key=lambda found: places[found.search])
    if not run.partial:
        replay.tables = check_tables(run.folder, rules.config, rules.searcher, run.rows, _first_steps(run))
    return replay


def _config_of(run: RunData) -> Config:
    try:
        return Config(**run.manifest["config"])
    except (ConfigError, ValidationError, TypeError, ValueError) as error:
        wrote = run.manifest.get("versions", {}).get("tt-scale", "unknown")
        raise JournalError(
            f"The configuration of {str(run.folder)!r}, written by version {wrote}, cannot be read by version "
            f"{__version__} ({' '.join(str(error).split())[:200]}).",
            f"Type: pip install tt-scale=={wrote}",
        ) from None


def _first_steps(run: RunData) -> FirstSteps | None:
    """Take the first steps of a run from its manifest; None where it needed none."""
    record = run.manifest.get("first_steps")
    try:
        return FirstSteps.of(record) if record else None
    except (KeyError, TypeError, ValueError):
        told = f"The first steps in the manifest of {str(run.folder)!r} are damaged."
        raise JournalError(told, ANOTHER_MANIFEST) from None


def _count(replay: RunReplay, found: SearchReplay, row: Row) -> None:
    if found.skipped:
        replay.skipped[found.skipped] += 1
    elif found.differences:
        replay.differing.append(found)
    else:
        replay.equal += 1
        replay.generated_tokens += row.usage.generated_tokens


async def _replayed(run: RunData, search: Search, rules: ReplayRules) -> SearchReplay:
    try:
        record = run.record(search)
        whole = unpack(record)
        if whole["tape"] is None:
            return SearchReplay(search, skipped=_reason(record))
        return SearchReplay(search, tuple(await differences(record, whole, rules)))
    except JournalError as error:
        return SearchReplay(search, (Difference(error.message),))
    except (*NO_RECORD, AssertionError) as error:
        return SearchReplay(search, (Difference(f"the record cannot be replayed ({type(error).__name__}: {error})"),))


def _reason(record: Mapping[str, Any]) -> str:
    """Say why a record has no tape."""
    if "v" not in record:
        return BEFORE_TAPES
    return NO_TAPE if record["usage"].get("generator_calls") else NO_REQUEST
