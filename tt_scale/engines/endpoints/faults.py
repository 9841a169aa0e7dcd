"""Classification of failed requests: the cause, and whether a retry can help."""

from __future__ import annotations

import json
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from math import isfinite
from time import time
from typing import Any, Literal

from tt_scale.core.guarded_json import parse_json
from tt_scale.core.printable import one_line, shown
from tt_scale.engines.endpoints.addresses import without_key
from tt_scale.engines.load_errors import sentence

__all__ = ["ENDS_A_RUN", "Kind", "RequestFault", "complaint", "fault_of_status", "object_in", "retry_after"]

Kind = Literal["connection", "timeout", "load", "server", "damaged", "key", "missing", "refused"]
"""No connection or a broken one; no response in time; overload (429, 503); a server error (5xx); a response that is
truncated or inconsistent; no valid API key; no such route or model; a request that the server rejects."""

RETRYABLE: frozenset[Kind] = frozenset({"connection", "timeout", "load", "server", "damaged"})

ENDS_A_RUN: frozenset[Kind] = frozenset({"load", "key", "missing"})
"""Failures that, once retries are exhausted, affect all requests: the run ends and can be resumed later."""

LONGEST_READ = 20_000
"""Number of bytes of an error response that are searched for a message."""
LONGEST_COMPLAINT = 400
"""Maximum number of characters of a server's error message that ours quotes."""


class RequestFault(Exception):  # noqa: N818 - callers turn it into an error of the generator or the PRM
    """A failed request.

    Args:
        kind: class of the failure.
        message: description of the failure, as a sentence.
        url: address of the server.
        status: HTTP status of the response; 0 without a response.
        wait: seconds that the server asks to wait before a retry; 0 if it states none.
    """

    def __init__(self, kind: Kind, message: str, url: str = "", status: int = 0, wait: float = 0.0) -> None:
        super().__init__(message)
        self.kind: Kind = kind
        self.message = message
        self.url = url
        self.status = status
        self.wait = wait

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed later, or at another server."""
        return self.kind in RETRYABLE


def fault_of_status(
    status: int, headers: Mapping[str, str], body: bytes, url: str, asked: str, key: str | None = None
) -> RequestFault:
    """Classify an error response.

    Args:
        status: HTTP status; below 400 it counts as a server error.
        headers: headers; names in lower case, or a mapping that ignores case.
        body: body.
        url: address of the server.
        asked: method and path, for the message.
        key: API key that was sent; it is masked in the server's message.
    """
    words = without_key(complaint(body), key)
    message = f"{url} answered {status} to {asked}{': ' + words if words else '.'}"
    return RequestFault(_kind(status, words), message, url, status, retry_after(headers))


def object_in(content: bytes, url: str, asked: str, key: str | None = None) -> Mapping[str, Any]:
    """Parse the body of a response; arguments as for `fault_of_status`.

    Raises:
        RequestFault: it is not a JSON object, or it is an error with a success status, as gateways send.
    """
    try:
        answer = parse_json(content)
    except json.JSONDecodeError:
        beginning = shown(content[:40].decode("utf-8", "replace"))
        message = f"The response of {url} to {asked} is not JSON; it begins with {beginning}."
        raise RequestFault("damaged", without_key(message, key), url, 200) from None
    except ValueError as error:
        message = f"The response of {url} to {asked} cannot be parsed: {error}."
        raise RequestFault("damaged", message, url, 200) from None
    if not isinstance(answer, dict):
        raise RequestFault("damaged", f"The response of {url} to {asked} is not a JSON object.", url, 200)
    if answer.get("error"):
        raise fault_of_status(200, {}, content, url, asked, key)
    return answer


def _kind(status: int, words: str) -> Kind:
    if status in (401, 403):
        return "key"
    if status in (404, 405, 501):
        return "missing"
    if status in (429, 503, 529):
        return "refused" if "insufficient_quota" in words or "exceeded your current quota" in words else "load"
    return "server" if status >= 500 or status < 400 or status in (408, 409, 425) else "refused"


def retry_after(headers: Mapping[str, str]) -> float:
    """Seconds in `Retry-After-Ms` or `Retry-After`, which may be a date; 0 if there is neither."""
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        value = headers.get(name)
        if value is not None:
            seconds = _seconds(value) / unit
            return seconds if isfinite(seconds) and seconds > 0 else 0.0
    return 0.0


def _seconds(value: str) -> float:
    try:
        return float(value)
    except ValueError:
        pass
    try:
        return parsedate_to_datetime(value).timestamp() - time()
    except (TypeError, ValueError, OverflowError):
        return 0.0


def complaint(body: bytes) -> str:
    """The server's error message, as one sentence; empty if there is none."""
    text = body[:LONGEST_READ].decode("utf-8", "replace").strip()
    if not text:
        return ""
    try:
        words = _message_in(parse_json(text))
    except (ValueError, RecursionError):
        words = text
    short = sentence(one_line(words[:LONGEST_READ]))
    return short if len(short) <= LONGEST_COMPLAINT else f"{short[:LONGEST_COMPLAINT]}..."


def _message_in(answer: Any) -> str:
    """Find the message in OpenAI's error format, or in those of other servers (FastAPI, llama.cpp)."""
    error = answer.get("error", answer) if isinstance(answer, dict) else answer
    if not isinstance(error, dict):
        return str(error)
    message = error.get("message") or error.get("detail") or error
    return message if isinstance(message, str) else json.dumps(message, ensure_ascii=False)
