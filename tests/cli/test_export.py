"""`tt-scale export` as a user types it."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from commands import BENCH, Command, snapshot
from recorded_sets import ONE, PRM, rows, write_set
from run_folders import HOSTILE, member, node, record, write_run

from tt_scale.bench.export.hugging_face import COLUMNS
from tt_scale.bench.export.solutions import solutions
from tt_scale.bench.reader.run_data import read_run


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.chdir(tmp_path)
    return Command(capsys)


@pytest.fixture
def run(command: Command) -> str:
    """Two problems, four recorded samples each."""
    name = write_set(Path("mine.jsonl"), *rows())
    typed = ("--generator", "recorded", "--dataset", name, "--prm-name", PRM, "--N", "4", "--method", "best_of_n")
    assert command("bench", *typed).status == 0
    [manifest] = Path("logs").rglob("manifest.json")
    return str(manifest.parent)


def exported(command: Command, run: str, form: str) -> list[Path]:
    answer = command("export", run, "--format", form, "-o", form)
    assert (answer.status, answer.err) == (0, "")
    return [Path(line) for line in answer.out.splitlines() if Path(line).is_file()]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_samples_of_lm_evaluation_harness(command: Command, run: str) -> None:
    """The fields that `lm_eval --log_samples` writes, with its hashes, and the folder by model."""
    samples, results = exported(command, run, "lm-eval")
    assert samples.parent.name == "recorded"
    assert samples.name.startswith("samples_mine-best_of_n_")
    first, _ = sorted(lines(samples), key=lambda line: line["doc_id"])
    assert set(first) == {
        *("doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics"),
        *("doc_hash", "prompt_hash", "target_hash", "exact_match"),
    }
    assert (first["target"], first["exact_match"], first["filtered_resps"], first["filter"]) == (
        "5",
        1.0,
        ["5"],
        "best",
    )
    assert [len(texts) for texts in first["resps"]] == [4]
    assert first["prompt_hash"] == sha256(b"What is 2 + 3?").hexdigest()
    told = json.loads(results.read_text())
    found = told["results"]["mine-best_of_n"]
    assert found["exact_match,none"] == 1.0
    assert found["exact_match_stderr,none"] == 0.0
    config = told["configs"]["mine-best_of_n"]  # its scripts look up how samples are read
    assert config["output_type"] == "generate_until"
    assert [metric["metric"] for metric in config["metric_list"]] == ["exact_match"]


def test_a_log_of_inspect(command: Command, run: str) -> None:
    """A sample for each search, with the chosen solution, the verdict, and all solutions."""
    [path] = exported(command, run, "inspect")
    log = json.loads(path.read_text())
    assert (log["version"], log["status"], log["results"]["scores"][0]["metrics"]["accuracy"]["value"]) == (
        2,
        "success",
        1,
    )
    sample = next(each for each in log["samples"] if each["id"] == "p1")
    assert sample["scores"]["math_verify"]["value"] == "C"
    assert sample["output"]["completion"] == r"3 + 2, so \boxed{5}."
    assert [each["step_scores"] for each in sample["metadata"]["solutions"]] == [scores for _, _, scores in ONE]
    assert sample["model_usage"]["recorded"]["output_tokens"] == 40


def test_inspect_reads_its_log(command: Command, run: str) -> None:
    """Where inspect_ai is installed; it validates every field."""
    inspect_log = pytest.importorskip("inspect_ai.log")
    [path] = exported(command, run, "inspect")
    assert inspect_log.read_eval_log(str(path)).results.completed_samples == 2


def test_a_data_set_of_samples_with_step_scores(command: Command, run: str, tmp_path: Path) -> None:
    """One line for each sample; `datasets` reads it with the types of the card."""
    data, _ = exported(command, run, "hf")
    found = lines(data)
    assert len(found) == 8
    assert all(list(line) == list(COLUMNS) for line in found)
    own = [line for line in found if line["problem_id"] == "p1"]
    assert [line["step_scores"] for line in own] == [scores for _, _, scores in ONE]
    assert [line["chosen"] for line in own] == [True, False, False, False]
    assert [line["grade"] == "correct" for line in own] == [right for _, right, _ in ONE]
    datasets = pytest.importorskip("datasets")
    loaded = datasets.load_dataset(str(data.parents[1]), split="train", cache_dir=str(tmp_path / "cache"))
    assert loaded.column_names == list(COLUMNS)
    assert [list(row["step_scores"]) for row in loaded] == [line["step_scores"] for line in found]


@pytest.mark.parametrize("form", ["lm-eval", "inspect", "hf"])
def test_nothing_is_changed_or_written_over(command: Command, run: str, form: str, tmp_path: Path) -> None:
    before = snapshot(Path(run))
    exported(command, run, form)
    assert snapshot(Path(run)) == before
    whole = snapshot(tmp_path / form)
    again = command("export", run, "--format", form, "-o", form)
    assert again.status == 2
    assert "is not an empty folder" in again.err
    assert snapshot(tmp_path / form) == whole


@pytest.mark.parametrize("form", ["lm-eval", "inspect", "hf"])
def test_searches_in_trees_in_progress_failed_and_hostile(command: Command, tmp_path: Path, form: str) -> None:
    """Shared steps, a failed search, a missing one, a damaged line, and texts of any kind."""
    failed = record(1, [], [], error="GeneratorError: gone", grade="no_answer", answer=None, selector="", selectors={})
    tree = [
        node("0.0", HOSTILE[0], 0.9),
        node("0.0.0", HOSTILE[2], 0.8, state="finished", ended="eos"),
        node("0.0.1", "cut", 0.1, state="truncated", ended="length"),
    ]
    made = [record(0, tree, [member("0.0.0", HOSTILE[3], "wrong", 0.8)]), failed]
    folder = write_run(tmp_path / "run", made, wanted=5)
    with (folder / "problems.jsonl").open("a") as journal:
        journal.write("{}\n")
    answer = command("export", str(folder), "--format", form, "-o", form)
    assert answer.status == 0
    assert "2 of 5 searches are exported" in answer.out
    assert "Line 3 of the journal is damaged" in answer.out
    if form == "hf":
        whole, cut = lines(tmp_path / "hf" / "data" / "train.jsonl")
        assert (whole["text"], whole["step_scores"]) == (HOSTILE[0] + HOSTILE[2], [0.9, 0.8])
        assert (cut["state"], cut["in_pool"], cut["grade"], cut["level"]) == ("truncated", False, None, 1)


@pytest.mark.parametrize("selector", ["best", "majority", "weighted", "first"])
def test_the_chosen_solution_is_the_one_that_was_selected(command: Command, selector: str) -> None:
    """Its answer and grade are those of the search, for every selector."""
    typed = (*BENCH, "--method", "best_of_n", "--N", "6", "--num-samples", "20", "--selector", selector)
    assert command(*typed).status == 0
    for search in read_run(next(Path("logs").glob("*/manifest.json")).parent).searches():
        chosen = search.chosen
        assert (chosen.answer if chosen else None, chosen.grade if chosen else "no_answer") == (
            search.row.answer,
            search.row.grade,
        )
        assert sum([each.chosen for each in solutions(search)]) == (chosen is not None)


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        (("gone", "--format", "hf", "-o", "out"), "There is no folder 'gone'"),
        (("run", "-o", "out"), "--format"),
        (("run", "--format", "hf"), "--output"),
        (("run", "--format", "csv", "-o", "out"), "'csv' is not one of"),
        (("run", "--format", "hf", "-o", "run"), "'run' is not an empty folder"),
        (("empty", "--format", "hf", "-o", "out"), "holds no finished search yet"),
        (("run", "--format", "hf", "-o", "file/out"), "cannot be written"),
    ],
)
def test_bad_input(command: Command, tmp_path: Path, typed: tuple[str, ...], told: str) -> None:
    write_run(tmp_path / "run", [record(0, [node("0.0", "so")], [member("0.0", "1", "wrong")])])
    write_run(tmp_path / "empty", [], wanted=3)
    (tmp_path / "file").write_text("")
    answer = command("export", *typed)
    assert answer.status == 2
    assert told in " ".join(answer.err.split())
    assert not (tmp_path / "out").exists()
