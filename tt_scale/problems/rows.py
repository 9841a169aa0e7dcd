"""Conversion of raw rows to problems, with the common names of their fields."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import inf
from numbers import Number
from types import MappingProxyType
from typing import Any

from tt_scale.core.boxes import boxes, last_boxes
from tt_scale.core.printable import has_controls, listed, shown
from tt_scale.core.records import Problem
from tt_scale.errors import ProblemSetError
from tt_scale.grading.equivalence import settled
from tt_scale.grading.structure import structure

__all__ = ["RawRow", "kind", "read_problem", "refuse_half_characters"]

ALIASES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        # "question_concat" first: where a set has it, "question" is only the last sentence of the problem
        "question": ("question_concat", "question", "problem", "prompt"),
        "answer": ("answer", "gold", "gold_answer", "final_answer", "expected_answer", "target", "solution"),
        "level": ("level",),
        "subject": ("subject", "type", "problem_type"),
        "id": ("id", "unique_id", "problem_idx"),
    }
)
"""Names of each field in problem sets, regardless of case; the first one that a row has counts."""

_DRAWING = re.compile(r"\[asy\].*?\[/asy\]", re.DOTALL)
_GAP = re.compile(r"\\phantom\s*\{[^{}]*\}")
"""Drawings and gaps, in which a box is not an answer."""
_LONGEST = 100_000
"""Maximum length of a gold answer, or of the solution that contains it, in characters."""
_MOST_BOXES = 50
_MOST_MEMBERS = 20
"""Maximum number of items of a list that other boxes are compared with."""

_TAKEN_BACK = re.compile(
    r"\b(?:no(?=\s*[,.:;!])|no answer|not (?:right|correct|so|the)|wrong|incorrect|rather|instead|actually|wait|mistake"
    r"|corrected|correcting)\b",
    re.IGNORECASE,
)
"""What says that earlier boxes do not count; `not` alone does not: `1 if n is not even, 2 otherwise`."""
_BOX = re.compile(r"\\(?:boxed|fbox)(?![a-zA-Z])")
_OPEN_BOX = re.compile(_BOX.pattern + r"\s*\{")


@dataclass(frozen=True, slots=True)
class RawRow:
    """A row of a data set as it was read.

    Attributes:
        place: its position, for messages: `mine.jsonl, line 3`.
        values: its fields.
        hint: advice for a missing field that depends on the format.
    """

    place: str
    values: Mapping[str, Any]
    hint: str = ""


def read_problem(
    row: RawRow, source: str, question_field: str | None = None, answer_field: str | None = None, *, gold: bool = True
) -> Problem:
    """Convert a raw row to a problem.

    Args:
        row: the raw row.
        source: name of the set.
        question_field: exact name of the question's field; None searches for a common one.
        answer_field: exact name of the gold answer's field; None searches for a common one.
        gold: whether a gold answer is required; with False, a missing one is "".

    Returns:
        The problem; its id is empty if the row has none.

    Raises:
        ProblemSetError: the question or the gold answer is missing, empty, or not text.
    """
    question_name = _required(row, "question", question_field)
    question = row.values[question_name]
    if not isinstance(question, str | None):
        raise ProblemSetError(
            f"{row.place}: the question, field {question_name!r}, is a {kind(question)}, not text.",
            "Name the right field with --question-field.",
        )
    if not (question or "").strip():
        raise ProblemSetError(
            f"{row.place}: the question, field {question_name!r}, is empty.", "Fill it or delete the row."
        )
    level, subject, own_id = (_optional(row, meaning) for meaning in ("level", "subject", "id"))
    problem = Problem(
        id=_plain(own_id, f"{row.place}: the id"),
        question=str(question).strip(),
        answer=_gold(row, _required(row, "answer", answer_field)) if gold or _has_gold(row, answer_field) else "",
        level=_level(level),
        subject=_subject(subject),
        source=source,
    )
    if has_controls(problem.id):
        raise ProblemSetError(f"{row.place}: the id {shown(problem.id)} contains a control character.", "Remove it.")
    refuse_half_characters(row.place, [problem.id, problem.question, problem.answer, problem.subject or ""])
    return problem


def refuse_half_characters(place: str, texts: Iterable[str]) -> None:
    """Reject texts that cannot be encoded in UTF-8.

    Raises:
        ProblemSetError: one of them contains a lone surrogate, as JSON allows it.
    """
    try:
        "".join(texts).encode()
    except UnicodeEncodeError as error:
        half = error.object[error.start].encode("ascii", "backslashreplace").decode()
        raise ProblemSetError(f"{place}: {half} is a lone surrogate.", "Write the row as UTF-8 again.") from None


def _has_gold(row: RawRow, chosen: str | None) -> bool:
    """Whether a row has a gold answer; a field that the user named counts as one, so that a missing one is an error."""
    name = chosen if chosen is not None else _find(row, "answer")
    return name is not None and (name not in row.values or str(row.values[name] or "").strip() != "")


def _required(row: RawRow, meaning: str, chosen: str | None) -> str:
    name = _find(row, meaning) if chosen is None else chosen
    if name is not None and name in row.values:
        return name
    wanted = f"no field {chosen!r}" if chosen else f"no field for the {meaning} ({', '.join(ALIASES[meaning])})"
    present = listed(row.values, quoted=True) or "none"
    raise ProblemSetError(
        f"{row.place}: {wanted}; fields present: {present}.",
        f"Name the right one with --{meaning}-field.{' ' if row.hint else ''}{row.hint}",
    )


def _find(row: RawRow, meaning: str) -> str | None:
    folded = {name.lower(): name for name in row.values}
    return next((folded[alias] for alias in ALIASES[meaning] if alias in folded), None)


def _optional(row: RawRow, meaning: str) -> Any:
    name = _find(row, meaning)
    return None if name is None else row.values[name]


def _gold(row: RawRow, name: str) -> str:
    r"""Extract the final answer: the text after `####` (GSM8K), else the content of boxes (MATH), else the field."""
    where = f"{row.place}: the gold answer, field {name!r},"
    text = _plain(row.values[name], where)
    if len(text) > _LONGEST:
        raise ProblemSetError(
            f"{where} has {len(text):,} characters; at most {_LONGEST:,} are allowed.",
            "Name the right field with --answer-field.",
        )
    marked = "####" in text
    if marked:
        text = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text.rpartition("####")[2]).strip()
    if text and (_BOX.search(text) or (name.lower() == "solution" and not marked)):
        text = _boxed(text, where)
    if not text:
        raise ProblemSetError(f"{where} is empty.", "Fill it or delete the row.")
    return text


def _boxed(solution: str, where: str) -> str:
    r"""Content of the last box of a solution, or of the last list of boxes.

    Separate boxes may be steps, alternatives or cases (as in a dozen solutions of MATH), and no rule can determine
    which of them is the answer: they are rejected, unless they agree or the solution corrects the earlier ones.
    """
    solution = _without_drawings(solution)
    last = last_boxes(solution)
    if last is None:
        raise ProblemSetError(f"{where} contains no complete \\boxed{{}}.", "Name the right field with --answer-field.")
    complete = boxes(solution)
    if _OPEN_BOX.search(solution, max([box.end for box in complete])):
        raise ProblemSetError(f"{where} ends within a box.", "Close its brace, or delete the row.")
    members = [last.content, *structure(last.content).parts[:_MOST_MEMBERS]]
    before = [box for box in complete if box.end <= last.start and box.content]
    contents = dict.fromkeys([box.content for box in before])
    if len(contents) > _MOST_BOXES:
        raise ProblemSetError(
            f"{where} has {len(contents)} different boxes before the last one; at most {_MOST_BOXES} are allowed.",
            "Name a field with only the answer: --answer-field.",
        )
    differing = {content for content in contents if not any(settled(member, content) for member in members)}
    others = [box for box in before if box.content in differing]
    if others and not _TAKEN_BACK.search(solution[others[-1].end : last.start]):
        answers = "; ".join(dict.fromkeys(box.content for box in (*others, last)))
        raise ProblemSetError(
            f"{where} has several boxes that do not form a list: {answers}.",
            "Write the whole answer into one \\boxed{}, or name a field with only the answer: --answer-field.",
        )
    return last.content


def _without_drawings(solution: str) -> str:
    """Remove drawings and gaps; an unclosed drawing at the end is kept, so that matching takes linear time."""
    closing = solution.rfind("[/asy]") + len("[/asy]")
    return _GAP.sub("", _DRAWING.sub("", solution[:closing]) + solution[closing:])


def _plain(value: Any, where: str) -> str:
    """Convert a value to text: 142.0 is "142", a list of one is its item, null and NaN are empty."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if value is None or value != value:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if value in (inf, -inf):
        raise ProblemSetError(f"{where} is infinite, not text or a number.")
    if isinstance(value, bool) or not isinstance(value, str | Number):
        raise ProblemSetError(f"{where} is a {kind(value)}, not text or a number.")
    return str(value).strip()


def _level(value: Any) -> int | None:
    """Parse 3, 3.0, "3" and "Level 3"; None for anything else, such as "Level ?"."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = str(value).strip() if isinstance(value, str | Number) else ""
    found = re.fullmatch(r"(?:level\s*)?([0-9]{1,4})", text, re.IGNORECASE)
    return int(found[1]) if found else None


def _subject(value: Any) -> str | None:
    parts = value if isinstance(value, list) else [value]
    return ", ".join([part.strip() for part in parts if isinstance(part, str) and part.strip()]) or None


def kind(value: Any) -> str:
    """Name the type of a value in JSON terms."""
    names = {
        "dict": "JSON object",
        "str": "text",
        "bool": "boolean",
        "int": "number",
        "float": "number",
        "NoneType": "null",
    }
    if isinstance(value, list):
        return f"list of {len(value)}"
    return names.get(type(value).__name__, type(value).__name__)
