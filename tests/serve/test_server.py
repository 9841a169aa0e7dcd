"""The server through real connections: unmodified clients, streams, errors, cancellation, death and drain."""

from __future__ import annotations

import concurrent.futures
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

httpx = pytest.importorskip("httpx")
openai = pytest.importorskip("openai")
pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")
pytest.importorskip("prometheus_client")

from fragile import FragileGenerator  # noqa: E402
from serve.running import QUESTION, Running, ask, running  # noqa: E402

from tt_scale import Config, evaluate, load_problems, solve  # noqa: E402
from tt_scale.core.question_id import question_id  # noqa: E402
from tt_scale.registry import available  # noqa: E402
from tt_scale.serve.settings import ServeSettings  # noqa: E402

CONFIG = Config(model_name="simulated", prm_name="simulated")


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with running() as found:
        yield found


def client(server: Running, **options: Any) -> Any:
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0, **options)


def nested(levels: int) -> Any:
    value: Any = []
    for _ in range(levels):
        value = [value]
    return value


def test_every_method_is_a_model(server: Running) -> None:
    names = [model.id for model in client(server).models.list()]
    assert names == ["tt-scale", *available("searchers")]
    assert client(server).models.retrieve("dvts").description.startswith("n_beams")


@pytest.mark.parametrize("method", ["tt-scale", "dvts", "best_of_n", "self_consistency", "greedy"])
def test_the_openai_client_gets_what_solve_gives(server: Running, method: str) -> None:
    answer = client(server).chat.completions.create(model=method, messages=[{"role": "user", "content": QUESTION}])
    config = CONFIG if method == "tt-scale" else CONFIG.changed(method=method)
    found = solve(QUESTION, config)
    assert found.path is not None
    assert answer.choices[0].message.content == found.path.text
    assert answer.tt_scale["answer"] == found.answer
    assert answer.usage.completion_tokens == found.usage.generated_tokens
    assert answer.usage.prompt_tokens == found.usage.prompt_tokens
    assert answer.usage.completion_tokens_details.prm_tokens == found.usage.prm_tokens
    assert answer.usage.completion_tokens_details.wasted_tokens == found.wasted_tokens
    assert answer.tt_scale["problem_id"] == question_id(QUESTION)


def test_answers_are_those_of_bench_item_for_item(server: Running, tmp_path: Path) -> None:
    """The claim on which a comparison through evaluation programs rests."""
    name = "simulated:ids=question"
    run = evaluate(CONFIG.changed(datasets=(name,), num_samples=25, output_dir=str(tmp_path), method="beam_search"))
    questions = {problem.id: problem.question for problem in load_problems(name)}
    for row in run["beam_search"].rows:
        message = {"role": "user", "content": questions[row.id]}
        answer = client(server).chat.completions.create(model="beam_search", messages=[message])
        assert answer.tt_scale["answer"] == row.answer
        assert answer.usage.completion_tokens == row.usage.generated_tokens


def test_fields_of_a_request_are_the_keys_of_the_configuration(server: Running) -> None:
    answer = client(server).chat.completions.create(
        model="best_of_n",
        messages=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": QUESTION}],
        temperature=1.2,
        n=3,
        max_tokens=300,
        extra_body={"N": 6, "selector": "majority", "problem_id": "mine"},
    )
    config = CONFIG.changed(method="best_of_n", temperature=1.2, N=6, selector="majority", max_tokens=300)
    assert len(answer.choices) == 3
    assert answer.tt_scale["pool"] == 6
    from tt_scale import Problem, Solver

    with Solver(config) as solver:
        found = solver.solve(Problem("mine", QUESTION, ""))
    assert found.path is not None
    assert answer.choices[0].message.content == found.path.text
    scores = [choice.tt_scale["score"] for choice in answer.choices[1:]]
    assert scores == sorted(scores, reverse=True)


def test_a_seed_draws_other_samples(server: Running) -> None:
    texts = {ask(server, seed=seed).json()["choices"][0]["message"]["content"] for seed in (1, 2, 3)}
    assert len(texts) == 3
    assert ask(server, seed=1).json()["choices"] == ask(server, seed=1).json()["choices"]


@pytest.mark.parametrize("count", [1, 2])
def test_a_stream_is_the_answer(server: Running, count: int) -> None:
    """In pieces, each of which was certain when it was sent."""
    options: dict[str, Any] = {"model": "beam_search", "n": count, "extra_body": {"n_beams": 1, "N": 1}}
    messages = [{"role": "user", "content": QUESTION}]
    whole = client(server).chat.completions.create(messages=messages, **options)
    stream = client(server).chat.completions.create(
        messages=messages, stream=True, stream_options={"include_usage": True}, **options
    )
    texts, usages, ends = [""] * count, [], []
    pieces = 0
    for chunk in stream:
        usages += [chunk.usage] if chunk.usage else []
        for choice in chunk.choices:
            texts[choice.index] += choice.delta.content or ""
            pieces += bool(choice.delta.content)
            ends += [choice.finish_reason] if choice.finish_reason else []
    assert texts == [choice.message.content for choice in whole.choices]
    assert pieces > count
    assert ends == [choice.finish_reason for choice in whole.choices]
    assert [usage.completion_tokens for usage in usages] == [whole.usage.completion_tokens]


@pytest.mark.parametrize("stream", [False, True])
def test_the_text_ends_before_a_stop(server: Running, stream: bool) -> None:
    """Half of a stop text must not be sent before it is known to be none."""
    options = {"model": "beam_search", "stop": ["and \n", "\\boxed"], "n_beams": 1, "N": 1, "stream": stream}
    whole = ask(server, **{**options, "stop": None, "stream": False}).json()["choices"][0]["message"]["content"]
    cut = min(place for stop in ["and \n", "\\boxed"] if (place := whole.find(stop)) >= 0)
    answer = ask(server, **options)
    if not stream:
        text = answer.json()["choices"][0]["message"]["content"]
    else:
        chunks = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {")]
        text = "".join([chunk["choices"][0]["delta"].get("content", "") for chunk in chunks])
        assert answer.text.endswith("data: [DONE]\n\n")
    assert text == whole[:cut]


def test_completions_take_a_prompt_as_it_is(server: Running) -> None:
    answer = client(server).completions.create(model="dvts", prompt=QUESTION)
    found = solve(QUESTION, CONFIG.changed(method="dvts"))
    assert found.path is not None
    assert answer.choices[0].text == found.path.text
    stream = client(server).completions.create(model="dvts", prompt=[QUESTION], stream=True)
    assert "".join([choice.text for chunk in stream for choice in chunk.choices]) == found.path.text


@pytest.mark.parametrize(
    ("fields", "status", "told"),
    [
        ({"model": "dvtss"}, 400, "There is no model 'dvtss'. Did you mean 'dvts'?"),
        ({"taw": 1}, 400, "The field 'taw' does not exist. Did you mean 'tau'?"),
        ({"method": "dvtz"}, 400, "method is 'dvtz', which does not exist. Did you mean 'dvts'?"),
        ({"tau": 7}, 400, "tau is 7, but should be less than or equal to 1"),
        ({"model_name": "x"}, 400, "The field 'model_name' cannot change per request"),
        ({"temperature": 0}, 400, "temperature is 0, at which all samples of dvts are the same. Ask for the model gre"),
        ({"temperature": 3}, 400, "temperature"),
        ({"n": 0}, 400, "n: Input should be greater than or equal to 1"),
        ({"tools": [{"type": "function"}]}, 400, "this server has no tools"),
        ({"logprobs": True}, 400, "this server has no logprobs"),
        ({"messages": []}, 400, "messages"),
        ({"messages": [{"role": "assistant", "content": "x"}]}, 400, "The last message is not the user's"),
        ({"messages": [{"role": "user", "content": " "}]}, 400, "The question is empty"),
        ({"messages": [{"role": "user", "content": "\ud800"}]}, 400, "half of a surrogate pair"),
        ({"messages": [{"role": "user", "content": "2 + 2?"}]}, 400, "answers only questions of the form"),
        (
            {"messages": [{"role": r, "content": QUESTION} for r in ("user", "assistant", "user")]},
            400,
            "FragileGenerator renders|SimulatedGenerator renders single questions only, no earlier turns",
        ),
        ({"timeout_s": -1}, 400, "timeout_s: Input should be greater than 0"),
        ({"timeout_s": 10**400}, 400, "timeout_s: Input should be less than or equal to 1000000000"),
        ({"max_tokens": 10**400}, 400, "max_tokens"),
        ({"N": 10**400}, 400, "N is too large; a request may ask for at most 1,024."),
        ({"budget": 1e9}, 400, "budget is 1,000,000,000; a request may ask for at most 1,024."),
        ({"n_beams": 100, "beam_width": 100}, 400, "would sample 10,000 children at once; at most 1,024 are allowed."),
        ({"max_steps": 10**99}, 400, "max_steps"),
        ({"stop_tokens": ["x"]}, 400, "'stop_tokens' cannot change per request; it is set when the server starts.$|^$"),
        ({"output_dir": "x"}, 400, "'output_dir' cannot change per request; it is set when the server starts.$|^$"),
        ({"xyzzyq": 1}, 400, "The field 'xyzzyq' does not exist.$|^$"),
        ({"method_args": {"a": 1}}, 400, "method_args holds 'a', which is not a knob of this method. It takes no meth"),
        ({"messages": [{"role": "user", "content": "2 + 2?"}]}, 400, "level 3, 5 steps.'.$|^$"),
        ({"timeout_s": "5"}, 400, "^timeout_s: Input should be a valid number.$|^$"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
            400,
            "messages.0.content.0.type is 'image_url'; this server reads text only: no images, audio or files.",
        ),
        ({"messages": [{"role": "user", "content": 7}]}, 400, "messages.0.content: Input should be a valid string."),
        ({"messages": [{"role": "user"}]}, 400, "messages.0.content: Field required."),
        ({"stop": [1]}, 400, "stop.0: Input should be a valid string."),
        ({"tools": nested(300)}, 400, "The body is nested too deeply: 64 levels are taken."),
        ({"method_args": nested(900)}, 400, "The body is nested too deeply: 64 levels are taken."),
        ({"stream_options": {"more": nested(300)}}, 400, "The body is nested too deeply: 64 levels are taken."),
        ({"messages": nested(300)}, 400, "messages"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_bad_requests(server: Running, fields: dict[str, Any], status: int, told: str, stream: bool) -> None:
    body = {"model": "dvts", "messages": [{"role": "user", "content": QUESTION}], "stream": stream, **fields}
    answer = httpx.post(
        f"{server.url}/v1/chat/completions", content=json.dumps(body), headers={"content-type": "application/json"}
    )
    assert answer.status_code == status
    error = answer.json()["error"]
    assert re.search(told if "|" in told else re.escape(told), error["message"])
    assert error["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"{", "The body is not JSON: "),
        (b"[]", "The body is not a JSON object. Send a JSON object, such as {"),
        (b"7", "The body is not a JSON object. Send a JSON object, such as {"),
        (b"\xff\xfe", "The body is not JSON: "),
        (b'{"model": "\x80"}', "The body is not valid UTF-8."),
        (b"[" * 100_000, "The body is nested too deeply: 64 levels are taken."),
        (b"[" * 100_000 + b"]" * 100_000, "The body is nested too deeply: 64 levels are taken."),
        (b"", "The body is empty. Send a JSON object, such as {"),
        (b"null", "The body is empty. Send a JSON object, such as {"),
        (b'{"model": NaN}', "model: Input should be a valid string."),
        (b"{}", "model: Field required."),
    ],
)
def test_bodies_that_are_no_request(server: Running, body: bytes, told: str) -> None:
    headers = {"content-type": "application/json"}
    answer = httpx.post(f"{server.url}/v1/chat/completions", content=body, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"].startswith(told)


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/plain"])
def test_a_body_that_does_not_say_that_it_is_json(server: Running, kind: str) -> None:
    """What curl sends unless it is told otherwise."""
    body = json.dumps({"model": "dvts", "prompt": QUESTION}).encode()
    answer = httpx.post(f"{server.url}/v1/completions", content=body, headers={"content-type": kind})
    assert answer.status_code == 400
    told = f"The content type is '{kind}'. Send the header Content-Type: application/json"
    assert answer.json()["error"]["message"] == told


def test_the_field_at_fault_is_one_of_the_request(server: Running) -> None:
    assert ask(server, timeout_s="5").json()["error"]["param"] == "timeout_s"
    assert ask(server, budget=2000).json()["error"]["param"] == "budget"


def test_max_completion_tokens_wins(server: Running) -> None:
    both = ask(server, model="best_of_n", max_tokens=3, max_completion_tokens=200).json()
    assert both["choices"] == ask(server, model="best_of_n", max_tokens=200).json()["choices"]


@pytest.mark.parametrize("name", ["max_steps", "num_iterations", "lookahead", "max_backtracks", "backtrack_depth"])
def test_depths_may_be_large(server: Running, name: str) -> None:
    """They are no widths: a path ends long before."""
    model = "collective" if "backtrack" in name else "beam_search"
    assert ask(server, model=model, **{name: 10**9}).status_code == 200


def test_a_deadline_is_kept_where_the_engine_never_yields(server: Running) -> None:
    answer = ask(server, timeout_s=1e-9)
    assert answer.status_code == 200
    assert answer.json()["tt_scale"]["stopped"] == "timeout"


def test_a_prompt_that_does_not_fit_is_refused_with_the_numbers() -> None:
    with running(max_model_len=16) as server:
        server.service._solver.engines._opening.result()._opened[0].context = 3  # type: ignore[union-attr,index]
        answer = ask(server)
    assert answer.status_code == 400
    assert "has 3 tokens, the context holds 3" in answer.json()["error"]["message"]


def test_fixed_sampling_says_what_it_did_not_follow() -> None:
    """Evaluation programs send temperature 0 by themselves."""
    with running(ServeSettings(sampling="fixed")) as server:
        plain = ask(server)
        fixed = ask(server, temperature=0, top_p=0.5, seed=5, max_tokens=3)
    assert fixed.json()["choices"] == plain.json()["choices"]
    assert fixed.json()["tt_scale"]["not_followed"] == ["max_tokens", "seed", "temperature", "top_p"]


def test_greedy_takes_temperature_0_and_says_that_it_follows_no_other(server: Running) -> None:
    assert ask(server, model="greedy", temperature=0).json()["tt_scale"]["not_followed"] == []
    assert ask(server, model="greedy", temperature=1).json()["tt_scale"]["not_followed"] == ["temperature"]


def test_tokens_and_large_bodies() -> None:
    with running(ServeSettings(tokens=("secret", "other"), max_body=2000)) as server:
        url = f"{server.url}/v1/models"
        assert httpx.get(url).status_code == 401
        assert httpx.get(url, headers={"Authorization": "Bearer wrong"}).status_code == 401
        assert httpx.get(f"{server.url}/metrics").status_code == 401
        assert httpx.get(url, headers={"Authorization": "Bearer other"}).status_code == 200
        assert httpx.get(f"{server.url}/health").status_code == 200
        good = {"Authorization": "Bearer secret", "content-type": "application/json"}
        target = f"{server.url}/v1/chat/completions"
        assert httpx.post(target, content=b"x" * 3000, headers=good).status_code == 413
        chunked = httpx.post(target, content=(b"x" * 500 for _ in range(10)), headers=good)
        assert chunked.status_code == 413
        assert "at most 2,000 are taken" in chunked.json()["error"]["message"]


def test_a_full_queue_answers_429(fragile: type[FragileGenerator]) -> None:
    fragile.held = True
    settings = ServeSettings(concurrency=2, max_queue=1)
    with running(settings) as server, concurrent.futures.ThreadPoolExecutor(3) as pool:
        calls = [pool.submit(ask, server, model="greedy") for _ in range(3)]
        metrics = ""
        while "tt_scale_searching 2.0" not in metrics or "tt_scale_queued 1.0" not in metrics:
            metrics = httpx.get(f"{server.url}/metrics").text
        refused = ask(server, model="greedy")
        fragile.held = False
        assert [call.result().status_code for call in calls] == [200, 200, 200]
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) >= 1
    assert "2 requests are being searched and 1 wait" in refused.json()["error"]["message"]


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_goes_away_ends_its_search(fragile: type[FragileGenerator], stream: bool) -> None:
    fragile.delay = 30
    with running(ServeSettings(concurrency=1, keep_alive=0.05)) as server:
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(
                f"{server.url}/v1/chat/completions",
                json={"model": "dvts", "messages": [{"role": "user", "content": QUESTION}], "stream": stream},
                timeout=httpx.Timeout(30, read=0.5 if not stream else 30.0),
            ) if not stream else _leave(server)
        until = time.monotonic() + 10
        while fragile.running and time.monotonic() < until:
            time.sleep(0.01)
        assert fragile.running == 0
        fragile.delay = 0.0
        assert ask(server).status_code == 200  # its place is free
        assert "tt_scale_cancelled_searches_total 1.0" in httpx.get(f"{server.url}/metrics").text


def _leave(server: Running) -> None:
    body = {"model": "dvts", "messages": [{"role": "user", "content": QUESTION}], "stream": True}
    with httpx.stream("POST", f"{server.url}/v1/chat/completions", json=body) as answer:
        for line in answer.iter_lines():
            assert line.startswith(": ")  # a sign of life
            break
    raise httpx.ReadTimeout("left")


def test_a_timeout_gives_the_best_so_far(fragile: type[FragileGenerator]) -> None:
    fragile.delay = 0.1
    with running() as server:
        answer = ask(server, model="beam_search", N=64, timeout_s=0.25).json()
    assert answer["tt_scale"]["stopped"] == "timeout"
    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["choices"][0]["message"]["content"]
    assert answer["usage"]["completion_tokens"] > 0


def test_a_dead_engine_is_503_and_then_recovers(fragile: type[FragileGenerator]) -> None:
    with running() as server, concurrent.futures.ThreadPoolExecutor(3) as pool:
        before = ask(server).json()["choices"]
        fragile.delay = 30
        calls = [pool.submit(ask, server, stream=number == 2) for number in range(3)]
        while fragile.running < 3:
            time.sleep(0.01)
        fragile.kill()
        answers = [call.result() for call in calls]
        fragile.delay = 0.0
        assert {answer.status_code for answer in answers} == {503}
        assert all(int(answer.headers["retry-after"]) > 0 for answer in answers)
        assert "signal 9" in answers[0].json()["error"]["message"]
        until = time.monotonic() + 10
        while (again := ask(server)).status_code == 503 and time.monotonic() < until:
            time.sleep(0.05)
        assert again.json()["choices"] == before
        assert fragile.opened == 2
        assert "tt_scale_engine_restarts 1.0" in httpx.get(f"{server.url}/metrics").text


def test_metrics_count_what_responses_say(server: Running) -> None:
    def counted() -> float:
        text = httpx.get(f"{server.url}/metrics").text
        found = re.search(r'tt_scale_generated_tokens_total\{model="dora"\} ([\d.e+]+)', text)
        return float(found[1]) if found else 0.0

    before = counted()
    usage = ask(server, model="dora").json()["usage"]
    assert counted() - before == usage["completion_tokens"]


def command(*arguments: str, environment: dict[str, str] | None = None) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tt_scale", "serve", "--model-name", "simulated", "--prm-name", "simulated", *arguments],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(environment or {})},
    )


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_sigterm_finishes_what_is_under_way() -> None:
    """The next instance is up already; a request that is cut off is lost work."""
    with command("--port", "0") as process:
        try:
            assert process.stderr is not None
            url = process.stderr.readline().split(" at ")[1].removesuffix("/v1\n")
            body = {"model": "best_of_n", "N": 600, "messages": [{"role": "user", "content": QUESTION}]}
            with concurrent.futures.ThreadPoolExecutor(1) as pool:
                call = pool.submit(httpx.post, f"{url}/v1/chat/completions", json=body, timeout=120)
                while not call.done() and "tt_scale_searching 1.0" not in httpx.get(f"{url}/metrics", timeout=60).text:
                    pass
                process.send_signal(signal.SIGTERM)
                assert call.result().status_code == 200
            assert process.wait(60) == 0
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--host", "0.0.0.0"], "can be reached from other machines, and no token is required"),
        (["--token-file", "/nowhere"], "The token file '/nowhere' cannot be read"),
        (["--method", "dvtss"], "Did you mean 'dvts'"),
        (["--budget", "2000"], "budget is 2,000, but requests may ask for at most 1,024. Type: --max-paths 2000"),
        (["--dataset", "gsm8k"], "--dataset is a flag of bench, which runs problem sets; serve takes questions."),
        (["--host", "203.0.113.7", "--port", "1"], "cannot be taken"),
    ],
)
def test_what_cannot_be_served_is_said_at_once(arguments: list[str], told: str) -> None:
    token = {} if "0.0.0.0" in arguments else {"TT_SCALE_SERVE_TOKEN": "x"}
    process = command(*arguments, environment=token)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 2
    assert told in error
    assert "Traceback" not in error
