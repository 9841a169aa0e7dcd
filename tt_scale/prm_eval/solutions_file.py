r"""Read files of labelled solutions, JSON Lines of one of three kinds.

Steps with a label each, as in PRM800K; null is a step without a label::

    {"question": "What is 2 + 3 * 4?", "steps": ["3 * 4 = 12.", "2 + 12 = 15."], "labels": [true, false]}

Steps with the index of the first wrong one, from 0, or -1 if all are correct, as in ProcessBench::

    {"question": "What is 2 + 3 * 4?", "steps": ["3 * 4 = 12.", "2 + 12 = 15."], "label": 1}

Recorded samples, also called a replay: several solutions of each problem, labelled by their answers, with optional
scores (`problems.samples` reads them, `docs/recorded.md` describes them)::

    {"question": "What is 2 + 3 * 4?", "answer": "14", "samples": [
        {"steps": ["3 * 4 = 12.", "\\boxed{14}"], "correct": true, "scores": [0.98, 0.95]}]}

Optional fields are `id` and, beside labels, `final_answer_correct` and `scores` (recorded scores of the steps). If a
sample of a replay has no steps, a PRM reads the paragraphs of its `text`; its `end` (the last lines of a solution)
suffices for recorded scores. A sample may give its `answer`, for solutions that state none in a box: as in a search, a
solution without an answer cannot be selected.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tt_scale.core.printable import has_controls, shown
from tt_scale.core.records import Problem
from tt_scale.errors import ProblemSetError
from tt_scale.grading import extract_answer
from tt_scale.prm_eval.labelled import GivenSet, LabelledSolution, given_steps
from tt_scale.problems.header import without_header
from tt_scale.problems.local import extension_of, name_of, parse_jsonl, read_file
from tt_scale.problems.rows import RawRow, refuse_half_characters
from tt_scale.problems.samples import UNNAMED, RecordedSample, finite, list_of, read_samples

__all__ = ["read_rows", "read_solutions"]

BY_FILE = "steps as labelled in the file"
_QUESTION = ("question", "problem")


def read_solutions(path: str, prm: str = "") -> GivenSet | None:
    """Read a file of labelled solutions; None if its first row has neither steps nor samples: a problem set.

    Args:
        path: of the file.
        prm: the PRM whose recorded scores are measured, "recorded" for the only one; empty if a PRM scores the texts.

    Raises:
        ProblemSetError: the file cannot be read, or a row is invalid.
    """
    if extension_of(path) != ".jsonl":
        return None
    rows = without_header(parse_jsonl(path, read_file(path)))
    if not rows or not rows[0].values.keys() & {"steps", "samples"}:
        return None
    return read_rows(name_of(path), rows, prm=prm)


def read_rows(name: str, rows: Sequence[RawRow], truth: str = BY_FILE, prm: str = "") -> GivenSet:
    """Convert the rows of a file to a set of solutions; `prm` is that of `read_solutions`.

    Raises:
        ProblemSetError: a row is invalid, or two have the same id.
    """
    replay = "samples" in rows[0].values
    solutions: list[LabelledSolution] = []
    seen: set[str] = set()
    for number, row in enumerate(rows):
        own = _text(row, ("id",), f"{name}-{number}")
        if has_controls(own):
            raise ProblemSetError(f"{row.place}: the id {shown(own)} contains a control character.", "Remove it.")
        problem = Problem(own, _text(row, _QUESTION, "" if replay else None), "")
        for each in _samples(row, problem, prm) if replay else [_labelled(row, problem)]:
            if each.id in seen:
                raise ProblemSetError(f"{row.place}: the id {shown(each.id)} stands there twice.", "Make ids differ.")
            seen.add(each.id)
            refuse_half_characters(row.place, [own, problem.question, *[step.text for step in each.steps]])
            solutions.append(each)
    if replay:
        truth = "final answers as judged in the file"
    return GivenSet(name, truth, solutions, replay)


def _labelled(row: RawRow, problem: Problem) -> LabelledSolution:
    steps = list_of(row, row.values, "steps", lambda value: isinstance(value, str) and bool(value.strip()), "text")
    if "labels" in row.values:
        labels = tuple(
            list_of(row, row.values, "labels", lambda value: value is None or value in (0, 1), "true, false or null")
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


def _scores(row: RawRow, values: Mapping[str, Any], steps: int | None, what: str) -> tuple[float, ...]:
    """Recorded scores; empty if the field is missing."""
    if "scores" not in values:
        return ()
    scores = list_of(row, values, "scores", finite, "number")
    if steps is not None and len(scores) != steps:
        raise ProblemSetError(f"{row.place}: {what} has {len(scores)} scores for {steps} steps.", "Write one for each.")
    return tuple(map(float, scores))


def _from_first_error(row: RawRow, steps: int) -> tuple[bool | None, ...]:
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


def _samples(row: RawRow, problem: Problem, prm: str) -> Iterator[LabelledSolution]:
    for number, sample in enumerate(read_samples(row)):
        if sample.correct is None:
            raise ProblemSetError(f"{row.place}: correct of sample {number} is None, not true or false.")
        texts, scores = _steps_and_scores(row, number, sample, prm)
        yield LabelledSolution(
            f"{problem.id}#{number}",
            # replays that keep only ends omit the question; the id distinguishes the problems
            Problem(problem.id, problem.question or problem.id, str(row.values.get("answer", ""))),
            given_steps(texts),
            (None,) * len(texts),
            number,
            sample.correct,
            sample.answer if sample.answered else extract_answer(texts[-1]),
            recorded=scores,
        )


def _steps_and_scores(
    row: RawRow, number: int, sample: RecordedSample, prm: str
) -> tuple[Sequence[str], tuple[float, ...]]:
    """Texts of the steps, and their recorded scores.

    A source that gives no steps may have scored more or fewer than there are paragraphs. Its scores are then those of
    steps without texts, the last of which is the whole text; a PRM that reads texts gets the paragraphs.
    """
    scores = _recorded(sample, prm)
    if sample.steps and scores and len(scores) != len(sample.steps):
        raise ProblemSetError(
            f"{row.place}: sample {number} has {len(scores)} scores for {len(sample.steps)} steps.",
            "Write one for each.",
        )
    paragraphs = sample.steps or [text for text in sample.text.split("\n\n") if text.strip()] or [sample.text]
    if sample.whole and (not prm or not scores or len(scores) == len(paragraphs)):
        return paragraphs, scores if len(scores) == len(paragraphs) else ()
    return [*[""] * (len(scores) - 1), sample.text], scores


def _recorded(sample: RecordedSample, prm: str) -> tuple[float, ...]:
    """The scores of a PRM by its name, or those of the only one; empty if there are none."""
    if prm in sample.scores or (prm and prm != UNNAMED):
        return sample.scores.get(prm, ())
    return next(iter(sample.scores.values())) if len(sample.scores) == 1 else ()


def _text(row: RawRow, names: Sequence[str], default: str | None) -> str:
    value = next((row.values[name] for name in names if name in row.values), default)
    if not isinstance(value, str) or (default is None and not value.strip()):
        fault = f"is {shown(value)}" if value is not None else "is missing"
        raise ProblemSetError(f"{row.place}: {names[0]} {fault}; text is needed.")
    return value
