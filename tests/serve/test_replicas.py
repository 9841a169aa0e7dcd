"""A server on several replicas: answers, limits and metrics of one, whoever dies."""

from __future__ import annotations

import concurrent.futures
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

httpx = pytest.importorskip("httpx")
psutil = pytest.importorskip("psutil")
pytest.importorskip("fastapi")
pytest.importorskip("prometheus_client")

from commands import start  # noqa: E402
from serve.running import ask, running  # noqa: E402

pytestmark = [pytest.mark.ray, pytest.mark.skipif(os.name != "posix", reason="signals")]

TOKEN = "secret-of-the-clients"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
COMMAND = ("serve", "--model-name", "simulated", "--prm-name", "simulated", "--port", "0", "--distribute", "ray")
REPLICAS = ("--replicas", "2", "--replica-cpus", "1", "--ray-address", "local")


class Server:
    """A server in a process of its own.

    Attributes:
        url: its address.
        process: of the command.
        folder: with what it prints.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process: subprocess.Popen[bytes] = start(*COMMAND, *REPLICAS, folder=folder, TT_SCALE_SERVE_TOKEN=TOKEN)
        self.url = self.wait_for(r" at (http://[\d.:]+)/v1, on 2 replicas")

    def wait_for(self, pattern: str, count: int = 1) -> str:
        """Wait until the command has printed something so often."""
        until = time.monotonic() + 180
        while len(found := re.findall(pattern, self.printed())) < count:
            assert self.process.poll() is None, self.printed()
            assert time.monotonic() < until, self.printed()
            time.sleep(0.1)
        return str(found[0])

    def printed(self) -> str:
        return (self.folder / "err.txt").read_text()

    def ask(self, number: int, **fields: Any) -> Any:
        body = {"model": "dvts", "messages": [{"role": "user", "content": question(number)}], **fields}
        return httpx.post(f"{self.url}/v1/chat/completions", json=body, timeout=60, headers=HEADERS)

    def get(self, path: str) -> Any:
        return httpx.get(f"{self.url}{path}", timeout=60, headers=HEADERS)

    def replicas(self) -> list[Any]:
        """Their processes."""
        everything = psutil.Process(self.process.pid).children(recursive=True)
        return [each for each in everything if "ServeReplica" in " ".join(each.cmdline())]


def searched_by(server: Server, method: str) -> dict[str, float]:
    """How many searches by a method each replica has finished."""
    sample = rf'tt_scale_searches_total\{{model="{method}",replica="(\w+)",stopped="\w+"\}} ([\d.]+)'
    return {replica: float(count) for replica, count in re.findall(sample, metrics_of_both(server))}


def metrics_of_both(server: Server) -> str:
    """Metrics of both replicas; one that a busy machine keeps from reporting in time is left out of a page."""
    until = time.monotonic() + 120
    while time.monotonic() < until:
        page = server.get("/metrics").text
        if len(re.findall(r"^tt_scale_searching\{", page, re.MULTILINE)) == 2:
            return page
    raise AssertionError("One of two replicas did not report for two minutes.")


def question(number: int) -> str:
    return f"Simulated problem {number}: level 3, 5 steps."


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    pytest.importorskip("ray.serve")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        found = Server(tmp_path_factory.mktemp("server"))
        try:
            yield found
        finally:
            found.process.kill()
            found.process.wait()


@pytest.fixture(scope="module")
def local() -> dict[int, Any]:
    """What a server in one process answers."""
    with running() as one:
        answers = {}
        for number in range(20):
            messages = [{"role": "user", "content": question(number)}]
            answers[number] = ask(one, messages=messages).json()["choices"]
        return answers


def test_answers_are_those_of_one_process(server: Server, local: dict[int, Any]) -> None:
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        answers = dict(zip(range(20), pool.map(server.ask, range(20)), strict=True))
    assert {number: answer.json()["choices"] for number, answer in answers.items()} == local
    counted = searched_by(server, "dvts")
    assert (len(counted), sum(counted.values())) == (2, 20)


def test_state_limits_and_errors_are_those_of_one_process(server: Server) -> None:
    assert server.get("/health").json() == {"status": "ok", "replicas": {"ok": 2}}
    assert httpx.get(f"{server.url}/health").status_code == 200  # no token is asked of load balancers
    assert httpx.get(f"{server.url}/v1/models").status_code == 401
    assert len(server.get("/v1/models").json()["data"]) > 10
    unknown = server.ask(1, model="dvtss")
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (400, "model_not_found")
    assert server.ask(1, extra="x" * (5 << 20)).status_code == 413


def test_a_stream_arrives_in_pieces(server: Server) -> None:
    one_beam: dict[str, Any] = {"model": "beam_search", "n_beams": 1, "N": 1}
    text = server.ask(3, **one_beam, stream=True).text
    chunks = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]
    pieces = [chunk["choices"][0]["delta"].get("content", "") for chunk in chunks]
    assert len(pieces) > 3
    assert "".join(pieces) == server.ask(3, **one_beam).json()["choices"][0]["message"]["content"]


def test_a_client_that_goes_away_ends_its_search(server: Server) -> None:
    long = {"N": 512, "n_beams": 64, "num_iterations": 200, "max_tokens": 100_000}  # of ten seconds, depth by depth
    messages = [{"role": "user", "content": "Simulated problem 1: level 3, 300 steps."}]
    body = {"model": "beam_search", **long, "messages": messages}
    before = searched_by(server, "beam_search")
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{server.url}/v1/chat/completions", json=body, headers=HEADERS, timeout=httpx.Timeout(30, read=0.3))
    until = time.monotonic() + 60
    while re.search(r"tt_scale_searching\{.*\} 1\.0", metrics_of_both(server)):
        assert time.monotonic() < until
    assert searched_by(server, "beam_search") == before  # not to its end


def test_a_replica_that_dies_is_replaced(server: Server, local: dict[int, Any]) -> None:
    """Requests of the other one go on, and those that come after are answered."""
    victims = server.replicas()
    assert len(victims) == 2
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        calls = [pool.submit(server.ask, number) for number in range(20)]
        victims[0].send_signal(signal.SIGKILL)
        during = [call.result() for call in calls]
    answered = [number for number, answer in enumerate(during) if answer.status_code == 200]
    assert {answer.status_code for answer in during} <= {200, 500, 502, 503}
    assert all(during[number].json()["choices"] == local[number] for number in answered)
    server.wait_for(r"1 of 2 replicas answer\. Another one is started\.")
    server.wait_for(r"2 of 2 replicas answer\.")
    after = [server.ask(number) for number in range(20)]
    assert [answer.json()["choices"] for answer in after] == [local[number] for number in range(20)]
    assert server.get("/health").json() == {"status": "ok", "replicas": {"ok": 2}}


def test_sigterm_finishes_what_is_under_way(server: Server) -> None:
    """Last, since it ends the server."""
    everything = psutil.Process(server.process.pid).children(recursive=True)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        call = pool.submit(server.ask, 1, model="best_of_n", N=600)
        while not call.done() and not re.search(r"tt_scale_searching\{.*\} 1\.0", server.get("/metrics").text):
            pass
        server.process.send_signal(signal.SIGTERM)
        assert call.result().status_code == 200
    assert server.process.wait(60) == 0
    _, alive = psutil.wait_procs(everything, timeout=10)
    assert not alive
    assert "Traceback" not in server.printed()


NOWHERE = ("--model-name", "m", "--generator", "openai", "--base-url", "http://127.0.0.1:1", "--max-retries", "0")


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (("--replicas", "99", "--replica-cpus", "1"), "99 replicas of 1 core each were asked for"),
        ((*NOWHERE, "--prm-name", "none", "--method", "greedy"), "A replica cannot start: .*127.0.0.1:1"),
    ],
)
def test_what_cannot_run_is_said_in_a_line(tmp_path: Path, flags: tuple[str, ...], told: str) -> None:
    pytest.importorskip("ray.serve")
    process = start(*COMMAND, *flags, "--ray-address", "local", folder=tmp_path)
    try:
        assert process.wait(120) == 2, (tmp_path / "err.txt").read_text()
    finally:
        process.kill()
    printed = (tmp_path / "err.txt").read_text()
    assert re.search(told, printed)
    assert "Traceback" not in printed
