"""A line of a journal proves itself: whatever is changed in it is found."""

from __future__ import annotations

import asyncio
import json
import math
import random
import time
import zlib
from base64 import b64decode, b64encode
from collections.abc import Callable
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pytest
from effort import A_SECOND, moment, moments
from worlds import run, sim_problem, sim_space

from tt_scale.bench.format import lines
from tt_scale.bench.format.lines import DamagedLineError, checked, line_of, pack, read_line, unpacked
from tt_scale.bench.format.zlib_dictionary import DICTIONARY
from tt_scale.bench.record import (
    failure_record,
    input_digest,
    line_of_record,
    recorded_input_digest,
    search_record,
    unpack,
    written,
)
from tt_scale.bench.run.journal import Journal
from tt_scale.core.budget import Usage
from tt_scale.core.records import Problem
from tt_scale.errors import JournalError
from tt_scale.grading import Grader
from tt_scale.searcher.beam_search import BeamSearch
from tt_scale.searcher.best_of_n import BestOfN
from tt_scale.searcher.greedy import Greedy

PROBLEMS = [sim_problem(number, level=3, steps=2) for number in range(4)]
OLD = Path(__file__).parents[2] / "data" / "old_run"


@lru_cache(maxsize=1)
def records() -> tuple[dict[str, Any], ...]:
    async def searched() -> list[dict[str, Any]]:
        found = []
        with Grader() as grader:
            for index, problem in enumerate(PROBLEMS[:3]):
                space = sim_space(problem)
                outcome = await space.conclude(await BestOfN(N=3).search(space))
                found.append(await search_record(index, 0, space, outcome, "best", grader))
        return [*found, failure_record(3, 0, PROBLEMS[3], Usage(generated_tokens=9), ValueError("no"), space.tape)]

    return tuple(asyncio.run(searched()))


@lru_cache(maxsize=1)
def new_journal() -> bytes:
    return b"".join(map(line_of_record, records()))


def old_journal() -> bytes:
    return (OLD / "problems.jsonl").read_bytes()


class Reading:
    """What a journal makes of some bytes."""

    def __init__(self, data: bytes, folder: Path, problems: list[Problem]) -> None:
        self.journal = Journal(folder, {"experiment": {}}, problems)
        known: set[Any] = set()
        for number, line in enumerate(data.splitlines(keepends=True), 1):
            if line.endswith(b"\n"):
                self.journal._take(number, line, known)


def flipped(data: bytes, source: random.Random) -> bytes:
    """The same with one to three bits that are others."""
    changed = bytearray(data)
    for _ in range(source.choice([1, 1, 1, 2, 3])):
        place = source.randrange(len(changed))
        changed[place] ^= 1 << source.randrange(8)
    return bytes(changed)


def mangled(data: bytes, source: random.Random) -> bytes:
    """The same with a piece cut out, doubled, overwritten or moved."""
    begin, length = source.randrange(len(data)), source.randrange(1, 40)
    piece, other = data[begin : begin + length], source.randrange(len(data))
    return source.choice(
        [
            data[:begin] + data[begin + length :],
            data[:begin] + piece + data[begin:],
            data[:begin] + bytes(len(piece)) + data[begin + length :],
            data[:begin] + source.randbytes(len(piece)) + data[begin + length :],
            data[:other] + piece + data[other:],
        ]
    )


@pytest.mark.parametrize("change", [flipped, mangled])
def test_no_change_is_accepted_in_silence(tmp_path: Path, change: Callable[[bytes, random.Random], bytes]) -> None:
    """Of 619 flipped bits that passed or crashed before, 41 stood in numbers of tables."""
    data, source = new_journal(), random.Random(7)
    honest = Reading(data, tmp_path, PROBLEMS).journal
    assert honest.set_aside == []
    rows = {row.id: row for row in honest.rows}
    assert len(rows) == 4
    for _ in range(1500):
        other = change(data, source)
        if other == data:
            continue
        try:
            found = Reading(other, tmp_path, PROBLEMS).journal
        except JournalError:  # a whole line that was doubled
            continue
        for row in found.rows:
            assert row == rows[row.id]
        whole = other.endswith(b"\n")
        assert found.set_aside or not whole or other.count(b"\n") < data.count(b"\n")
        assert len(found.rows) < 4 or found.set_aside or not whole


@pytest.mark.parametrize("change", [flipped, mangled])
def test_no_change_of_an_old_line_is_a_crash(tmp_path: Path, change: Callable[[bytes, random.Random], bytes]) -> None:
    """Without a checksum a digit may pass for another; a grade, a type or a name may not, and nothing may crash."""
    data, source = old_journal(), random.Random(8)
    honest = Reading(data, tmp_path, []).journal
    assert honest.set_aside == []
    found = 0
    for _ in range(400):
        try:
            journal = Reading(change(data, source), tmp_path, []).journal
        except JournalError:
            found += 1
            continue
        found += bool(journal.set_aside)
        assert {row.grade for row in journal.rows} <= {"correct", "wrong", "no_answer", "ungraded"}
        for row in journal.rows:
            assert row.usage.generated_tokens >= 0
            assert math.isfinite(row.usage.flops)
    assert found > 150


def changed(record: dict[str, Any], *path: Any, to: Any) -> dict[str, Any]:
    """A copy of a record with another value in one place."""
    copy: Any = json.loads(json.dumps(record))
    inner = copy
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = to
    return copy  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("grade",), "right"),
        (("grade",), 1),
        (("index",), -1),
        (("index",), True),
        (("index",), 1e400),
        (("repeat",), "0"),
        (("id",), None),
        (("usage", "generated_tokens"), -5),
        (("usage", "generated_tokens"), 5.5),
        (("usage", "flops"), math.nan),
        (("usage", "seconds"), math.inf),
        (("usage", "joules"), 1),
        (("telemetry", "pool"), -1),
        (("telemetry", "pool"), None),
        (("selectors", "best", "1"), "maybe"),
        (("selectors", "best", "-1"), "correct"),
        (("selectors", "best"), []),
        (("pool", 0, "grade"), "right"),
        (("pool", 0, "score"), 1.5),
        (("tree", 0, "steps", 0, "ids", 0), "7"),
        (("tree", 0, "state"), "asleep"),
        (("events",), {}),
        (("more",), 1),
    ],
)
def test_fields_of_an_old_line_are_checked(tmp_path: Path, path: tuple[Any, ...], value: Any) -> None:
    """A grade that is none counts as wrong, a negative count lowers a mean, and nobody sees it."""
    record = json.loads(old_journal().splitlines()[0])
    line = json.dumps(changed(record, *path, to=value)).encode() + b"\n"
    assert Reading(line, tmp_path, []).journal.set_aside == [1]
    missing = {key: each for key, each in record.items() if key != path[0]}
    assert len(missing) == len(record) or (
        Reading(json.dumps(missing).encode() + b"\n", tmp_path, []).journal.set_aside == [1]
    )


@pytest.mark.parametrize("text", [b"[" * 100_000, b'{"a":' * 100_000, b'{"index":' + b"9" * 100_000 + b"}", b"\xff"])
def test_deep_and_huge_json_is_a_damaged_line(tmp_path: Path, text: bytes) -> None:
    """A parser that recurses ends the process."""
    assert Reading(text + b"\n", tmp_path, []).journal.set_aside == [1]
    assert moments(lambda: Reading(text + b"\n", tmp_path, []), A_SECOND) < A_SECOND


@pytest.mark.parametrize(
    ("key", "value"),
    [("id", "sim-99999"), ("repeat", 1), ("index", 2), ("index", 9), ("gold", "1"), ("level", 4), ("question", "?")],
)
def test_a_record_of_another_problem_is_no_record_of_the_run(tmp_path: Path, key: str, value: Any) -> None:
    """A line of another run counts in the table of this one; also one whose checksum is right."""
    [first, *_] = records()
    assert Reading(line_of_record(first), tmp_path, PROBLEMS).journal.set_aside == []
    assert Reading(line_of_record({**first, key: value}), tmp_path, PROBLEMS).journal.set_aside == [1]


def test_a_line_is_json_with_plain_fields() -> None:
    """pandas, jq and people read it without us."""
    for line, record in zip(new_journal().splitlines(), records(), strict=True):
        told = json.loads(line)
        assert next(iter(told)) == "v"
        assert list(told)[-2:] == ["packed", "sum"]
        assert told["v"] == 2
        for key, value in record.items():
            if key not in ("tree", "tape"):
                assert told[key] == value


def test_pandas_reads_it(tmp_path: Path) -> None:
    """One call, and a table with a column for each field."""
    pandas = pytest.importorskip("pandas")
    (tmp_path / "problems.jsonl").write_bytes(new_journal())
    table = pandas.read_json(tmp_path / "problems.jsonl", lines=True, dtype={"gold": str})
    assert list(table.id) == [problem.id for problem in PROBLEMS]
    assert list(table.grade)[3] == "no_answer"
    assert unpack(table.iloc[0].to_dict())["tree"] == records()[0]["tree"]


def test_unpack_gives_what_was_packed() -> None:
    """Tree and tape, node by node; also of a search that failed, whose tree is empty."""
    for line, record in zip(new_journal().splitlines(keepends=True), records(), strict=True):
        assert unpack(read_line(line)) == record
        assert recorded_input_digest(read_line(line)) == input_digest(unpack(read_line(line)))
        assert unpack(json.loads(line)) == record
    old = json.loads(old_journal().splitlines()[0])
    assert unpack(old) == {**old, "tape": None}


@pytest.mark.parametrize("text", ["", "AAAA", "no base64!", b64encode(zlib.compress(b"[1,2")).decode(), None, 7])
def test_a_packed_part_that_is_none_is_said(text: Any) -> None:
    """A traceback from within zlib helps nobody."""
    with pytest.raises(ValueError, match="packed part of the record of 'p' is damaged"):
        unpack({"id": "p", "packed": text})


def test_the_dictionary_stays_as_it_is() -> None:
    """Another one could not unpack the lines of today; those that were packed without one are unpacked as well."""
    assert blake2b(DICTIONARY, digest_size=8).hexdigest() == "6d1cc497821f6ae8"
    assert unpacked(b64encode(zlib.compress(b"[1,2]")).decode()) == [1, 2]
    assert unpacked(pack([1, 2])) == [1, 2]


def test_a_packed_part_cannot_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kilobyte that unpacks to a gigabyte."""
    monkeypatch.setattr(lines, "MOST_UNPACKED", 1000)
    assert unpacked(pack([0] * 400)) == [0] * 400
    with pytest.raises(ValueError, match="too long"):
        unpacked(pack([0] * 4000))


def test_a_line_of_a_later_version_says_so() -> None:
    """A run of a newer tt_scale that looks damaged would be searched again, and its lines set aside."""
    body = b'{"v":3,"index":0'
    line = body + b',"sum":"' + lines._digest(body) + b'"}\n'
    with pytest.raises(JournalError, match=r"format 3; this version reads 1 and 2.*pip install"):
        checked(line)
    with pytest.raises(DamagedLineError):
        checked(line.replace(b"3", b"4"))


def test_pieces_make_the_same_json(monkeypatch: pytest.MonkeyPatch) -> None:
    """Large values are encoded piece by piece, which must not show."""
    values = [
        {"a": list(range(50)), "b": {"c": [[1.5] * 9, [2] * 30, []], "d": "é\n"}, "e": None, "f": []},
        [[0.1, "x"]] * 40,
        list("abc" * 30),
        {},
        [],
        "text",
    ]
    whole = [line_of({"value": value}) for value in values]
    monkeypatch.setattr(lines, "PIECE", 7)
    assert [line_of({"value": value}) for value in values] == whole
    assert [unpacked(pack(value)) for value in values] == values


def test_numbers_that_json_does_not_have_are_refused() -> None:
    """NaN is no JSON: pandas and jq would stop at the line."""
    with pytest.raises(ValueError, match="JSON compliant"):
        line_of({"value": math.nan})


def test_packing_lets_other_threads_run() -> None:
    """One encoding of a tree of a million tokens held up every other search for a fifth of a second."""
    value = {"ids": list(range(1_000_000)), "logprobs": [[-0.123456789] * 1000] * 300, "text": ["so " * 9] * 50_000}
    began, longest, count = time.thread_time(), 0.0, 0
    for _ in lines._chunks(value, allow_nan=True):
        longest, began, count = max(longest, time.thread_time() - began), time.thread_time(), count + 1
    assert count > 500
    assert longest < 5 * moment()  # 50 ms, where nothing else runs


def test_what_a_line_holds_is_half_of_what_it_was(tmp_path: Path) -> None:
    """27 kB for a search of 300 tokens; the same content, and the tape with it."""
    space = sim_space(sim_problem(2))
    outcome = run(BeamSearch(), space)
    with Grader() as grader:
        record = asyncio.run(search_record(0, 0, space, outcome, "best", grader))
    then = json.dumps({key: value for key, value in record.items() if key != "tape"}, ensure_ascii=False)
    assert len(line_of_record(record)) < len(then) / 3
    assert b64decode(read_line(line_of_record(record))["packed"])


def test_the_smallest_searches_say_little_twice() -> None:
    """Names of columns were a quarter of the line of a search with one path."""
    space = sim_space(sim_problem(2))
    outcome = run(Greedy(), space)
    with Grader() as grader:
        record = asyncio.run(search_record(0, 0, space, outcome, "first", grader))
    line = line_of_record(record)
    bare = len(zlib.compress(json.dumps(unpacked(read_line(line)["packed"]), separators=(",", ":")).encode()))
    assert len(b64decode(read_line(line)["packed"])) < 0.8 * bare


async def test_a_large_search_is_written_down_beside_the_loop() -> None:
    """A search of a million tokens held up two thousand others while its line was made."""
    space = sim_space(sim_problem(2))
    outcome = await space.conclude(await BestOfN(N=400).search(space))
    assert space.usage.generated_tokens > 20_000
    with Grader() as grader:
        answers = [space.answer(path) for path in outcome.pool]
        await grader.group(answers)
        await grader.grade_many(space.problem.answer, answers)  # both are known from now on
        here, everywhere = time.thread_time(), time.process_time()
        record = await search_record(0, 0, space, outcome, "best", grader)
        line = await written(record)
        here, everywhere = time.thread_time() - here, time.process_time() - everywhere
    assert unpack(read_line(line)) == record
    assert here < everywhere / 2
