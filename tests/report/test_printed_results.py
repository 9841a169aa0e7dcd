"""What commands print of a replay, a regrade, a diagnosis and a check of a PRM, from records made by hand."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hand_made import ROW
from rich.console import Console
from run_folders import retried, write_run

from tt_scale.bench.reader.run_data import DamagedLine, RunData, read_run
from tt_scale.bench.replay.regrade import Regraded, RegradedRun, Regrading
from tt_scale.bench.replay.replay_run import RunReplay, SearchReplay
from tt_scale.bench.replay.run_diff import RunDiff
from tt_scale.bench.replay.search_again import Difference
from tt_scale.bench.replay.tables import Tables
from tt_scale.doctor.diagnosis import Diagnosis, Installed, Models
from tt_scale.doctor.installation import Finding
from tt_scale.doctor.memory_plan import MemoryPlan
from tt_scale.errors import ConfigError
from tt_scale.prm.inspection.score_check import Agreement, EngineScores
from tt_scale.report import doctor as doctor_report
from tt_scale.report.catalogue import catalogue
from tt_scale.report.prm_check import print_agreement, print_faults, print_prompts
from tt_scale.report.prm_layout import shortened
from tt_scale.report.regrade import regrade_sentences, regrade_sheets
from tt_scale.report.replay import MOST_SEARCHES, print_replay
from tt_scale.report.run_diff import MOST_LINES, print_diff


def printed(print_it: Callable[[Console], None]) -> list[str]:
    file = io.StringIO()
    print_it(Console(file=file, width=100))
    return file.getvalue().splitlines()


@pytest.fixture
def run(tmp_path: Path) -> RunData:
    return read_run(write_run(tmp_path / "run", [retried(index) for index in range(3)], grader="math-verify 0.9"))


def test_a_replay_says_what_it_confirmed(run: RunData) -> None:
    replay = RunReplay(run, "math-verify 0.9", equal=3, tables=Tables(("detail.csv",)), generated_tokens=1234)
    assert printed(lambda console: print_replay(replay, console)) == [
        f"{run.folder}: 3 of 3 searches run again, 3 equal.",
        "Confirmed: trees, pools, answers, grades, events, 1,234 generated tokens, detail.csv.",
    ]


def test_a_replay_names_what_differs_and_counts_the_rest(run: RunData) -> None:
    """A table that differs is not confirmed; a grader of another version is said."""
    places = tuple([Difference(f"node 0.{number}, score", "0.1", "0.2") for number in range(7)])
    found = [SearchReplay((f"p-{number}", number % 2), places) for number in range(MOST_SEARCHES + 2)]
    tables = Tables(("detail.csv", "summary.csv"), (Difference("detail.csv, line 2", "a", "b"),))
    replay = RunReplay(run, "math-verify 1.0", equal=1, differing=found, tables=tables)
    replay.skipped["written before records held what a replay needs"] = 2
    lines = printed(lambda console: print_replay(replay, console))
    assert lines[1].startswith("Confirmed in these 1: trees")
    assert lines[1].endswith("summary.csv.")
    assert "detail.csv" not in lines[1]
    assert lines[2] == "Not run again: 2 (written before records held what a replay needs)."
    assert lines[3] == "Answers were graded by math-verify 0.9, the replay grades by math-verify 1.0."
    assert lines[4:6] == ["Problem p-0:", "  node 0.0, score is 0.1, the replay gives 0.2"]
    assert "  and 2 more" in lines
    assert "Problem p-1, repeat 1:" in lines
    assert lines[-2:] == ["2 more searches differ.", "detail.csv, line 2 is a, the replay gives b"]


class TextGrader:
    name = "text"


def regraded(run: RunData, changes: int) -> RegradedRun:
    rows = [replace(ROW, id=f"p-{number}", index=number, grade="correct") for number in range(30)]
    news = [replace(row, grade="wrong", answer="x" * 80) if row.index < changes else row for row in rows]
    searches = [Regraded(*pair) for pair in zip(rows, news, strict=True)]
    return RegradedRun(run, Regrading(TextGrader(), selector="majority"), searches, 1)  # type: ignore[arg-type]


def test_a_regrade_shows_both_verdicts(run: RunData) -> None:
    found = regraded(run, 25)
    sheets = {sheet.title: sheet for sheet in regrade_sheets(found)}
    verdicts = sheets["run: verdicts"].rows
    assert [(row[0], row[1], row[3]) for row in verdicts] == [
        ("as recorded", "100.0%", "30"),
        ("graded again", "16.7%", "5"),
    ]
    changed = sheets["Searches that changed"].rows
    assert len(changed) == 20
    assert len(changed[0][5]) < 80
    assert len({sheet.title: sheet for sheet in regrade_sheets(found, every=True)}["Searches that changed"].rows) == 25


def test_a_regrade_says_what_its_tables_do_not(run: RunData) -> None:
    told = list(regrade_sentences(regraded(run, 25)))
    assert told[0].startswith(
        "Graded by math-verify 0.9 then, by text now; selector majority, aggregate of step scores as"
    )
    assert told[1] == "25 of 30 searches changed; --all lists all of them, with whole answers (20 are shown)."
    assert told[2] == "1 searches have a damaged tree and are left out."
    assert list(regrade_sentences(regraded(run, 0)))[1] == "0 of 30 searches changed."


def test_a_diff_lists_what_only_one_run_has(run: RunData) -> None:
    searches = tuple([(f"p-{number}", number) for number in range(MOST_LINES + 1)])
    pairs = tuple([(replace(ROW, id=f"p-{number}"), replace(ROW, answer=None)) for number in range(MOST_LINES + 3)])
    diff = RunDiff((run, run), {"seed": (1, 2)}, {}, (), ((), searches), searches, pairs, (1, 2, 3, 4))
    lines = printed(lambda console: print_diff(diff, console))
    assert lines[:4] == [
        f"- {run.folder}: collective, 3 of 3 searches",
        f"+ {run.folder}: collective, 3 of 3 searches",
        "Keys:",
        "  seed  1  2",
    ]
    assert lines[4].startswith("Only in + (21): p-0, p-1, repeat 1, ")
    assert lines[4].endswith(", ...")
    assert "1 right in both, 2 only in -, 3 only in +, 4 in neither" in lines[5]
    assert lines[-1] == "  and 3 more; --all lists them"


def test_damaged_lines_are_named_everywhere(run: RunData) -> None:
    run.damaged.append(DamagedLine(7, "it has no end"))
    assert "Line 7 is damaged (it has no end)." in printed(lambda console: print_replay(RunReplay(run, "x"), console))
    assert "Line 7 of its journal is damaged (it has no end) and left out." in regrade_sentences(regraded(run, 0))
    diff = RunDiff((run, run), {}, {}, (), ((), ()), (), ())
    told = printed(lambda console: print_diff(diff, console))
    assert "- line 7 of its journal is damaged (it has no end) and left out" in told


def test_a_diagnosis_says_what_is_missing_and_what_to_type(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = Installed(
        (
            Finding("torch", "2.9", "models", ""),
            Finding("datasets", "", "problem sets", "pip install datasets"),
        ),
        "CPU",
        "ImportError: no",
    )
    machine = {"processor": "x86", "cores": 2, "memory_gib": 23, "gpus": []}
    memory = MemoryPlan(("pocket-gen: 1 GiB",), True, "fits")
    models = Models("pocket-gen on trie", ("a", "b"), "mean of both", ("server: up",), ("float32",), memory)
    for found in (models, None):
        doctor_report.print_diagnosis(Diagnosis(installed, machine, found, "vLLM is not installed", "bubblewrap works"))
    told = capsys.readouterr().out
    for line in (
        "  torch        2.9, CPU",
        "  datasets     for problem sets. Type: pip install datasets",
        "  transformers ImportError: no",
        "  GPU          none that nvidia-smi shows",
        "  combined by  mean of both",
        "  server       server: up",
        "  verdict      fits",
        "  backend      vLLM is not installed",
    ):
        assert line in told.splitlines()


def test_agreement_of_engines_is_told_either_way() -> None:
    scores = [EngineScores("vllm", ((0.5,),), ((0.5,),), tokens=2000, cached=1500)]
    same = printed(lambda console: print_agreement(Agreement("a", {"b": 1e-5}, 1e-3), scores, console))
    assert same[0] == "All 1 ways agree within 0.001; the largest difference is 1e-05."
    assert same[1] == "vLLM step by step: 2,000 tokens read, 1,500 of them from the cache."
    off = printed(lambda console: print_agreement(Agreement("a", {"b": 0.25, "c": 0.0}, 1e-3), [], console))
    assert off == ["NOT the same: b by 0.2500 from a; allowed: 0.001."]


def test_prompts_and_faults_are_text(capsys: pytest.CaptureFixture[str]) -> None:
    """Markup of rich in a prompt or an error would vanish, or colour the terminal."""
    lines = printed(lambda console: print_prompts(EngineScores("judge", (), (), prompts=("a [bold]b\nc",)), console))
    assert lines[1:4] == ["Prompt for the last step", "  a [bold]b", "  c"]
    without = printed(lambda console: print_prompts(EngineScores("server", (), ()), console))
    assert without == ["The PRM 'server' has no adapter, so its input cannot be shown."]
    faults = printed(lambda console: print_faults({"huggingface": ConfigError("no [red]x.")}, ["[i]odd"], console))
    assert faults == ["Transformers cannot run it: no [red]x.", "warning: [i]odd"]


def test_a_text_is_shortened_to_one_line() -> None:
    assert shortened("a\n  b", 20) == "a b"
    assert shortened("x" * 30, 20) == "x" * 19 + "…"
    assert len(shortened("x" * 30, 1)) == 12


def test_the_catalogue_names_everything_that_can_be_typed() -> None:
    sections = catalogue()
    names = {heading: [name for name, _ in lines] for heading, lines in sections.items()}
    assert "collective" in names["Methods"]
    assert "simulated" in names["Generators"]
    assert "pocket" in names["Recipes, for --config and init"]
    assert "pocket-math" in names["Problem sets"]
    assert all(line for lines in sections.values() for _, line in lines)
