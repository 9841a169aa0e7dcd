"""`tt-scale compare` as a user types it."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from commands import BENCH, Command, snapshot

from tt_scale.problems.simulated import simulated_answer, simulated_question

WORLD = ("--model-name", "simulated", "--prm-name", "simulated", "--dataset", "simulated")
COMPARE = ("compare", *WORLD, "--temperature", "0.7", "--num-samples", "20", "--run-tag", "t")
TWO = (*COMPARE, "--method", "best_of_n", "--method", "beam_search", "--budget", "1,2,4")


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.chdir(tmp_path)
    return Command(capsys)


def told(folder: Path) -> dict[str, Any]:
    """What comparison.json says, without what depends on the clock."""
    [found] = json.loads((folder / "comparison.json").read_text())["comparisons"]
    for entry in found["entries"]:
        del entry["seconds"]
    return found


def test_runs_tables_and_files_agree(command: Command, tmp_path: Path) -> None:
    """The printout, three files and the run folders are views of one thing."""
    answer = command(*TWO)
    assert (answer.status, answer.err) == (0, "")
    folder = tmp_path / "logs" / "t"
    assert sorted(path.parent.name for path in folder.rglob("manifest.json")) == [
        *(f"simulated-beam_search-budget={budget}" for budget in (1, 2, 4)),
        "simulated-best_of_n-budget=4",
    ]
    found = told(folder)
    lines = list(csv.DictReader((folder / "comparison.csv").read_text().splitlines()))
    page = (folder / "comparison.md").read_text()
    assert len(found["entries"]) == len(lines) == 9
    for entry, line in zip(found["entries"], lines, strict=True):
        assert float(line["accuracy"]) == entry["accuracy"] == entry["correct"] / 20
        cells = (entry["method"], f"{entry['accuracy']:.1%}", f"{entry['tokens']:,.0f}")
        assert all(cell in answer.out and cell in page for cell in cells)
    for line in found["verdict"]:
        assert f"- {line}" in page
        assert "".join(line.split()) in "".join(answer.out.split())
    assert max(map(len, answer.out.splitlines())) <= 140


def test_a_comparison_goes_on(command: Command, tmp_path: Path) -> None:
    """A killed comparison ends as one that was left alone; methods and budgets may be added; nothing is done twice."""
    folder = tmp_path / "logs" / "t"
    assert command(*TWO).status == 0
    whole = told(folder)
    journal = folder / "simulated-beam_search-budget=2" / "problems.jsonl"
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:7]))
    (folder / "comparison.json").unlink()
    (folder / "comparison.md").unlink()
    (folder / "comparison.csv").unlink()
    answer = command(*TWO)
    assert (answer.status, answer.err) == (0, "")
    assert "Done before: 67 of 80." in answer.out
    assert told(folder) == whole
    before = snapshot(folder)
    assert command(*TWO).status == 0
    runs = {name: text for name, text in before.items() if name.endswith(".jsonl")}
    assert runs == {name: text for name, text in snapshot(folder).items() if name.endswith(".jsonl")}
    assert "Done before: 80 of 100." in command(*TWO, "--method", "greedy").out
    assert len(told(folder)["entries"]) == 10


def test_the_same_command_finds_its_folder_without_a_tag(command: Command, tmp_path: Path) -> None:
    """A user who gives no tag still expects to go on."""
    few = ("compare", *WORLD, "--num-samples", "3", "--method", "best_of_n", "--vary", "N=1,2")
    assert command(*few).status == 0
    assert "Done before: 3 of 3." in command(*few).out
    assert "Done before" not in command(*few, "--seed", "1").out
    assert len(list((tmp_path / "logs").glob("compare-*"))) == 2


def test_everything_can_stand_in_a_file(command: Command, tmp_path: Path) -> None:
    """Lists in YAML are what flags are in a shell; flags win; a budget stands over the widths of a recipe."""
    (tmp_path / "c.yaml").write_text(
        "model_name: simulated\nprm_name: simulated\ndatasets: simulated\nnum_samples: 3\nrun_tag: t\n"
        "method: [collective, best_of_n]\nbudget: [1, 4]\nvary: {tau: [0.4, 0.6]}\ntemp_origin: 0.8\n"
    )
    assert command("compare", "--config", "c.yaml").status == 0
    entries = told(tmp_path / "logs" / "t")["entries"]
    names = ("collective tau=0.4", "collective tau=0.6", "best_of_n", "majority of best_of_n")
    assert [(entry["method"], entry["budget"]) for entry in entries if "majority" not in entry["method"]] == [
        (name, budget) for name in names[:3] for budget in (1, 4)
    ]
    (tmp_path / "c.yaml").write_text("N: 9\nmax_total_branches: 9\nmethod: [beam_search, dvts]\n")
    assert command(*COMPARE, "--config", "c.yaml", "--budget", "4", "--run-tag", "u").status == 0


def test_a_method_without_widths_runs_once(command: Command, tmp_path: Path) -> None:
    """Greedy decoding at eight budgets would be the same run eight times."""
    assert command(*COMPARE, "--method", "greedy", "--method", "best_of_n", "--budget", "1,2").status == 0
    assert [entry["budget"] for entry in told(tmp_path / "logs" / "t")["entries"] if entry["method"] == "greedy"] == [
        None
    ]


def test_knobs_of_one_method_leave_others_alone(command: Command, tmp_path: Path) -> None:
    """A knob is varied where it is one; one that only the method knows is a knob too."""
    more = (*COMPARE, "--method", "self_consistency", "--method", "greedy", "--vary", "adaptive=off,beta")
    assert command(*more).status == 0
    assert [entry["method"] for entry in told(tmp_path / "logs" / "t")["entries"]] == [
        "self_consistency adaptive=off",
        "self_consistency adaptive=beta",
        "greedy",
    ]


def test_several_problem_sets(command: Command, tmp_path: Path) -> None:
    """Each set has tables of its own."""
    for name, level in (("easy", 1), ("hard", 5)):
        questions = [simulated_question(number, level, 4) for number in range(6)]
        lines = [{"question": text, "answer": str(simulated_answer(number))} for number, text in enumerate(questions)]
        (tmp_path / f"{name}.jsonl").write_text("".join([json.dumps(line) + "\n" for line in lines]))
    few = ("compare", *WORLD[:4], "--dataset", "easy.jsonl", "--dataset", "hard.jsonl", "--run-tag", "t")
    assert command(*few, "--method", "best_of_n", "--vary", "N=1,2").status == 0
    found = json.loads((tmp_path / "logs" / "t" / "comparison.json").read_text())["comparisons"]
    assert [each["dataset"] for each in found] == ["easy.jsonl", "hard.jsonl"]
    for each, name in zip(found, ("easy", "hard"), strict=True):
        journal = (tmp_path / f"logs/t/{name}-best_of_n-N=2/problems.jsonl").read_text()
        rows = [json.loads(line) for line in journal.splitlines()]
        right = sum(row["grade"] == "correct" for row in rows)
        assert [entry["correct"] for entry in each["entries"] if entry["method"] == "best_of_n N=2"] == [right]


def test_finished_runs_are_compared(command: Command, tmp_path: Path) -> None:
    """Runs of bench say the same as those of compare, and no model is opened for it."""
    bench = (*BENCH, "--num-samples", "20", "--run-tag", "b", "--temperature", "0.7", "--max-total-branches", "4")
    assert command(*bench, "--method", "best_of_n", "--method", "beam_search", "--method", "greedy").status == 0
    before = snapshot(tmp_path)
    answer = command("compare", "logs/b")
    assert (answer.status, answer.err) == (0, "")
    assert snapshot(tmp_path) == before
    assert "majority of best_of_n" in answer.out
    names = [f"logs/b/simulated-{method}" for method in ("best_of_n", "beam_search", "greedy")]
    assert command("compare", *names, "--run-tag", "c").status == 0
    assert [entry["method"] for entry in told(tmp_path / "logs" / "c")["entries"]] == [
        "best_of_n",
        "majority of best_of_n",
        "beam_search",
        "greedy",
    ]


@pytest.mark.parametrize(
    ("first", "second", "keys", "meant"),
    [
        (("--num-samples", "4"), ("--num-samples", "5"), "problems: '4 (", False),
        (("--max-tokens", "100"), ("--max-tokens", "200"), "max_tokens: 100 and 200", True),
        (("--N", "2"), ("--temperature", "0.5"), "temperature: 0.8 and 0.5", True),
        (("--grade-timeout", "4"), ("--grade-timeout", "3"), "grade_timeout: 4.0 and 3.0", True),
        (("--seed", "1"), ("--repeats", "2"), "repeats: 1 and 2; seed: 1 and 79", False),
    ],
)
def test_unlike_runs_are_refused(
    command: Command, first: tuple[str, ...], second: tuple[str, ...], keys: str, meant: bool
) -> None:
    """A table of different problems or sampling settings looks like any other table."""
    bench = (*BENCH, "--num-samples", "4", "--method", "best_of_n")
    assert command(*bench, "--run-tag", "a", *first).status == 0
    assert command(*bench, "--run-tag", "b", *second).status == 0
    answer = command("compare", "logs/a", "logs/b")
    assert (answer.status, answer.out) == (2, "")
    assert keys in answer.err
    assert ("--vary" in answer.err) == meant
    if meant:
        typed = answer.err.split("type: ")[1].split()
        assert command("compare", "logs/a", "logs/b", *typed).status == 0


def test_an_unfinished_run_is_refused(command: Command, tmp_path: Path) -> None:
    """Half a run has other problems than a whole one."""
    bench = (*BENCH, "--num-samples", "4", "--run-tag", "a")
    assert command(*bench, "--method", "greedy", "--method", "best_of_n").status == 0
    journal = tmp_path / "logs" / "a" / "simulated-greedy" / "problems.jsonl"
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:3]))
    answer = command("compare", "logs/a")
    assert answer.status == 2
    assert "holds 3 of 4 searches" in answer.err


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        (("--method", "collective", "--vary", "taus=0.4"), "'taus' is not a knob of collective. Did you mean 'tau'?"),
        (("--method", "collective", "--vary", "tau=0.4,7"), "tau is 7, but should be less than or equal to 1."),
        (("--method", "collective", "--vary", "tau=0.4,0.4"), "The value of tau '0.4' is named twice."),
        (("--method", "collective", "--vary", "tau"), "Type: --vary tau=0.4,0.6"),
        (("--method", "greedy", "--vary", "prm_name=a,b"), "'prm_name' cannot be varied"),
        (("--method", "best_of_n", "--method", "best_of_n"), "The method 'best_of_n' is named twice."),
        (("--method", "best_of_n", "--budget", "1,x"), "budget is 'x'; budgets are integers from 1."),
        (("--method", "best_of_n", "--budget", "0"), "budget is '0'"),
        (("--method", "best_of_n", "--budget", "2", "--N", "5"), "N is 5, but budget 2 makes it 2 for best_of_n"),
        (("--method", "beam_search", "--lookahead", "3", "--budget", "2,8"), "The smallest is 4: --budget 4"),
        (
            ("--method", "best_of_n", "--method", "collective", "--temp-origin", "0.5"),
            "--temperature 0.7 --temp-origin 0.7",
        ),
        (
            ("--method", "best_of_n", "--plot", "x.txt"),
            "--plot is 'x.txt'; allowed: a file that ends in .svg, .png, .pdf.",
        ),
        (("logs/none",), "configures a new run"),
    ],
)
def test_bad_input_is_found_before_anything_is_written(
    command: Command, tmp_path: Path, typed: tuple[str, ...], told: str
) -> None:
    """An hour of search and then a complaint about a knob."""
    answer = command(*COMPARE, *typed)
    assert (answer.status, answer.out) == (2, "")
    assert told in answer.err
    assert answer.err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_minutes(command: Command, tmp_path: Path) -> None:
    """With none, nothing that could be told was done; with plenty, all of it; a finished run takes no time."""
    answer = command(*TWO, "--minutes", "0")
    assert answer.status == 2
    assert "The time ended before all 4 runs had searched one problem of simulated." in answer.err
    assert command(*TWO, "--minutes", "9").status == 0
    assert len(told(tmp_path / "logs" / "t")["entries"]) == 9
    journal = tmp_path / "logs" / "t" / "simulated-beam_search-budget=2" / "problems.jsonl"
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:7]))
    answer = command(*TWO, "--minutes", "0")
    assert "Compared on simulated: 7 of 20 searches of each run; the same command continues." in answer.out
    assert "simulated with simulated, 7 problems" in answer.out
    for flag, *value in (("--minutes", "9"), ("--no-derive",)):
        answer = command("compare", "logs/t", flag, *value)
        assert answer.status == 2
        assert f"{flag} configures a new run, but 'logs/t' is a finished run. Omit {flag}." in answer.err


def test_foreign_files_are_left_alone(command: Command, tmp_path: Path) -> None:
    """Somebody's notes of the same name are not ours to replace."""
    folder = tmp_path / "logs" / "t"
    folder.mkdir(parents=True)
    for name, text in (("comparison.md", "mine"), ("comparison.json", '{"mine": 1}')):
        (folder / name).write_text(text)
        answer = command(*TWO)
        assert answer.status == 2
        assert "was not written by tt-scale compare. Nothing was changed." in answer.err
    assert sorted(path.name for path in folder.iterdir()) == ["comparison.json", "comparison.md"]


def test_a_plot(command: Command, tmp_path: Path) -> None:
    """The same comparison gives the same figure."""
    pytest.importorskip("vl_convert")
    pages = []
    for _ in range(2):
        assert command(*TWO, "--plot", "p.svg").status == 0
        pages.append((tmp_path / "p.svg").read_text())
    assert pages[0] == pages[1]
    assert "<svg" in pages[0]


@pytest.mark.parametrize("more", [(), ("--no-derive",), ("--method", "self_consistency")])
def test_a_comparison_is_shown_again(command: Command, tmp_path: Path, more: tuple[str, ...]) -> None:
    """Its folder was read as runs without budgets: other labels, no derived lines, other verdicts."""
    methods = ("--method", "best_of_n", "--method", "beam_search", "--method", "greedy")
    heat = ("--temperature", "0.7", "--temp-origin", "0.7")
    asked = ("--dataset", "simulated", "--num-samples", "12", "--budget", "2,4", *methods, *heat, *more)
    first = command("compare", "--model-name", "simulated", "--prm-name", "simulated", *asked, "--run-tag", "c")
    again = command("compare", "logs/c")
    assert (first.status, again.status) == (0, 0)
    assert ("majority of best_of_n" in again.out) == ("self_consistency" not in more)
    assert again.out.strip() in first.out
    (tmp_path / "logs" / "c").rename(tmp_path / "moved")
    assert command("compare", "moved").out == again.out


def test_a_comparison_that_was_broken_off_is_shown_again(command: Command, tmp_path: Path) -> None:
    """With --minutes it is over the searches that all runs had finished, and stays so."""
    world = ("--model-name", "simulated", "--prm-name", "simulated", "--dataset", "simulated", "--num-samples", "9")
    whole = ("compare", *world, "--method", "best_of_n", "--method", "greedy", "--run-tag", "c")
    assert command(*whole).status == 0
    journal = next((tmp_path / "logs" / "c").glob("*greedy*/problems.jsonl"))
    lines = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join(lines[:6]))
    answer = command("compare", "logs/c")
    assert answer.status == 2
    assert "holds 6 of the 9 searches that were compared" in answer.err
    path = tmp_path / "logs" / "c" / "comparison.json"
    told = json.loads(path.read_text())
    kept = {json.loads(line)["id"] for line in lines[:6]}
    told["comparisons"][0]["searches"] = [each for each in told["comparisons"][0]["searches"] if each[0] in kept]
    path.write_text(json.dumps(told))
    answer = command("compare", "logs/c")
    assert answer.status == 0
    assert "6 problems" in answer.out


def test_an_older_comparison_is_compared_as_runs(command: Command, tmp_path: Path) -> None:
    """A folder of a version that did not say how its lines were made."""
    world = ("--model-name", "simulated", "--prm-name", "simulated", "--dataset", "simulated", "--num-samples", "9")
    assert command("compare", *world, "--method", "best_of_n", "--method", "greedy", "--run-tag", "c").status == 0
    path = tmp_path / "logs" / "c" / "comparison.json"
    told = json.loads(path.read_text())
    del told["comparisons"][0]["searches"]
    path.write_text(json.dumps(told))
    assert command("compare", "logs/c").status == 0
