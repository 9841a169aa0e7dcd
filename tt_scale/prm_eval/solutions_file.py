r"""Read files of labelled solutions, JSON Lines of one of three kinds.

Steps with a label each, as in PRM800K; null is a step without a label::

    {"question": "What is 2 + 3 * 4?", "steps": ["3 * 4 = 12.", "2 + 12 = 15."], "labels": [true, false]}

Steps with the index of the first wrong one, from 0, or -1 if all are correct, as in ProcessBench::

    {"question": "What is 2 + 3 * 4?", "steps": ["3 * 4 = 12.", "2 + 12 = 15."], "label": 1}

A replay: several solutions of each problem, labelled by their answers, with optional recorded scores::

    {"question": "What is 2 + 3 * 4?", "answer": "14", "samples": [
        {"steps": ["3 * 4 = 12.", "\\boxed{14}"], "correct": true, "scores": [0.98, 0.95]}]}

Optional fields are `id` and, beside labels, `final_answer_correct` and `scores` (recorded scores of the steps). If a
sample of a replay has no steps, its `text` is split at blank lines; its `end` (the last lines of a solution) suffices
for recorded scores. A sample may give its `answer`, for solutions that state none in a box: as in a search, a solution
without an answer cannot be selected.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from tt_scale.core.printable import has_controls, listed, shown
from tt_scale.core.records import Problem
from tt_scale.errors import ProblemSetError
from tt_scale.grading import extract_answer
from tt_scale.prm_eval.labelled import GivenSet, LabelledSolution, given_steps
from tt_scale.problems.local import parse_jsonl, read_file
from tt_scale.problems.rows import Row, kind, refuse_half_characters

__all__ = ["read_rows", "read_solutions"]

BY_FILE = "steps as labelled in the file"
_QUESTION = ("question", "problem")


def read_solutions(path: str) -> GivenSet | None:
    """Read a file of labelled solutions; None if its first row has neither steps nor samples: a problem set.

    Raises:
        ProblemSetError: the file cannot be read, or a row is invalid.
    """
    if not path.lower().endswith(".jsonl"):
        return None
    rows = parse_jsonl(path, read_file(path))
    if not rows or not rows[0].values.keys() & {"steps", "samples"}:
        return None
    return read_rows(os.path.splitext(os.path.basename(path))[0], rows)


def read_rows(name: str, rows: Sequence[Row], truth: str = BY_FILE) -> GivenSet:
    """Convert the rows of a file to a set of solutions.

    Raises:
        ProblemSetError: a row is invalid, or two have the same id.
    """
    replay = "samples" in rows[0].values
    solutions: list[LabelledSolution] = []
    seen: set[str] = set()
    for number, row in enumerate(rows):
        own = _text(row, ("id",), f"{name}-{number}")
        if has_controls(own):
            raise ProblemSetError(f"{row.place}: the id {shown(own)} holds a control character.", "Take it out.")
        problem = Problem(own, _text(row, _QUESTION, "" if replay else None), "")
        for each in _samples(row, problem) if replay else [_labelled(row, problem)]:
            if each.id in seen:
                raise ProblemSetError(f"{row.place}: the id {shown(each.id)} stands there twice.", "Make ids differ.")
            seen.add(each.id)
            refuse_half_characters(row.place, [own, problem.question, *[step.text for step in each.steps]])
            solutions.append(each)
    if replay:
        truth = "final answers as judged in the file"
    return GivenSet(name, truth, solutions, replay)


def _labelled(row: Row, problem: Problem) -> LabelledSolution:
    steps = _list(row, row.values, "steps", lambda value: isinstance(value, str) and bool(value.strip()), "text")
    if "labels" in row.values:
        labels = tuple(
            _list(row, row.values, "labels", lambda value: value is None or value in (0, 1), "true, false or null")
        )
        if len(labels) != len(steps):
            raise ProblemSetError(f"{row.place}: {len(labels)} labels for {len(steps)} steps.", "Write one for each.")
        labels = tuple([None if label is None else bool(label) for label in labels])
    else:
        labels = _from_first_error(row, len(steps))
    correct = row.values.get("final_answer_correct")
    if not isinstance(correct, bool | None):
        raise ProblemSetError(f"{row.place}: final_answer_correct is {shown(correct)}, not true or false.")
    recorded = _scores(row, row.values, len(steps), "the solution")
    texts = given_steps(steps)
    answer = extract_answer("".join([step.text for step in texts]))
    return LabelledSolution(problem.id, problem, texts, labels, correct=correct, answer=answer, recorded=recorded)


def _scores(row: Row, values: Mapping[str, Any], steps: int | None, what: str) -> tuple[float, ...]:
    """Recorded scores; empty if the field is missing."""
    if "scores" not in values:
        return ()
    scores = _list(row, values, "scores", _is_number, "number")
    if steps is not None and len(scores) != steps:
        raise ProblemSetError(f"{row.place}: {what} has {len(scores)} scores for {steps} steps.", "Write one for each.")
    return tuple(map(float, scores))


def _from_first_error(row: Row, steps: int) -> tuple[bool | None, ...]:
    """Labels of steps from the first wrong one; later steps have no label."""
    label = row.values.get("label")
    if isinstance(label, bool) or not isinstance(label, int) or not -1 <= label < steps:
        raise ProblemSetError(
            f"{row.place}: label is {shown(label)}; allowed: the first wrong step, 0 to {steps - 1}, or -1 for none.",
            'Or give every step its own: "labels": [true, false]',
        )
    if label < 0:
        return (True,) * steps
    return (True,) * label + (False,) + (None,) * (steps - label - 1)


def _samples(row: Row, problem: Problem) -> Iterator[LabelledSolution]:
    for number, sample in enumerate(_list(row, row.values, "samples", lambda value: isinstance(value, dict), "object")):
        correct = sample.get("correct")
        if not isinstance(correct, bool):
            raise ProblemSetError(f"{row.place}: correct of sample {number} is {shown(correct)}, not true or false.")
        texts = _sample_texts(row, sample, number)
        yield LabelledSolution(
            f"{problem.id}#{number}",
            # replays that keep only ends omit the question; the id distinguishes the problems
            Problem(problem.id, problem.question or problem.id, str(row.values.get("answer", ""))),
            given_steps(texts),
            (None,) * len(texts),
            number,
            correct,
            _answer(row, sample, number, texts[-1]),
            recorded=_scores(row, sample, len(texts), f"sample {number}"),
        )


def _answer(row: Row, sample: Mapping[str, Any], number: int, last: str) -> str | None:
    """The `answer` of a sample, where null is no answer; without the field, the boxed answer of its last step."""
    if "answer" not in sample:
        return extract_answer(last)
    answer = sample["answer"]
    if answer is not None and not isinstance(answer, str):
        raise ProblemSetError(f"{row.place}: answer of sample {number} is {shown(answer)}, not text or null.")
    return (answer or "").strip() or None


def _sample_texts(row: Row, sample: Mapping[str, Any], number: int) -> list[str]:
    if "steps" in sample:
        return _list(row, sample, "steps", lambda value: isinstance(value, str), "text")
    whole = sample.get("text")
    if isinstance(whole, str) and whole.strip():
        return [text for text in whole.split("\n\n") if text.strip()]
    end = sample.get("end")
    scores = _scores(row, sample, None, "")
    if isinstance(end, str) and scores:
        return [*[""] * (len(scores) - 1), end]
    raise ProblemSetError(
        f"{row.place}: sample {number} has no steps; fields present: {listed(sample) or 'none'}.",
        'Write "steps": ["...", "..."].',
    )


def _text(row: Row, names: Sequence[str], default: str | None) -> str:
    value = next((row.values[name] for name in names if name in row.values), default)
    if not isinstance(value, str) or (default is None and not value.strip()):
        fault = f"is {shown(value)}" if value is not None else "is missing"
        raise ProblemSetError(f"{row.place}: {names[0]} {fault}; text is needed.")
    return value


def _list(row: Row, values: Mapping[str, Any], name: str, allowed: Callable[[Any], bool], wanted: str) -> list[Any]:
    items = values.get(name)
    if not isinstance(items, list) or not items:
        fault = f"a {kind(items)}" if items is not None else "missing"
        raise ProblemSetError(f"{row.place}: {name} is {fault}; a list that is not empty is needed.")
    wrong = next((value for value in items if not allowed(value)), ...)
    if wrong is not ...:
        hint = "Of PRM800K's ratings, 1 and 0 are true and -1 is false." if wrong == -1 and name == "labels" else ""
        raise ProblemSetError(f"{row.place}: {name} holds {shown(wrong)}; allowed: {wanted}.", hint)
    return items


def _is_number(value: Any) -> bool:
    """Whether a value is a number in the range of a float; JSON integers are unbounded."""
    return isinstance(value, int | float) and not isinstance(value, bool) and not 1e300 < abs(value) < math.inf
