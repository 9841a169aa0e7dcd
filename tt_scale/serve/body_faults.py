"""What is wrong with the body of a request, as one sentence for its author."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tt_scale.core.printable import shown
from tt_scale.serve.faults import RequestError

__all__ = ["MOST_LEVELS", "body_fault", "too_deep", "unread_body"]

MOST_LEVELS = 64
"""Levels of lists and objects in a body; requests that mean something have about five."""

EXPECTED = 'Send a JSON object, such as {"model": "tt-scale", "messages": [{"role": "user", "content": "..."}]}'


def too_deep() -> RequestError:
    """Make the error for a body with more than `MOST_LEVELS` levels."""
    return RequestError(400, f"The body is nested too deeply: {MOST_LEVELS} levels are taken.", "invalid_value")


def unread_body(cause: BaseException | None) -> RequestError:
    """Make the error for a body that could not be parsed at all.

    Args:
        cause: what the parser raised.
    """
    if isinstance(cause, RecursionError):
        return too_deep()
    if isinstance(cause, UnicodeDecodeError):
        return RequestError(400, "The body is not valid UTF-8.", "invalid_value")
    return RequestError(400, f"The body cannot be read. {EXPECTED}", "invalid_value")


def body_fault(faults: Sequence[Any], body: Any, content_type: str) -> RequestError:
    """Make the error for a body that does not fit the schema, from the faults that pydantic found.

    Args:
        faults: at least one.
        body: that was parsed.
        content_type: of the request; empty if it has none.
    """
    first = faults[0]
    if first["type"] == "json_invalid":
        return RequestError(400, f"The body is not JSON: {first['ctx']['error']}.", "invalid_value")
    if len(first["loc"]) < 2:
        return RequestError(400, _whole(first["type"], content_type), "invalid_value")
    same_field = [fault for fault in faults if fault["loc"][1] == first["loc"][1]]
    places = [_place(fault, body) for fault in same_field]
    place, fault = max(zip(places, same_field, strict=True), key=lambda pair: len(pair[0]))
    where = ".".join(map(str, place))
    if fault["type"] == "literal_error" and place[-1] == "type":
        message = f"{where} is {shown(fault['input'])}; this server reads text only: no images, audio or files."
    else:
        message = f"{where}: {fault['msg']}."
    return RequestError(400, message, "invalid_value", where)


def _whole(kind: str, content_type: str) -> str:
    if kind == "missing":
        return f"The body is empty. {EXPECTED}"
    if "json" not in content_type.lower():
        return f"The content type is {shown(content_type)}. Send the header Content-Type: application/json"
    return f"The body is not a JSON object. {EXPECTED}"


def _place(fault: Any, body: Any) -> list[str | int]:
    """Keys and indices that lead to a fault, without the names that pydantic gives to the members of a union."""
    place: list[str | int] = []
    parts = fault["loc"][1:]
    for number, part in enumerate(parts, 1):
        inside = isinstance(body, dict) and part in body
        if inside or (isinstance(body, list) and isinstance(part, int) and part < len(body)):
            body = body[part]
            place.append(part)
        elif number == len(parts) and fault["type"] == "missing":
            place.append(part)
    return place
