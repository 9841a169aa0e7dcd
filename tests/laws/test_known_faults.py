"""Faults of public baselines, each with the test that would have found it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path as FilePath
from typing import Any

import pytest
from commands import read_journal
from worlds import TapeGenerator, TellingPRM, asked_in, at, run, scripted_space, sim_problem, table

from tt_scale.base_classes import Problem, Searcher
from tt_scale.bench.record import Row, search_record
from tt_scale.bench.run.journal import Journal
from tt_scale.bench.run.runner import Run, run_tasks
from tt_scale.bench.run.session import bench, rows_by_set, warnings
from tt_scale.bench.stats.metrics import by_level, selector_accuracy
from tt_scale.config import Config
from tt_scale.errors import GeneratorError, JournalError
from tt_scale.generator.simulated import SimulatedGenerator
from tt_scale.grading import Grader
from tt_scale.prm.simulated import SimulatedPRM
from tt_scale.problems import load_problems
from tt_scale.searcher.beam_search import BeamSearch
from tt_scale.searcher.best_of_n import BestOfN
from tt_scale.searcher.collective_backtrack import CollectiveBacktrack
from tt_scale.searcher.independent_backtrack import IndependentBacktrack
from tt_scale.space.search_space import SearchSpace

METHODS: list[Searcher] = [BeamSearch(), BestOfN(), CollectiveBacktrack(), IndependentBacktrack()]


def recorded(searcher: Searcher, tree: str, **keys: Any) -> dict[str, Any]:
    """Search a drawn tree, whose gold answer is 0, and write it down as a run does."""
    space = scripted_space(table(tree), **keys)
    outcome = run(searcher, space)
    with Grader() as grader:
        return asyncio.run(search_record(0, 0, space, outcome, searcher.selector, grader))


def simulated(tmp_path: FilePath, **keys: Any) -> Config:
    values = {"model_name": "simulated", "prm_name": "simulated", "datasets": ["simulated"], "num_samples": 3}
    return Config(**{**values, "output_dir": str(tmp_path), **keys})


def benched(configs: Sequence[Config]) -> dict[str, dict[str, list[Row]]]:
    return rows_by_set(asyncio.run(bench(configs)))


def test_truncated_is_not_finished() -> None:
    """Truncated steps taken for finished answers.

    0.0 was cut by the context while it stated the gold answer: no vote, no answer, counted as truncated.
    """
    space = scripted_space(table("0.0-1 .9 full"))
    generator = space._generator
    generator.script = dict.fromkeys(generator.script, ("\\boxed{0", "context"))  # type: ignore[attr-defined]
    searcher = BestOfN(N=2)
    outcome = run(searcher, space)
    with Grader() as grader:
        record = asyncio.run(search_record(0, 0, space, outcome, "best", grader))
    assert (record["grade"], record["answer"], record["pool"]) == ("no_answer", None, [])
    assert record["telemetry"]["truncated"] == 2


@pytest.mark.parametrize(
    "searcher",
    [
        BeamSearch(n_beams=1, beam_width=2, N=3),
        CollectiveBacktrack(passing_minimum=1, keeping_branches=1, max_total_branches=2, always_expand=True, N=3),
    ],
    ids=lambda searcher: type(searcher).__name__,
)
def test_the_best_finished_path_answers(searcher: Searcher) -> None:
    """The first finished beam returned instead of the best.

    0 -- 0.0 .8   0.1 .6!               0.1 finishes first and says 1
    0.0 -- 0.0.0 .9!   0.0.1 .65!       0.0.0 says 0, which is right
    """
    record = recorded(searcher, "0.0 .8 \n 0.1 .6 end \n 0.0.0 .9 end \n 0.0.1 .65 end")
    assert [member["key"] for member in record["pool"]] == ["0.1", "0.0.0", "0.0.1"]
    assert (record["answer"], record["grade"]) == ("0", "correct")
    assert record["selectors"]["first"]["2"] == "wrong"


def test_tokens_of_dropped_and_retried_children_are_counted() -> None:
    """Tokens of dropped or retried candidates not counted: a method looks as cheap as its answer is long.

    one failing step, three of a retry (of which one passes), one answer: 7 + 3 * 7 + 9 tokens; 7 + 9 are on the path
    """
    tree = "0.0 .1 \n 0.1 .2 \n 0.2 .9 \n 0.3 .3 \n 0.2.0 .9 end"
    record = recorded(CollectiveBacktrack(passing_minimum=1, max_total_branches=3, N=1), tree)
    assert record["usage"]["generated_tokens"] == 7 + 3 * 7 + 9
    assert record["pool"][0]["tokens"] == 7 + 9
    assert record["telemetry"]["wasted_tokens"] == 3 * 7


@pytest.mark.parametrize(("beams", "width"), [(1, 4), (2, 4), (1, 2)])
def test_pruning_with_fewer_beams_than_children(beams: int, width: int) -> None:
    """No pruning at all where n < beam width: n // width is 0, and a slice `[-0:]` is everything."""
    first = beams * width
    tree = "\n".join([f"0.{number} .{number + 1}" for number in range(first)])
    best = [f"0.{number}" for number in range(first - beams, first)]
    tree += "\n" + "\n".join([f"{key}.0-{width - 1} .5 end" for key in best])
    space = scripted_space(table(tree))
    run(BeamSearch(n_beams=beams, beam_width=width), space)
    assert asked_in(space)[1] == at(0.8, *(f"{key}.0-{width - 1}" for key in best))


@pytest.mark.parametrize("searcher", METHODS, ids=lambda searcher: type(searcher).__name__)
def test_token_limits_are_per_path(searcher: Searcher) -> None:
    """Per-step instead of per-path token limits: step searches may think longer than best-of-N."""
    config = Config(k_tokens=10, max_tokens=35)
    space = SearchSpace(Problem("p", "?", "0"), TapeGenerator(["a"] * 99), TellingPRM(), config)
    run(searcher, space)
    assert max(node.tokens for node in space.nodes) == 35


class Failing(SimulatedGenerator):
    """Cannot render one of the problems."""

    def prompt(self, problem: Problem, system_prompt: str) -> tuple[int, ...]:
        if problem.id == "sim-00001":
            raise GeneratorError("no such template")
        return super().prompt(problem, system_prompt)


def rows_of(problems: Sequence[Problem], folder: FilePath) -> list[Row]:
    """Run problems of which one fails."""
    generator, config, rows = Failing(), Config(model_name="simulated", prm_name="simulated"), []
    with Grader() as grader, Journal(folder, {"experiment": {}}) as journal:
        everything = Run(config, BestOfN(), generator, SimulatedPRM(1.0, 79, generator), grader, journal, rows.append)
        asyncio.run(run_tasks([everything], problems, [(0, index, 0) for index in range(len(problems))]))
    return sorted(rows, key=lambda row: row.index)


def test_failed_problems_stay_in_the_denominator(tmp_path: FilePath) -> None:
    """Failed problems left out of the denominator: the harder they crash, the better the accuracy."""
    rows = rows_of([sim_problem(number, 1, 2) for number in range(4)], tmp_path)
    assert [bool(row.error) for row in rows] == [False, True, False, False]
    assert rows[1].grade == "no_answer"
    assert "no such template" in rows[1].error
    right = sum(row.correct for row in rows)
    for summary in by_level(rows):  # Overall and level 1
        assert (summary.samples, summary.errors, summary.accuracy) == (4, 1, right / 4)
    assert selector_accuracy(rows)["best"][0] == right / 4
    assert right == 3


def test_different_temperatures_are_told(tmp_path: FilePath) -> None:
    """Methods compared at different temperatures without a word."""
    keys = {"temperature": 0.8, "temp_origin": 0.7}
    pair = [simulated(tmp_path, method=method, **keys) for method in ("collective", "best_of_n")]
    [told] = [warning for warning in warnings(pair) if "temperature" in warning]
    assert "collective 0.7" in told
    assert "best_of_n 0.8" in told
    alike = [simulated(tmp_path, method=config.method, temperature=0.7, temp_origin=0.7) for config in pair]
    assert not [warning for warning in warnings(alike) if "temperature" in warning]


@pytest.mark.parametrize("other", [{"stop_tokens": ("\n",)}, {"top_p": 0.9}, {"max_tokens": 99}])
def test_other_differences_are_told(tmp_path: FilePath, other: dict[str, Any]) -> None:
    """Methods compared at different stop strings or sampling settings, as callers of `bench` from Python can."""
    pair = [simulated(tmp_path, method="collective"), simulated(tmp_path, method="independent", **other)]
    [key] = other
    assert any(key in warning for warning in warnings(pair))


@pytest.mark.parametrize("tag", ["", "tagged"])
def test_two_methods_have_two_logs(tmp_path: FilePath, tag: str) -> None:
    """Logs of two methods appended to one file, and read as one."""
    methods = ("best_of_n", "beam_search")
    benched([simulated(tmp_path, method=method, run_tag=tag) for method in methods])
    folders = {found.parent for found in tmp_path.rglob("problems.jsonl")}
    told = {
        json.loads((folder / "manifest.json").read_text("utf-8"))["experiment"]["method"]: folder for folder in folders
    }
    assert set(told) == set(methods)
    for method, folder in told.items():
        assert len(read_journal(folder)) == 3
        assert f"-{method}" in folder.name


def test_a_folder_of_another_experiment_is_refused(tmp_path: FilePath) -> None:
    """A tag given again with other knobs, and two experiments in one log."""
    benched([simulated(tmp_path, method="best_of_n", run_tag="t")])
    with pytest.raises(JournalError, match="N: 4 there, 2 here"):
        benched([simulated(tmp_path, method="best_of_n", run_tag="t", N=2)])


def test_duplicate_questions_are_two_problems(tmp_path: FilePath) -> None:
    """Results keyed by prompt text, so that duplicate problems merge: one row too few, and one answer counted twice."""
    row = json.dumps({"question": sim_problem(7).question, "answer": sim_problem(7).answer})
    (tmp_path / "twice.jsonl").write_text(f"{row}\n{row}\n", encoding="utf-8")
    path = str(tmp_path / "twice.jsonl")
    assert len({problem.id for problem in load_problems(path)}) == 2
    config = simulated(tmp_path / "logs", datasets=[path], num_samples=None, method="best_of_n")
    found = benched([config])
    assert [len(rows) for by_method in found.values() for rows in by_method.values()] == [2]
    [journal] = (tmp_path / "logs").rglob("problems.jsonl")
    one, other = read_journal(journal.parent)
    assert one["id"] != other["id"]
    assert one["tree"] != other["tree"]  # ids, not texts, seed the samples
