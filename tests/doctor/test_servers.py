"""What doctor says of the servers of a configuration."""

from __future__ import annotations

import sys

import pytest

pytest.importorskip("openai")
pytest.importorskip("httpx")

from fake_servers import Fake, serving

from tt_scale.backends import resolve
from tt_scale.config import Config
from tt_scale.doctor.servers import server_lines


@pytest.fixture(autouse=True)
def _no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "TT_SCALE_GENERATOR_API_KEY", "TT_SCALE_PRM_API_KEY", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)


def lines(**own: str) -> list[str]:
    return server_lines(resolve(Config(**{"prm_name": "simulated", **own})))


def test_what_servers_serve(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before a run: which names they know, and whether they got a key."""
    names = [f"model-{number}" for number in range(8)]
    with serving(Fake(served=names, key="right")) as fake:
        [away, refused] = lines(base_url=f"http://127.0.0.1:9, {fake.url}")
        assert "http://127.0.0.1:9 cannot be reached" in away
        assert "answered 401" in refused
        assert "no key, since TT_SCALE_GENERATOR_API_KEY and OPENAI_API_KEY are not set" in refused
        monkeypatch.setenv("OPENAI_API_KEY", "right")
        [found] = lines(base_url=fake.url)
        assert found.startswith(f"{fake.url} serves model-0, model-1, model-2, model-3, model-4 and 3 more")
        assert found.endswith("its key is that of OPENAI_API_KEY")
    with serving(Fake(served=["a/prm"])) as fake:
        [found] = lines(base_url=fake.url, model_name="x", prm_name="a/prm", prm_url=fake.url)[1:]
        assert found == f"{fake.url} serves a/prm; no key, since TT_SCALE_PRM_API_KEY is not set"
    assert lines(model_name="simulated") == []


def test_the_client_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    [told] = lines(base_url="http://127.0.0.1:9")
    assert "pip install 'tt-scale[openai]'" in told
