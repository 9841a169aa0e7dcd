"""What a replay found, in the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tt_scale.bench.replay.replay_run import RunReplay
from tt_scale.bench.run.manifest import rules_changed
from tt_scale.core.printable import printable

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["print_replay"]

MOST_SEARCHES, MOST_DIFFERENCES = 10, 5
"""Searches, and differences of each, that are listed."""


def print_replay(replay: RunReplay, console: Console) -> None:
    """Print what was confirmed, what was not, and every difference by problem and node."""
    for line in _lines(replay):
        console.print(printable(line), markup=False, highlight=False, soft_wrap=True)


def _lines(replay: RunReplay) -> Iterator[str]:
    run, count = replay.run, replay.equal + len(replay.differing)
    yield f"{run.folder}: {count:,} of {len(run.rows) + len(run.damaged):,} searches run again, {replay.equal:,} equal."
    if replay.equal:
        tables = "".join([f", {name}" for name in replay.tables.confirmed if not _differs(replay, name)])
        told = f"Confirmed in these {replay.equal:,}" if replay.differing else "Confirmed"
        yield f"{told}: trees, pools, answers, grades, events, {replay.generated_tokens:,} generated tokens{tables}."
    for reason, skipped in replay.skipped.items():
        yield f"Not run again: {skipped:,} ({reason})."
    if run.partial:
        yield f"The run is not finished ({len(run.rows):,} of {run.wanted:,} searches); its tables were not compared."
    yield from _grader_note(replay)
    if replay.differing and (changed := rules_changed(run.experiment)):
        yield f"It was searched by older rules; since then {changed}."
    for line in replay.damaged:
        yield f"Line {line.number} is damaged ({line.reason})."
    yield from _differences(replay)


def _differs(replay: RunReplay, table: str) -> bool:
    return any(each.place.startswith(table) for each in replay.tables.differences)


def _grader_note(replay: RunReplay) -> Iterator[str]:
    then, now = replay.run.experiment.get("grader"), replay.grader
    if then != now:
        yield f"Answers were graded by {then}, the replay grades by {now}."


def _differences(replay: RunReplay) -> Iterator[str]:
    for found in replay.differing[:MOST_SEARCHES]:
        problem, repeat = found.search
        yield f"Problem {problem}" + (f", repeat {repeat}:" if repeat else ":")
        yield from [f"  {each}" for each in found.differences[:MOST_DIFFERENCES]]
        if len(found.differences) > MOST_DIFFERENCES:
            yield f"  and {len(found.differences) - MOST_DIFFERENCES:,} more"
    if len(replay.differing) > MOST_SEARCHES:
        yield f"{len(replay.differing) - MOST_SEARCHES:,} more searches differ."
    yield from [str(each) for each in replay.tables.differences[:MOST_SEARCHES]]
    if len(replay.tables.differences) > MOST_SEARCHES:
        yield f"{len(replay.tables.differences) - MOST_SEARCHES:,} more places of tables differ."
