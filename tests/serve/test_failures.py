"""What a server says when searches fail, wait too long, or find their models gone."""

from __future__ import annotations

import json
import logging
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
