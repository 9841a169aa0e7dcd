"""One search run again from its record, and all that differs between both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from tt_scale.base_classes import Searcher
from tt_scale.bench.record import (
    failure_record,
    input_digest,
    recorded_input_digest,
    recorded_seconds,
    search_record,
)
from tt_scale.bench.replay.tape import TapedGenerator, taped_space
from tt_scale.config import Config
from tt_scale.core.concurrency import ending_of
from tt_scale.core.path import Outcome, name
from tt_scale.core.printable import shown
from tt_scale.core.records import Problem
from tt_scale.errors import ReplayError
from tt_scale.grading import Grader
from tt_scale.space.search_space import SearchSpace

__all__ = ["Difference", "ReplayRules", "differences", "search_again"]


@dataclass(frozen=True, slots=True)
class Difference:
    """A value that a record states otherwise than its search gives it.

    Attributes:
        place: where, as people read it: "node 0.1.2, score".
        recorded: the value of the record, shortened; empty where `place` says it all.
        replayed: the value of the search that was run again.
    """

    place: str
    recorded: str = ""
    replayed: str = ""

    def __str__(self) -> str:
        if not self.recorded and not self.replayed:
            return self.place
        return f"{self.place} is {self.recorded}, the replay gives {self.replayed}"


@dataclass(frozen=True)
class ReplayRules:
    """By which the searches of a run are run again.

    Attributes:
        config: of the run.
        searcher: its method.
        grader: open.
        first_scores: of the run's first steps; empty where `tau` is a number.
    """

    config: Config
    searcher: Searcher
    grader: Grader
    first_scores: Sequence[float] = ()


async def search_again(record: Mapping[str, Any], rules: ReplayRules) -> dict[str, Any]:
    """Run a search again, and write down what it finds.

    Args:
        record: unpacked, with a tape.
        rules: of the run.

    Returns:
        The record of the search that was run again.

    Raises:
        ReplayError: the search asked for something else than the tape holds.
    """
    config, searcher = rules.config, rules.searcher
    problem = Problem(record["id"], record["question"], record["gold"], record["level"], record["subject"])
    generator = TapedGenerator(record["tape"])
    space = taped_space(
        generator,
        problem,
        config,
        repeat=record["repeat"],
        max_steps=searcher.longest_path,
        seconds=record["usage"]["seconds"],
        first_scores=rules.first_scores,
    )
    ending = await ending_of(_concluded(space, searcher))
    place = record["index"], record["repeat"]
    if isinstance(ending.error, ReplayError):
        raise ending.error
    if ending.error is not None:
        generator.check_finished()
        return failure_record(*place, problem, space.usage, ending.error, space.tape, recorded_seconds(record))
    generator.check_finished()
    selector = config.selector or searcher.selector
    told = record.get("source", {}).get("verdicts", {})
    source = [told.get(name(path.key), "wrong") for path in ending.result.pool] if told else []
    seconds = recorded_seconds(record)
    return await search_record(
        *place, space, ending.result, selector, rules.grader, config.final_agg, source, call_seconds=seconds
    )


async def _concluded(space: SearchSpace, searcher: Searcher) -> Outcome:
    return await space.conclude(await searcher.search(space))


async def differences(record: Mapping[str, Any], whole: Mapping[str, Any], rules: ReplayRules) -> list[Difference]:
    """Run a search again from its record and give whatever differs.

    Args:
        record: as it was read from its line, tree and tape packed.
        whole: the same, unpacked; it has a tape.
        rules: of the run.

    Raises:
        ValueError: the packed part is damaged.
    """
    if recorded_input_digest(record) != input_digest(whole):
        return [Difference("problem, tape or seconds are not what the search was given (their checksum differs)")]
    try:
        again = await search_again(whole, rules)
    except ReplayError as error:
        return [Difference(error.message)]
    return list(_differing("", dict(whole), again))


def _differing(place: str, one: Any, other: Any) -> Iterator[Difference]:
    """Compare two values to the bit; the place of each difference is named."""
    if repr(one) == repr(other):  # the usual case, and much quicker than member by member
        return
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted({*one, *other}, key=str):
            yield from _differing(_inside(place, str(key)), one.get(key, MISSING), other.get(key, MISSING))
    elif isinstance(one, list | tuple) and isinstance(other, list | tuple):
        for at in range(max(len(one), len(other))):
            own = one[at] if at < len(one) else MISSING
            its = other[at] if at < len(other) else MISSING
            yield from _differing(_member(place, at, own, its), own, its)
    elif is_dataclass(one) and type(one) is type(other):
        for each in fields(one):
            yield from _differing(_inside(place, each.name), getattr(one, each.name), getattr(other, each.name))
    else:
        yield Difference(place, shown(one), shown(other))


class _Missing:
    def __repr__(self) -> str:
        return "missing"


MISSING = _Missing()


def _inside(place: str, key: str) -> str:
    return f"{place}, {key}" if place else key


def _member(place: str, at: int, one: Any, other: Any) -> str:
    """Name a member of a list: by its node where it has one."""
    key = next((each["key"] for each in (one, other) if isinstance(each, dict) and "key" in each), None)
    if key is not None:
        return f"{place}, node {key}" if place != "tree" else f"node {key}"
    asked = next((each.key for each in (one, other) if hasattr(each, "key") and hasattr(each, "step")), None)
    return f"{place}[{at}]" if asked is None else f"{place}[{at}] for node {name(asked)}"
