"""What a user sees who makes no mistake."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from commands import BENCH, SIMULATED, Command

from tt_scale import __version__
from tt_scale.cli.options import question_keys
from tt_scale.config import GROUPS, Config
from tt_scale.registry import BUILT_IN

QUESTION = "Simulated problem 7: level 3, 5 steps."


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.chdir(tmp_path)
    return Command(capsys)


def test_a_comparison_ends_with_tables(command: Command) -> None:
    """The tables are what a run is for: every method, Overall first, then each level, and where the records are."""
    answer = command(*BENCH, "--num-samples", "50", "--method", "collective", "--method", "best_of_n")
    assert (answer.status, answer.err) == (0, "")
    lines = [line.split() for line in answer.out.splitlines() if line.strip()]
    levels = [line[0] + line[1] for line in lines if line[0] in ("Overall", "Level") and "collective" in line]
    assert levels == ["Overallcollective", "Level1", "Level2", "Level3", "Level4", "Level5"]
    assert sum(line[0] == "best_of_n" for line in lines) >= 8
    assert sum(line[0] == "Records:" for line in lines) == 2
    assert max(len(line) for line in answer.out.splitlines()) <= 140
    assert "different temperatures (collective 0.7, best_of_n 0.8)" in answer.out


def test_files_of_a_run_agree_with_each_other(command: Command, tmp_path: Path) -> None:
    """Table, detail log, summary and journal are four views of one thing."""
    assert command(*BENCH, "--num-samples", "20", "--run-tag", "mine", "--tau", "0.7", "--N", "4").status == 0
    folder = tmp_path / "logs" / "mine" / "simulated-collective"
    journal = [json.loads(line) for line in (folder / "problems.jsonl").read_text().splitlines()]
    detail = list(csv.DictReader((folder / "detail.csv").read_text().splitlines()))
    (row,) = csv.DictReader((tmp_path / "logs" / "summary.csv").read_text().splitlines())
    right = sum(record["grade"] == "correct" for record in journal)
    assert sum(line["correct"] == "True" for line in detail) == int(row["correct"]) == right > 0
    assert len(detail) == len(journal) == int(row["total"]) == 20
    tokens = sum(record["usage"]["generated_tokens"] for record in journal)
    assert sum(int(line["total_tokens"]) for line in detail) == tokens
    assert float(row["avg_tokens"]) == pytest.approx(tokens / 20)
    assert (row["knobs"], row["tag"], row["seed"]) == ("tau=0.7", "mine", "79")
    assert [int(line["question_index"]) for line in detail] == list(range(20))
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["experiment"]["tau"] == manifest["config"]["tau"] == 0.7
    assert set(manifest["config"]) == set(Config.model_fields)
    assert manifest["versions"]["tt-scale"]
    assert not list(tmp_path.rglob("*.partial"))


def test_summary_grows_by_a_row_per_run(command: Command, tmp_path: Path) -> None:
    """Rows of earlier runs are the record of a study."""
    for tau in ("0.5", "0.6", "0.7"):
        assert command(*BENCH, "--num-samples", "2", "--tau", tau, "--summary-csv", "s/all.csv").status == 0
    rows = list(csv.DictReader((tmp_path / "s" / "all.csv").read_text().splitlines()))
    assert [row["knobs"] for row in rows] == ["tau=0.5", "", "tau=0.7"]


def test_flags_win_over_the_file(command: Command, tmp_path: Path) -> None:
    """The order of precedence, seen from the shell."""
    (tmp_path / "c.yaml").write_text("tau: 0.5\nnum_samples: 2\nmethod: best_of_n\nstop_tokens: []\n")
    assert command(*BENCH, "--config", "c.yaml", "--method", "collective", "--tau", "0.7").status == 0
    (path,) = tmp_path.rglob("manifest.json")
    told = json.loads(path.read_text())["config"]
    assert (told["tau"], told["num_samples"], told["method"], told["stop_tokens"]) == (0.7, 2, "collective", [])


@pytest.mark.parametrize(
    ("typed", "key", "value"),
    [
        (("--stop-tokens", "\\n\\n", "--stop-tokens", "."), "stop_tokens", ["\n\n", "."]),
        (("--stop-tokens", "none"), "stop_tokens", []),
        (("--num-samples", "2", "--max_steps", "7"), "max_steps", 7),
        (("--no-backtrack",), "backtrack", False),
        (("--max-generated-tokens", "none"), "max_generated_tokens", None),
        (("--N", "3"), "N", 3),
    ],
)
def test_everything_can_be_typed_in_a_shell(
    command: Command, tmp_path: Path, typed: tuple[str, ...], key: str, value: object
) -> None:
    """Line breaks, nothing at all, and the underscores of YAML keys."""
    assert command(*BENCH, "--num-samples", "2", *typed).status == 0
    (path,) = tmp_path.rglob("manifest.json")
    assert json.loads(path.read_text())["config"][key] == value


def test_options_that_no_method_looks_at_are_warned_about(command: Command) -> None:
    """A typed knob without effect is a wrong conclusion in the making; one that another method reads is meant."""
    few = (*BENCH, "--num-samples", "2", "--lookahead", "1", "--tau", "0.5")
    assert "warning: no method or PRM of this run reads lookahead, tau." in command(*few, "--method", "best_of_n").out
    both = command(*few, "--method", "best_of_n", "--method", "collective").out
    assert "warning: no method or PRM of this run reads lookahead." in both


def test_equal_temperatures_are_not_warned_about(command: Command) -> None:
    """A warning that never goes away is not read."""
    equal = ("--temperature", "0.7", "--temp-origin", "0.7", "--method", "collective", "--method", "best_of_n")
    assert "warning" not in command(*BENCH, "--num-samples", "2", *equal).out


def test_greedy_search_has_no_temperature_to_compare(command: Command) -> None:
    """It was said to sample at the 0.8 that it never looks at."""
    answer = command(*BENCH, "--num-samples", "2", "--method", "greedy", "--method", "collective")
    assert "different temperatures" not in answer.out


def test_a_method_that_cannot_use_a_budget_is_told(command: Command) -> None:
    """A flat line in a plot over budgets looks like a finding."""
    both = (*BENCH, "--num-samples", "2", "--method", "greedy", "--method", "best_of_n")
    assert "warning: greedy spends the same at every budget" in command(*both, "--budget", "3").out
    assert "warning: greedy" not in command(*both, "--budget", "1").out


def test_a_knob_that_is_a_key_is_no_argument_of_a_method(command: Command) -> None:
    """Two ways to say the same thing can contradict each other."""
    answer = command(*BENCH, "--method", "self_consistency", "--method-args", "{adaptive: beta}")
    assert (answer.status, answer.out) == (2, "")
    assert "method_args holds 'adaptive', which is a configuration key. Type: --adaptive beta" in answer.err


def test_verbose_prints_a_line_for_each_problem(command: Command) -> None:
    """Otherwise a run is silent until its end."""
    out = command(*BENCH, "--num-samples", "3", "--verbose").out
    lines = [line for line in out.splitlines() if line.startswith("sim-")]
    assert len(lines) == 3
    assert all("answer '" in line and "gold '" in line and "tokens" in line for line in lines)


def test_no_detail_log_writes_none(command: Command, tmp_path: Path) -> None:
    """An option that is accepted must not be ignored."""
    assert command(*BENCH, "--num-samples", "2", "--no-detail-log").status == 0
    assert not list(tmp_path.rglob("detail.csv"))


def test_a_budget_is_kept_and_mentioned(command: Command) -> None:
    """A table whose searches were cut short must say so."""
    answer = command(*BENCH, "--num-samples", "5", "--max-generated-tokens", "100")
    assert answer.status == 0
    assert "searches that reached their budget: 5." in answer.out


def test_solve_shows_growth_and_ends_with_the_answer(command: Command) -> None:
    """The last line is what a script reads."""
    answer = command("solve", *SIMULATED, QUESTION)
    assert (answer.status, answer.err) == (0, "")
    lines = answer.out.splitlines()
    assert lines[-1].startswith("Answer: ")
    assert sum(line.startswith("✓") for line in lines) >= 4
    assert any("it had enough finished paths" in line for line in lines)


def test_solve_without_an_answer_says_why_and_ends_with_status_1(command: Command) -> None:
    """An empty answer looked like success."""
    answer = command("solve", *SIMULATED, "--max-generated-tokens", "20", QUESTION)
    assert answer.status == 1
    assert answer.out.splitlines()[-1] == "No answer was found."
    assert "the budget was exhausted" in answer.out


def test_solve_on_a_terminal_without_unicode(tmp_path: Path) -> None:
    """A mark that the terminal cannot show ended the search with a UnicodeEncodeError."""
    done = subprocess.run(
        [sys.executable, "-m", "tt_scale", "solve", *SIMULATED, QUESTION],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        cwd=tmp_path,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("name", ["bench", "solve", "doctor"])
def test_help_stands_under_the_headings_and_fits(command: Command, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Sixty flags in a row are no help; lines wider than the terminal are worse."""
    monkeypatch.setenv("COLUMNS", "200")
    answer = command(name, "--help")
    assert answer.status == 0
    lines = answer.out.splitlines()
    headings = [line.removesuffix(":") for line in lines if line.endswith(":") and not line.startswith(" ")]
    assert headings == ["Options", *GROUPS]
    assert max(len(line) for line in lines) <= 100
    flags = {word.strip(",") for line in lines for word in line.split() if word.startswith("--")}
    keys = [key.name for key in question_keys()] if name == "solve" else list(Config.model_fields)
    assert {f"--{key.replace('_', '-')}" for key in keys} <= flags
    assert "[None]" not in answer.out


def test_list_names_everything(command: Command) -> None:
    """Every method, problem set and backend, with a line about it."""
    answer = command("list")
    assert (answer.status, answer.err) == (0, "")
    names = [line.split()[0] for line in answer.out.splitlines() if line.startswith("  ")]
    assert set(BUILT_IN["searchers"]) | {"math500", "aime_2025", "simulated"} <= set(names)
    assert all(len(line.split()) > 2 for line in answer.out.splitlines() if line.startswith("  "))


def test_the_version(command: Command) -> None:
    """What an issue must state."""
    assert command("--version").out.split()[-1] == __version__


def test_nothing_typed_shows_the_commands(command: Command) -> None:
    """As every other tool does."""
    answer = command()
    assert "bench" in answer.out + answer.err
    assert "Traceback" not in answer.err


@pytest.mark.parametrize("module", ["tt_scale.scripts.benchmarks", "tt_scale"])
def test_the_modules_are_the_same_program(tmp_path: Path, module: str) -> None:
    """`python -m` is what people type where scripts are not on the path."""
    arguments = BENCH[1:] if module.endswith("benchmarks") else BENCH
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments, "--num-samples", "2"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "Overall" in done.stdout


def test_a_run_goes_on_when_nobody_reads(tmp_path: Path) -> None:
    """`tt-scale bench ... | head -1` left out the methods that were still to come, with status 1 and no word."""
    command = [sys.executable, "-m", "tt_scale", *BENCH, "--method", "beam_search", "--method", "best_of_n"]
    process = subprocess.Popen(
        [*command, "--num-samples", "4", "--run-tag", "t"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    error = process.stderr.read()
    process.stderr.close()
    assert (process.wait(60), error) == (0, b"")
    assert [path.read_bytes().count(b"\n") for path in tmp_path.rglob("problems.jsonl")] == [4, 4]


def test_a_closed_output_is_no_error(tmp_path: Path) -> None:
    """Python has no sys.stdout then, and nothing can ask it whether it is a terminal."""
    line = f"{sys.executable} -m tt_scale {' '.join(BENCH)} --num-samples 4 --run-tag t >&-"
    done = subprocess.run(line, shell=True, stderr=subprocess.PIPE, cwd=tmp_path, check=False)  # noqa: S602
    assert (done.returncode, done.stderr) == (0, b"")
    assert len(list(tmp_path.rglob("detail.csv"))) == 1


def test_a_reader_that_stops_reading_is_no_error(tmp_path: Path) -> None:
    """`tt-scale list | head -1` ended with a BrokenPipeError."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tt_scale", "bench", "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    error = process.stderr.read()
    process.stderr.close()
    process.wait(60)
    assert error == b""


def test_solve_prints_one_json_object(command: Command) -> None:
    """What a program reads: nothing else on standard output."""
    answer = command("solve", *SIMULATED, "--json", QUESTION)
    told = json.loads(answer.out)
    assert (answer.status, answer.err) == (0, "")
    assert told["answer"]
    assert told["path"] in told["pool"]
    assert len(told["path"]["steps"]) == len(told["path"]["scores"])
    assert told["usage"]["generated_tokens"] > 0
    none = command("solve", *SIMULATED, "--json", "--max-generated-tokens", "20", QUESTION)
    assert none.status == 1
    assert (json.loads(none.out)["answer"], json.loads(none.out)["path"]) == (None, None)


@pytest.mark.parametrize(
    "flag",
    ["--dataset", "--datasets", "--num-samples", "--repeats", "--split", "--run-tag", "--summary-csv",
     "--no-detail-log", "--output-dir", "--concurrency", "--question-field", "--answer-field", "--retry-failed",
     "--verbose"],
)  # fmt: skip
def test_solve_refuses_the_flags_of_bench(command: Command, flag: str) -> None:
    """They were accepted, and nothing came of them."""
    answer = command("solve", *SIMULATED, QUESTION, flag, "1")
    assert (answer.status, answer.out) == (2, "")
    assert f"{flag} is a flag of bench" in answer.err


def test_solve_warns_of_what_it_does_not_read(command: Command) -> None:
    """On standard error, so that standard output stays what a program reads."""
    answer = command("solve", *SIMULATED, "--json", "--lookahead", "2", QUESTION)
    assert answer.err == "warning: no method or PRM of this run reads lookahead.\n"
    json.loads(answer.out)


def test_a_file_names_several_methods(command: Command, tmp_path: Path) -> None:
    """A list was no valid string; a typed method still wins over it."""
    (tmp_path / "c.yaml").write_text("method: [best_of_n, greedy]\nnum_samples: 2\n")
    answer = command(*BENCH, "--config", "c.yaml")
    assert answer.status == 0
    assert len(list(tmp_path.rglob("manifest.json"))) == 2
    assert command(*BENCH, "--config", "c.yaml", "--method", "dvts").status == 0
    assert len(list(tmp_path.rglob("manifest.json"))) == 3
    one = command("solve", *SIMULATED, "--config", "c.yaml", QUESTION)
    assert (one.status, one.err) == (2, "tt-scale: solve takes one --method. Use bench or compare for several.\n")
    for bad in ("[]", "[1, 2]", "[best_of_n, [greedy]]"):
        (tmp_path / "c.yaml").write_text(f"method: {bad}\n")
        answer = command(*BENCH, "--config", "c.yaml")
        assert answer.status == 2
        assert "it is a name, or a list of names" in answer.err


def test_null_and_none_are_nothing_in_a_shell(command: Command, tmp_path: Path) -> None:
    """Also for a key whose default is a number."""
    for word in ("none", "null"):
        assert command(*BENCH, "--num-samples", "1", "--max-model-len", word, "--run-tag", word).status == 0
        (path,) = (tmp_path / "logs" / word).rglob("manifest.json")
        assert json.loads(path.read_text())["config"]["max_model_len"] == 3072


def test_status_and_message_agree_where_every_search_failed(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Status 1 under tables that looked like a result."""
    from tt_scale.searcher.best_of_n import BestOfN

    async def fail(*_: object) -> None:
        raise RuntimeError("out\nof order")

    monkeypatch.setattr(BestOfN, "search", fail)
    few = ("--num-samples", "2", "--method", "best_of_n")
    answer = command(*BENCH, *few)
    assert answer.status == 1
    assert answer.err.startswith("tt-scale: every search failed; the first error: ")
    assert "out of order" in answer.err
    both = command("compare", *BENCH[1:], *few, "--method", "greedy")
    assert (both.status, both.err) == (0, "")
