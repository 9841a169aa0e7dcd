"""Ids and samples."""

from __future__ import annotations

import json
import re

import pytest

from tt_scale.errors import ConfigError, ProblemSetError
from tt_scale.problems import load_problems


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def ids(*args, **options):
    return [problem.id for problem in load_problems(*args, **options)]


def test_samples_are_nested_and_in_file_order():
    """Results on 10 problems could not be extended to 20, because the larger sample was another one."""
    every = ids("math500")
    small, large = ids("math500", num_samples=10), ids("math500", num_samples=20)
    assert (len(small), len(large)) == (10, 20)
    assert set(small) < set(large)
    assert large == [own for own in every if own in large]


def test_samples_are_not_the_first_rows_and_depend_on_the_seed():
    """The first rows of MATH-500 are easier than the rest."""
    assert ids("math500", num_samples=10) != ids("math500")[:10]
    assert ids("math500", num_samples=10) == ids("math500", num_samples=10, seed=79)
    assert ids("math500", num_samples=10) != ids("math500", num_samples=10, seed=80)


def test_the_sample_of_a_seed_never_changes():
    """A sample drawn with another hash after an upgrade: tables of two versions compare different problems."""
    assert ids("math500", num_samples=3) == [
        "test/number_theory/612.json",
        "test/geometry/802.json",
        "test/number_theory/132.json",
    ]


def test_a_sample_larger_than_the_set_is_the_whole_set():
    """num_samples=500 over several sets failed on the set of 30."""
    assert ids("svamp", num_samples=5000) == ids("svamp")


@pytest.mark.parametrize("count", [0, -1])
def test_an_empty_sample_is_rejected(count):
    """num_samples=-1 dropped the last problem silently, 0 gave an empty table."""
    with pytest.raises(ConfigError, match=rf"num_samples is {count}; allowed: 1 or more\."):
        load_problems("svamp", num_samples=count)


def test_same_question_twice_stays_two_problems(tmp_path):
    """Results keyed by question text merged problems that occur twice."""
    rows = [
        {"question": "1 + 1?", "answer": "2"},
        {"question": "2 + 2?", "answer": "4"},
        {"question": "1 + 1?", "answer": "2"},
    ]
    own = ids(write(tmp_path / "sums.jsonl", rows))
    assert len(set(own)) == 3
    (tmp_path / "elsewhere").mkdir()
    assert ids(write(tmp_path / "elsewhere" / "sums.jsonl", rows)) == own, "ids must not depend on the folder"
    assert ids(write(tmp_path / "sums.jsonl", [*rows[1:], rows[0]]))[0] == own[1], "nor on the place in the file"
    assert own == ["ea34f3a3d45e", "6b2ba8af2316", "95e4242bca24"], "nor on the version"


def test_same_question_in_two_sets_has_two_ids(tmp_path):
    """Two sets that share problems overwrote each other's results."""
    rows = [{"question": "1 + 1?", "answer": "2"}]
    assert ids(write(tmp_path / "a.jsonl", rows)) != ids(write(tmp_path / "b.jsonl", rows))


def test_an_id_twice_names_both_lines(tmp_path):
    """Of two rows with one id the second replaced the first."""
    row = {"id": 7, "question": "1 + 1?", "answer": "2"}
    path = write(tmp_path / "sums.jsonl", [row, {**row, "id": 8}, {**row, "question": "2 + 2?"}])
    with pytest.raises(
        ProblemSetError, match=re.escape(f"{path}, line 3: the id '7' is already used by {path}, line 1.")
    ):
        load_problems(path)
