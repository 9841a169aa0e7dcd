"""`--events FILE`: every line as the schema says, nothing overwritten, and no run that ends for it."""

from __future__ import annotations

import dataclasses
import json
import os
import re
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

import pytest
from commands import BENCH, SIMULATED, Command

from tt_scale.bench.record import Row
from tt_scale.bench.run import events as event_types
from tt_scale.bench.run.events import Event, LoadingEnded, LoadingStarted, RunProgress, Warned
from tt_scale.errors import ConfigError
from tt_scale.report.event_file import SCHEMA_VERSION, EventFile, event_line, event_schema

DOCS = Path(__file__).parents[2] / "docs" / "events.md"
FEW = ("--num-samples", "3")
TWO = ("--method", "best_of_n", "--method", "collective", "--temperature", "0.7", "--temp-origin", "0.7")


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.chdir(tmp_path)
    return Command(capsys)


def lines_of(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def names_of(file: Path) -> list[str]:
    return [line["event"] for line in lines_of(file)]


def check(lines: list[dict[str, Any]]) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator(event_schema())
    for line in lines:
        validator.validate(line)


def definition(name: str) -> dict[str, Any]:
    found = event_schema()["$defs"][name]
    assert isinstance(found, dict)
    return found


def test_every_event_has_a_schema_with_exactly_its_fields() -> None:
    """What is written and what is promised cannot drift apart."""
    own = {"started", "ended"}
    kinds = {re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower(): kind for kind in get_args(Event)}
    listed = {each["$ref"].rpartition("/")[2] for each in event_schema()["oneOf"]}
    assert listed == own | set(kinds)
    for name, kind in kinds.items():
        fields = {field.name for field in dataclasses.fields(kind)} - ({"rows"} if name == "runs_planned" else set())
        assert set(definition(name)["required"]) == fields
        assert set(definition(name)["properties"]) == fields | {"event"}
    for name, record in (("run", RunProgress), ("row", Row)):
        fields = {field.name for field in dataclasses.fields(record)}
        assert set(definition(name)["required"]) == set(definition(name)["properties"]) == fields
    assert definition("started")["properties"]["schema"] == {
        "const": SCHEMA_VERSION, "description": "Version of this schema."
    }  # fmt: skip


def test_the_page_of_documentation_names_every_event_and_field() -> None:
    told = DOCS.read_text(encoding="utf-8")
    for name, found in event_schema()["$defs"].items():
        assert f"`{name}`" in told, name
        for field in found["properties"]:
            assert f"`{field}`" in told, f"{name}.{field}"


def test_a_bench_writes_what_happens(command: Command, tmp_path: Path) -> None:
    assert command(*BENCH, *TWO, *FEW, "--events", "events.jsonl").status == 0
    lines = lines_of(tmp_path / "events.jsonl")
    check(lines)
    one = ["run_started", *["search_started"] * 3, *["run_advanced"] * 3, "run_ended"]
    assert names_of(tmp_path / "events.jsonl") == ["started", "runs_planned", *one, *one, "ended"]
    assert (lines[0]["command"], lines[-1]["status"]) == ("bench", 0)
    advanced = [line for line in lines if line["event"] == "run_advanced"]
    for line in advanced:
        stored = (tmp_path / line["run"]["folder"] / "problems.jsonl").read_text(encoding="utf-8")
        [record] = [each for each in map(json.loads, stored.splitlines()) if each["id"] == line["row"]["id"]]
        assert {key: line["row"][key] for key in ("grade", "usage", "telemetry")} == {
            key: record[key] for key in ("grade", "usage", "telemetry")
        }
    assert all(earlier["time"] <= later["time"] for earlier, later in pairwise(lines))


@pytest.mark.parametrize(
    "arguments",
    [
        ("compare", *SIMULATED, "--dataset", "simulated", *TWO, "--budget", "2", "--budget", "4", *FEW),
        ("compare", *SIMULATED, "--dataset", "simulated", *TWO, "--budget", "2", *FEW, "--minutes", "5"),
        ("sweep", *SIMULATED, "--dataset", "simulated", "--random", "3", "--num-samples", "6"),
    ],
    ids=["compare", "interleaved", "sweep"],
)
def test_other_commands_write_the_same_events(command: Command, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    assert command(*arguments, "--events", "events.jsonl").status == 0
    lines = lines_of(tmp_path / "events.jsonl")
    check(lines)
    assert (lines[0]["command"], lines[-1]["event"]) == (arguments[0], "ended")
    labels = {run["label"] for line in lines if line["event"] == "runs_planned" for run in line["runs"]}
    assert {line["label"] for line in lines if line["event"] == "run_advanced"} <= labels


def test_every_kind_of_line_is_as_the_schema_says(tmp_path: Path) -> None:
    """Those that no simulated run has."""
    file = EventFile(str(tmp_path / "e.jsonl"), "bench", print)
    for event in (LoadingStarted("m"), LoadingEnded("m", 1.5, loaded=False), Warned("a\x1b[31m\u2028b")):
        file(event)
    file(event_types.Resumed(2, "searches"))
    file(event_types.Compared("set", 1, 2, ("a",)))
    file.close(3)
    check(lines_of(tmp_path / "e.jsonl"))
    assert len((tmp_path / "e.jsonl").read_bytes().split(b"\n")) == 8
    assert b"\x1b" not in (tmp_path / "e.jsonl").read_bytes()


def test_the_same_command_adds_its_lines(command: Command, tmp_path: Path) -> None:
    """It continues an interrupted run; what the first wrote stays, even where it was killed in a line."""
    file = tmp_path / "events.jsonl"
    assert command(*BENCH, *FEW, "--events", "events.jsonl").status == 0
    first = file.read_text(encoding="utf-8")
    file.write_text(f'{first}{{"time": 1, "ev', encoding="utf-8")
    assert command(*BENCH, *FEW, "--events", "events.jsonl").status == 0
    text = file.read_text(encoding="utf-8")
    assert text.startswith(f'{first}{{"time": 1, "ev\n')
    assert [json.loads(line)["event"] for line in text[len(first) :].splitlines()[1:]] == [
        "started",
        "resumed",
        "ended",
    ]


def test_an_error_is_the_status_of_the_last_line(command: Command, tmp_path: Path) -> None:
    """Found after the first line was written: a run folder of another experiment."""
    assert command(*BENCH, *FEW, "--run-tag", "t").status == 0
    answer = command(*BENCH, *FEW, "--run-tag", "t", "--seed", "5", "--events", "events.jsonl")
    assert answer.status == 2
    last = lines_of(tmp_path / "events.jsonl")[-1]
    assert (last["event"], last["status"]) == ("ended", 2)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("thesis.txt", "'thesis.txt' holds something else than events; nothing was changed. Name another file."),
        (
            "no/events.jsonl",
            "--events is 'no/events.jsonl', whose folder does not exist. Type: --events events.jsonl",
        ),
        ("folder", "'folder' is a folder; events go to a file. Type: --events events.jsonl"),
        ("pipe", "Nobody reads the pipe 'pipe'. Start its reader first."),
    ],
)
def test_nothing_else_is_overwritten_and_nothing_hangs(
    command: Command, tmp_path: Path, name: str, message: str
) -> None:
    (tmp_path / "thesis.txt").write_text("Chapter 1\n", encoding="utf-8")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    answer = command(*BENCH, *FEW, "--events", name)
    assert (answer.status, answer.err) == (2, f"tt-scale: {message}\n")
    assert (tmp_path / "thesis.txt").read_text(encoding="utf-8") == "Chapter 1\n"
    assert not (tmp_path / "logs").exists()


def test_a_pipe_with_a_reader_gets_the_lines(command: Command, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    assert command(*BENCH, *FEW, "--events", "pipe").status == 0
    got = os.read(reader, 60_000).decode().splitlines()
    os.close(reader)
    assert [json.loads(got[0])["event"], json.loads(got[-1])["event"]] == ["started", "ended"]


def test_a_reader_that_leaves_ends_no_run(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    told: list[str] = []
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    file = EventFile(str(tmp_path / "pipe"), "bench", told.append)
    os.close(reader)
    file(Warned("a"))
    file.close(0)
    assert told == [f"'{tmp_path}/pipe' can no longer be written (Broken pipe); the run goes on without it."]


def test_a_full_disk_ends_no_run(tmp_path: Path) -> None:
    """The records are what counts; it is said once."""
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    told: list[str] = []
    file = EventFile("/dev/full", "bench", told.append)
    file(Warned("a"))
    file.close(0)
    assert told == ["'/dev/full' can no longer be written (No space left on device); the run goes on without it."]


def test_a_line_is_the_event_without_the_rows_of_earlier_segments() -> None:
    event = event_types.RunsPlanned((1,), 1, (RunProgress("a", 2, 1),), ((),))
    assert "rows" not in event_line(event)


def test_quiet_and_verbose_contradict_each_other(command: Command, tmp_path: Path) -> None:
    answer = command(*BENCH, *FEW, "--quiet", "--verbose")
    assert answer.status == 2
    assert answer.err == "tt-scale: --quiet and --verbose contradict each other. Leave one of them out.\n"
    assert not (tmp_path / "logs").exists()


@pytest.mark.parametrize("option", [("--quiet",), ("--events", "e.jsonl"), ("--track", "wandb")])
def test_finished_runs_have_no_progress(command: Command, tmp_path: Path, option: tuple[str, ...]) -> None:
    """Nothing is accepted and ignored."""
    assert command(*BENCH, *TWO, *FEW).status == 0
    answer = command("compare", "logs", *option)
    assert answer.status == 2
    assert f"{option[0]} configures a new run, but 'logs' is a finished run." in answer.err


def test_a_file_that_is_no_json_object_is_refused(tmp_path: Path) -> None:
    for text in ("[1]\n", '{"a": 1}\n', "\xff\xfe", "{" * 100_000):
        (tmp_path / "x").write_text(text, encoding="utf-8")
        with pytest.raises(ConfigError, match="holds something else"):
            EventFile(str(tmp_path / "x"), "bench", print)
