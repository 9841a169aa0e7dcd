"""`bench` for Python."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tt_scale import Config, ConfigError, evaluate, solve
from tt_scale.bench.run.events import Event, Resumed, RunAdvanced
from tt_scale.cli.main import main


def config(folder: Path, **keys: Any) -> Config:
    return Config(
        model_name="simulated", prm_name="simulated", datasets=("simulated:ids=question",), num_samples=6,
        output_dir=str(folder), **keys,
    )  # fmt: skip


def test_results_are_those_of_bench(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two ways to one number must give one number."""
    found = evaluate(config(tmp_path / "python"), ["best_of_n", "dvts"])
    flags = ["--model-name", "simulated", "--prm-name", "simulated", "--dataset", "simulated:ids=question"]
    with pytest.raises(SystemExit):
        main(["bench", *flags, "--num-samples", "6", "--method", "dvts", "--output-dir", str(tmp_path / "shell")])
    capsys.readouterr()
    [folder] = (tmp_path / "shell").glob("simulated*")
    assert found["dvts"].folder.name == folder.name

    def stable(file: Path) -> list[str]:
        return sorted([line.partition('"usage"')[0] for line in file.read_text().splitlines()])

    assert stable(found["dvts"].folder / "problems.jsonl") == stable(folder / "problems.jsonl")


def test_a_second_call_reads_what_the_first_did(tmp_path: Path) -> None:
    events: list[Event] = []
    first = evaluate(config(tmp_path), ["greedy"], report=events.append)
    assert sum([isinstance(event, RunAdvanced) for event in events]) == 6
    events.clear()
    second = evaluate(config(tmp_path), ["greedy"], report=events.append)
    assert [type(event) for event in events if isinstance(event, RunAdvanced | Resumed)] == [Resumed]
    assert second["greedy"].rows == first["greedy"].rows


async def test_it_works_in_a_notebook_and_makes_a_table(tmp_path: Path) -> None:
    pytest.importorskip("pandas")
    found = evaluate(config(tmp_path), {"best_of_n": {"N": 3}, "greedy": {}})
    table = found.to_pandas()
    assert list(table.groupby("method").size()) == [6, 6]
    assert table[table.method == "best_of_n"].correct.mean() == found["best_of_n"].accuracy
    assert table.generated_tokens.sum() == sum(run.summary.usage.generated_tokens for run in found)
    assert found["best_of_n"].config.N == 3
    with pytest.raises(KeyError, match="no run of 'dvts'; there are best_of_n, greedy"):
        found["dvts"]


def test_solve_gives_the_answers_of_such_a_run(tmp_path: Path) -> None:
    """The ids are those of the questions, so the seeds are the same."""
    found = evaluate(config(tmp_path, method="dvts"))
    from tt_scale import load_problems

    questions = {problem.id: problem.question for problem in load_problems("simulated:ids=question")}
    for row in found["dvts"].rows:
        assert solve(questions[row.id], config(tmp_path, method="dvts")).answer == row.answer


@pytest.mark.parametrize(
    ("methods", "told"),
    [("dvts", "it is a list of names"), (["dvtss"], "Did you mean 'dvts'"), ({"dvts": {"model_name": "x"}}, "cannot")],
)
def test_bad_methods(tmp_path: Path, methods: Any, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        evaluate(config(tmp_path), methods)
