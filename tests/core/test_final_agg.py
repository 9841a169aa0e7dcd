"""The aggregate of the final selection, from the configuration to tables, and that every table states it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from commands import Command
from worlds import run, scripted_space, table

from tt_scale import Config, solve
from tt_scale.bench.compare.subsampled import derived_row
from tt_scale.bench.record import search_record, unpack
from tt_scale.bench.run.journal import read_records
from tt_scale.core.aggregate import AGGREGATES, aggregate, aggregates_in_words
from tt_scale.grading import Grader
from tt_scale.searcher.beam_search import BeamSearch

WORLD = ("--model-name", "simulated", "--prm-name", "simulated", "--dataset", "simulated", "--num-samples", "12")
STATED = "Aggregate of step scores (agg): last; of the final selection (final_agg): prod."
TREE = """
    0.0    .2
    0.1    .8
    0.2-3  .1
    0.0.0  .9   end
    0.0.1  .1   fail
    0.1.0  .1   fail
    0.1.1  .85  end
"""


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.chdir(tmp_path)
    return Command(capsys)


def recorded(final_agg: str | None, agg: str = "last") -> dict[str, Any]:
    space = scripted_space(table(TREE), agg=agg)
    outcome = run(BeamSearch(n_beams=2, beam_width=2), space)
    with Grader() as grader:
        return asyncio.run(search_record(0, 0, space, outcome, "best", grader, final_agg))


def test_the_final_selection_has_its_own_aggregate() -> None:
    """By its last step 0.0.0 is the best, by the product 0.1.1: a selection that still looks at the search's score."""
    by_last, by_product = recorded(None), recorded("prod")
    assert (by_last["answer"], by_product["answer"]) == ("0", "1")
    assert (by_last["grade"], by_product["grade"]) == ("correct", "wrong")
    assert by_product["selectors"]["best"]["2"] == by_product["selectors"]["weighted"]["2"] == "wrong"
    assert by_last["selectors"]["best"]["2"] == "correct"
    assert {member["key"]: member["score"] for member in by_last["pool"]} == {"0.0.0": 0.9, "0.1.1": 0.85}
    scores = {member["key"]: member["score"] for member in by_product["pool"]}
    assert scores == pytest.approx({"0.0.0": 0.18, "0.1.1": 0.68})


@pytest.mark.parametrize("final_agg", AGGREGATES)
def test_final_agg_does_not_change_the_search(final_agg: str) -> None:
    """The tree depends on `agg` alone, not on the selection."""
    assert recorded(final_agg)["tree"] == recorded(None)["tree"]


@pytest.mark.parametrize("agg", AGGREGATES)
def test_final_agg_defaults_to_agg(agg: str) -> None:
    """A default of its own would change every run that names an `agg`."""
    assert recorded(None, agg)["pool"] == recorded(agg, agg)["pool"]


def test_runs_solve_and_derived_results_use_final_agg(command: Command, tmp_path: Path) -> None:
    """One of three places where an answer is selected that forgets the key."""
    answer = command("bench", *WORLD, "--method", "best_of_n", "--N", "8", "--final-agg", "prod", "--run-tag", "t")
    assert (answer.status, answer.err) == (0, "")
    assert STATED in answer.out
    folder = next((tmp_path / "logs" / "t").glob("*best_of_n*"))
    told = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert told["experiment"]["final_agg"] == told["config"]["final_agg"] == "prod"
    summary = (tmp_path / "logs" / "summary.csv").read_text(encoding="utf-8")
    assert "N=8 final_agg=prod" in summary
    command("bench", *WORLD, "--method", "best_of_n", "--N", "3", "--final-agg", "prod", "--run-tag", "few")
    fewer = read_records(next((tmp_path / "logs" / "few").glob("*best_of_n*")))
    for record, direct in zip(read_records(folder), fewer, strict=True):
        scores = {node["key"]: node["scores"] for node in unpack(record)["tree"]}
        products = [aggregate("prod", scores[member["key"]], finished=True) for member in record["pool"]]
        assert [member["score"] for member in record["pool"]] == products
        assert derived_row(record, 3, "best", "prod").answer == direct["answer"]
        config = Config(model_name="simulated", prm_name="simulated", method="best_of_n", N=8, final_agg="prod")
        found = solve(record["question"], config)
        members = {path.key: aggregate("prod", path.scores, finished=True) for path in found.outcome.pool}
        assert found.path is not None
        assert members[found.path.key] == max(members.values())


def test_runs_that_differ_in_the_final_aggregate_share_their_samples(command: Command, tmp_path: Path) -> None:
    """The same samples drawn three times, or results derived with the aggregate of the run that drew them."""
    typed = ("compare", *WORLD[:-1], "30", "--method", "best_of_n", "--vary", "final_agg=last,prod,min", "--run-tag")
    assert [command(*typed, "a").status, command(*typed, "b", "--no-derive").status] == [0, 0]
    found = []
    for tag, runs in (("a", 1), ("b", 3)):
        assert len(list((tmp_path / "logs" / tag).glob("*/manifest.json"))) == runs
        text = (tmp_path / "logs" / tag / "comparison.json").read_text(encoding="utf-8")
        entries = json.loads(text)["comparisons"][0]["entries"]
        found.append({entry["method"]: (entry["correct"], entry["tokens"]) for entry in entries})
    assert found[0] == found[1]
    assert len({figures for method, figures in found[0].items() if method.startswith("best")}) > 1


def test_comparisons_and_sweeps_state_the_aggregate(command: Command, tmp_path: Path) -> None:
    """A table of a run by `prod` that looks as one by `last`."""
    same = (*WORLD, "--temperature", "0.7", "--final-agg", "prod", "--method", "best_of_n")
    answer = command("compare", *same, "--method", "beam_search", "--run-tag", "t")
    folder = tmp_path / "logs" / "t"
    assert STATED in " ".join(answer.out.split())
    assert STATED in (folder / "comparison.md").read_text(encoding="utf-8")
    assert json.loads((folder / "comparison.json").read_text(encoding="utf-8"))["comparisons"][0]["footer"] == [STATED]
    assert STATED in " ".join(command("compare", str(folder)).out.split())
    grid = tmp_path / "grid.yaml"
    grid.write_text("temperature: [0.6]\n")
    answer = command("sweep", *same, "--grid", str(grid), "--run-tag", "s")
    assert STATED in " ".join(answer.out.split())


def test_without_a_prm_no_aggregate_is_named(command: Command) -> None:
    """A footer about scores that do not exist."""
    answer = command("bench", *WORLD, "--prm-name", "none", "--method", "self_consistency")
    assert (answer.status, "Aggregate" in answer.out) == (0, False)


@pytest.mark.parametrize(
    ("pairs", "sentence"),
    [
        ([], ""),
        ([("last", None), ("last", "last")], "Aggregate of step scores (agg): last."),
        ([("last", "prod")], STATED),
        ([("last", None), ("min", None)], "Aggregate of step scores (agg): last or min."),
        (
            [("last", "prod"), ("last", None)],
            "Aggregate of step scores (agg): last; of the final selection (final_agg): prod or last.",
        ),
    ],
)
def test_aggregates_in_words(pairs: list[tuple[str, str | None]], sentence: str) -> None:
    """Two runs with different aggregates described as one."""
    assert aggregates_in_words(pairs) == ((sentence,) if sentence else ())
