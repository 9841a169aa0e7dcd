"""Why a request to a server failed, and whether asking again can help."""

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
"""No connection or one that broke; no answer in time; too busy (429, 503); the server failed (5xx); an answer that is
cut short or contradicts itself; no valid key; no such address or model; a request that the server does not accept."""

RETRYABLE: frozenset[Kind] = frozenset({"connection", "timeout", "load", "server", "damaged"})

ENDS_A_RUN: frozenset[Kind] = frozenset({"load", "key", "missing"})
"""Failures that meet every request once retries are used up; the run is resumed when the server has recovered."""

LONGEST_READ = 20_000
"""Bytes of an error in which the server's own words are looked for."""
LONGEST_COMPLAINT = 400
"""Characters of a server's own words that a message repeats."""


class RequestFault(Exception):  # noqa: N818 - callers turn it into an error of the generator or the PRM
    """A request that failed.

    Args:
        kind: class of the failure.
        message: what happened, as a sentence.
        url: of the server.
        status: of the answer; 0 where there was none.
        wait: seconds after which the server wants to be asked again; 0 where it does not say.
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
        """Whether the same request may succeed later, or elsewhere."""
        return self.kind in RETRYABLE


def fault_of_status(
    status: int, headers: Mapping[str, str], body: bytes, url: str, asked: str, key: str | None = None
) -> RequestFault:
    """Classify an answer that is an error.

    Args:
        status: of the answer; one below 400 counts as a failure of the server.
        headers: of the answer; names in lower case, or a mapping that ignores case.
        body: of the answer.
        url: of the server.
        asked: method and path, for the message.
        key: that was sent; it is blotted out of the server's words.
    """
    words = without_key(complaint(body), key)
    message = f"{url} answered {status} to {asked}{': ' + words if words else '.'}"
    return RequestFault(_kind(status, words), message, url, status, retry_after(headers))


def object_in(content: bytes, url: str, asked: str, key: str | None = None) -> Mapping[str, Any]:
    """Read an answer; arguments as of `fault_of_status`.

    Raises:
        RequestFault: it is no object in JSON, or an error under a status of success, as gateways send.
    """
    try:
        answer = parse_json(content)
    except json.JSONDecodeError:
        beginning = shown(content[:40].decode("utf-8", "replace"))
        told = f"What {url} answered to {asked} is not JSON; it begins with {beginning}."
        raise RequestFault("damaged", without_key(told, key), url, 200) from None
    except ValueError as error:
        raise RequestFault("damaged", f"What {url} answered to {asked} cannot be read: {error}.", url, 200) from None
    if not isinstance(answer, dict):
        raise RequestFault("damaged", f"What {url} answered to {asked} is not a JSON object.", url, 200)
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
    """Read `Retry-After-Ms` or `Retry-After`, seconds or a date; 0 where neither says anything."""
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        told = headers.get(name)
        if told is not None:
            seconds = _seconds(told) / unit
            return seconds if isfinite(seconds) and seconds > 0 else 0.0
    return 0.0


def _seconds(told: str) -> float:
    try:
        return float(told)
    except ValueError:
        pass
    try:
        return parsedate_to_datetime(told).timestamp() - time()
    except (TypeError, ValueError, OverflowError):
        return 0.0


def complaint(body: bytes) -> str:
    """The server's own words, as one sentence; empty where it said nothing."""
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
    """Find the message in OpenAI's error form, or in what others (FastAPI, llama.cpp) make of it."""
    error = answer.get("error", answer) if isinstance(answer, dict) else answer
    if not isinstance(error, dict):
        return str(error)
    message = error.get("message") or error.get("detail") or error
    return message if isinstance(message, str) else json.dumps(message, ensure_ascii=False)
