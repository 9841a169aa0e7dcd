"""A replica in this process, without Ray: the local run engine, fed by calls."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from commands import without_seconds

from tt_scale.base_classes import Step, StepRequest
from tt_scale.bench.format.lines import read_line
from tt_scale.bench.record import unpack
from tt_scale.bench.run.distribute.calls import BECAUSE
from tt_scale.bench.run.distribute.replica import Expected, Replica, RunPart
from tt_scale.bench.run.runner import ProblemSearch
from tt_scale.config import Config
from tt_scale.errors import ConfigError, EngineDeadError
from tt_scale.generator.simulated import SimulatedGenerator
from tt_scale.grading import Grader
from tt_scale.models import make_searcher, open_models
from tt_scale.problems.simulated import simulated_problems

CONFIG = Config(model_name="simulated", prm_name="simulated", method="beam_search", temperature=0.7, concurrency=4)
HERE = Expected({"dtype": "float16"}, {})
PROBLEMS = simulated_problems(12)
PART = RunPart(CONFIG, make_searcher(CONFIG), ())


def plain(line: bytes) -> dict[str, Any]:
    return without_seconds(unpack(read_line(line)))


async def opened(config: Config = CONFIG) -> Replica:
    replica = Replica(config, HERE)
    await asyncio.wait_for(replica.open(), 30)
    await replica.prepare([replace(PART, config=config)])
    return replica


async def test_it_returns_the_lines_of_a_local_run() -> None:
    replica = await opened()
    lines = await asyncio.gather(*[replica.search(0, index, 1, each) for index, each in enumerate(PROBLEMS)])
    await asyncio.wait_for(replica.close(), 30)
    assert await replica.news() is None
    with Grader() as grader:
        async with open_models(CONFIG) as (generator, prm):
            local = ProblemSearch(CONFIG, PART.searcher, generator, prm, grader)
            for index, problem in enumerate(PROBLEMS):
                line, _ = await local.result(index, 1, problem)
                assert plain(lines[index]) == plain(line)


async def test_another_type_than_planned_is_refused() -> None:
    """The journal would name a type in which nothing was computed."""
    replica = Replica(CONFIG, Expected({"dtype": "bfloat16"}, {}))
    with pytest.raises(ConfigError, match=r"float16 here, but the run was planned with dtype bfloat16\. Type: --dtype"):
        await replica.open()


async def test_other_versions_are_told() -> None:
    replica = Replica(CONFIG, Expected(HERE.dtypes, {"python": "2.7.18", "vllm": "no such"}))
    await replica.open()
    warning = await replica.news()
    assert warning is not None
    assert "instead of 2.7.18" in warning
    await replica.close()


async def test_a_search_that_fails_is_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    async def failing(generator: object, requests: object) -> list[Step]:
        raise RuntimeError("no luck")

    monkeypatch.setattr(SimulatedGenerator, "generate", failing)
    replica = await opened()
    assert "no luck" in plain(await replica.search(0, 0, 0, PROBLEMS[0]))["error"]
    await replica.close()


async def test_a_dead_engine_fails_every_search_that_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver would wait for them for ever."""
    dead = asyncio.Event()

    async def dying(generator: object, requests: object) -> list[Step]:
        await dead.wait()
        raise EngineDeadError("The engine is gone.")

    monkeypatch.setattr(SimulatedGenerator, "generate", dying)
    replica = await opened()
    searches = [asyncio.ensure_future(replica.search(0, index, 0, each)) for index, each in enumerate(PROBLEMS)]
    await asyncio.sleep(0.05)
    dead.set()
    ended = await asyncio.wait_for(asyncio.gather(*searches, return_exceptions=True), 30)
    assert [type(each) for each in ended] == [EngineDeadError] * len(PROBLEMS)
    with pytest.raises(EngineDeadError, match="gone"):
        await replica.news()
    with pytest.raises(EngineDeadError):
        await replica.search(0, 0, 0, PROBLEMS[0])


async def test_a_stall_restarts_the_models_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """`stall_timeout` holds in a replica as in a local run: what was in flight is searched again."""
    began, generate = time.monotonic(), SimulatedGenerator.generate

    class Lives:
        count = 0

    async def start(generator: SimulatedGenerator) -> None:
        Lives.count += 1

    async def hanging(generator: SimulatedGenerator, requests: Sequence[StepRequest]) -> list[Step]:
        if Lives.count == 1:
            await asyncio.sleep(3600)
        return await generate(generator, requests)

    monkeypatch.setattr(SimulatedGenerator, "start", start)
    monkeypatch.setattr(SimulatedGenerator, "generate", hanging)
    replica = await opened(CONFIG.changed(stall_timeout=1.0))
    searches = [replica.search(0, index, 0, each) for index, each in enumerate(PROBLEMS)]
    lines = await asyncio.wait_for(asyncio.gather(*searches), 60)
    while "The models are restarted, once" not in str(await asyncio.wait_for(replica.news(), 30)):
        pass
    assert [plain(line)["id"] for line in lines] == [problem.id for problem in PROBLEMS]
    assert Lives.count == 2
    assert time.monotonic() - began < 60
    await replica.close()


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        ("The actor died because its node has died. Node Id: 0a1b\n\tclass_name: Replica", "its node has died"),
        (
            "The actor died unexpectedly.\nThe actor is dead because its worker process has died. Worker exit type: X",
            "its worker process has died",
        ),
    ],
)
def test_a_page_about_a_death_is_one_sentence(page: str, reason: str) -> None:
    found = BECAUSE.search(page)
    assert found is not None
    assert found[1] == reason
