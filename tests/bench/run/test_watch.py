"""A model that died or fell silent ends the work; a slow one does not."""

from __future__ import annotations

import asyncio
import time

import pytest

from tt_scale.bench.run import watch
from tt_scale.bench.run.watch import StalledError, watched
from tt_scale.config import Config
from tt_scale.core.waiting import progressed, waiting_for
from tt_scale.errors import EngineDeadError
from tt_scale.generator.simulated import SimulatedGenerator


@pytest.fixture
def generator(monkeypatch: pytest.MonkeyPatch) -> SimulatedGenerator:
    monkeypatch.setattr(watch, "LOOK_EVERY", 0.01)
    return SimulatedGenerator.from_config(Config(model_name="simulated", prm_name="none"))


async def call(generator: SimulatedGenerator, seconds: float, tokens: int = 0) -> str:
    """A call that takes so long, with signs of progress in between."""
    with waiting_for(generator):
        for _ in range(tokens):
            await asyncio.sleep(seconds / tokens)
            progressed(generator)
        if not tokens:
            await asyncio.sleep(seconds)
    return "done"


async def test_a_silent_model_is_told_and_then_given_up(generator: SimulatedGenerator) -> None:
    told: list[str] = []
    began = time.monotonic()
    with pytest.raises(StalledError, match=r"No answer from the generator \(SimulatedGenerator\) for 0 s") as raised:
        await watched(call(generator, 60), [generator], 0.4, told.append)
    assert time.monotonic() - began < 30
    assert "--stall-timeout" in str(raised.value)
    assert told[0].endswith("the limit (stall_timeout) is 0.4 s.")
    assert generator.waiting == 0  # the call was cancelled and awaited


async def test_a_slow_model_lives(generator: SimulatedGenerator) -> None:
    assert await watched(call(generator, 2.0, tokens=40), [generator], 0.8, lambda _: None) == "done"


async def test_nobody_waits_for_a_model_that_is_not_asked(generator: SimulatedGenerator) -> None:
    async def thinks() -> str:
        await asyncio.sleep(0.5)
        return "done"

    assert await watched(thinks(), [generator], 0.1, lambda _: None) == "done"


async def test_without_a_limit_it_warns_ever_more_rarely(
    generator: SimulatedGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "FIRST_WARNING", 0.1)
    told: list[str] = []
    assert await watched(call(generator, 1.0), [generator], None, told.append) == "done"
    assert 1 <= len(told) <= 4  # at 0.1, 0.2, 0.4 and 0.8 s


async def test_a_death_is_noticed_while_nobody_asks(
    generator: SimulatedGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generator, "died", lambda: "its process was killed by signal 9.")
    with pytest.raises(EngineDeadError, match="died: its process was killed by signal 9"):
        await watched(asyncio.sleep(60), [generator], None, lambda _: None)


async def test_errors_of_the_work_come_through(generator: SimulatedGenerator) -> None:
    async def fails() -> None:
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        await watched(fails(), [generator], 1.0, lambda _: None)


async def test_cancelling_cancels_the_work(generator: SimulatedGenerator) -> None:
    task = asyncio.ensure_future(watched(call(generator, 60), [generator], None, lambda _: None))
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert generator.waiting == 0
