"""The parts of a server on several replicas that need no cluster."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("httpx")
pytest.importorskip("prometheus_client")
pytest.importorskip("uvicorn")

from commands import Command
from fastapi.testclient import TestClient
from fragile import FragileGenerator

from tt_scale.cli.configs import only
from tt_scale.config import Config
from tt_scale.errors import ConfigError, EngineDeadError, GeneratorError
from tt_scale.serve import replicas as module
from tt_scale.serve.app import make_app
from tt_scale.serve.merged_metrics import merged
from tt_scale.serve.metrics import Metrics
from tt_scale.serve.service import Service
from tt_scale.serve.settings import ServeSettings
from tt_scale.solver.async_solver import AsyncSolver

SERVE = ("serve", "--model-name", "simulated", "--prm-name", "simulated", "--distribute", "ray")


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(capsys)


def test_each_sample_names_its_replica() -> None:
    """Two replicas that answered three and four requests have answered seven, not four."""
    texts = {}
    for name, count in (("a", 3), ("b", 4)):
        metrics = Metrics({"searching": lambda: 1.0})
        for _ in range(count):
            metrics.answered("/v1/models", 200)
        texts[name] = metrics.text()
    lines = merged(texts).decode().splitlines()
    assert 'tt_scale_requests_total{path="/v1/models",replica="a",status="200"} 3.0' in lines
    assert 'tt_scale_requests_total{path="/v1/models",replica="b",status="200"} 4.0' in lines
    assert 'tt_scale_searching{replica="b"} 1.0' in lines
    assert lines.count("# TYPE tt_scale_requests_total counter") == 1
    assert len(lines) == len(set(lines))


class Others:
    """Replicas, one of which has no models."""

    async def health(self) -> dict[str, Any]:
        return {"status": self.status, "replicas": {"ok": 1, "loading": 1}}

    async def metrics(self) -> bytes:
        return b"all of them"

    status = "ok"


def test_the_endpoints_tell_of_all_replicas() -> None:
    others = Others()
    service = Service(AsyncSolver(Config(model_name="simulated", prm_name="simulated")), ServeSettings())
    client = TestClient(make_app(service, others))
    assert client.get("/metrics").text == "all of them"
    assert client.get("/health").status_code == 200  # though this one has no models open
    others.status = "loading"
    answer = client.get("/health")
    assert (answer.status_code, answer.json()["replicas"]) == (503, {"ok": 1, "loading": 1})


async def test_models_that_cannot_be_loaded_again_are_told(
    fragile: type[FragileGenerator], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray Serve replaces the replica then; nobody else could."""
    solver = AsyncSolver(Config(model_name="simulated", prm_name="simulated"))
    await solver.open()
    service = Service(solver, ServeSettings())
    await service.open()
    fragile.kill()

    async def fails(self: FragileGenerator) -> None:
        type(self).opened += 1
        raise GeneratorError("the device is gone")

    with monkeypatch.context() as patch:
        patch.setattr(FragileGenerator, "start", fails)
        service.reopen()
        assert service._reopening is not None
        await service._reopening
        assert service.lost == "GeneratorError: the device is gone"
    service.reopen()
    await service._reopening
    assert service.lost == ""
    await solver.close()


TRACEBACK = """Traceback (most recent call last):
  File "replica.py", line 1, in initialize
tt_scale.errors.{name}: {text}
"""


@pytest.mark.parametrize(
    ("message", "kind", "told"),
    [
        (TRACEBACK.format(name="ConfigError", text="tau is 2."), ConfigError, "A replica cannot start: tau is 2."),
        (
            TRACEBACK.format(name="GeneratorError", text="no memory"),
            GeneratorError,
            "A replica cannot start: no memory",
        ),
        ("The deployment failed.\nValueError: 7\n", GeneratorError, "The replicas cannot start: ValueError: 7."),
        ("", GeneratorError, "The replicas cannot start: Ray Serve names no reason."),
    ],
)
def test_a_failed_start_has_its_own_reason(message: str, kind: type[Exception], told: str) -> None:
    error = module._failure(message)
    assert type(error) is kind
    assert str(error).startswith(told)


class FakeServe:
    """Ray Serve, whose replicas are in the given states one look after the other, and which is gone then."""

    def __init__(self, *running: int) -> None:
        self.running = list(running)

    def status(self) -> Any:
        if not self.running:
            return SimpleNamespace(applications={})
        searches = SimpleNamespace(replica_states={"RUNNING": self.running.pop(0), "STARTING": 1})
        return SimpleNamespace(applications={"tt_scale": SimpleNamespace(deployments={"searches": searches})})


async def test_replicas_that_come_and_go_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray")
    serve, told = FakeServe(3, 3, 1, 1, 2, 3), list[Any]()
    monkeypatch.setattr(module, "_serve", lambda: serve)
    monkeypatch.setattr(module, "LOOK_EVERY", 0.001)
    with pytest.raises(EngineDeadError, match="ended by another program"):
        await module._watched(asyncio.Event(), 3, told.append)
    assert [event.text for event in told] == [
        "1 of 3 replicas answer. Another one is started.",
        "2 of 3 replicas answer.",
        "3 of 3 replicas answer.",
    ]


def test_without_ray_one_line_names_the_extra(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    answer = command(*SERVE)
    assert answer.status == 2
    assert answer.err == (
        "tt-scale: serve --distribute ray needs the package 'ray', which is not installed. "
        "Type: pip install 'tt-scale[ray-serve]'\n"
    )


def test_ray_without_serve(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: object())
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(__version__="2.60.0"))
    monkeypatch.setitem(sys.modules, "ray.serve", None)
    answer = command(*SERVE)
    assert answer.status == 2
    assert "tt-scale[ray-serve]" in answer.err


def test_an_old_ray(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: object())
    serve = SimpleNamespace()
    for name, value in (
        ("ray", SimpleNamespace(__version__="2.40.0", serve=serve)),
        ("ray.serve", serve),
        ("ray.serve.handle", SimpleNamespace(DeploymentHandle=object)),
    ):
        monkeypatch.setitem(sys.modules, name, value)  # type: ignore[arg-type]
    answer = command(*SERVE)
    assert answer.status == 2
    assert "needs Ray 2.60; 2.40.0 is installed." in answer.err


def test_keys_of_replicas_need_distribute(command: Command) -> None:
    answer = command("serve", "--replicas", "2")
    assert answer.status == 2
    assert "Type: --distribute ray" in answer.err


def test_a_file_for_a_cluster_serves_on_it(tmp_path: Path) -> None:
    """Unless `--distribute none` keeps it in this process."""
    (tmp_path / "cluster.yaml").write_text("distribute: ray\nreplicas: 4\nmodel_name: simulated\n")
    file = str(tmp_path / "cluster.yaml")
    assert only(file, {}, "serve").replicas == 4
    assert only(file, {}, "serve").distribute == "ray"
    assert only(file, {"distribute": "none"}, "serve").distribute == "none"
