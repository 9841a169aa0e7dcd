"""Ids that a problem has by its question alone, as `solve` and a server give them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tt_scale import Config, ProblemSetError, load_problems, solve
from tt_scale.bench.run.plan import plan_runs
from tt_scale.core.question_id import question_id
from tt_scale.problems.identity import split_ids


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("gsm8k:ids=question", "gsm8k"),
        ("pocket-math:count=9,ids=question", "pocket-math:count=9"),
        ("pocket-math:ids=question,count=9", "pocket-math:count=9"),
        ("owner/name:main:test:ids=question", "owner/name:main:test"),
        ("owner/name:ids=question@v2", "owner/name@v2"),
    ],
)
def test_the_setting_leaves_the_name(typed: str, name: str) -> None:
    """Whoever reads the set must not see it."""
    assert split_ids(typed) == (name, True)
    assert split_ids(name) == (name, False)


def test_a_wrong_value_is_named() -> None:
    with pytest.raises(ProblemSetError, match=r"ids='questions'.*Did you mean 'question'"):
        load_problems("gsm8k:ids=questions")


@pytest.mark.parametrize("name", ["pocket-math:count=30", "svamp", "simulated"])
def test_questions_and_order_stay(name: str) -> None:
    mark = "," if "count" in name else ":"
    plain, named = load_problems(name), load_problems(f"{name}{mark}ids=question")
    assert [problem.question for problem in plain] == [problem.question for problem in named]
    assert named[0].id == question_id(named[0].question) != plain[0].id
    assert len({problem.id for problem in named}) == len(named)


def test_a_question_that_occurs_again_has_an_id_of_its_own(tmp_path: Path) -> None:
    """A journal takes each id once."""
    file = tmp_path / "twice.jsonl"
    file.write_text('{"question": "1 + 1?", "answer": "2"}\n' * 2)
    first, second = load_problems(f"{file}:ids=question")
    assert (first.id, second.id) == (question_id("1 + 1?"), f"{question_id('1 + 1?')}-2")


def test_a_file_names_its_folder_by_its_name_alone(tmp_path: Path) -> None:
    """A path of this machine would be in every table."""
    file = tmp_path / "mine.jsonl"
    file.write_text('{"question": "Simulated problem 7: level 3, 5 steps.", "answer": "2"}\n')
    keys = {"model_name": "simulated", "prm_name": "none", "method": "greedy", "output_dir": str(tmp_path)}
    [plan] = plan_runs([Config(**keys, datasets=(f"{file}:ids=question",), run_tag="x")], "grader")  # type: ignore[arg-type]
    assert plan.journal.folder.name == "mine-ids=question-greedy"


def test_solve_draws_the_samples_of_such_a_set() -> None:
    """The reason for these ids."""
    config = Config(model_name="simulated", prm_name="simulated")
    problem = load_problems("simulated:ids=question", num_samples=1)[0]
    solution = solve(problem.question, config)
    assert question_id(problem.question) == problem.id
    assert solution.answer is not None
