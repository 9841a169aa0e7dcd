"""One raw row of a problem set, and the names by which its fields are recognised."""

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

__all__ = ["Row", "kind", "read_problem", "refuse_half_characters"]

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
"""Our name of each field, and what sets call it: upper and lower case are one, the first that is there counts."""

_DRAWING = re.compile(r"\[asy\].*?\[/asy\]", re.DOTALL)
_GAP = re.compile(r"\\phantom\s*\{[^{}]*\}")
"""A box in a drawing or a gap is no answer."""
_LONGEST = 100_000
"""Characters of a gold answer, or of the solution that it is taken from."""
_MOST_BOXES = 50
_MOST_MEMBERS = 20
"""Members of a list that other boxes are compared with, one by one."""

_TAKEN_BACK = re.compile(
    r"\b(?:no|not|wrong|rather|instead|actually|wait|mistake|corrected|correcting)\b", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Row:
    """One row as it was read.

    Attributes:
        place: where people find it: `mine.jsonl, line 3`.
        values: its fields.
        hint: what else may be wrong where a field is missing; depends on the format.
    """

    place: str
    values: Mapping[str, Any]
    hint: str = ""


def read_problem(
    row: Row, source: str, question_field: str | None = None, answer_field: str | None = None, *, gold: bool = True
) -> Problem:
    """Understand one row.

    Args:
        row: as it was read.
        source: the name of the set.
        question_field: the exact name of the question's field; None looks for a known one.
        answer_field: the same for the gold answer.
        gold: whether there must be one; False gives "" where there is none.

    Returns:
        The problem; its id is empty where the row has none.

    Raises:
        ProblemSetError: the question or the gold answer is missing, empty, or no text.
    """
    question_name = _required(row, "question", question_field)
    question = row.values[question_name]
    if not isinstance(question, str | None):
        raise ProblemSetError(
            f"{row.place}: the question, field {question_name!r}, holds a {kind(question)}, not text.",
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
        raise ProblemSetError(f"{row.place}: the id {shown(problem.id)} holds a control character.", "Take it out.")
    refuse_half_characters(row.place, [problem.id, problem.question, problem.answer, problem.subject or ""])
    return problem


def refuse_half_characters(place: str, texts: Iterable[str]) -> None:
    """Refuse texts that cannot be written.

    Raises:
        ProblemSetError: one of them holds half a character, as JSON can write it.
    """
    try:
        "".join(texts).encode()
    except UnicodeEncodeError as error:
        half = error.object[error.start].encode("ascii", "backslashreplace").decode()
        raise ProblemSetError(f"{place}: {half} is half a character.", "Write the row as UTF-8 again.") from None


def _has_gold(row: Row, chosen: str | None) -> bool:
    """Whether a row has something to grade against; a field that was named must be there all the same."""
    name = chosen if chosen is not None else _find(row, "answer")
    return name is not None and (name not in row.values or str(row.values[name] or "").strip() != "")


def _required(row: Row, meaning: str, chosen: str | None) -> str:
    found = _find(row, meaning) if chosen is None else chosen
    if found is not None and found in row.values:
        return found
    wanted = f"no field {chosen!r}" if chosen else f"no field for the {meaning} ({', '.join(ALIASES[meaning])})"
    present = listed(row.values, quoted=True) or "none"
    raise ProblemSetError(
        f"{row.place}: {wanted}; fields present: {present}.",
        f"Name the right one with --{meaning}-field.{' ' if row.hint else ''}{row.hint}",
    )


def _find(row: Row, meaning: str) -> str | None:
    folded = {name.lower(): name for name in row.values}
    return next((folded[alias] for alias in ALIASES[meaning] if alias in folded), None)


def _optional(row: Row, meaning: str) -> Any:
    name = _find(row, meaning)
    return None if name is None else row.values[name]


def _gold(row: Row, name: str) -> str:
    r"""Give the final answer: what follows `####` (GSM8K), else what is in boxes (MATH), else the field itself."""
    where = f"{row.place}: the gold answer, field {name!r},"
    text = _plain(row.values[name], where)
    if len(text) > _LONGEST:
        raise ProblemSetError(
            f"{where} has {len(text):,} characters; at most {_LONGEST:,} are read.",
            "Name the right field with --answer-field.",
        )
    if "####" in text:
        text = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text.rpartition("####")[2]).strip()
    elif text and (re.search(r"\\(?:boxed|fbox)(?![a-zA-Z])", text) or name.lower() == "solution"):
        text = _boxed(text, where)
    if not text:
        raise ProblemSetError(f"{where} is empty.", "Fill it or delete the row.")
    return text


def _boxed(solution: str, where: str) -> str:
    r"""Give what a solution has in boxes: several that follow each other as one list are one answer.

    Boxes apart from each other may be steps, alternatives or cases (a dozen solutions of MATH have such), and which is
    the answer no rule can tell: they are refused, unless they agree or the solution takes the earlier ones back.
    """
    solution = _seen(solution)
    last = last_boxes(solution)
    if last is None:
        raise ProblemSetError(f"{where} holds no complete \\boxed{{}}.", "Name the right field with --answer-field.")
    members = [last.content, *structure(last.content).parts[:_MOST_MEMBERS]]
    before = [box for box in boxes(solution) if box.end <= last.start and box.content]
    contents = dict.fromkeys([box.content for box in before])
    if len(contents) > _MOST_BOXES:
        raise ProblemSetError(
            f"{where} has {len(contents)} different boxes before the last one; at most {_MOST_BOXES} are read.",
            "Name a field with only the answer: --answer-field.",
        )
    differing = {content for content in contents if not any(settled(member, content) for member in members)}
    others = [box for box in before if box.content in differing]
    if others and not _TAKEN_BACK.search(solution[others[-1].end : last.start]):
        answers = "; ".join(dict.fromkeys(box.content for box in (*others, last)))
        raise ProblemSetError(
            f"{where} has several boxes that are not one list: {answers}.",
            "Write the whole answer into one \\boxed{}, or name a field with only the answer: --answer-field.",
        )
    return last.content


def _seen(solution: str) -> str:
    """Drop drawings and gaps; a drawing that is never closed, after all others, is not searched for its end."""
    closing = solution.rfind("[/asy]") + len("[/asy]")
    return _GAP.sub("", _DRAWING.sub("", solution[:closing]) + solution[closing:])


def _plain(value: Any, where: str) -> str:
    """Write a value as text: 142.0 is "142", a list of one is its item, null and NaN are empty."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if value is None or value != value:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if value in (inf, -inf):
        raise ProblemSetError(f"{where} is infinite, not text or a number.")
    if isinstance(value, bool) or not isinstance(value, str | Number):
        raise ProblemSetError(f"{where} holds a {kind(value)}, not text or a number.")
    return str(value).strip()


def _level(value: Any) -> int | None:
    """Read 3, 3.0, "3" and "Level 3"; None for anything else, such as "Level ?"."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = str(value).strip() if isinstance(value, str | Number) else ""
    found = re.fullmatch(r"(?:level\s*)?([0-9]{1,4})", text, re.IGNORECASE)
    return int(found[1]) if found else None


def _subject(value: Any) -> str | None:
    parts = value if isinstance(value, list) else [value]
    return ", ".join([part.strip() for part in parts if isinstance(part, str) and part.strip()]) or None


def kind(value: Any) -> str:
    """Name what a value is, as people who write JSON would."""
    names = {
        "dict": "JSON object",
        "str": "text",
        "bool": "truth value",
        "int": "number",
        "float": "number",
        "NoneType": "null",
    }
    if isinstance(value, list):
        return f"list of {len(value)}"
    return names.get(type(value).__name__, type(value).__name__)
