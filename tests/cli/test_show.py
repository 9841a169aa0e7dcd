"""`tt-scale show` as a user types it."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from commands import BENCH, Command
from run_folders import HOSTILE, member, node, record, retried, write_run
from terminals import in_terminal

from tt_scale.core.printable import UNPRINTABLE

TWO = ("--method", "best_of_n", "--method", "collective", "--temperature", "0.7", "--temp-origin", "0.7")
STYLE = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.chdir(tmp_path)
    return Command(capsys)


@pytest.fixture
def two_runs(command: Command) -> Command:
    """Two methods over twelve problems of the simulated world, in the folder `logs`."""
    assert command(*BENCH, *TWO, "--num-samples", "12").status == 0
    return command


def test_a_run_shows_what_it_is(two_runs: Command) -> None:
    answer = two_runs("show", "logs")
    assert (answer.status, answer.err) == (0, "")
    for heading in ("Configuration", "Overall", "By level", "Problems"):
        assert heading in answer.out
    assert re.search(r"grader +all +math-verify", answer.out)
    assert re.search(r"tau +collective +0\.6", answer.out)
    assert answer.out.count("sim-00") == 12


def test_figures_are_those_of_the_journal(two_runs: Command, tmp_path: Path) -> None:
    """The table is a view of the records."""
    [table] = json.loads(two_runs("show", "logs", "--table", "overall", "--format", "json").out)["tables"]
    rows = {row["Method"]: row for row in table["rows"]}
    for path in (tmp_path / "logs").glob("*/problems.jsonl"):
        records = [json.loads(line) for line in path.read_text().splitlines()]
        row = rows[json.loads((path.parent / "manifest.json").read_text())["experiment"]["method"]]
        assert row["Accuracy"] == sum([each["grade"] == "correct" for each in records]) / 12
        assert row["Tokens"] == sum([each["usage"]["generated_tokens"] for each in records]) / 12


def test_every_table_in_every_format(two_runs: Command) -> None:
    """A paper's table is one command."""
    for form in ("markdown", "latex", "csv", "json"):
        answer = two_runs("show", "logs", "--format", form)
        assert (answer.status, answer.err) == (0, "")
        for title in ("Configuration", "Overall", "By level", "Paired differences", "Aggregates on the same pools"):
            assert title in answer.out
    assert two_runs("show", "logs", "--table", "pairs", "--format", "latex").out.count(r"\toprule") == 1
    assert "There is no table 'pair' here. Did you mean 'pairs'?" in two_runs("show", "logs", "--table", "pair").err


def test_filters(command: Command, tmp_path: Path) -> None:
    """Each finds what it names, in any of the runs."""
    lost = record(3, [node("0.0", "no end", state="truncated")], [], telemetry={"truncated": 1, "cut": 2})
    failed = record(4, [], [], error="ValueError: [red]no[/red]", stopped="error")
    stepped = retried(5, answer="1")
    stepped["telemetry"]["backtracks"] = 1
    unsure = record(6, [node("0.0", "a", state="finished")], [member("0.0", "a", "ungraded")])
    write_run(tmp_path / "one", [retried(2), lost, failed, stepped, unsure])
    write_run(tmp_path / "two", [retried(index) for index in (2, 3, 4, 5, 6)], method="independent")
    found = {}
    for name in ("wrong", "no-answer", "ungraded", "failed", "truncated", "cut", "backtracked", "differing"):
        out = command("show", "one", "--with", "two", "--only", name, "--table", "problems").out
        found[name] = [int(index) for index in re.findall(r"p-(\d)", out)]
    assert found == {
        "wrong": [5],
        "no-answer": [3, 4],
        "ungraded": [6],
        "failed": [4],
        "truncated": [3],
        "cut": [3],
        "backtracked": [5],
        "differing": [3, 4, 5, 6],
    }
    out = command("show", "one", "--only", "wrong", "--only", "backtracked").out
    assert "1 of 5 problems: backtracked, wrong" in out


def test_a_search_shows_its_tree(command: Command, tmp_path: Path) -> None:
    """Branches, scores, why steps ended, retries, folded copies, the pool and the answer."""
    write_run(tmp_path / "run", [retried(1)])
    answer = command("show", "run", "1")
    assert (answer.status, answer.err) == (0, "")
    lines = answer.out.splitlines()
    start = lines.index(next(line for line in lines if line.startswith("step score")))
    assert [line.rstrip() for line in lines[start + 1 : start + 7]] == [
        "   1  0.90    4 stop    ├ ○ One.  retried",
        "   2  0.20    4 stop    │ ├ × Two.",
        "   2  0.10    4 stop    │ └ × Three.  x 2",
        "   1  0.80    4 stop    └ ○ One.  retried",
        "   2  0.70    4 stop      ├ × Two.  protected",
        "   2  0.90    4 eos       └ ★ So it is \\boxed{2}.  ✓ 2  x 2",
    ]
    assert "✓ The search answers 2: correct (by best)." in answer.out
    assert re.search(r"backtrack +1 +2", answer.out)
    assert re.search(r"2 +correct +yes +2 +0\.900 +1\.800 +16", answer.out)
    assert answer.out.rstrip().endswith("One.\n\nSo it is \\boxed{2}.")


def test_a_walk_follows_what_happened(command: Command, tmp_path: Path) -> None:
    write_run(tmp_path / "run", [retried(1)])
    out = command("show", "run", "p-1", "--step").out
    assert [line for line in out.splitlines() if "/5" in line] == [
        "1/5  Expanded the question by 2 steps at temperature 0.7",
        "2/5  Expanded 2 paths by 2 steps at temperature 0.7",
        "3/5  Backtracked to 0.0, 1.0",
        "4/5  Retry: expands 0.0, 1.0 again",
        "5/5  Expanded 2 paths by 4 steps at temperature 0.7",
    ]
    assert "retried" not in out  # nobody knew that then


def test_a_search_in_every_format(command: Command, tmp_path: Path) -> None:
    write_run(tmp_path / "run", [retried(1)])
    rows = list(csv.DictReader(command("show", "run", "1", "--table", "steps", "--format", "csv").out.splitlines()))
    assert [(row["Step"], row["After"], row["Outcome"]) for row in rows[:3]] == [
        ("0.0", "question", "continued"),
        ("1.0", "question", "continued"),
        ("0.0.0", "0.0", "rejected"),
    ]
    for form in ("markdown", "latex", "json"):
        assert "boxed" in command("show", "run", "1", "--format", form).out


def test_another_method_is_chosen_by_name(two_runs: Command) -> None:
    out = two_runs("show", "logs", "0").out
    assert out.startswith("best_of_n · sim-")
    assert "Other methods of this problem: --method collective" in out
    assert two_runs("show", "logs", "0", "--method", "collective").out.startswith("collective · sim-")
    assert "There is no run 'collectivo'. Did you mean 'collective'?" in (
        two_runs("show", "logs", "0", "--method", "collectivo").err
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nowhere",), "There is no folder 'nowhere'. Name a folder that bench wrote."),
        (("run", "x"), "There is no problem 'x' in the run."),
        (("run", "1", "--repeat", "3"), "holds no search 3 of 'p-1'"),
        (("run", "1", "--only", "wrong"), "--only concerns runs: leave PROBLEM out."),
        (("run", "--step"), "--step concerns a search: name a PROBLEM behind RUN."),
    ],
)
def test_mistakes_are_told(command: Command, tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    write_run(tmp_path / "run", [retried(1)])
    answer = command("show", *arguments)
    assert answer.status == 2
    assert message in answer.err


def test_an_unfinished_run_with_a_damaged_line_is_shown(command: Command, tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", [retried(0), retried(1)], wanted=5)
    with (folder / "problems.jsonl").open("a") as lines:
        lines.write("{broken}\n")
    out = command("show", "run").out
    assert "collective is not finished: 2 of 5 searches are recorded." in out
    assert "collective: line 3 of its journal is damaged (it is not JSON) and left out." in out
    assert "p-1" in out
    answer = command("show", "run", "--table", "overall", "--format", "csv")
    assert "note: collective is not finished" in answer.err
    assert answer.out.startswith("Method,")


def columns(line: str) -> int:
    """How many columns of a terminal a line takes."""
    return sum([2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in line])


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
@pytest.mark.parametrize("width", [80, 200])
def test_a_terminal_of_any_width_obeys_nothing_that_a_model_wrote(tmp_path: Path, width: int) -> None:
    """A model's text once set the title of a terminal; no line runs past the edge."""
    records = [retried(index, (text, text), text[:40]) for index, text in enumerate(HOSTILE)]
    for each, text in zip(records, HOSTILE, strict=True):
        each |= {"question": text, "gold": text, "subject": text[:30]}
    records.append(retried(9, ("x" * 1_000_000, "y\n" * 1000)))
    write_run(tmp_path / "run", records)
    for arguments in (("run", "--all"), ("run", "p-2"), ("run", "p-9")):
        told = in_terminal(tmp_path, width, "show", *arguments, lines=60).replace("\r\n", "\n")
        text = STYLE.sub("", told)
        assert not UNPRINTABLE.search(text), arguments
        assert all(columns(line) <= width for line in text.splitlines()), arguments
    assert "\x1b[" in told  # colours were there to be stripped


def test_a_reader_that_leaves_is_no_fault(tmp_path: Path) -> None:
    """`tt-scale show RUN | head`."""
    write_run(tmp_path / "run", [retried(index) for index in range(40)])
    shown = subprocess.Popen(
        [sys.executable, "-m", "tt_scale", "show", "run", "--all"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert shown.stdout is not None
    assert shown.stderr is not None
    shown.stdout.readline()
    shown.stdout.close()
    assert shown.stderr.read() == b""
    assert shown.wait(60) == 0
    shown.stderr.close()


def test_brackets_are_text(command: Command, tmp_path: Path) -> None:
    """The terminal library takes them for markup."""
    told = {**retried(0, answer="[red]9[/red]"), "subject": "[bold]algebra[/bold]", "id": "[link=x]p[/link]"}
    write_run(tmp_path / "run", [told], dataset="[blink]set[/blink]")
    shown = command("show", "run", "--table", "manifest", "--table", "problems", "--table", "subjects").out
    for text in ("[red]9[/red]", "[bold]algebra[/bold]", "[link=x]p[/link]", "[blink]set[/blink]"):
        assert text in shown
    assert "\\[" not in shown
