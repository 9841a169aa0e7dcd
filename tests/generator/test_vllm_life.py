"""An engine's life beside its requests: death, interrupts, a cancelled start, a crowded cache."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("vllm")
pytest.importorskip("psutil")

from engines import alive, descendants, small

from tt_scale.base_classes import Problem, Sampling, StepRequest
from tt_scale.bench.run.watch import watched
from tt_scale.config import Config
from tt_scale.engines.smollm2 import smollm2_folder
from tt_scale.errors import ConfigError, EngineDeadError
from tt_scale.generator.vllm import VLLMGenerator

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.slow,
    pytest.mark.filterwarnings(
        "ignore::DeprecationWarning",
        "ignore::FutureWarning",
        "ignore:Unclosed context:ResourceWarning",  # that vLLM leaves where a start fails
    ),
]


@pytest.fixture(autouse=True, scope="module")
def _model() -> None:
    try:
        smollm2_folder()
    except ConfigError as error:
        pytest.skip(str(error))


def large(**changes: Any) -> Config:
    """SmolLM2, which is at work for seconds."""
    return small(model_name="smollm2", dtype="auto", **changes)


def long(generator: VLLMGenerator, tokens: int, seed: int) -> StepRequest:
    ids = generator.prompt(Problem("sea", "Write three short paragraphs about the sea.", ""), "")
    return StepRequest(ids, Sampling(temperature=1.0), (), tokens, seed)


LIFE = """
import asyncio, sys
from tt_scale.base_classes import Problem, Sampling, StepRequest
from tt_scale.bench.run.watch import watched
from tt_scale.config import Config
from tt_scale.generator.vllm import VLLMGenerator

async def main():
    config = Config(model_name="pocket-gen", dtype="float32", max_model_len=512, kv_cache_gib=0.25, gpu_mem_util=0.1)
    generator = VLLMGenerator.from_config(config)
    try:
        await generator.start()
        print("ready", flush=True)
        ids = generator.prompt(Problem("p", "Write about the sea.", ""), "")
        while True:
            await generator.generate([StepRequest(ids, Sampling(1.0), (), 100, seed) for seed in range(4)])
    finally:
        await generator.close()
        print("closed", flush=True)

if __name__ == "__main__":
    asyncio.run(main())
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_no_engine_outlives_its_parent(number: signal.Signals, tmp_path: Path) -> None:
    """An orphaned engine holds its memory until somebody looks for it; SIGINT goes to the group, as a terminal does."""
    script = tmp_path / "life.py"
    script.write_text(LIFE)
    parent = subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell in the background ignores it
    )
    assert parent.stdout is not None
    assert parent.stdout.readline() == "ready\n"
    engines = descendants(parent.pid)
    assert engines
    if number == signal.SIGINT:
        os.killpg(parent.pid, number)
    else:
        parent.send_signal(number)
    rest, _ = parent.communicate(timeout=60)
    assert not alive(engines, patience=20)
    assert rest == ("closed\n" if number == signal.SIGINT else "")


async def test_dead_engine_is_told_from_a_failed_request() -> None:
    """A run that takes a dead engine for failed requests writes thousands of failed rows."""
    opened = VLLMGenerator.from_config(large())
    await opened.start()
    engines = descendants(os.getpid())
    task = asyncio.ensure_future(opened.generate([long(opened, 300, seed) for seed in range(4)]))
    await asyncio.sleep(0.5)
    for process in opened._engine._processes._known:  # type: ignore[union-attr]
        process.kill()
    with pytest.raises(EngineDeadError, match="The engine died"):
        await asyncio.wait_for(task, timeout=30)
    with pytest.raises(EngineDeadError):
        await opened.generate([long(opened, 8, 1)])
    await opened.close()
    assert not alive(engines, patience=10)


async def test_cancelled_start_leaves_no_process() -> None:
    """Ctrl-C while a large model loads must not leave it loading."""
    before = {process.pid for process in descendants(os.getpid())}
    opened = VLLMGenerator.from_config(small())
    task = asyncio.ensure_future(opened.start())
    started = time.monotonic()
    while not (engines := [p for p in descendants(os.getpid()) if p.pid not in before]):
        assert time.monotonic() < started + 60
        await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    gc.collect()
    assert not alive(engines, patience=10)
    assert not [p for p in descendants(os.getpid()) if p.pid not in before]


async def test_crowded_cache_keeps_seeded_requests_alive() -> None:
    """A CPU engine ends with "CPU Generator does not use offset" where a seeded request is read in several pieces."""
    opened = VLLMGenerator.from_config(large(kv_cache_gib=0.04))
    await opened.start()
    try:
        asked = [long(opened, 200, seed) for seed in range(24)]
        steps = await opened.generate(asked)
        steps += await opened.generate(
            [replace(one, ids=one.ids + step.ids) for one, step in zip(asked, steps, strict=True)]
        )
    finally:
        await opened.close()
    assert {step.ended for step in steps} <= {"eos", "length"}


async def test_a_death_before_the_first_request_is_noticed() -> None:
    """The run stood at "0/12, 0 tokens/s" for good."""
    opened = VLLMGenerator.from_config(small())
    await opened.start()
    assert opened.died() == ""
    for process in opened._engine._processes._known:  # type: ignore[union-attr]
        process.kill()
    with pytest.raises(EngineDeadError, match=r"VLLMGenerator\) died: .*killed by signal 9.*--generator huggingface"):
        await asyncio.wait_for(watched(asyncio.sleep(60), [opened], None, lambda _: None), timeout=30)
    await opened.close()


async def test_tokens_are_signs_of_progress() -> None:
    """A request gives nothing before its end, which is minutes away on a slow machine."""
    opened = VLLMGenerator.from_config(large())
    await opened.start()
    task = asyncio.ensure_future(opened.generate([long(opened, 200, 1)]))
    signs = set()
    while not task.done():
        await asyncio.sleep(0.02)
        signs.add(opened.progress())
    await opened.close()
    assert len(signs) > 10
