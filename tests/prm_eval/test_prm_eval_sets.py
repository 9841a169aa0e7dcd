"""Labelled solutions from the package and from files."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections import Counter
from importlib.resources import files

import pytest

from tt_scale.config import Config
from tt_scale.errors import ProblemSetError, TTScaleError
from tt_scale.prm_eval.labelled import GivenSet
from tt_scale.prm_eval.processbench import PROCESSBENCH, processbench
from tt_scale.prm_eval.sets import find_sets, resolved
from tt_scale.prm_eval.solutions_file import read_solutions

ROW = {"question": "What is 2 + 3 * 4?", "steps": ["3 * 4 = 12.", "2 + 12 = 15.", "\\boxed{15}"]}
REPLAY = {"id": "one", "answer": "14", "samples": [{"end": "\\boxed{14}", "correct": True, "scores": [0.5, 1]}]}


def write(tmp_path, *rows):
    path = tmp_path / "mine.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("name", "rows", "intact", "right", "questions", "steps"),
    [("processbench-gsm8k", 400, 193, 200, 375, 2082), ("processbench-math", 1000, 406, 500, 955, 6505)],
)
def test_processbench_has_its_counts(name, rows, intact, right, questions, steps):
    """The counts of the source; a label that moved by one, or a lost row, shows here."""
    solutions = processbench(name).solutions
    assert len({each.id for each in solutions}) == len(solutions) == rows
    assert sum(each.first_error is None for each in solutions) == intact
    assert Counter(each.correct for each in solutions) == {True: right, False: rows - right}
    assert len({each.problem.question for each in solutions}) == questions
    assert sum(len(each.steps) for each in solutions) == steps
    assert all(each.knows_first_error for each in solutions)


def test_steps_behind_the_first_wrong_one_have_no_label():
    """Nobody judged them: they may not count as right or as wrong."""
    each = next(each for each in processbench("processbench-math").solutions if each.id == "math-0")
    assert each.labels == (False, None)
    assert each.steps[0].text.startswith("To determine the remainder of 194 (mod 11)")
    assert each.answer == "9"


@pytest.mark.parametrize("name", PROCESSBENCH)
def test_bundled_files_are_what_their_checksums_say(name, monkeypatch):
    """A file that Git or an editor changed is refused, not measured on."""
    file = files("tt_scale.prm_eval") / "data" / f"{name}.jsonl.gz"
    data = file.read_bytes()
    assert hashlib.sha256(data).hexdigest() == PROCESSBENCH[name]
    assert len(data) < 500_000
    assert set(json.loads(gzip.decompress(data).splitlines()[0])) == {
        "id", "question", "steps", "label", "final_answer_correct", "generator",
    }  # fmt: skip
    monkeypatch.setattr("tt_scale.prm_eval.processbench.PROCESSBENCH", {name: "0" * 64})
    with pytest.raises(ProblemSetError, match="damaged"):
        processbench(name)


@pytest.mark.parametrize(
    ("given", "labels", "error", "known"),
    [
        ({"labels": [True, False, False]}, (True, False, False), 1, True),
        ({"labels": [1, 1, 0]}, (True, True, False), 2, True),
        ({"labels": [True, None, True]}, (True, None, True), None, False),
        ({"labels": [True, False, None]}, (True, False, None), 1, True),
        ({"label": 1}, (True, False, None), 1, True),
        ({"label": -1}, (True, True, True), None, True),
    ],
)
def test_rows_with_labels(tmp_path, given, labels, error, known):
    """Both ways to write labels, and what they leave open."""
    found = read_solutions(write(tmp_path, ROW | given))
    assert found is not None
    [each] = found.solutions
    assert (each.labels, each.knows_first_error) == (labels, known)
    assert not known or each.first_error == error
    assert (found.name, each.id, each.answer, each.correct) == ("mine", "mine-0", "15", None)


def test_a_replay_without_steps_keeps_scores_and_answers(tmp_path):
    """The replays of the tests hold ends only; their recorded scores are still worth something."""
    found = read_solutions(write(tmp_path, REPLAY))
    assert found is not None
    [each] = found.solutions
    assert (each.recorded, each.answer, each.correct, len(each.steps)) == ((0.5, 1.0), "14", True, 2)
    assert each.labels == (None, None)


def test_a_problem_set_is_no_labelled_set(tmp_path):
    """Its solutions are sampled instead."""
    assert read_solutions(write(tmp_path, {"question": "What is 2 + 3?", "answer": "5"})) is None


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (ROW | {"labels": [True]}, "1 labels for 3 steps"),
        (ROW | {"labels": [1, 0, -1]}, r"labels holds -1.*1 and 0 are true and -1 is false"),
        (ROW | {"labels": "yes"}, "labels is a text"),
        (ROW | {"label": 3}, "label is 3; allowed: the first wrong step, 0 to 2, or -1"),
        (ROW | {"label": True}, "label is True"),
        (ROW, "label is None"),
        (ROW | {"steps": [], "label": 0}, "steps is a list of 0"),
        (ROW | {"steps": ["a", " "], "label": 0}, "steps holds ' '"),
        ({"steps": ["a"], "label": 0}, "question is missing"),
        (ROW | {"label": 0, "final_answer_correct": "no"}, "final_answer_correct is 'no'"),
        ({"samples": [{"correct": True}]}, "sample 0 has no steps; fields present: correct"),
        ({"samples": [{"steps": ["a"]}]}, "correct of sample 0 is None"),
        ({"samples": [{"steps": ["a"], "correct": True, "scores": [0.1, 0.2]}]}, "2 scores for 1 steps"),
        ({"samples": [{"steps": ["a"], "correct": True, "scores": ["high"]}]}, "scores holds 'high'"),
    ],
)
def test_broken_rows_are_refused(tmp_path, row, told):
    """Each names the line, what stands there and what may."""
    with pytest.raises(ProblemSetError, match=told) as caught:
        read_solutions(write(tmp_path, row))
    assert "line 1" in str(caught.value)


def test_ids_differ(tmp_path):
    """Two solutions of one id would share their scores."""
    with pytest.raises(ProblemSetError, match=r"line 2: the id 'x' stands there twice"):
        read_solutions(write(tmp_path, ROW | {"label": 0, "id": "x"}, ROW | {"label": 0, "id": "x"}))


def test_a_score_that_no_float_can_be_is_refused(tmp_path):
    """JSON has whole numbers of any size; making a float of one was a traceback."""
    with pytest.raises(ProblemSetError, match=r"line 1.*scores"):
        read_solutions(write(tmp_path, ROW | {"label": 0, "scores": [10**400] * len(ROW["steps"])}))


def test_a_sample_may_name_its_answer(tmp_path):
    """Solutions of GSM8K end without a box: without their answers no PRM could pick one of them."""
    samples = [
        {"end": "It is 14.", "correct": True, "scores": [1], "answer": answer} for answer in ("14", " 14 ", None)
    ]
    [found] = find_sets(Config(prm_name="recorded", datasets=(write(tmp_path, REPLAY | {"samples": samples}),)))
    assert [each.answer for each in found.solutions] == ["14", "14", None]
    with pytest.raises(TTScaleError, match=r"answer of sample 0 is 14, not text or null"):
        find_sets(
            Config(
                prm_name="recorded", datasets=(write(tmp_path, REPLAY | {"samples": [samples[0] | {"answer": 14}]}),)
            )
        )


def test_a_sample_takes_whole_problems(tmp_path):
    """Half the solutions of a problem would be another best-of-N."""
    rows = [REPLAY | {"id": f"p{number}", "samples": REPLAY["samples"] * 2} for number in range(9)]
    [found] = find_sets(Config(prm_name="recorded", datasets=(write(tmp_path, *rows),), num_samples=3))
    assert isinstance(found, GivenSet)
    assert set(Counter(each.problem.id for each in found.solutions).values()) == {2}
    assert len(found.solutions) == 6


@pytest.mark.parametrize(
    ("rows", "prm", "told"),
    [
        ([ROW | {"label": 0}], "recorded", "has no recorded score"),
        (
            [REPLAY | {"samples": [{"end": "a", "correct": True, "scores": [3.5]}]}],
            "recorded",
            "the score 3.5; a score",
        ),
        ([REPLAY], "pocket-prm", "no PRM can read them.*prm-eval recorded"),
        ([ROW | {"label": 0}], "simulated", "written by others.*--dataset simulated"),
        ([ROW | {"label": 0}], "confidence", "written by others.*--dataset pocket-math"),
    ],
)
def test_sets_that_a_prm_cannot_read_are_refused(tmp_path, rows, prm, told):
    """Found before a model is loaded, and once instead of for every solution."""
    with pytest.raises(TTScaleError, match=told):
        find_sets(Config(prm_name=prm, generator="vllm", datasets=(write(tmp_path, *rows),)))


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({}, "No set is named"),
        ({"datasets": ("simulated", "simulated")}, "'simulated' is named twice"),
        ({"datasets": ("processbench-mth",)}, "Did you mean 'processbench-math'"),
    ],
)
def test_sets_must_be_named_well(keys, told):
    """The default sets of a search have no labels."""
    with pytest.raises(TTScaleError, match=told):
        find_sets(Config(prm_name="simulated", model_name="simulated", **keys))


@pytest.mark.parametrize(
    ("keys", "model"),
    [
        ({"prm_name": "simulated", "datasets": ("simulated",)}, "simulated"),
        ({"prm_name": "pocket-prm", "datasets": ("pocket-math:count=3",)}, "pocket-gen"),
        ({"prm_name": "pocket-prm", "datasets": ("pocket-math",), "model_name": "mine"}, "mine"),
        ({"prm_name": "judge", "datasets": ("processbench-math",)}, Config().model_name),
    ],
)
def test_the_generator_follows_from_the_set(keys, model):
    """Nobody types --model-name pocket-gen for pocket-math; whoever types another means it."""
    assert resolved(Config(**keys)).model_name == model
