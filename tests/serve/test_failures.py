"""What a server says when searches fail, wait too long, or find their models gone."""

from __future__ import annotations

import concurrent.futures
import json
import logging
import time
from typing import Any

import pytest

httpx = pytest.importorskip("httpx")
pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")
pytest.importorskip("prometheus_client")

from fragile import FragileGenerator  # noqa: E402
from serve.running import Running, ask, running  # noqa: E402

from tt_scale.base_classes import Step, StepRequest  # noqa: E402
from tt_scale.serve.settings import ServeSettings  # noqa: E402


def metrics(server: Running) -> str:
    return str(httpx.get(f"{server.url}/metrics").text)


@pytest.mark.parametrize("stream", [False, True])
def test_a_request_waits_no_longer_than_its_timeout(fragile: type[FragileGenerator], stream: bool) -> None:
    """It waited for minutes, and got an empty answer with status 200."""
    fragile.held = True
    with running(ServeSettings(concurrency=1)) as server, concurrent.futures.ThreadPoolExecutor(2) as pool:
        first = pool.submit(ask, server, model="greedy")
        while "tt_scale_searching 1.0" not in metrics(server):
            time.sleep(0.01)
        began = time.monotonic()
        late = ask(server, model="greedy", timeout_s=0.3, stream=stream)
        assert time.monotonic() - began < 10
        assert "tt_scale_queued 0.0" in metrics(server)
        patient = pool.submit(ask, server, model="greedy", timeout_s=60)
        fragile.held = False
        assert [call.result().status_code for call in (first, patient)] == [200, 200]
    assert late.status_code == 429
    assert int(late.headers["retry-after"]) >= 1
    assert "before its turn; 1 requests are being searched" in late.json()["error"]["message"]


def test_models_that_die_while_nobody_asks(fragile: type[FragileGenerator]) -> None:
    """A load balancer sent requests to a server whose models had to be loaded first."""
    with running() as server:
        assert httpx.get(f"{server.url}/health").status_code == 200
        fragile.kill()
        assert "tt_scale_ready 0.0" in metrics(server)
        refused = ask(server)
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) > 0
        _until_healthy(server)
        fragile.kill()
        gone = httpx.get(f"{server.url}/health")
        assert (gone.status_code, gone.json()) == (503, {"status": "loading"})
        _until_healthy(server)  # that question alone has them loaded again
        assert ask(server).status_code == 200
    assert fragile.opened == 3


def _until_healthy(server: Running) -> None:
    until = time.monotonic() + 10
    while httpx.get(f"{server.url}/health").status_code != 200:
        assert time.monotonic() < until
        time.sleep(0.01)


async def _fails(self: FragileGenerator, requests: list[StepRequest]) -> list[Step]:
    import asyncio

    await asyncio.sleep(self.delay)
    raise RuntimeError("secret of the house")


@pytest.mark.parametrize("begun", [False, True])
def test_an_unexpected_error_is_logged_and_counted(
    fragile: type[FragileGenerator], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, begun: bool
) -> None:
    """A stream that began has status 200, whatever follows; and what went wrong is for the log."""
    monkeypatch.setattr(FragileGenerator, "generate", _fails)
    fragile.delay = 0.2 if begun else 0.0
    with running(ServeSettings(keep_alive=0.05 if begun else 10.0)) as server, caplog.at_level(logging.ERROR):
        answer = ask(server, stream=begun)
        assert 'tt_scale_failed_searches_total{code="internal_error"} 1.0' in metrics(server)
    assert answer.status_code == (200 if begun else 500)
    error = answer.json()["error"] if not begun else _error_of(answer.text)
    assert (error["code"], error["message"]) == ("internal_error", "The search failed; the server's log says why.")
    assert "RuntimeError: secret of the house" in caplog.text
    assert "Traceback" in caplog.text


def _error_of(text: str) -> dict[str, Any]:
    [line] = [line for line in text.splitlines() if line.startswith("data: {")]
    found: dict[str, Any] = json.loads(line[6:])["error"]
    return found


def test_an_error_outside_of_a_search_has_the_form_of_all(
    fragile: type[FragileGenerator], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*arguments: object, **keywords: object) -> None:
        raise RuntimeError("secret of the house")

    monkeypatch.setattr("tt_scale.serve.app.choices", fails)
    with running() as server, caplog.at_level(logging.ERROR):
        answer = ask(server)
        counted = 'tt_scale_requests_total{path="/v1/chat/completions",status="500"} 1.0'
        assert counted in metrics(server)
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "internal_error"
    assert "secret" not in answer.text
    assert "secret of the house" in caplog.text
