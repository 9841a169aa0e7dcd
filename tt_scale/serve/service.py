"""The searches of a server: checked, admitted, run on shared models, and cancelled with their client."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from tt_scale.core.solution import Solution
from tt_scale.errors import EngineDeadError
from tt_scale.serve.admission import Admission
from tt_scale.serve.faults import RESTART_SECONDS, RequestError, fault_of
from tt_scale.serve.largest import check_paths
from tt_scale.serve.metrics import Metrics
from tt_scale.serve.overrides import Wanted, read_request
from tt_scale.serve.schema import Request
from tt_scale.serve.settings import ServeSettings
from tt_scale.serve.virtual_models import VirtualModel, find_model, virtual_models
from tt_scale.solver.async_solver import AsyncSolver
from tt_scale.solver.question import Asked

__all__ = ["Search", "Service"]

NO_TEXT_YET = ""


@dataclass(frozen=True, slots=True)
class Search:
    """A request that was read and checked.

    Attributes:
        model: as the request names it.
        wanted: what it asks for.
        asked: the question with its configuration.
    """

    model: str
    wanted: Wanted
    asked: Asked


class Service:
    """What the endpoints of a server do.

    Args:
        solver: open; the caller closes it.
        settings: of the server.

    Attributes:
        models: what requests may name, by name; set by `open`.
        started: when, in seconds since 1970.
        draining: whether the server ends when the requests under way are answered.
        stop: ends the server, as SIGTERM does.
        metrics: counters.
        lost: why models that died could not be loaded again; empty where they could.
    """

    def __init__(self, solver: AsyncSolver, settings: ServeSettings) -> None:
        self.settings = settings
        self.models: dict[str, VirtualModel] = {}
        self.started = int(time.time())
        self.draining = False
        self.stop: Callable[[], None] = _nothing
        self.lost = ""
        self._solver = solver
        self._admission = Admission(settings.concurrency, settings.max_queue)
        self._reopening: asyncio.Task[object] | None = None
        self.metrics = Metrics(
            {
                "searching": lambda: self._admission.searching,
                "queued": lambda: self._admission.queued,
                "ready": lambda: float(self.state == "ok"),
                "engine_restarts": lambda: solver.engines.restarts if solver.engines else 0,
            }
        )

    async def open(self) -> None:
        """List what can run on the models, which are open."""
        assert self._solver.engines is not None
        generator, _ = await (await self._solver.engines.get()).get()
        self.models = virtual_models(self._solver.config, generator)

    @property
    def state(self) -> str:
        """What the server does: "ok", "loading" or "draining"."""
        if self.draining:
            return "draining"
        return "loading" if self._solver.engines is None or self._solver.engines.loading else "ok"

    async def read(self, request: Request) -> Search:
        """Check a request.

        Raises:
            RequestError: it cannot be searched, with the reason.
        """
        model = find_model(self.models, request.model)
        try:
            wanted = read_request(request, model, self._solver.config, self.settings.sampling)
            check_paths(wanted.knobs, self.settings.max_paths)
            asked = await self._solver.ask(
                wanted.problem, timeout=wanted.timeout or self.settings.default_timeout, **wanted.knobs
            )
        except Exception as error:
            raise fault_of(error) from error
        return Search(model.name, wanted, replace(asked, most_children=self.settings.max_paths))

    async def solve(self, search: Search, follow: Callable[[str], None] | None = None) -> Solution:
        """Search, when it is the request's turn.

        Raises:
            RequestError: overloaded, the models are gone, or the search failed.
        """
        try:
            async with self._admission.turn(search.asked.deadline):
                self._require_models()
                solution = await self._solver.search(replace(search.asked, follow=follow))
        except Exception as error:
            if isinstance(error, EngineDeadError):
                self.reopen()
            fault = fault_of(error)
            self.metrics.failed(fault.code)
            raise fault from error
        self.metrics.searched(search.model, solution)
        return solution

    async def stream(self, search: Search) -> AsyncGenerator[str | Solution, None]:
        """Search, and give the whole text that is certain each time that it has grown, then the solution.

        `NO_TEXT_YET` comes after each `keep_alive` seconds without any. Errors as of `solve`.
        """
        texts: asyncio.Queue[str | None] = asyncio.Queue()
        task = asyncio.ensure_future(self.solve(search, texts.put_nowait))
        task.add_done_callback(lambda _: texts.put_nowait(None))
        try:
            while True:
                try:
                    text = await asyncio.wait_for(texts.get(), self.settings.keep_alive)
                except asyncio.TimeoutError:
                    yield NO_TEXT_YET
                    continue
                if text is None:
                    break
                yield text
            yield task.result()
        finally:
            await _ended(task)

    def reopen(self) -> None:
        """Begin to load the models again where they are gone, unless that is under way."""
        if self.state != "loading" or self._solver.engines is None:
            return
        if self._reopening is None or self._reopening.done():
            self._reopening = asyncio.ensure_future(self._quietly(self._solver.engines.get()))

    def _require_models(self) -> None:
        """Answer at once while models are loaded again, which takes longer than clients wait."""
        if self.state == "loading":
            self.reopen()
            raise RequestError(503, "The models are being loaded again.", "engine_dead", retry_after=RESTART_SECONDS)

    async def _quietly(self, work: Awaitable[object]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001 - the next request tries again and is told
            self.lost = f"{type(error).__name__}: {error}"
        else:
            self.lost = ""


def _nothing() -> None:
    pass


async def _ended(task: asyncio.Task[Solution]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError, Exception):
        await task
