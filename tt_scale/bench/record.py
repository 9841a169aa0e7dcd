"""What a run keeps of one problem: a record, which is a line of `problems.jsonl`.

In memory a record is a dict of plain values, with the nodes of the search under `tree` and its tape under `tape`; in a
file both are packed into one field, and `unpack` gives them back.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from itertools import takewhile
from types import MappingProxyType
from typing import Any

from tt_scale.bench.format.lines import HIDDEN, NO_RECORD, PACKED, digest_of, line_of, pack, unpacked
from tt_scale.bench.format.packed_tape import packed_tape, unpacked_tape
from tt_scale.bench.format.packed_tree import packed_tree, unpacked_tree
from tt_scale.bench.format.record_types import head_of
from tt_scale.bench.rows import Row
from tt_scale.core.budget import Usage
from tt_scale.core.path import Key, Outcome, Path, name, tokens_on
from tt_scale.core.records import Problem
from tt_scale.core.selection import SELECTORS, Candidate, candidates, oracle, sizes
from tt_scale.core.text import described, escaped
from tt_scale.grading import Grade, Grader
from tt_scale.space.search_space import Event, SearchSpace
from tt_scale.space.tape import Tape

__all__ = [
    "CALL_SECONDS",
    "Row",
    "failure_record",
    "input_digest",
    "line_of_record",
    "recorded_input_digest",
    "recorded_seconds",
    "search_record",
    "source_part",
    "unpack",
    "unpack_tree",
    "verdicts",
    "written",
]

LARGE = 5_000
"""Tokens of a search; what is written down of more is worked out beside the event loop, which others wait for."""

NO_SECONDS: Mapping[str, float] = MappingProxyType({})

PARTS = ("tree", "tape")

CALL_SECONDS = ("generator_seconds", "prm_seconds", "grading_seconds")
"""Fields of a record with the time in which calls of the search were in flight; left out where it is unknown."""

PROBLEM = ("index", "id", "repeat", "level", "subject", "question", "gold")
"""Fields of a record that the search was given; the tape and all seconds are the others."""


async def search_record(
    index: int,
    repeat: int,
    space: SearchSpace,
    outcome: Outcome,
    selector: str,
    grader: Grader,
    final_agg: str | None = None,
    source: Sequence[Grade] = (),
    call_seconds: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """Grade a finished search under every selector and write down everything about it.

    The score of a pool member is the one that selectors saw; that of the search is in the tree. `source` has the
    verdicts of the source of recorded samples on the members of the pool; it is empty where there are none.
    `call_seconds` has the recorded `CALL_SECONDS` of a search that is run again; None writes down those measured here.
    """
    began = time.monotonic()
    answers = [space.answer(path) for path in outcome.pool]
    classes = await grader.group(answers)
    grades = await grader.grade_many(space.problem.answer, answers)
    if call_seconds is None:
        call_seconds = {**space.call_seconds, "grading_seconds": time.monotonic() - began}
    about = final_agg, answers, classes, grades, source, call_seconds
    write = partial(_record, index, repeat, space, outcome, selector, *about)
    if space.usage.generated_tokens > LARGE:
        return await asyncio.to_thread(write)
    return write()


def _record(
    index: int,
    repeat: int,
    space: SearchSpace,
    outcome: Outcome,
    selector: str,
    final_agg: str | None,
    answers: Sequence[str | None],
    classes: Sequence[int],
    grades: Sequence[Grade],
    source: Sequence[Grade],
    call_seconds: Mapping[str, float],
) -> dict[str, Any]:
    pool = outcome.pool
    voters = candidates(outcome, classes, final_agg)
    chosen = SELECTORS[selector](voters)
    return {
        **_head(index, repeat, space.problem),
        "answer": None if chosen is None else answers[chosen],
        "grade": "no_answer" if chosen is None else grades[chosen],
        "selector": selector,
        "selectors": verdicts(voters, grades),
        "stopped": outcome.stopped,
        "error": "",
        "usage": asdict(space.usage),
        **call_seconds,
        "telemetry": _telemetry(space, pool, grades),
        "right": sum([grade == "correct" for grade in grades]),
        **({"source": source_part([name(path.key) for path in pool], voters, source, chosen)} if source else {}),
        "pool": [
            {
                "key": name(path.key),
                "answer": answer,
                "class": group,
                "grade": grade,
                "score": voter.score,
                "tokens": path.tokens,
                **({} if voter.weight is None else {"weight": voter.weight}),
                **_marks(path),
            }
            for path, answer, group, grade, voter in zip(pool, answers, classes, grades, voters, strict=True)
        ],
        "events": [
            {"kind": event.kind, "keys": [name(key) for key in event.keys], "created": event.created}
            for event in space.events
        ],
        "tree": _tree(space.nodes, space.costs, space.parts),
        "tape": space.tape,
    }


def source_part(
    keys: Sequence[str], voters: Sequence[Candidate], source: Sequence[Grade], chosen: int | None
) -> dict[str, Any]:
    """Write down what the source of recorded samples thinks of a pool: beside our grades, never instead of them.

    Args:
        keys: of the pool's members [members].
        voters: the same as selectors see them [members].
        source: verdicts of the source [members].
        chosen: the member whose answer is the search's.
    """
    return {
        "grade": "no_answer" if chosen is None else source[chosen],
        "selectors": verdicts(voters, source),
        "verdicts": dict(zip(keys, source, strict=True)),
    }


async def written(record: Mapping[str, Any]) -> bytes:
    """Write a record as a line of the journal; a large one beside the event loop.

    Raises:
        TypeError, ValueError: it holds what cannot be written down.
    """
    if record["usage"]["generated_tokens"] > LARGE:
        return await asyncio.to_thread(line_of_record, record)
    return line_of_record(record)


def line_of_record(record: Mapping[str, Any]) -> bytes:
    """Write a record as a line; errors as in `written`."""
    plain = {key: value for key, value in record.items() if key not in PARTS}
    tree, tape = record["tree"], record["tape"]
    parts = {
        "tree": packed_tree(tree),
        "tape": None if tape is None else packed_tape(tape, tree),
        "inputs": input_digest(record),
    }
    line = line_of({**plain, PACKED: pack(parts)})
    head_of(line)  # what would be refused when the run goes on is not written in the first place
    return line


def unpack(record: Mapping[str, Any]) -> dict[str, Any]:
    """Give a record as it is in memory, with `tree` and `tape`.

    Args:
        record: a line of `problems.jsonl`, read as JSON; one of the first format, which has its tree as it is, gets an
            empty tape: None.

    Raises:
        ValueError: the packed part is damaged.
    """
    if PACKED not in record:
        return {"tape": None, **record}
    plain = {key: value for key, value in record.items() if key not in (PACKED, *HIDDEN)}
    with _named_damage(record):
        parts = unpacked(record[PACKED])
        tree = unpacked_tree(parts["tree"])
        tape = None if parts["tape"] is None else unpacked_tape(parts["tape"], tree)
    return {**plain, "tree": tree, "tape": tape}


def unpack_tree(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Give the nodes of a record alone, which takes half as long as `unpack`; argument and errors are the same."""
    if PACKED not in record:
        return list(record["tree"])
    with _named_damage(record):
        return unpacked_tree(unpacked(record[PACKED])["tree"])


@contextmanager
def _named_damage(record: Mapping[str, Any]) -> Iterator[None]:
    try:
        yield
    except (*NO_RECORD, StopIteration) as error:
        raise ValueError(f"the packed part of the record of {record.get('id')!r} is damaged: {error}") from None


def input_digest(record: Mapping[str, Any]) -> str:
    """Give a checksum of all that a search was given: its problem, its tape, and the seconds that were measured.

    All other fields follow from these; a record in which both are right can be believed.
    """
    tape = record["tape"]
    given = [record[field] for field in PROBLEM]
    if "source" in record:
        given.append(record["source"]["verdicts"])
    if measured := recorded_seconds(record):
        given.append(measured)
    return digest_of([*given, record["usage"]["seconds"], None if tape is None else packed_tape(tape, [])])


def recorded_seconds(record: Mapping[str, Any]) -> dict[str, float]:
    """Give the times of `CALL_SECONDS` that a record states."""
    return {name: record[name] for name in CALL_SECONDS if name in record}


def recorded_input_digest(record: Mapping[str, Any]) -> str:
    """Give that checksum as it was when a packed record was written; errors as in `unpack`."""
    with _named_damage(record):
        return str(unpacked(record[PACKED])["inputs"])


def failure_record(
    index: int,
    repeat: int,
    problem: Problem,
    usage: Usage,
    error: BaseException,
    tape: Tape | None = None,
    call_seconds: Mapping[str, float] = NO_SECONDS,
) -> dict[str, Any]:
    """Write down a problem that failed; it stays in the denominator as not correct. Its tape leads to what failed."""
    record = _head(index, repeat, problem)
    record |= {
        "answer": None,
        "grade": "no_answer",
        "selector": "",
        "selectors": {},
        "stopped": "error",
        "error": described(error),
        "usage": asdict(usage),
        **call_seconds,
        "telemetry": {"wasted_tokens": usage.generated_tokens},
        "right": 0,
        "pool": [],
        "events": [],
        "tree": [],
        "tape": tape,
    }
    return record


def _head(index: int, repeat: int, problem: Problem) -> dict[str, Any]:
    return {
        "index": index,
        "id": escaped(problem.id),
        "repeat": repeat,
        "level": problem.level,
        "subject": None if problem.subject is None else escaped(problem.subject),
        "question": escaped(problem.question),
        "gold": escaped(problem.answer),
    }


def verdicts(voters: Sequence[Candidate], grades: Sequence[Grade]) -> dict[str, dict[str, str]]:
    """Every selector's verdict at each power of two up to the size of the pool, and at its size; with the oracle."""
    found: dict[str, dict[str, str]] = {}
    for size in sizes(len(voters)):
        for selector, choose in SELECTORS.items():
            chosen = choose(voters[:size])
            found.setdefault(selector, {})[str(size)] = "no_answer" if chosen is None else grades[chosen]
        right = oracle([grade == "correct" for grade in grades[:size]])
        found.setdefault("oracle", {})[str(size)] = "wrong" if right is None else "correct"
    return found


def _telemetry(space: SearchSpace, pool: Sequence[Path], grades: Sequence[Grade]) -> dict[str, int]:
    kinds = Counter([event.kind for event in space.events])
    states = Counter([node.state for node in space.nodes])
    useful = tokens_on(space.nodes, pool)
    if any(path.forced for path in pool):
        useful -= len(space.tape.lead_in or ())  # nobody generated them
    right = [path for path, grade in zip(pool, grades, strict=True) if grade == "correct"]
    return {
        "steps": space.expansions,
        "judged": space.bar.judged,
        "passed": space.bar.passed,
        "retries": sum([len(event.keys) for event in space.events if event.kind == "retry"]),
        "backtracks": len(_backtracks(space)),
        "recovered": _recovered(space, right),
        "jumps": kinds["jump"],
        "nodes": len(space.nodes),
        "pool": len(pool),
        "truncated": states["truncated"],
        "cut": sum([path.cut for path in pool]),
        "forced": sum([path.forced for path in pool]),
        "failed": states["failed"],
        "unreadable": states["unreadable"],
        "wasted_tokens": space.usage.generated_tokens - useful,
    }


def _backtracks(space: SearchSpace) -> list[Event]:
    """Those that were acted upon: a search may decide to step back and then end, as it has enough or no budget left."""
    return [event for event in space.events if event.kind == "backtrack" and event.created < len(space.nodes)]


def _recovered(space: SearchSpace, right: Sequence[Path]) -> int:
    """How many backtracks a correct path followed: one that leaves a backtracking path by a child drawn later.

    Needs the gold answer, so it is worked out here, where no search sees it.
    """
    drawn = {node.key: order for order, node in enumerate(space.nodes)}
    branchings: dict[Key, int] = {}  # a path on the way to a right answer -> its last child that leads there
    for path in right:
        for end in range(1, len(path.key)):
            child = drawn[path.key[: end + 1]]
            branchings[path.key[:end]] = max(child, branchings.get(path.key[:end], -1))
    return sum([any(branchings.get(key, -1) >= event.created for key in event.keys) for event in _backtracks(space)])


def _marks(path: Path) -> dict[str, bool]:
    """What is unusual about a finished path, where anything is."""
    return {mark: True for mark in ("cut", "forced") if getattr(path, mark)}


def _tree(
    nodes: Sequence[Path], costs: Mapping[Key, Usage], parts: Mapping[Key, Mapping[str, Sequence[float]]]
) -> list[dict[str, Any]]:
    """Each path by what it adds to its parent, and its cost; `from` says how many of the parent's steps it keeps.

    Where several PRMs scored, `parts` holds what each said of the steps that were new then: the last of `scores`.
    """
    by_key = {node.key: node for node in nodes}
    tree = []
    for node in nodes:
        parent = by_key.get(node.key[:-1])
        pairs = zip(node.steps, parent.steps if parent else (), strict=False)
        kept = len(list(takewhile(lambda pair: pair[0] is pair[1], pairs)))
        tree.append(
            {
                "key": name(node.key),
                "state": node.state,
                **_marks(node),
                "score": node.score,
                "from": kept,
                "scores": list(node.scores[kept:]),
                **({"parts": {prm: list(own) for prm, own in parts[node.key].items()}} if node.key in parts else {}),
                "usage": costs[node.key].spent(),
                "steps": [
                    {
                        "text": step.text,
                        "ids": list(step.ids),
                        "ended": step.ended,
                        "seed": step.seed,
                        "temperature": step.temperature,
                        "cached": step.cached,
                        **({"error": step.error} if step.error else {}),
                    }
                    for step in node.steps[kept:]
                ],
            }
        )
    return tree
