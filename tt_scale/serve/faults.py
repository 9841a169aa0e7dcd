"""Errors in OpenAI's form, with the status that clients act upon."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from tt_scale.errors import (
    ConfigError,
    EngineDeadError,
    GeneratorError,
    ProblemSetError,
    PromptError,
    TTScaleError,
)

__all__ = ["RequestError", "error_body", "fault_of"]

LOG = logging.getLogger("tt_scale")


class RequestError(Exception):
    """A request that is refused.

    Args:
        status: of HTTP.
        message: what is wrong, and what to do.
        code: a word for programs.
        param: the field at fault; None for none.
        retry_after: seconds after which the same request may succeed; None where it will not.
    """

    def __init__(
        self, status: int, message: str, code: str, param: str | None = None, retry_after: int | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param
        self.retry_after = retry_after

    @property
    def headers(self) -> dict[str, str]:
        """Those that belong to the status."""
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        return {**headers, "WWW-Authenticate": "Bearer"} if self.status == 401 else headers

    @property
    def body(self) -> dict[str, Any]:
        """As OpenAI words it."""
        return error_body(self.status, self.message, self.code, self.param)


@dataclass(frozen=True, slots=True)
class _Kind:
    status: int
    code: str
    retry_after: int | None = None


RESTART_SECONDS = 10
"""After so long a client may ask a server whose models are being loaded again."""

_KINDS: tuple[tuple[type[TTScaleError], _Kind], ...] = (
    (EngineDeadError, _Kind(503, "engine_dead", RESTART_SECONDS)),
    (PromptError, _Kind(400, "invalid_prompt")),
    (ConfigError, _Kind(400, "invalid_value")),
    (ProblemSetError, _Kind(400, "invalid_prompt")),
)


def fault_of(error: Exception) -> RequestError:
    """Translate an error of a search; one that nobody expected is logged, and its text is not for clients."""
    if isinstance(error, RequestError):
        return error
    for cls, kind in _KINDS:
        if isinstance(error, cls):
            return RequestError(kind.status, _told(error), kind.code, retry_after=kind.retry_after)
    if isinstance(error, GeneratorError) and error.retryable:
        return RequestError(503, _told(error), "unavailable", retry_after=1)
    if isinstance(error, TTScaleError):
        return RequestError(500, _told(error), "search_failed")
    LOG.error("A request failed.", exc_info=error)
    return RequestError(500, "The search failed; the server's log says why.", "internal_error")


def _told(error: TTScaleError) -> str:
    """The message of an error; its hint only where it is not a command, which means nothing to a client."""
    return error.message if error.hint.startswith("Type:") else str(error)


_TYPES = {401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error", 503: "service_unavailable"}


def error_body(status: int, message: str, code: str, param: str | None = None) -> dict[str, Any]:
    """Make the JSON of an error."""
    kind = _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}
