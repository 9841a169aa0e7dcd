"""A solver in one event loop: models and grading workers opened once, any number of concurrent calls."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from contextvars import copy_context
from queue import SimpleQueue
from threading import Thread
from typing import Any

from tt_scale.bench.run.events import Reporter, silent
from tt_scale.config import Config
from tt_scale.core.budget import Usage
from tt_scale.core.concurrency import TimeSlice
from tt_scale.core.path import Outcome
from tt_scale.core.question_id import question_id
from tt_scale.core.records import Problem
from tt_scale.core.solution import Solution
from tt_scale.errors import ConfigError, EngineDeadError, GeneratorError
from tt_scale.grading import Grader
from tt_scale.models import make_models
from tt_scale.preflight import preflight, preflight_prms
from tt_scale.solver.call_config import call_config
from tt_scale.solver.engines import Engines
from tt_scale.solver.question import Asked, Watch, search_question, within

__all__ = ["AsyncSolver", "as_problem"]

Question = str | Problem


class AsyncSolver:
    """Answers questions in the event loop in which it was opened.

    Args:
        config: model, PRM, method and knobs, checked at once; nothing is loaded before `open`.
        report: is told that models load, and of long silences.

    Raises:
        ConfigError: the configuration cannot run.
    """

    def __init__(self, config: Config, report: Reporter = silent) -> None:
        call_config(config, {})
        make_models(config)
        self.config = config
        self._report = report
        self._grader = Grader(seconds=config.grade_timeout)
        self._slice = TimeSlice()
        self.engines: Engines | None = None

    async def open(self) -> None:
        """Load the models.

        Raises:
            TTScaleError: a model does not exist, does not fit, or cannot be loaded.
        """
        if self.engines is None:
            self.config = await asyncio.to_thread(preflight, self.config)
            self.engines = Engines(self.config, self._report)
        await self.engines.get()

    async def close(self) -> None:
        """Close models and grading workers; a second call does nothing."""
        engines, self.engines = self.engines, None
        try:
            if engines is not None:
                await engines.close()
        finally:
            await asyncio.to_thread(self._grader.close)

    async def ask(
        self,
        question: Question,
        *,
        timeout: float | None = None,
        watch: Watch | None = None,
        follow: Callable[[str], None] | None = None,
        **knobs: Any,
    ) -> Asked:
        """Check a question and its knobs, without searching; arguments and errors as of `Solver.solve`."""
        problem = as_problem(question)
        if timeout is not None and not timeout > 0:
            raise ConfigError(f"timeout is {timeout}; it is a number of seconds above 0.", "Leave it out for no limit.")
        deadline = None if timeout is None else time.monotonic() + timeout
        config, searcher = call_config(self.config, knobs)
        if knobs.keys() & {"agg", "final_agg"}:
            await asyncio.to_thread(preflight_prms, config)  # some PRMs have no scores of single steps
        return Asked(problem, config, searcher, deadline, watch, follow)

    async def solve(self, question: Question, **options: Any) -> Solution:
        """Answer one question; arguments and errors as of `Solver.solve`."""
        return await self.search(await self.ask(question, **options))

    async def search(self, asked: Asked) -> Solution:
        """Answer a question that was checked; errors as of `Solver.solve`."""
        if self.engines is None:
            raise ConfigError("The solver is closed.", "Write: with Solver(config) as solver: ...")
        if self.engines.loading and await within(self.engines.get(), asked.deadline) is None:
            raise GeneratorError("The models were still loading when the time was over.", "Ask again.", retryable=True)
        return await self.engines.use(
            lambda generator, prm: search_question(asked, generator, prm, self._grader, self._slice),
        )

    async def solve_many(
        self, questions: Iterable[Question], *, concurrency: int | None = None, **options: Any
    ) -> AsyncGenerator[Solution, None]:
        """Answer questions, each as it is finished; arguments and errors as of `Solver.solve_many`."""
        limit = self.config.concurrency if concurrency is None else concurrency
        if limit < 1:
            raise ConfigError(f"concurrency is {limit}; it is at least 1.")
        call_config(self.config, {key: value for key, value in options.items() if key not in ("timeout", "watch")})
        waiting = _Questions(questions)
        running: set[asyncio.Task[Solution]] = set()
        try:
            while True:
                while len(running) < limit and (taken := waiting.take()) is not None:
                    running.add(asyncio.ensure_future(self._kept(taken, options)))
                tasks: list[asyncio.Future[Any]] = [*running, *waiting.coming(len(running) < limit)]
                if not tasks:
                    return
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in [task for task in running if task in done]:
                    running.discard(task)
                    yield task.result()
        finally:
            waiting.close()
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def stream(self, question: Question, **options: Any) -> AsyncGenerator[str | Solution, None]:
        """Give the text that is certain, then the solution; arguments and errors as of `Solver.stream`."""
        texts: asyncio.Queue[str | None] = asyncio.Queue()
        asked = await self.ask(question, follow=texts.put_nowait, **options)
        task = asyncio.ensure_future(self.search(asked))
        task.add_done_callback(lambda _: texts.put_nowait(None))
        sent = 0
        try:
            while (text := await texts.get()) is not None:
                yield text[sent:]
                sent = len(text)
            solution = task.result()
            if rest := solution.text[sent:]:
                yield rest
            yield solution
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await task

    async def _kept(self, question: Question, options: dict[str, Any]) -> Solution:
        """Answer one of many questions; what is wrong with it alone becomes its `error`."""
        try:
            return await self.solve(question, **options)
        except EngineDeadError:
            raise
        except Exception as error:  # noqa: BLE001 - as in a run: one bad question never ends the others
            text = question.question if isinstance(question, Problem) else str(question)
            name = question.id if isinstance(question, Problem) else question_id(text)
            outcome = Outcome((), "error")
            return Solution(None, None, outcome, Usage(), name, text, error=f"{type(error).__name__}: {error}")


def as_problem(question: Question) -> Problem:
    """Give a question its id.

    Raises:
        ConfigError: it is empty, or no text.
    """
    problem = question if isinstance(question, Problem) else None
    text = question if problem is None else problem.question
    if not isinstance(text, str):
        raise ConfigError(f"The question is a {type(text).__name__}, not a text.", 'Ask with solve("What is 2 + 3?").')
    if not text.strip():
        raise ConfigError("The question is empty.", 'Type a question, such as "What is 2 + 3?".')
    return problem or Problem(question_id(text), text, "")


class _Questions:
    """Questions taken one at a time; those of an iterator, which may block, in a thread.

    Nobody waits for that thread: an iterator that blocks, such as an idle standard input, would never let it end.

    Args:
        questions: a list or tuple is read here.
    """

    def __init__(self, questions: Iterable[Question]) -> None:
        self._iterator: Iterator[Question] = iter(questions)
        self._blocks = not isinstance(questions, list | tuple)
        self._wanted: SimpleQueue[Future[Question | None] | None] | None = None
        self._coming: asyncio.Future[Question | None] | None = None
        self._ended = False

    def take(self) -> Question | None:
        """Give the next question; None where there is none yet, or none any more."""
        if not self._blocks:
            return next(self._iterator, None)
        if self._coming is None or not self._coming.done():
            return None
        coming, self._coming = self._coming, None
        question = coming.result()
        self._ended = question is None
        return question

    def coming(self, wanted: bool) -> list[asyncio.Future[Question | None]]:
        """Give the future of the next question; begin to read it if one is wanted."""
        if self._blocks and wanted and not self._ended and self._coming is None:
            self._coming = self._begin()
        return [self._coming] if self._coming is not None and wanted else []

    def close(self) -> None:
        """Wait for nothing more."""
        if self._coming is not None:
            self._coming.cancel()
        if self._wanted is not None:
            self._wanted.put(None)

    def _begin(self) -> asyncio.Future[Question | None]:
        if self._wanted is None:
            self._wanted = SimpleQueue()
            arguments = (_read, self._iterator, self._wanted)
            Thread(target=copy_context().run, args=arguments, name="tt_scale questions", daemon=True).start()
        future: Future[Question | None] = Future()
        self._wanted.put(future)
        return asyncio.wrap_future(future)


def _read(iterator: Iterator[Question], wanted: SimpleQueue[Future[Question | None] | None]) -> None:
    """Read one question for each future that is wanted; None ends it."""
    while (future := wanted.get()) is not None:
        if not future.set_running_or_notify_cancel():
            continue
        try:
            future.set_result(next(iterator, None))
        except BaseException as error:  # noqa: BLE001 - it belongs to whoever waits
            future.set_exception(error)
