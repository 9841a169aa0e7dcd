"""The fields of a record and their types, checked strictly when a journal is read back.

Numbers must be numbers and counts not negative, a grade must be one of the four, and no field may be unknown. JSON that
is nested more deeply than any record is refused by the parser.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Any, Literal, cast

from pydantic import ConfigDict, Field, TypeAdapter
from pydantic_core import from_json
from typing_extensions import NotRequired, TypedDict

from tt_scale.bench.format.lines import OPENING, checked
from tt_scale.core.path import State
from tt_scale.core.records import Ended
from tt_scale.grading import Grade

__all__ = ["STRICT", "Amount", "Count", "Share", "head_of"]

POOL = b',"pool":['
"""Begins what is not looked at when a journal is opened; no text can hold it, since its quotation marks are escaped."""

STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
"""Of every group of fields: no other type, no other field, no number that is infinite or none."""

Count = Annotated[int, Field(ge=0)]
Amount = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Key = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)*$")]
Size = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,9}$")]


class UsageFields(TypedDict, total=False):
    """What was spent."""

    __pydantic_config__ = STRICT  # type: ignore[misc]
    generated_tokens: Count
    prompt_tokens: Count
    cached_prompt_tokens: Count
    generator_calls: Count
    prm_tokens: Count
    cached_prm_tokens: Count
    prm_calls: Count
    seconds: Amount
    flops: Amount


class HeadFields(TypedDict):
    """What stands before the pool: all that tables need."""

    __pydantic_config__ = STRICT  # type: ignore[misc]
    index: Count
    id: str
    repeat: Count
    level: int | None
    subject: str | None
    question: str
    gold: str
    answer: str | None
    grade: Grade
    selector: str
    selectors: dict[str, dict[Size, Grade]]
    stopped: str
    error: str
    usage: UsageFields
    telemetry: dict[str, Count]


class SourceFields(TypedDict):
    """What the source of recorded samples thinks of the pool."""

    __pydantic_config__ = STRICT  # type: ignore[misc]
    grade: Grade
    selectors: dict[str, dict[Size, Grade]]
    verdicts: dict[Key, Grade]


class Head(HeadFields):
    """The same of a line with a checksum."""

    v: Literal[2]
    right: Count
    generator_seconds: NotRequired[Amount]
    prm_seconds: NotRequired[Amount]
    grading_seconds: NotRequired[Amount]
    source: NotRequired[SourceFields]


class EventFields(TypedDict):
    """Something that happened."""

    __pydantic_config__ = STRICT  # type: ignore[misc]
    kind: str
    keys: list[Key]
    created: Count


class StepFields(TypedDict):
    """A step of the first format."""

    __pydantic_config__ = STRICT  # type: ignore[misc]
    text: str
    ids: list[int]
    ended: Ended
    seed: int
    temperature: Amount
    cached: Count
    error: NotRequired[str]


MemberFields = TypedDict(  # `class` is a keyword
    "MemberFields",
    {
        "key": Key,
        "answer": "str | None",
        "class": Annotated[int, Field(ge=-1)],
        "grade": Grade,
        "score": Share,
        "tokens": Count,
        "weight": NotRequired[Amount],
        "cut": NotRequired[bool],
        "forced": NotRequired[bool],
    },
)
NodeFields = TypedDict(  # `from` is a keyword
    "NodeFields",
    {
        "key": Key,
        "state": State,
        "score": Share,
        "from": Count,
        "scores": list[Share],
        "usage": UsageFields,
        "steps": list[StepFields],
        "cut": NotRequired[bool],
        "forced": NotRequired[bool],
        "parts": NotRequired[dict[str, list[Share]]],
    },
)
MemberFields.__pydantic_config__ = NodeFields.__pydantic_config__ = STRICT  # type: ignore[attr-defined]


class OldRecord(HeadFields):
    """A whole record of the first format.

    It counted the tokens of a lead-in as generated, so that fewer than none may have been wasted.
    """

    telemetry: dict[str, int]
    pool: list[MemberFields]
    events: list[EventFields]
    tree: list[NodeFields]


@lru_cache(maxsize=1)
def _head() -> TypeAdapter[Head]:
    return TypeAdapter(Head)


@lru_cache(maxsize=1)
def _old() -> TypeAdapter[OldRecord]:
    return TypeAdapter(OldRecord)


def head_of(line: bytes) -> dict[str, Any]:
    """Give the fields before the pool of a line with a checksum; all fields of a line of the first format.

    Raises:
        ValueError: the line is damaged, or a field is missing, unknown, or of another type.
    """
    text = checked(line)
    if text.startswith(OPENING):
        return cast("dict[str, Any]", _head().validate_json(text[: text.index(POOL)] + b"}"))
    record: dict[str, Any] = from_json(text)
    _old().validate_python(record)
    if any(count < 0 and name != "wasted_tokens" for name, count in record["telemetry"].items()):
        raise ValueError("a count is negative")
    return record
