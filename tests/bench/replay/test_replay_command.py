"""`tt-scale replay`: whatever is changed in a record or a table of a run is found and named."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest
from commands import BENCH, Command, read_journal

from tt_scale.bench.format.lines import PACKED, line_of, pack, read_line, unpacked
from tt_scale.bench.reader.run_data import RunData, read_run
from tt_scale.bench.record import line_of_record, unpack
from tt_scale.bench.replay.replay_run import replay_run, rules_of
from tt_scale.bench.replay.search_again import Difference, differences
from tt_scale.grading import Grader

OLD = Path(__file__).parents[2] / "data" / "old_run"
RUNS = {
    "collective": ("--method", "collective", "--tau", "q0.5", "--repeats", "2"),
    "deepconf": ("--method", "deepconf", "--warmup-traces", "2", "--N", "6", "--group-tokens", "8"),
    "voted": ("--method", "self_consistency", "--adaptive", "beta", "--N", "6"),
    "limited": (
        "--method",
        "independent",
        "--max-generated-tokens",
        "150",
        "--max-tokens",
        "60",
        "--max-seconds",
        "0.01",
    ),
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One run of each kind, over four problems."""
    from tt_scale.cli.main import main

    folder = tmp_path_factory.mktemp("runs")
    few = (*BENCH, "--num-samples", "4", "--output-dir", str(folder))
    for tag, more in RUNS.items():
        with pytest.raises(SystemExit) as ended:
            main([*few, "--run-tag", tag, *more])
        assert ended.value.code == 0
    return {tag: next(path.parent for path in (folder / tag).rglob("problems.jsonl")) for tag in RUNS}


@pytest.fixture
def copied(runs: dict[str, Path], tmp_path: Path) -> Callable[[str], Path]:
    """A copy of a run and of the summary beside it."""

    def copy(tag: str) -> Path:
        folder = runs[tag]
        whole = tmp_path / "logs"
        shutil.copytree(folder.parents[1], whole)
        return whole / tag / folder.name

    return copy


def test_what_cannot_be_run_again_does_not_hide_the_rest(
    copied: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """One damaged manifest in a folder of several stopped the replay of all."""
    folder, command = copied("voted"), Command(capsys)
    (folder.parent / "broken").mkdir()
    (folder.parent / "broken" / "manifest.json").write_text("{")
    answer = command("replay", str(folder.parent))
    assert answer.status == 1
    assert "Confirmed" in answer.out
    assert "Not run again: " in answer.out
    assert "another --run-tag" in answer.out
    answer = command("show", str(folder.parent))
    assert answer.status == 0
    assert "A run is left out. " in answer.out + answer.err
    assert command("replay", str(folder.parent / "broken")).status == 2


def test_a_quantile_without_its_first_steps_is_no_number(copied: Callable[[str], Path]) -> None:
    """A manifest without them made the text of the quantile the threshold of the summary, and a traceback."""
    folder = copied("collective")
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    value = manifest.pop("first_steps")["value"]
    path.write_text(json.dumps(manifest), encoding="utf-8")
    found, run = replayed(folder)
    assert run.tau is None
    told = {each.place: each for each in found}
    assert told["summary.csv, tau"].replayed == "empty"
    assert float(told["summary.csv, tau"].recorded) == pytest.approx(value, abs=1e-4)


def replayed(folder: Path) -> tuple[list[Difference], RunData]:
    """Every difference of a run."""
    found = asyncio.run(replay_run(read_run(folder)))
    told = [each for search in found.differing for each in search.differences]
    return [*told, *found.tables.differences], found.run


@pytest.mark.parametrize("tag", RUNS)
def test_a_run_is_confirmed(tag: str, runs: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    answer = Command(capsys)("replay", str(runs[tag]))
    searches = len(read_journal(runs[tag]))
    assert answer.status == 0
    assert f"{searches} of {searches} searches run again, {searches} equal." in answer.out
    assert "detail.csv, summary.csv." in answer.out


Place = tuple[Any, ...]


def leaves(value: Any, place: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Every number, text and truth value in a record, with the way to it."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from leaves(each, (*place, key))
    elif isinstance(value, list):
        for at, each in enumerate(value):
            yield from leaves(each, (*place, at))
    elif is_dataclass(value):
        for each in fields(value):
            yield from leaves(getattr(value, each.name), (*place, each.name))
    else:
        yield place, value


def other(value: Any, place: Place) -> Any:
    """Another value of the same type, which a reader would take."""
    if place[-1] in ("grade",) or (place[0] == "selectors" and len(place) == 3):
        return "wrong" if value != "wrong" else "correct"
    if place[-1] == "ended":
        return "eos" if value != "eos" else "stop"
    if place[-1] == "state":
        return "finished" if value != "finished" else "truncated"
    if place[-1] == "key" or "keys" in place:
        return (*value[:-1], value[-1] + 1) if isinstance(value, tuple) else f"{value}9"
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, float):
        return value / 2 + 0.125
    if isinstance(value, str):
        return value + "7"
    if isinstance(value, tuple) and value:
        return (*value[:-1], other(value[-1], ("tuple",)))
    if isinstance(value, tuple):
        return value
    return 3 if place[-1] == "level" else "7"


def set_at(record: dict[str, Any], place: Place, value: Any) -> None:
    inner: Any = record
    for key in place[:-1]:
        inner = getattr(inner, key) if is_dataclass(inner) else inner[key]
    if is_dataclass(inner):
        object.__setattr__(inner, place[-1], value)
    else:
        inner[place[-1]] = value


def value_at(record: dict[str, Any], place: Place) -> Any:
    inner: Any = record
    for key in place:
        inner = getattr(inner, key) if is_dataclass(inner) else inner[key]
    return inner


@pytest.mark.parametrize("tag", RUNS)
def test_a_record_that_is_changed_in_any_field_is_found(tag: str, runs: dict[str, Path]) -> None:
    """A table can be proved only where nothing in its records can be another value.

    The checksum of each line is made anew, as whoever changes a record on purpose would; one field of each kind is
    changed by a draw, in a record that is drawn.
    """
    source, records = random.Random(9), read_journal(runs[tag])
    honest = (runs[tag] / "problems.jsonl").read_bytes().splitlines(keepends=True)
    kinds: dict[Place, list[tuple[int, Place]]] = {}
    for number, record in enumerate(records):
        for place, value in leaves(record):
            if other(value, place) != value:
                kind = tuple([step for step in place if not isinstance(step, int)])
                kinds.setdefault(kind, []).append((number, place))
    assert len(kinds) > 80

    async def unnoticed() -> list[Place]:
        found = []
        with Grader() as grader:
            rules = rules_of(read_run(runs[tag]), grader)
            for kind, places in kinds.items():
                number, place = source.choice(places)
                record = deepcopy(records[number])
                set_at(record, place, other(value_at(record, place), place))
                try:
                    line = read_line(_with_digest_of(line_of_record(record), honest[number]))
                    told = await differences(line, unpack(line), rules)
                except (ValueError, KeyError, TypeError, IndexError, AttributeError):
                    continue  # it cannot even be written, or read
                if not told:
                    found.append(kind)
        return found

    assert asyncio.run(unnoticed()) == []


def _with_digest_of(line: bytes, honest: bytes) -> bytes:
    """A changed line that keeps the checksum of inputs of the honest one."""
    changed, kept = read_line(line), unpacked(read_line(honest)[PACKED])["inputs"]
    return line_of({**changed, PACKED: pack({**unpacked(changed[PACKED]), "inputs": kept})})


def test_what_differs_is_named(copied: Callable[[str], Path], capsys: pytest.CaptureFixture[str]) -> None:
    """ "Something differs" sends people through megabytes of JSON."""
    folder = copied("collective")
    journal = folder / "problems.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    record = read_journal(folder)[2]
    node, member = record["tree"][3], record["pool"][0]
    score = node["score"]
    node["score"], member["grade"] = 0.125, "ungraded"
    journal.write_bytes(b"".join([*lines[:2], line_of_record(record), *lines[3:]]))
    answer = Command(capsys)("replay", str(folder))
    assert answer.status == 1
    assert f"Problem {record['id']}" in answer.out
    assert f"node {node['key']}, score is 0.125, the replay gives {score}" in answer.out
    assert f"pool, node {member['key']}, grade is 'ungraded', the replay gives" in answer.out
    assert "8 searches run again, 7 equal." in answer.out


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        ("detail.csv", ",True,", ",False,", "detail.csv, line "),
        ("../../summary.csv", ",collective,", ",collective,", ""),
    ],
)
def test_tables_that_say_something_else_are_found(
    copied: Callable[[str], Path], capsys: pytest.CaptureFixture[str], file: str, old: str, new: str, told: str
) -> None:
    """The files that people open first are not those that are checked when a run goes on."""
    folder = copied("collective")
    path = folder / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    answer = Command(capsys)("replay", str(folder))
    assert answer.status == bool(told)
    assert told in answer.out


def test_each_figure_of_the_summary_is_compared(copied: Callable[[str], Path]) -> None:
    folder = copied("collective")
    path = folder.parents[1] / "summary.csv"
    text = path.read_text()
    head, *lines = text.splitlines()
    [own] = [number for number, line in enumerate(lines) if ",collective," in line]
    for column in ("correct", "accuracy", "avg_tokens", "tau", "wasted_share", "errors"):
        cells = lines[own].split(",")
        at = head.split(",").index(column) - len(head.split(","))
        cells[at] = "7.5"
        changed = [*lines[:own], ",".join(cells), *lines[own + 1 :]]
        path.write_text("\n".join([head, *changed]) + "\n")
        [found] = replayed(folder)[0]
        assert (found.place, found.recorded) == (f"summary.csv, {column}", "7.5")


def test_old_runs_and_folders_that_are_none_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = Command(capsys)
    answer = command("replay", str(OLD))
    assert answer.status == 2
    assert "wrote no tapes. Search with this version, then replay that run." in answer.err
    for folder, told in ((tmp_path, "holds none"), (tmp_path / "x", "There is no folder")):
        answer = command("replay", str(folder))
        assert (answer.status, told in answer.err) == (2, True)


def test_an_unfinished_run_with_a_damaged_line(
    copied: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """What is there is confirmed; what is not is said."""
    folder = copied("voted")
    journal = folder / "problems.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:2]) + lines[3][:100])
    answer = Command(capsys)("replay", str(folder))
    assert answer.status == 0
    assert "2 of 2 searches run again, 2 equal." in answer.out
    assert "The run is not finished (2 of 4 searches); its tables were not compared." in answer.out
    journal.write_bytes(b"".join(lines).replace(b'"index":1', b'"index":2', 1))
    answer = Command(capsys)("replay", str(folder))
    assert answer.status == 1
    assert "is damaged (its checksum is not that of its text)." in answer.out


def test_a_configuration_of_another_version(copied: Callable[[str], Path], capsys: pytest.CaptureFixture[str]) -> None:
    folder = copied("voted")
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["config"]["wings"], manifest["versions"]["tt-scale"] = 2, "9.9"
    path.write_text(json.dumps(manifest))
    answer = Command(capsys)("replay", str(folder))
    assert answer.status == 2
    assert "Type: pip install tt-scale==9.9" in answer.err
    assert "Traceback" not in answer.err


def test_a_run_beside_its_summary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The summary names the folder as it was typed, which may be one word; the run may have been moved since."""
    monkeypatch.chdir(tmp_path)
    command = Command(capsys)
    assert command(*BENCH, "--num-samples", "2", "--method", "greedy", "--output-dir", ".").status == 0
    [folder] = [path.parent for path in tmp_path.rglob("problems.jsonl")]
    assert "detail.csv, summary.csv." in command("replay", folder.name).out
    shutil.move(tmp_path, tmp_path.with_name("moved"))
    tmp_path.mkdir()
    assert "detail.csv, summary.csv." in command("replay", str(tmp_path.with_name("moved") / folder.name)).out
