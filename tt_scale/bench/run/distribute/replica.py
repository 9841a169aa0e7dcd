"""A replica: generator and PRM in a process of a cluster, which searches what the driver sends.

It is the local run engine without journal: the same models, watched and restarted once where they stall, the same
search, grading and packing. What it returns of a search is the line for the journal.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from tt_scale.backends import resolve
from tt_scale.base_classes import PRM, Generator, Searcher
from tt_scale.bench.run.distribute.cluster import own_cores
from tt_scale.bench.run.events import Event, Warned
from tt_scale.bench.run.manifest import versions
from tt_scale.bench.run.open_models import Models
from tt_scale.bench.run.runner import ProblemSearch
from tt_scale.config import Config
from tt_scale.core.concurrency import ending_of, gather_or_cancel
from tt_scale.core.records import Problem
from tt_scale.engines.model_dtypes import dtype_keys
from tt_scale.engines.vllm.cpu import share_cores
from tt_scale.errors import ConfigError, EngineDeadError
from tt_scale.grading import Grader
from tt_scale.space.first_steps import FirstSteps, asked_quantile, measure

__all__ = ["Expected", "Replica", "RunPart"]

Result = TypeVar("Result")
Job = Callable[[Generator, "PRM | None"], Awaitable[Any]]


@dataclass(frozen=True)
class Expected:
    """What the driver found on its own machine, and every node has to agree with.

    Attributes:
        dtypes: types of the models, which are a part of the experiment.
        versions: of packages.
    """

    dtypes: Mapping[str, str]
    versions: Mapping[str, str]


@dataclass(frozen=True)
class RunPart:
    """What a replica has to know of a run.

    Attributes:
        config: of the run, as in a replica.
        searcher: its method.
        first_scores: of which a quantile as `tau` is taken; empty where it is a number.
    """

    config: Config
    searcher: Searcher
    first_scores: Sequence[float]


class Replica:
    """Opens models and searches; the methods are called by the driver, many at a time, in one event loop.

    Args:
        config: of all its runs, as far as models go.
        expected: on every node.
    """

    def __init__(self, config: Config, expected: Expected) -> None:
        self._config = config
        self._expected = expected
        self._runs: Sequence[RunPart] = ()
        self._grader = Grader(seconds=config.grade_timeout)
        self._jobs: dict[asyncio.Future[Any], Job] = {}
        self._queue: asyncio.Queue[asyncio.Future[Any] | None] = asyncio.Queue()
        self._warnings: asyncio.Queue[str | None] = asyncio.Queue()
        self._serving: asyncio.Task[None] | None = None
        self._open = asyncio.Event()

    async def node(self) -> str:
        """Give the address of the node that it runs on, as soon as it runs."""
        import ray

        return str(ray.util.get_node_ip_address())

    async def open(self) -> None:
        """Load the models; returns when they can serve.

        Raises:
            ConfigError: the models would compute in another type here than where the run was planned.
            TTScaleError: they cannot be loaded.
        """
        gc.set_threshold(100_000, 50, 50)  # trees are many objects, and none of them is garbage
        self._check_types()
        self._check_versions()
        if cores := own_cores():
            share_cores(self._config, cores)
        self._serving = asyncio.ensure_future(self._serve())
        opened = asyncio.ensure_future(self._open.wait())
        await asyncio.wait([self._serving, opened], return_when=asyncio.FIRST_COMPLETED)
        opened.cancel()
        if self._serving.done():
            self._serving.result()

    async def news(self) -> str | None:
        """Wait for a warning; None where the replica was closed.

        Raises:
            EngineDeadError: a model died, or stalled a second time.
        """
        warning = await self._warnings.get()
        if warning is None and self._serving is not None:
            await self._serving
        return warning

    async def check(self, parts: Sequence[RunPart]) -> None:
        """Let the generator refuse what it cannot serve.

        Raises:
            ConfigError: it does.
        """

        async def check(generator: Generator, prm: PRM | None) -> None:
            for part in parts:
                generator.check_search(part.searcher, part.config)

        await self._done(check)

    async def measure(self, part: RunPart, problems: Sequence[Problem]) -> FirstSteps:
        """Draw the first steps whose quantile is the `tau` of a run; errors as of `space.first_steps.measure`."""
        asked = asked_quantile(part.searcher)
        assert asked is not None
        return await self._done(
            lambda generator, prm: measure(asked, part.searcher, problems, generator, prm, part.config)
        )

    async def prepare(self, runs: Sequence[RunPart]) -> None:
        """Take the runs that searches are of from now on."""
        self._runs = runs

    async def search(self, place: int, index: int, repeat: int, problem: Problem) -> bytes:
        """Search and grade a problem; gives the line for the journal, also where the search failed.

        Args:
            place: of the run among those of `prepare`.
            index: of the problem in its set.
            repeat: from 0.
            problem: itself.

        Raises:
            EngineDeadError: the models can serve no more.
        """
        part = self._runs[place]

        async def search(generator: Generator, prm: PRM | None) -> bytes:
            one = ProblemSearch(
                part.config, part.searcher, generator, prm, self._grader, first_scores=part.first_scores
            )
            line, _ = await one.result(index, repeat, problem)
            return line

        return await self._done(search)

    async def close(self) -> None:
        """Close the models."""
        for _ in range(self._config.concurrency):
            self._queue.put_nowait(None)
        if self._serving is not None:
            await asyncio.wait([self._serving])
        self._grader.close()

    def _check_types(self) -> None:
        here = dtype_keys(resolve(self._config))
        if here != self._expected.dtypes:
            shown = " and ".join([f"{key} {value}" for key, value in here.items()])
            planned = self._expected.dtypes["dtype"]
            raise ConfigError(
                f"The models would compute in {shown} here, but the run was planned with dtype {planned}.",
                f"Type: --dtype {planned}, or another that every node can compute",
            )

    def _check_versions(self) -> None:
        here = versions()
        planned = self._expected.versions
        differing = [name for name in planned.keys() & here.keys() if planned[name] != here[name]]
        if differing:
            shown = ", ".join([f"{name} {here[name]} instead of {planned[name]}" for name in sorted(differing)])
            self._warnings.put_nowait(f"Other versions than where the run was started: {shown}; numbers may differ.")

    async def _serve(self) -> None:
        try:
            async with Models(self._config, self._note, summary=False) as models:
                await models.use(self._work_off)
        except BaseException as error:
            for job in self._jobs:
                if not job.done():
                    job.set_exception(error if isinstance(error, Exception) else EngineDeadError("It was ended."))
            raise
        finally:
            self._warnings.put_nowait(None)

    async def _work_off(self, generator: Generator, prm: PRM | None) -> None:
        """Do what is sent until there is a None for each worker; what a stall broke off is done first."""
        self._queue = asyncio.Queue()
        for job in self._jobs:
            self._queue.put_nowait(job)
        self._open.set()

        async def work() -> None:
            while (job := await self._queue.get()) is not None:
                if not job.done():  # nobody waits for it any more
                    await self._do(job, generator, prm)

        await gather_or_cancel([work() for _ in range(self._config.concurrency)])

    async def _do(self, job: asyncio.Future[Any], generator: Generator, prm: PRM | None) -> None:
        ending = await ending_of(cast("Any", self._jobs[job](generator, prm)))
        if isinstance(ending.error, EngineDeadError):
            raise ending.error
        if job.done():
            return
        if ending.error is None:
            job.set_result(ending.value)
        else:
            job.set_exception(ending.error)

    async def _done(self, work: Callable[[Generator, PRM | None], Awaitable[Result]]) -> Result:
        """Have work done with the models; begun again where they stall."""
        if self._serving is None or self._serving.done():
            raise EngineDeadError("The replica is closed.")
        job: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._jobs[job] = work
        self._queue.put_nowait(job)
        try:
            return await job
        finally:
            del self._jobs[job]

    def _note(self, event: Event) -> None:
        if isinstance(event, Warned):
            self._warnings.put_nowait(event.text)
