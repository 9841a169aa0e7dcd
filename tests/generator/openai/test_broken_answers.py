"""A proxy that drops, cuts and falsifies answers: what a search draws, and what it is charged, stays the same."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

pytest.importorskip("openai")
pytest.importorskip("transformers")

from fake_servers import Fake, proxied, serving
from test_openai_generator import PROBLEM, QUESTION, config_for, server

from tt_scale.base_classes import Sampling, Step, StepRequest
from tt_scale.errors import EngineDeadError
from tt_scale.generator.openai.generator import OpenAIGenerator
from tt_scale.solver import asolve

pytestmark = pytest.mark.hf

FAULTS = ("drop", "cut", "500", "429", "503", "json", "counts")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tt_scale.engines.endpoints.retries.FIRST_WAIT", 0.01)
    for name in ("OPENAI_API_KEY", "TT_SCALE_GENERATOR_API_KEY", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


def once(fault: str) -> Iterator[str]:
    """One fault, then none."""
    yield fault
    while True:
        yield ""


async def drawn(url: str, count: int, fault: str = "", **own: Any) -> tuple[list[Step], list[str]]:
    """Steps drawn through a proxy that breaks the first answer after the start, and the faults that it made."""
    plan: list[Iterator[str]] = [once("")]
    with proxied(url, lambda: next(plan[0])) as proxy:
        generator = OpenAIGenerator.from_config(config_for(Fake(url=proxy.url), **own))
        try:
            await generator.start()
            plan[0] = once(fault)
            ids = generator.prompt(PROBLEM, "")
            asked = [StepRequest(ids, Sampling(0.7), (), 90, seed=number) for number in range(count)]
            return await generator.generate(asked), proxy.made
        finally:
            await generator.close()


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("kind", ["ids, as vLLM", "chat, as vLLM"])
async def test_a_broken_answer_is_asked_for_again_and_counted_once(kind: str, fault: str) -> None:
    """A half answer taken for a whole one is a wrong one; an answer charged twice is a wrong bill."""
    with server(kind) as fake:
        expected, none = await drawn(fake.url, 3)
        found, made = await drawn(fake.url, 3, fault)
    assert (none, made) == ([], [fault])
    assert found == expected


async def test_a_slow_body_is_given_up_in_time() -> None:
    """A server that sends a byte now and then holds a search for ever where only silence is timed."""
    with server("ids, as vLLM") as fake:
        expected, _ = await drawn(fake.url, 1)
        began = asyncio.get_running_loop().time()
        found, made = await drawn(fake.url, 1, "slow", request_timeout=1.5)
    assert (found, made) == (expected, ["slow"])
    assert asyncio.get_running_loop().time() - began < 15


async def asked_through(fake: Fake, fault: str) -> list[Step]:
    """One request through a proxy that breaks every answer after the start."""
    plan = [""]
    with proxied(fake.url, lambda: plan[0]) as proxy:
        generator = OpenAIGenerator.from_config(config_for(Fake(url=proxy.url), max_retries=3))
        try:
            await generator.start()
            asked = StepRequest(generator.prompt(PROBLEM, ""), Sampling(0.7), (), 90, seed=1)
            plan[0] = fault
            return await generator.generate([asked])
        finally:
            await generator.close()


async def test_an_answer_that_is_always_broken() -> None:
    """The step fails, and no more: on a server that lives other requests may have better luck."""
    with server("ids, as vLLM") as fake:
        for fault, told in (("counts", "tokens for"), ("500", "no luck"), ("drop", "cannot be reached")):
            [step] = await asked_through(fake, fault)
            assert step.ended == "error"
            assert told in step.error


async def test_a_server_that_stays_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A table with failed steps would look like one of a bad model; the run ends, and can be resumed later."""
    monkeypatch.setattr("tt_scale.engines.endpoints.retries.LONGEST_WAIT", 0.01)
    with server("ids, as vLLM") as fake, pytest.raises(EngineDeadError, match=r"can no longer be used: .*429.*no luck"):
        await asked_through(fake, "429")


async def test_a_filtered_answer_is_asked_for_once() -> None:
    with server("chat, as vLLM") as fake:
        generator = OpenAIGenerator.from_config(config_for(fake))
        try:
            await generator.start()
            fake.asked.clear()
            fake.withheld = "content_filter"
            asked = StepRequest(generator.prompt(PROBLEM, ""), Sampling(0.7), (), 90, seed=1)
            [step] = await generator.generate([asked])
        finally:
            await generator.close()
    assert (step.ended, len(fake.asked)) == ("error", 1)
    assert "withheld an answer" in step.error


async def test_a_search_through_faults(tmp_path: Any) -> None:
    """With three answers in ten broken, in every way, the pool and its cost are those of a quiet line."""
    own: dict[str, Any] = {"method": "self_consistency", "N": 24, "max_retries": 30, "max_tokens": 90}
    with server("ids, as vLLM") as fake:
        quiet = await asolve(QUESTION, config_for(fake, **own))
        chance, made = Random(5), Counter[str]()

        def next_fault() -> str:
            return chance.choice(FAULTS) if chance.random() < 0.3 else ""

        with proxied(fake.url, next_fault) as proxy:
            broken = await asolve(QUESTION, config_for(Fake(url=proxy.url), **own))
            made.update(proxy.made)
    assert sum(made.values()) >= 5, made
    assert broken.outcome == quiet.outcome
    for count in ("generated_tokens", "prompt_tokens", "cached_prompt_tokens", "generator_calls"):
        assert getattr(broken.usage, count) == getattr(quiet.usage, count)


async def test_a_key_is_written_nowhere(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run folders are shared."""
    from tt_scale.bench.run.session import bench

    monkeypatch.setenv("OPENAI_API_KEY", "very-secret-key")
    with serving(Fake(completions=False, key="very-secret-key")) as fake:
        config = config_for(
            fake, tokenizer="none", method="greedy", datasets=["pocket-math"], num_samples=2, output_dir=str(tmp_path),
            concurrency=1,
        )  # fmt: skip
        await bench([config])
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert any(file.name == "problems.jsonl" for file in files)
    for file in files:
        assert b"very-secret-key" not in file.read_bytes(), file
    [folder] = {file.parent for file in files if file.name == "problems.jsonl"}
    record = json.loads((folder / "problems.jsonl").read_text().splitlines()[0])
    assert record["usage"]["generated_tokens"] > 0
