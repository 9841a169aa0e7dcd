"""What a failed request means, and how long to wait before the next one."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from random import Random

import pytest

from tt_scale.engines.endpoints.addresses import api_key, api_root, split_urls, without_key
from tt_scale.engines.endpoints.faults import RequestFault, fault_of_status, retry_after
from tt_scale.engines.endpoints.retries import LONGEST_WAIT, MOST_ASKED_WAIT, OVERLOAD_FACTOR, RetryPolicy


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, b"", "key"),
        (403, b"", "key"),
        (404, b"<html>", "missing"),
        (405, b"", "missing"),
        (400, b'{"error": {"message": "bad"}}', "refused"),
        (422, b'{"detail": [{"loc": ["body"]}]}', "refused"),
        (408, b"", "server"),
        (429, b"", "load"),
        (429, b'{"error": {"message": "You exceeded your current quota.", "code": "insufficient_quota"}}', "refused"),
        (500, b"", "server"),
        (503, b"", "load"),
        (529, b"", "load"),
        (502, b"", "server"),
    ],
)
def test_statuses(status: int, body: bytes, kind: str) -> None:
    """A quota that is used up looks like a rate limit, and would be waited for until the night is over."""
    fault = fault_of_status(status, {}, body, "http://x", "POST /completions")
    assert fault.kind == kind
    assert f"http://x answered {status} to POST /completions" in fault.message


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b'{"error": {"message": "too long.\\nTraceback"}}', "too long."),
        (b'{"error": "no such thing"}', "no such thing."),
        (b'{"detail": "Not Found"}', "Not Found."),
        (b'{"object": "error", "message": "bad prompt"}', "bad prompt."),
        (b"Bad Gateway", "Bad Gateway."),
        (b"", ""),
    ],
)
def test_the_servers_own_words(body: bytes, told: str) -> None:
    """A status alone sends people to a log that they may not have."""
    message = fault_of_status(400, {}, body, "http://x", "GET /models").message
    assert message == f"http://x answered 400 to GET /models{': ' + told if told else '.'}"


def test_retry_after() -> None:
    later = format_datetime(datetime.now(timezone.utc) + timedelta(seconds=20), usegmt=True)
    assert retry_after({"retry-after": "7"}) == 7
    assert retry_after({"retry-after-ms": "1500", "retry-after": "9"}) == 1.5
    assert 15 < retry_after({"retry-after": later}) <= 20
    for nonsense in ("", "soon", "-3", "nan", "inf"):
        assert retry_after({"retry-after": nonsense}) == 0
    assert retry_after({}) == 0


def test_waits_grow_with_jitter_and_end() -> None:
    """Without jitter all requests of a run come back at the same moment."""
    policy = RetryPolicy(3, Random(1))
    fault = RequestFault("server", "x")
    waits = [policy.wait(fault, attempt) for attempt in range(1, 12)]
    assert 0.25 <= waits[0] <= 0.5
    assert len(set(waits)) == len(waits)
    assert max(waits) <= LONGEST_WAIT
    assert policy.wait(RequestFault("load", "x", wait=20), 1) == 20
    assert policy.wait(RequestFault("load", "x", wait=1e9), 1) == MOST_ASKED_WAIT


def test_who_is_asked_again() -> None:
    """A request that is at fault itself fails every time; a server with too much to do only has no time yet."""
    policy = RetryPolicy(2)
    for kind in ("key", "missing", "refused"):
        assert policy.gives_up(RequestFault(kind, "x"), 1)
    for kind in ("connection", "timeout", "server", "damaged"):
        assert [policy.gives_up(RequestFault(kind, "x"), count) for count in (1, 2, 3)] == [False, False, True]
    assert not policy.gives_up(RequestFault("load", "x"), 2 * OVERLOAD_FACTOR)
    assert policy.gives_up(RequestFault("load", "x"), 2 * OVERLOAD_FACTOR + 1)


def test_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    assert split_urls(" http://a:1/ , http://b/v1,") == ("http://a:1", "http://b/v1")
    assert api_root("http://a:1") == "http://a:1/v1"
    assert api_root("http://a:1/") == "http://a:1/v1"
    assert api_root("https://host/api/v1") == "https://host/api/v1"
    monkeypatch.setenv("FIRST", " ")
    monkeypatch.setenv("SECOND", "secret-key ")
    assert api_key(("FIRST", "SECOND")) == "secret-key"
    assert api_key(("FIRST",)) is None
    assert without_key("wrong key: secret-key", "secret-key") == "wrong key: ***"
    assert without_key("the key x", "x") == "the key x"
