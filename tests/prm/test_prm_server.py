"""A PRM on a server: its requests, how responses are read, and the messages for faulty servers."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from tiny_models import save_prm
from tiny_prms import FAMILIES

from tt_scale.backends import resolve
from tt_scale.base_classes import PRM, Problem, Step
from tt_scale.config import Config
from tt_scale.core.path import Path
from tt_scale.errors import ConfigError, EngineDeadError, PRMError
from tt_scale.generator.simulated import SimulatedGenerator
from tt_scale.preflight import check_models
from tt_scale.prm.adapters.base import TokenHead
from tt_scale.prm.server import API_KEY, PoolingServerPRM

pytest.importorskip("httpx")
pytestmark = [pytest.mark.hf, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

PROBLEM = Problem("p", "What is 12 + 30?", "42")


def path_of(*texts: str, scores: tuple[float, ...] = ()) -> Path:
    return Path((0,) * len(texts), tuple([Step(f"{text}\n\n", (1,), "stop") for text in texts]), scores)


def by_place(ids: list[int]) -> list[list[float]]:
    """The score of a token is its position, in thousandths."""
    return [[1 - place / 1000, place / 1000] for place in range(len(ids))]


@dataclass
class Server:
    """The part of a vLLM server that the PRM uses."""

    served: str
    rows: Callable[[list[int]], Any] = by_place
    status: int = 200
    key: str = ""
    context: int = 512
    models: bytes | None = None
    writes: bool = False
    chosen: bool = True
    faults: list[tuple[int, Any]] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""

    def answer(self, path: str, body: dict[str, Any] | None, key: str | None) -> tuple[int, Any]:
        if self.key and key != f"Bearer {self.key}":
            return 401, {"error": "Unauthorized"}
        if path == "/v1/models" and self.models is not None:
            return 200, self.models
        if path == "/v1/models":
            return 200, {"data": [{"id": "name", "root": self.served, "max_model_len": self.context}]}
        assert body is not None
        if path == "/v1/completions":
            self.asked.append(body)
            return (200, self.completion(body)) if self.writes else (404, {"detail": "Not Found"})
        if path != "/pooling" or self.writes:
            return 404, {"detail": "Not Found"}
        self.asked.append(body)
        if self.faults:
            return self.faults.pop(0)
        if self.status != 200:
            return self.status, {"error": {"message": "the prompt is too bad.\nTraceback", "code": self.status}}
        return 200, {"data": [{"index": 0, "data": self.rows(body["input"])}]}

    def completion(self, body: dict[str, Any]) -> dict[str, Any]:
        """The log-probability of a token is minus its id, in hundredths, and more the longer the prompt is."""
        prompt = body["prompt"]
        choice: dict[str, Any] = {"finish_reason": "length", "text": "x"}
        if "logprob_token_ids" in body and self.chosen:
            told = {f"token_id:{token}": likelihood(token, len(prompt)) for token in body["logprob_token_ids"]}
            choice["logprobs"] = {"top_logprobs": [told]}
        if "prompt_logprobs" in body:
            last = {str(prompt[-1]): {"logprob": likelihood(prompt[-1], len(prompt) - 1)}}
            choice["prompt_logprobs"] = [None, *[{}] * (len(prompt) - 2), last]
        usage = {"prompt_tokens": len(prompt), "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 16}}
        return {"choices": [choice], "usage": usage}


def likelihood(token: int, length: int) -> float:
    return -token / (10 * length)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_prm(tmp_path_factory.mktemp("prm")))


@pytest.fixture
def server(folder: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    told = Server(folder)
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", API_KEY):
        monkeypatch.delenv(name, raising=False)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(size)) if size else None
            status, answer = told.answer(self.path, body, self.headers.get("Authorization"))
            sent = json.dumps(answer).encode() if not isinstance(answer, bytes) else answer
            self.send_response(status)
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        told.url = f"http://127.0.0.1:{listening.server_port}"
        thread = threading.Thread(target=lambda: listening.serve_forever(poll_interval=0.01))
        thread.start()
        yield told
        listening.shutdown()
        thread.join()


def config_for(server: Server, **own: Any) -> Config:
    return Config(**{"prm_name": server.served, "prm_url": server.url, "prm": "http", "dtype": "float32", **own})


async def started(server: Server, **own: Any) -> PoolingServerPRM:
    prm = PoolingServerPRM.from_config(config_for(server, **own), SimulatedGenerator())
    try:
        await prm.start()
    except BaseException:
        await prm.close()
        raise
    return prm


async def score(prm: PRM, *paths: Path) -> list[Any]:
    try:
        return await prm.score(PROBLEM, paths)
    finally:
        await prm.close()


async def test_rows_are_read_at_the_tags(server: Server) -> None:
    """Columns changed, or rows counted from the wrong end, give scores that look like any others."""
    prm = await started(server)
    [whole, newest] = await score(
        prm, path_of("one", "two", "three"), path_of("one", "two", "three", scores=(0.1, 0.2))
    )
    reading = prm.adapter.read(PROBLEM, path_of("one", "two", "three"))
    assert whole.values == pytest.approx([place / 1000 for place in reading.positions])
    assert newest.values == whole.values[2:]
    assert (whole.tokens, whole.cached) == (len(reading.ids), 0)
    assert server.asked[0] == {"model": "name", "input": list(reading.ids), "task": "token_classify"}


async def test_a_path_beyond_the_context_of_the_server_is_too_long(server: Server) -> None:
    """The server's context may be smaller than the model's; a refused request would lose the whole problem."""
    server.context = 60
    prm = await started(server)
    long, short = await score(prm, path_of("add " * 80), path_of("one"))
    assert long.too_long
    assert len(short.values) == 1
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (lambda ids: by_place(ids)[-2:], r"2 rows for \d+ tokens.*tok_pooling_type"),
        (lambda ids: [[0.5]] * len(ids), r"returned \[0.5\] for a token; expected a score as its number 2"),
        (lambda ids: [[0.1, float("nan")]] * len(ids), "score nan"),
        (lambda ids: [[0.1, None]] * len(ids), "None"),
        (lambda ids: [[-3.0, 3.0]] * len(ids), "score 3.0"),
        (lambda ids: None, "returned no rows"),
        (lambda ids: [], "0 rows for"),
        (lambda ids: "x" * len(ids), "returned no rows"),
        (lambda ids: {"0": [0.1, 0.9]}, "returned no rows"),
        (lambda ids: ["ab"] * len(ids), "returned 'ab' for a token"),
        (lambda ids: [[0.1, True]] * len(ids), "True"),
        (lambda ids: [[0.1, "0.9"]] * len(ids), "'0.9'"),
        (lambda ids: [[0.1, 10**400]] * len(ids), "for a token"),
        (lambda ids: [[0.1, float("inf")]] * len(ids), "inf"),
        (lambda ids: [[0.1, [0.9]]] * len(ids), r"\[0.9\]"),
        (lambda ids: [[[0.0] * 3000, 0.9]] * len(ids), r"larger than \d+,\d+ bytes"),
    ],
)
async def test_invalid_rows_are_rejected(server: Server, rows: Callable[[list[int]], Any], told: str) -> None:
    """A server with step pooling returns fewer rows; one without softmax returns logits."""
    server.rows = rows
    with pytest.raises(PRMError, match=told):
        await score(await started(server), path_of("one", "two"))


@pytest.mark.parametrize("broken", [{"data": [{"data": [[0.1, 0.9]]}]}, {"data": []}, {}])
async def test_a_response_with_too_few_rows_is_requested_again(
    server: Server, broken: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a server that has scored it is a broken response; at the first one the server pools in another way."""
    monkeypatch.setattr("tt_scale.engines.endpoints.retries.FIRST_WAIT", 0.01)
    prm = await started(server)
    [expected] = await prm.score(PROBLEM, [path_of("one")])
    server.faults = [(200, broken)] * 2
    assert await prm.score(PROBLEM, [path_of("one")]) == [expected]
    assert len(server.asked) == 4
    server.faults = [(200, broken)] * 99
    with pytest.raises(PRMError, match=r"did not score: .* returned (1 rows|no rows)"):
        await score(prm, path_of("one"))


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ([], "not a JSON object"),
        ("name", "not a JSON object"),
        ({}, "serves nothing"),
        ({"data": "name"}, "serves nothing"),
        ({"data": [None, 5, {"id": ["name"]}, {"id": {}, "root": []}]}, "serves nothing"),
        ({"data": [{"id": "other\x1b[2J", "root": {}}]}, r"serves 'other\\x1b\[2J'"),
        (b"<html>", "not JSON"),
        (
            {"data": [{"id": "name", "root": "ROOT", "max_model_len": -5}]},
            "reports max_model_len -5; allowed: 1 or more",
        ),
        ({"data": [{"id": "name", "root": "ROOT", "max_model_len": "512"}]}, "reports max_model_len '512'"),
        ({"data": [{"id": "name", "root": "ROOT", "max_model_len": True}]}, "reports max_model_len True"),
        ({"data": [{"id": "name", "root": "ROOT", "max_model_len": 1e400}]}, "reports max_model_len inf"),
    ],
)
async def test_invalid_lists_of_models_are_rejected(
    server: Server, answer: Any, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another kind of server at the address ended the command with a traceback."""
    monkeypatch.setattr("tt_scale.engines.endpoints.retries.FIRST_WAIT", 0.01)
    text = json.dumps(answer).replace("ROOT", server.served).encode() if not isinstance(answer, bytes) else answer
    server.models = text
    with pytest.raises(PRMError, match=told):
        await started(server)


async def test_the_error_message_of_the_server_is_quoted(server: Server) -> None:
    """A status code alone sends people to the server's log."""
    server.status = 400
    with pytest.raises(PRMError, match=r"answered 400 to POST /pooling: .*the prompt is too bad"):
        await score(await started(server), path_of("one"))


async def test_a_key_comes_from_the_environment(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys in configurations end in run folders."""
    server.key = "secret"
    with pytest.raises(PRMError, match=rf"requires an API key.*{API_KEY}"):
        await started(server)
    monkeypatch.setenv(API_KEY, "secret")
    assert len(await score(await started(server), path_of("one"))) == 1
    with pytest.raises(ConfigError, match="contains a password"):
        Config(prm_url="http://me:secret@127.0.0.1")


async def test_another_model_is_refused(server: Server, folder: str) -> None:
    """Its scores would be reported under the name of this one."""
    server.served = "other"
    with pytest.raises(PRMError, match=r"serves 'name'.*--served-model-name"):
        await started(server, prm_name=folder)


async def test_no_server(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the start the address is wrong; later the run ends and can be resumed."""
    monkeypatch.setattr("tt_scale.engines.endpoints.retries.FIRST_WAIT", 0.01)
    prm = await started(server, max_retries=3)
    server.url = "http://127.0.0.1:9"
    with pytest.raises(PRMError, match=r"no server at http://127.0.0.1:9.*vllm serve"):
        await started(server)
    prm._endpoints[0]._client.base_url = "http://127.0.0.1:9"
    with pytest.raises(EngineDeadError, match=r"can no longer be used: .* cannot be reached"):
        await score(prm, path_of("one"))
    with pytest.raises(EngineDeadError, match="closed"):
        await prm.score(PROBLEM, [path_of("one")])


@pytest.mark.parametrize(
    ("status", "ends"), [(401, True), (403, True), (404, True), (429, True), (503, True), (400, False), (422, False)]
)
async def test_what_concerns_every_request_ends_the_run(
    server: Server, monkeypatch: pytest.MonkeyPatch, status: int, ends: bool
) -> None:
    """A PRM that was unloaded in the middle of a run made a failure of every search that was left."""
    monkeypatch.setattr("tt_scale.engines.endpoints.retries.FIRST_WAIT", 0.01)
    prm = await started(server, max_retries=1)
    server.status = status
    with pytest.raises(EngineDeadError if ends else PRMError, match="no longer be used" if ends else "did not score"):
        await score(prm, path_of("one"))


def test_addresses_select_the_server_backend() -> None:
    """No option is ignored, neither the address nor those of local engines."""
    there = {"prm_url": "http://127.0.0.1:8000", "prm_name": "a/b", "model_name": "a/b", "generator": "vllm"}
    models = resolve(Config(**there))
    assert (models.generator.backend, models.prm_backends) == ("vllm", "http")
    assert models.prms[0].weights == ()
    with pytest.raises(ConfigError, match=r"prm_url is .* but the PRM is 'vllm'"):
        check_models(resolve(Config(**there, prm="vllm")))
    for own in ({"prm_url": None}, {"prm_device": "cpu"}, {"prm_quantization": "fp8"}):
        with pytest.raises(ConfigError, match=r"prm_url is not set|the server at prm_url decides"):
            PoolingServerPRM(Config(**{**there, **own}))
    for url in ("127.0.0.1:8000", "ftp://a", "http://"):
        with pytest.raises(ConfigError, match="an address begins with"):
            Config(prm_url=url)


async def test_failed_requests_are_repeated(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing score must not end a search of an hour; tokens are counted once."""
    monkeypatch.setattr("tt_scale.engines.endpoints.retries.FIRST_WAIT", 0.01)
    prm = await started(server)
    server.faults = [(500, {}), (429, {"error": "busy"}), (200, b'{"data": [{"da'), (503, {})]
    [found] = await score(prm, path_of("one", "two"))
    reading = prm.adapter.read(PROBLEM, path_of("one", "two"))
    assert found.values == pytest.approx([place / 1000 for place in reading.positions])
    assert found.tokens == len(reading.ids)
    assert len(server.asked) == 5


async def test_several_servers(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The requests of a server that is down go to the others."""
    monkeypatch.setattr("tt_scale.engines.endpoints.retries.FIRST_WAIT", 0.01)
    prm = await started(server, prm_url=f"{server.url}/v1, {server.url}")
    prm._endpoints[0]._client.base_url = "http://127.0.0.1:9"
    found = await score(prm, *[path_of(str(number)) for number in range(30)])
    assert len(found) == len(server.asked) == 30


@pytest.mark.parametrize("chosen", [True, False])
async def test_a_prm_that_answers_with_a_token(server: Server, tmp_path_factory: Any, chosen: bool) -> None:
    """Served as a language model, it returns the odds of its two tokens at the end of each step."""
    folder = tmp_path_factory.mktemp("versa")
    FAMILIES["versa"].save(folder)
    server.served, server.writes, server.chosen = str(folder), True, chosen
    prm = await started(server, prm_adapter="versa")
    assert isinstance(prm.adapter.head, TokenHead)
    right, wrong = prm.adapter.head.positive, prm.adapter.head.negative
    server.asked.clear()
    [found] = await score(prm, path_of("one", "two", "three", scores=(0.5,)))
    reading = prm.adapter.read(PROBLEM, path_of("one", "two", "three", scores=(0.5,)))
    lengths = [place + 1 for place in reading.positions]
    expected = [1 / (1 + math.exp(likelihood(wrong, each) - likelihood(right, each))) for each in lengths]
    assert found.values == pytest.approx(expected)
    assert (found.tokens, found.cached) == (sum(lengths), 32)
    assert len(server.asked) == (2 if chosen else 6)  # both steps try it once, then ask for each token
    assert prm.context == 510


async def test_the_same_prm_as_a_classifier(server: Server, tmp_path_factory: Any) -> None:
    """Started for pooling, it has rows of one number."""
    folder = tmp_path_factory.mktemp("versa")
    FAMILIES["versa"].save(folder)
    server.served, server.rows = str(folder), lambda ids: [[place / 1000] for place in range(len(ids))]
    prm = await started(server, prm_adapter="versa")
    [found] = await score(prm, path_of("one"))
    reading = prm.adapter.read(PROBLEM, path_of("one"))
    assert found.values == pytest.approx([place / 1000 for place in reading.positions])
