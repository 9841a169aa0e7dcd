"""`tt-scale solve FILE`: answers to a file of questions."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tt_scale import Config, solve
from tt_scale.cli.main import main

FLAGS = ["--model-name", "simulated", "--prm-name", "simulated"]
QUESTIONS = [f"Simulated problem {number}: level 3, 5 steps." for number in range(12)]


def asked(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["solve", *arguments, *FLAGS])
    return int(ended.value.code or 0)


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    file = tmp_path / "questions.jsonl"
    rows = [{"question": question, **({"id": f"own-{n}"} if n % 2 else {})} for n, question in enumerate(QUESTIONS)]
    file.write_text("".join([json.dumps(row) + "\n" for row in rows]))
    return file


def read(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_answers_keep_order_and_ids(questions: Path, tmp_path: Path) -> None:
    out = tmp_path / "answers.jsonl"
    assert asked(str(questions), "-o", str(out)) == 0
    rows = read(out)
    assert [row["question"] for row in rows] == QUESTIONS
    assert [row["id"] for row in rows][1::2] == [f"own-{number}" for number in range(1, 12, 2)]
    config = Config(model_name="simulated", prm_name="simulated")
    assert rows[0]["answer"] == solve(QUESTIONS[0], config).answer  # no id of its own: the same seeds as solve
    assert rows[0]["id"].startswith("question-")


def test_the_same_command_goes_on(questions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A killed run leaves finished lines and half a line; only the others are answered again."""
    out = tmp_path / "answers.jsonl"
    assert asked(str(questions), "-o", str(out)) == 0
    whole, journal = out.read_bytes().splitlines(keepends=True), tmp_path / "answers.jsonl.run" / "answers.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(lines[5] + lines[2] + lines[3][:40])
    capsys.readouterr()
    assert asked(str(questions), "-o", str(out)) == 0
    assert "12 answered" in capsys.readouterr().err
    rows = read(out)
    assert [row["question"] for row in rows] == QUESTIONS
    assert [row["answer"] for row in rows] == [json.loads(line)["answer"] for line in whole]
    assert journal.read_bytes().startswith(lines[5] + lines[2])
    before = journal.read_bytes()
    assert asked(str(questions), "-o", str(out)) == 0
    assert journal.read_bytes() == before


def test_a_failed_question_is_asked_again(tmp_path: Path) -> None:
    file, out = tmp_path / "q.jsonl", tmp_path / "a.jsonl"
    file.write_text(
        json.dumps({"id": "x", "question": "Unknown?"}) + "\n" + json.dumps({"question": QUESTIONS[0]}) + "\n"
    )
    assert asked(str(file), "-o", str(out)) == 0
    assert "ProblemSetError" in read(out)[0]["error"]
    assert asked(str(file), "-o", str(out)) == 0
    assert read(out)[0]["id"] == "x"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda file, out: ["--tau", "0.3"], "belongs to another configuration \\(tau: 0.6 there, 0.3 here\\)"),
        (lambda file, out: _reworded(file), "which is asked something else now. Give another file as -o"),
        (
            lambda file, out: _unmanifested(out),
            "answers.jsonl' exists, and was not made by this command. Give another file as -o",
        ),
    ],
)
def test_answers_of_others_are_never_overwritten(
    change: Any, told: str, questions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "answers.jsonl"
    assert asked(str(questions), "-o", str(out)) == 0
    before, more = out.read_bytes(), change(questions, out)
    assert asked(str(questions), "-o", str(out), *more) == 2
    assert re.search(told, capsys.readouterr().err)
    assert out.read_bytes() == before


def _reworded(file: Path) -> list[str]:
    file.write_text(file.read_text().replace("problem 1:", "problem 99:"))
    return []


def _unmanifested(out: Path) -> list[str]:
    shutil.rmtree(out.with_name("answers.jsonl.run"))
    return []


@pytest.mark.parametrize("as_json", [False, True])
def test_standard_input(
    as_json: bool, questions: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another program asks through a pipe."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\n" + questions.read_bytes())))
    assert asked("-", *(["--json"] if as_json else [])) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 12
    if as_json:
        assert {json.loads(line)["question"] for line in lines} == set(QUESTIONS)
    else:
        assert {line.partition("\t")[0] for line in lines} >= {"own-1", "own-3"}


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_ctrl_c_ends_an_idle_standard_input() -> None:
    """The thread that reads it was waited for, until somebody typed a line."""
    command = [sys.executable, "-m", "tt_scale", "solve", "-", *FLAGS]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell in the background ignores it
    ) as process:
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(json.dumps({"question": QUESTIONS[0]}) + "\n")
            process.stdin.flush()
            assert process.stdout.readline().startswith("question-")
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 130
            assert process.stderr is not None
            told = process.stderr.read()
            assert told.strip() == "tt-scale: interrupted."  # nothing is kept
        finally:
            process.kill()


class Interrupted(io.BytesIO):
    """Standard input during which Ctrl-C is pressed."""

    def readline(self, size: int | None = -1) -> bytes:
        raise KeyboardInterrupt

    __next__ = readline


def test_ctrl_c_while_questions_are_read_says_that_nothing_was_searched(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(fileno=_no_file, buffer=Interrupted()))
    assert asked("-", "-o", str(tmp_path / "a.jsonl")) == 130
    told = "tt-scale: interrupted while reading the questions; with -o the search begins at their end.\n"
    assert capsys.readouterr().err == told
    assert list(tmp_path.iterdir()) == []


def _no_file() -> int:
    raise OSError


@pytest.mark.parametrize("standard", [True, False])
def test_ctrl_c_with_an_output_file_says_how_to_go_on(
    standard: bool,
    questions: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    async def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tt_scale.cli.solve_file._answer", interrupted)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(questions.read_bytes())))
    assert asked("-" if standard else str(questions), "-o", str(tmp_path / "a.jsonl")) == 130
    command = "the same command with the same input" if standard else "the same command"
    assert capsys.readouterr().err == f"tt-scale: interrupted. Finished work is kept; {command} resumes from there.\n"


def test_a_broken_line_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    text = json.dumps({"question": QUESTIONS[0]}).encode() + b"\n{\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))
    assert asked("-") == 2
    assert "standard input, line 2" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nothing.jsonl"], "There is no file 'nothing.jsonl'"),
        (["What is 2?", "-o", "x.jsonl"], "-o is for a file of questions"),
        (["-", "-o", "x.jsonl", "--json"], "--json concerns standard output"),
    ],
)
def test_bad_input(arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert asked(*arguments) == 2
    assert told in capsys.readouterr().err
