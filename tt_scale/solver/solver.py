"""`Solver`: models opened once, for any number of questions from any thread or event loop."""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from tt_scale.bench.run.events import Reporter, silent
from tt_scale.config import Config
from tt_scale.core.solution import Solution
from tt_scale.errors import ConfigError
from tt_scale.solver.async_solver import AsyncSolver, Question
from tt_scale.solver.loop_thread import LoopThread

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Solver"]

Item = TypeVar("Item")


class Solver:
    """Answers questions with models that are opened once.

    It has an event loop in a thread of its own, so that it can be used in scripts, in notebooks, in a running event
    loop and from several threads at a time; concurrent questions share the engines. Models load at the first question,
    or at `open` or `with`, and stay until `close`, the end of the `with` block, or the end of the process. A model that
    dies ends the calls in flight with an EngineDeadError; the next call opens the models again.

    All methods that answer take the same options:

    * `timeout`: seconds, above 0, after which the best answer so far is returned (`outcome.stopped` is "timeout");
      None for no limit.
    * `watch`: called with the children of every expansion, in the solver's thread.
    * configuration keys of method, sampling, search and budget, such as `method="dvts"`, `N=8` or `temperature=0.5`,
      for this call alone; checked like the configuration.

    Args:
        config: model, PRM, method and knobs; None for the defaults. Checked at once.
        report: called with events: models that load, long silences (`tt_scale.bench.run.events`).

    Raises:
        ConfigError: the configuration cannot run.
    """

    def __init__(self, config: Config | None = None, *, report: Reporter = silent) -> None:
        self._solver = AsyncSolver(config or Config(), report)
        self._opening = threading.Lock()
        self._thread: LoopThread | None = None
        self._end: Callable[[], object] = _nothing

    @property
    def config(self) -> Config:
        """The configuration of calls without knobs of their own."""
        return self._solver.config

    def open(self) -> Self:
        """Load the models now.

        Raises:
            TTScaleError: a model does not exist, does not fit, or cannot be loaded.
        """
        self._running()
        return self

    def close(self) -> None:
        """Cancel what still runs and close the models; a second call does nothing, a later question opens them anew."""
        with self._opening:
            self._thread = None
            self._end()

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self.open)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.close)

    def solve(self, question: Question, **options: Any) -> Solution:
        """Answer one question; may be called from several threads at a time.

        Args:
            question: a text, or a `Problem` with an id of its own and earlier turns.
            options: see the class.

        Returns:
            The answer, its path, the pool and the usage.

        Raises:
            ConfigError: an option is wrong, or cannot change while the models are open.
            EngineDeadError: a model died; the next call opens the models again.
            TTScaleError: a model failed.
        """
        return self._running().run(self._solver.solve(question, **options))

    async def asolve(self, question: Question, **options: Any) -> Solution:
        """Answer one question in an event loop; cancelling the call ends its search. Otherwise as `solve`."""
        thread = await self._running_elsewhere()
        return await thread.wait(self._solver.solve(question, **options))

    def solve_many(
        self, questions: Iterable[Question], *, concurrency: int | None = None, **options: Any
    ) -> Iterator[Solution]:
        """Answer many questions; gives each solution as it is finished, with its `id` and `question`.

        A question that fails gives a solution with an `error`; the others go on.

        Args:
            questions: read as places become free, so that it may be endless.
            concurrency: questions in flight, at least 1; None for that of the configuration.
            options: see the class.

        Raises:
            ConfigError: an option is wrong.
            EngineDeadError: a model died; unanswered questions can be given to another call.
        """
        return self._pulled(self._solver.solve_many(questions, concurrency=concurrency, **options))

    def asolve_many(
        self, questions: Iterable[Question], *, concurrency: int | None = None, **options: Any
    ) -> AsyncIterator[Solution]:
        """Answer many questions in an event loop; otherwise as `solve_many`."""
        return self._apulled(self._solver.solve_many(questions, concurrency=concurrency, **options))

    def stream(self, question: Question, **options: Any) -> Iterator[str | Solution]:
        """Answer one question; gives the steps that are certain while it is searched, then the solution.

        A step is certain when it is common to all finished paths of the pool and to every path that the method may
        still grow. The texts joined are the text of the solution.

        Args:
            question: as of `solve`.
            options: see the class.

        Raises:
            TTScaleError: as of `solve`.
        """
        return self._pulled(self._solver.stream(question, **options))

    def astream(self, question: Question, **options: Any) -> AsyncIterator[str | Solution]:
        """Answer one question in an event loop; otherwise as `stream`."""
        return self._apulled(self._solver.stream(question, **options))

    def _running(self) -> LoopThread:
        with self._opening:
            if self._thread is None:
                thread = LoopThread()
                try:
                    thread.run(self._solver.open())
                except BaseException:
                    _end(thread, self._solver)
                    raise
                self._thread = thread
                self._end = weakref.finalize(self, _end, thread, self._solver)
            return self._thread

    async def _running_elsewhere(self) -> LoopThread:
        """As `_running`, without blocking the caller's event loop."""
        thread = self._thread
        return await asyncio.to_thread(self._running) if thread is None else thread

    def _pulled(self, items: AsyncGenerator[Item, None]) -> Iterator[Item]:
        thread = self._running()
        nothing = object()
        try:
            while (item := thread.run(_next(items, nothing))) is not nothing:
                yield item
        finally:
            with suppress(ConfigError):  # the thread has ended, and closed the generator itself
                thread.run(_closed(items))

    async def _apulled(self, items: AsyncGenerator[Item, None]) -> AsyncIterator[Item]:
        thread = await self._running_elsewhere()
        nothing = object()
        try:
            while (item := await thread.wait(_next(items, nothing))) is not nothing:
                yield item
        finally:
            with suppress(ConfigError):
                await thread.wait(_closed(items))


def _nothing() -> None:
    pass


def _end(thread: LoopThread, solver: AsyncSolver) -> None:
    try:
        thread.run(solver.close())
    finally:
        thread.close()


async def _next(items: AsyncIterator[Any], default: object) -> Any:
    return await anext(items, default)


async def _closed(items: AsyncGenerator[Any, None]) -> None:
    await items.aclose()
