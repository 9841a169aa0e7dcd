"""Completion servers on loopback, without a model: vLLM, text-only and chat-only ones, and a proxy that breaks things.

What they write is a fixed text for each question; at a temperature above 0 the seed chooses among three words at each
place. A continuation goes on where the text before it ends, so that a step-by-step search draws what one request would.
"""

from __future__ import annotations

import http.client
import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import blake2b
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

USER, ASSISTANT = "<|user|>", "<|assistant|>"
"""Marks of the chat template of `pocket-gen`, by which a text server finds question and answer again."""

COUNTING = ["1", *[f", {number}" for number in range(2, 31)]]
CHOICES = {" add": (" add", " take", " join"), " get": (" get", " have", " see"), " So": (" So", " Then", " Now")}


def script(question: str) -> list[str]:
    """The words of the answer to a question at temperature 0."""
    if question.startswith("Count from"):
        return COUNTING
    numbers = re.findall(r"\d+", question) or ["7"]
    steps = [word for number in numbers for word in ("We", " add", f" {number}", " and", " get", " on", ".", "\n\n")]
    total = sum(map(int, numbers))
    return [*steps, "The", " answer", " is", f" \\boxed{{{total}}}", "."]


def words(question: str, answer: str, seed: int, temperature: float) -> Iterator[str]:
    """What is written behind the beginning of an answer."""
    done = 0
    for place, plain in enumerate(script(question)):
        word = plain
        if temperature > 0 and plain in CHOICES:
            number = blake2b(f"{seed}/{place}".encode(), digest_size=1).digest()[0]
            word = CHOICES[plain][number % 3]
        begins = done
        found = next((each for each in CHOICES.get(plain, (plain,)) if answer.startswith(each, begins)), None)
        if begins < len(answer):
            cut = plain[len(answer) - begins :] if plain.startswith(answer[begins:]) else ""
            done += len(found) if found else len(answer) - begins
            if not found and cut:
                yield cut
            continue
        done += len(word)
        yield word


@dataclass
class Fake:
    """What a server does.

    Attributes:
        served: names of the models.
        tokens: tokenizer of the model; None counts words.
        completions: whether `/v1/completions` is there.
        chat: whether `/v1/chat/completions` is.
        takes_ids: whether a prompt may be token ids.
        returns_ids: whether `return_token_ids` is answered.
        end_field: in which the end is named ("stop_reason", "matched_stop"); empty where it is not.
        keeps_stop: whether a stop string stays in the text.
        continues: "" for no continuation, else the field that asks for it: "continue_final_message", "prefix", "any".
        strips: whether the chat template strips what it is given.
        strict: whether unknown fields are refused.
        usage: whether tokens are counted.
        beginning: whether a beginning-of-sequence token is put before a text.
        wraps: tokens of a template into which a text is put once more.
        reasoning: written into a field of its own before each message.
        key: that is asked for.
        context: told of each model; 0 for nothing.
        delay: seconds that an answer takes.
        no_models: whether `/v1/models` is missing.
        stops_at: a limit of the server's own, in tokens.
        asked: bodies of all requests, with their path.
        aborted: how many streams were left.
        withheld: how answers end that are not given.
        likelihoods: whether log-probabilities are given.
        stopped: whether connections are dropped, as when the server is gone.
    """

    served: Sequence[str] = ("pocket-gen",)
    tokens: Any = None
    completions: bool = True
    chat: bool = True
    takes_ids: bool = False
    returns_ids: bool = False
    end_field: str = ""
    keeps_stop: bool = False
    continues: str = ""
    strips: bool = False
    strict: bool = False
    usage: bool = True
    beginning: bool = False
    wraps: int = 0
    reasoning: str = ""
    key: str = ""
    context: int = 512
    delay: float = 0.0
    no_models: bool = False
    stops_at: int = 10**9
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    aborted: int = 0
    stopped: bool = False
    withheld: str = ""
    likelihoods: bool = True
    url: str = ""

    def answer(self, path: str, body: Mapping[str, Any] | None, key: str) -> tuple[int, Any]:
        """Give status and body; a body that is an iterator is streamed."""
        if self.key and key != f"Bearer {self.key}":
            return 401, {"error": {"message": f"Incorrect API key provided: {key.removeprefix('Bearer ')}."}}
        if path == "/v1/models":
            return (404, {"detail": "Not Found"}) if self.no_models else (200, {"data": self._cards()})
        there = {"/v1/completions": self.completions, "/v1/chat/completions": self.chat}
        if not there.get(path) or body is None:
            return 404, {"detail": "Not Found"}
        self.asked.append((path, dict(body)))
        if body["model"] not in self.served:
            return 404, {"error": {"message": f"The model `{body['model']}` does not exist."}}
        fault = self._refused(path, body)
        if fault:
            return 400, {"error": {"message": fault}}
        time.sleep(self.delay)
        return 200, self._streamed(path, body) if body.get("stream") else self._whole(path, body)

    def _cards(self) -> list[dict[str, Any]]:
        told = {"max_model_len": self.context} if self.context else {}
        return [{"id": name, "object": "model", **told} for name in self.served]

    def _refused(self, path: str, body: Mapping[str, Any]) -> str:
        if path == "/v1/completions" and isinstance(body["prompt"], list) and not self.takes_ids:
            return "prompt must be a string"
        known = {"model", "prompt", "messages", "max_tokens", "temperature", "top_p", "seed", "stop", "stream"}
        strange = sorted(set(body) - known - {"stream_options"})
        if self.strict and strange:
            return f"Unrecognized request argument supplied: {strange[0]}"
        last = body.get("messages", [{}])[-1]
        if (
            self.strips
            and self.strict
            and last.get("role") == "assistant"
            and last["content"] != last["content"].rstrip()
        ):
            return "final assistant content cannot end with trailing whitespace"
        return ""

    def _read(self, path: str, body: Mapping[str, Any]) -> tuple[str, str, int]:
        """Question, beginning of the answer, and how many tokens both are."""
        if path == "/v1/chat/completions":
            return self._read_chat(body)
        prompt = body["prompt"]
        text = self.tokens.tokenizer.decode(prompt) if isinstance(prompt, list) else prompt
        count = len(prompt) if isinstance(prompt, list) else self._count(text) + self.beginning + self.wraps
        _, _, rest = text.partition(USER)
        question, _, answer = rest.partition(ASSISTANT)
        return question, answer, count

    def _read_chat(self, body: Mapping[str, Any]) -> tuple[str, str, int]:
        messages = list(body["messages"])
        answer = ""
        if messages[-1]["role"] == "assistant":
            answer = messages.pop()["content"]
            told = {"continue_final_message": body, "prefix": body["messages"][-1]}
            asked = self.continues == "any" or told.get(self.continues, {}).get(self.continues)
            if not self.continues or not asked:
                messages.append({"role": "user", "content": "Well 5?"})
                answer = ""
        answer = answer.strip() if self.strips else answer
        question = messages[-1]["content"]
        return question, answer, self._count("".join([each["content"] for each in messages]) + answer) + 4

    def _count(self, text: str) -> int:
        return len(self.tokens.encode(text)) if self.tokens else len(re.findall(r"\s*\S+|\s+", text))

    def _pieces(self, question: str, answer: str, body: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
        """Tokens with their ids; the last has no text and ends the sequence."""
        for word in words(question, answer, body.get("seed") or 0, body.get("temperature", 1.0)):
            if self.tokens is None:
                yield word, 0
                continue
            ids = self.tokens.encode_continuation(word)
            yield from zip(self.tokens.pieces(ids), ids, strict=True)
        yield "", min(self.tokens.eos_ids) if self.tokens else 0

    def _drawn(self, path: str, body: Mapping[str, Any]) -> Iterator[tuple[str, int, str, str]]:
        """Text, id, finish reason and stop string, token by token."""
        question, answer, _ = self._read(path, body)
        stops = body.get("stop") or []
        text = ""
        limit = min(body.get("max_tokens", body.get("max_completion_tokens", 16)), self.stops_at)
        for number, (piece, token) in enumerate(self._pieces(question, answer, body), 1):
            text += piece
            hit = next((stop for stop in stops if stop in text), "")
            reason = "stop" if not piece or hit else "length" if number == limit else ""
            yield piece, token, reason, hit
            if reason:
                return

    def _whole(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        drawn = list(self._drawn(path, body))
        text, hit = "".join([piece for piece, *_ in drawn]), drawn[-1][3]
        if hit:
            end = text.index(hit)
            text = text[: end + len(hit)] if self.keeps_stop else text[:end]
        choice: dict[str, Any] = {"index": 0, "finish_reason": self.withheld or drawn[-1][2]}
        if self.end_field:
            choice[self.end_field] = hit or None
        ids = [token for _, token, _, _ in drawn]
        if self.returns_ids and body.get("return_token_ids"):
            choice["token_ids"] = ids
        if body.get("logprobs") is not None and self.returns_ids and self.likelihoods:
            choice["logprobs"] = self._logprobs(ids, body)
        if body.get("prompt_logprobs") is not None and self.returns_ids and self.likelihoods:
            choice["prompt_logprobs"] = [None, *[{str(each): {"logprob": -each / 100}} for each in body["prompt"][1:]]]
        choice |= {"text": text} if path == "/v1/completions" else {"message": self._message(text)}
        answer: dict[str, Any] = {
            "id": "x",
            "object": "text",
            "created": 1,
            "model": body["model"],
            "choices": [choice],
        }
        return answer | ({"usage": self._usage(path, body, len(ids))} if self.usage else {})

    def _message(self, text: str) -> dict[str, Any]:
        told = {"reasoning_content": self.reasoning} if self.reasoning else {}
        return {"role": "assistant", "content": text, **told}

    def _usage(self, path: str, body: Mapping[str, Any], generated: int) -> dict[str, Any]:
        prompt = self._read(path, body)[2]
        return {
            "prompt_tokens": prompt,
            "completion_tokens": generated,
            "total_tokens": prompt + generated,
            "prompt_tokens_details": {"cached_tokens": prompt // 2},
        }

    def _logprobs(self, ids: Sequence[int], body: Mapping[str, Any]) -> dict[str, Any]:
        wanted = body.get("logprob_token_ids")

        def told(token: int) -> dict[str, float]:
            likely = wanted or [token, *range(100, 99 + body["logprobs"])]
            return {f"token_id:{each}": -each / 100 for each in dict.fromkeys([token, *likely])}

        return {
            "tokens": [f"token_id:{token}" for token in ids],
            "token_logprobs": [-token / 100 for token in ids],
            "top_logprobs": [told(token) for token in ids],
        }

    def _streamed(self, path: str, body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        head = {"id": "x", "object": "text", "created": 1, "model": body["model"]}
        count = 0
        for piece, _, reason, _ in self._drawn(path, body):
            count += 1
            own = {"text": piece} if path == "/v1/completions" else {"delta": {"content": piece}}
            yield {**head, "choices": [{"index": 0, "finish_reason": reason or None, **own}]}
            time.sleep(0.001)
        if self.usage and body.get("stream_options"):
            yield {**head, "choices": [], "usage": self._usage(path, body, count)}


class Handler(BaseHTTPRequestHandler):
    """Answers for a `Fake`."""

    protocol_version = "HTTP/1.1"
    fake: Fake

    def do_GET(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(size)) if size else None
        if self.fake.stopped:
            self.close_connection = True
            return
        status, answer = self.fake.answer(self.path, body, self.headers.get("Authorization") or "")
        if isinstance(answer, Iterator):
            self._stream(answer)
            return
        sent = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)

    do_POST = do_GET

    def _stream(self, chunks: Iterator[dict[str, Any]]) -> None:
        self.close_connection = True
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        try:
            for chunk in chunks:
                self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
                self.wfile.flush()
            self.wfile.write(b"data: [DONE]\n\n")
        except OSError:
            self.fake.aborted += 1

    def log_message(self, *_: object) -> None:
        pass


class Listening(ThreadingHTTPServer):
    """With room for as many connections at once as a search opens."""

    request_queue_size = 256
    daemon_threads = True


@contextmanager
def listening(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Serve on a free port of loopback; gives the address."""
    with Listening(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.01))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def serving(fake: Fake) -> Iterator[Fake]:
    """Run a fake server."""
    with listening(type("Own", (Handler,), {"fake": fake})) as url:
        fake.url, fake.stopped = url, False
        yield fake
        fake.stopped = True  # connections that are open would be served on


@dataclass
class FaultProxy:
    """Stands between client and server and breaks answers.

    Attributes:
        upstream: address of the server.
        next_fault: names the fault of the next POST: "", "drop", "cut", "500", "429", "503", "slow", "json", "counts".
        made: faults so far.
    """

    upstream: str
    next_fault: Callable[[], str]
    made: list[str] = field(default_factory=list)
    url: str = ""

    def forward(self, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        parts = urlsplit(self.upstream)
        connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=30)
        try:
            connection.request("POST" if body else "GET", path, body or None, dict(headers))
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


class ProxyHandler(BaseHTTPRequestHandler):
    """Answers for a `FaultProxy`."""

    protocol_version = "HTTP/1.1"
    proxy: FaultProxy

    def do_GET(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(size)
        fault = self.proxy.next_fault() if body else ""
        if fault:
            self.proxy.made.append(fault)
        if fault == "drop":
            self.close_connection = True
            return
        if fault in ("500", "429", "503"):
            told = {"Retry-After": "0.05"} if fault != "500" else {}
            self._send(int(fault), b'{"error": {"message": "no luck"}}', told)
            return
        told = {"Content-Type": "application/json", "Authorization": self.headers.get("Authorization", "")}
        status, answer = self.proxy.forward(self.path, body, told)
        if fault == "counts":
            answer = miscounted(answer)
        if fault == "json":
            answer = answer[: len(answer) // 2]
        self._send(status, answer, {}, cut=fault == "cut", slow=fault == "slow")

    do_POST = do_GET

    def _send(
        self, status: int, body: bytes, headers: Mapping[str, str], *, cut: bool = False, slow: bool = False
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if cut:
            self.close_connection = True
            self.wfile.write(body[: len(body) // 2])
            return
        try:
            for begin in range(0, len(body), 20 if slow else len(body)):
                self.wfile.write(body[begin : begin + (20 if slow else len(body))])
                self.wfile.flush()
                time.sleep(0.3 if slow else 0)
        except OSError:
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


def miscounted(answer: bytes) -> bytes:
    """An answer with too many tokens, or with scores of too few."""
    whole = json.loads(answer)
    if "usage" in whole and "choices" in whole:
        whole["usage"]["completion_tokens"] += 100_000
    else:
        whole["data"][0]["data"].pop()
    return json.dumps(whole).encode()


@contextmanager
def proxied(upstream: str, next_fault: Callable[[], str]) -> Iterator[FaultProxy]:
    """Run a proxy before a server."""
    proxy = FaultProxy(upstream, next_fault)
    with listening(type("Own", (ProxyHandler,), {"proxy": proxy})) as url:
        proxy.url = url
        yield proxy
