"""The models of a solver: closed and opened again, whatever goes wrong while they close."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from fragile import FragileGenerator

from tt_scale import Config
from tt_scale.bench.run.events import Event, Warned
from tt_scale.solver.async_solver import AsyncSolver

KEYS: dict[str, Any] = {"model_name": "simulated", "prm_name": "simulated"}
QUESTION = "Simulated problem 7: level 3, 5 steps."


def noting_grader(solver: AsyncSolver, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    closed: list[bool] = []
    monkeypatch.setattr(solver._grader, "close", lambda: closed.append(True))
    return closed


async def test_a_solver_is_closed_while_dead_models_still_close(
    fragile: type[FragileGenerator], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cancelled opening cancelled the close on which it waited, and grading workers stayed for ever."""
    gate, close = asyncio.Event(), FragileGenerator.close

    async def slow(self: FragileGenerator) -> None:
        await gate.wait()
        await close(self)

    monkeypatch.setattr(FragileGenerator, "close", slow)
    solver = AsyncSolver(Config(**KEYS))
    closed = noting_grader(solver, monkeypatch)
    await solver.open()
    assert solver.engines is not None
    fragile.kill()
    opening = asyncio.ensure_future(solver.engines.get())
    await asyncio.sleep(0.01)
    closing = asyncio.ensure_future(solver.close())
    await asyncio.sleep(0.01)
    assert not closing.done()
    gate.set()
    await closing
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert closed == [True]
    assert fragile.closed == 1


async def test_models_that_died_and_cannot_be_closed_are_opened_again(
    fragile: type[FragileGenerator], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every later call failed with the error of the first one."""
    close = FragileGenerator.close

    async def fails(self: FragileGenerator) -> None:
        await close(self)
        if self.gone:
            raise RuntimeError("no answer to shutdown")

    monkeypatch.setattr(FragileGenerator, "close", fails)
    events: list[Event] = []
    solver = AsyncSolver(Config(**KEYS), events.append)
    await solver.open()
    fragile.kill()
    for _ in range(2):
        assert (await solver.solve(QUESTION)).answer is not None
    assert solver.engines is not None
    assert solver.engines.restarts == 1
    assert [event.text for event in events if isinstance(event, Warned)][1:] == [
        "The models that died could not be closed: RuntimeError: no answer to shutdown"
    ]
    await solver.close()


async def test_grading_workers_end_where_models_cannot_be_closed(
    fragile: type[FragileGenerator], monkeypatch: pytest.MonkeyPatch
) -> None:
    close = FragileGenerator.close

    async def fails(self: FragileGenerator) -> None:
        await close(self)
        raise RuntimeError("no answer to shutdown")

    monkeypatch.setattr(FragileGenerator, "close", fails)
    solver = AsyncSolver(Config(**KEYS))
    closed = noting_grader(solver, monkeypatch)
    await solver.open()
    with pytest.raises(RuntimeError, match="no answer to shutdown"):
        await solver.close()
    assert closed == [True]


async def test_dead_models_are_to_be_loaded(fragile: type[FragileGenerator]) -> None:
    """Whoever asks whether a call would wait must not be told no, and then wait."""
    solver = AsyncSolver(Config(**KEYS))
    await solver.open()
    assert solver.engines is not None
    assert not solver.engines.loading
    fragile.kill()
    assert solver.engines.loading
    await solver.engines.get()
    assert not solver.engines.loading
    await solver.close()
