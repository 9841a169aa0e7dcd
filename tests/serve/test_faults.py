"""Errors of a search as responses."""

from __future__ import annotations

import logging

import pytest

from tt_scale.errors import ConfigError, EngineDeadError, GeneratorError, PRMError, ProblemSetError, PromptError
from tt_scale.serve.faults import RequestError, fault_of


@pytest.mark.parametrize(
    ("error", "status", "code", "retry"),
    [
        (EngineDeadError("gone."), 503, "engine_dead", "10"),
        (PromptError("too long."), 400, "invalid_prompt", None),
        (ConfigError("tau is 2."), 400, "invalid_value", None),
        (ProblemSetError("no."), 400, "invalid_prompt", None),
        (GeneratorError("busy.", retryable=True), 503, "unavailable", "1"),
        (GeneratorError("no."), 500, "search_failed", None),
        (PRMError("no."), 500, "search_failed", None),
    ],
)
def test_each_kind_has_the_status_that_clients_act_upon(
    error: Exception, status: int, code: str, retry: str | None
) -> None:
    found = fault_of(error)
    assert (found.status, found.code, found.headers.get("Retry-After")) == (status, code, retry)
    assert found.body["error"]["message"] == str(error)


def test_an_unexpected_error_is_for_the_log_alone(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        found = fault_of(KeyError("secret"))
    assert (found.status, found.code) == (500, "internal_error")
    assert "secret" not in str(found.body)
    assert "secret" in caplog.text


def test_a_refused_request_stays_what_it_is() -> None:
    error = RequestError(401, "No API key.", "invalid_api_key")
    assert fault_of(error) is error
    assert error.headers == {"WWW-Authenticate": "Bearer"}
    assert error.body["error"]["type"] == "authentication_error"
