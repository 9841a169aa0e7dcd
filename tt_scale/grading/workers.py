r"""The grader: grades answers, in worker processes that can be killed.

    with Grader() as grader:
        await grader.grade(gold=r"\frac{1}{2}", answer="0.5")      # "correct"

Equal spellings and plain numbers are decided without a worker, so that most benchmarks never start one. Every other
comparison has a wall-clock limit and a memory limit; one that is killed, crashes or raises is `ungraded`: the grader
failed, which never means that the answer is wrong.

Comparisons without a worker run in the caller's event loop, for at most 10 ms before other tasks run. Answers of more
than 700 characters and lists of many items are compared by workers; of more than 100,000 characters, only equal
spelling is correct, and all else is `ungraded`.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import importlib.metadata
import re
import signal
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from hashlib import blake2b
from types import TracebackType
from typing import TYPE_CHECKING, ClassVar, Literal

from tt_scale.core.concurrency import TimeSlice
from tt_scale.errors import GradingError
from tt_scale.grading import sandbox
from tt_scale.grading.equivalence import settled, verdict
from tt_scale.grading.grouping import group
from tt_scale.grading.normal import key
from tt_scale.grading.spawning import worker_context

if TYPE_CHECKING:
    from pebble import ProcessPool

__all__ = ["Grade", "Grader"]

Grade = Literal["correct", "wrong", "no_answer", "ungraded"]
"""Grade of an answer; `ungraded` if the grader failed."""

_CACHE_SIZE = 1 << 16
_ATTEMPTS = 2
_WATCH = 1.0
"""Seconds between two looks at a pool whose answer is awaited."""
_PATIENCE = 60.0
"""Seconds beyond the limit of a comparison within which one of a pool must end, the start of a worker included."""
_LONGEST = 100_000
"""Maximum length of an answer that a worker compares, in characters."""
_RELATION = re.compile(r"[=<>≤≥≠,]|\\(?:[lg]e|[lg]t|ne|in|cup|pm)(?![a-zA-Z])|\\[lg]eq")
"""Signs of relations, sets and lists, whose comparison depends on the order of the two answers."""


class Grader:
    """Grades answers and groups them into classes.

    Workers start with the first comparison that needs one, and end with `close` or with this process. An instance is
    not bound to an event loop or a thread.

    Args:
        seconds: wall-clock limit of one comparison, above 0.
        memory: maximum resident memory of a worker in bytes.
        workers: maximum number of concurrent comparisons, at least 1.
    """

    name: ClassVar[str] = "math-verify"

    def __init__(self, *, seconds: float = 5.0, memory: int = 2 << 30, workers: int = 2) -> None:
        self.seconds = seconds
        self.memory = memory
        self.workers = workers
        self._pool: ProcessPool | None = None
        self._end: Callable[[], object] = _nothing_to_end
        self._answered = False
        self._ended = 0.0  # when a comparison of the pool ended last
        self._known: dict[bytes, bool | None] = {}
        self._slice = TimeSlice()

    @property
    def version(self) -> str:
        """Installed version of Math-Verify, for the manifest."""
        return importlib.metadata.version(self.name)

    async def grade(self, gold: str, answer: str | None) -> Grade:
        """Grade one answer.

        Args:
            gold: gold answer.
            answer: extracted answer; None if the solution states none.

        Raises:
            GradingError: the gold answer has no content, or no worker can be started.
        """
        await self._slice.turn()
        if not key(gold):
            raise GradingError(
                f"The gold answer {gold!r} has no content, so that no answer can be graded.",
                "Set the gold answer of every problem of the set.",
            )
        if answer is None or not key(answer):
            return "no_answer"
        same = await self._same(gold, answer)
        return "ungraded" if same is None else "correct" if same else "wrong"

    async def grade_many(self, gold: str, answers: Sequence[str | None]) -> list[Grade]:
        """Grade the answers of a pool [members]; each distinct one is compared once.

        Args:
            gold: gold answer.
            answers: in pool order [members].

        Raises:
            GradingError: as for `grade`.
        """
        distinct = list(dict.fromkeys(answers))
        grades = await asyncio.gather(*[self.grade(gold, answer) for answer in distinct])
        by_answer = dict(zip(distinct, grades, strict=True))
        return [by_answer[answer] for answer in answers]

    async def group(self, answers: Sequence[str | None]) -> list[int]:
        """Assign the answers of a pool to equivalence classes: 1/2 and 0.5 are one class.

        Args:
            answers: in pool order [members].

        Returns:
            The class of each member, from 0 in order of appearance; -1 if it has no answer [members]. Answers that
            cannot be compared are distinguished by their spelling.

        Raises:
            GradingError: no worker can be started.
        """

        async def either_way(one: str, other: str) -> bool | None:
            same = await self._same(one, other)
            relational = same is False and _RELATION.search(one + other)
            return await self._same(other, one) if relational else same

        return await group(answers, either_way, self._slice.turn)

    def close(self) -> None:
        """End the workers. A second call does nothing; a later comparison starts them again."""
        self._pool = None
        self._end()

    def __enter__(self) -> Grader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def _same(self, gold: str, answer: str) -> bool | None:
        await self._slice.turn()
        known = settled(gold, answer)
        if known is not None or max(len(gold), len(answer)) > _LONGEST:
            return known
        pair = _digest(gold, answer)
        if pair not in self._known:
            same = await self._compare(gold, answer)
            while len(self._known) >= _CACHE_SIZE:
                del self._known[next(iter(self._known))]
            self._known[pair] = same
        return self._known[pair]

    async def _compare(self, gold: str, answer: str) -> bool | None:
        from pebble import ProcessExpired

        for _ in range(_ATTEMPTS):
            pool = self._running()
            try:
                task = pool.schedule(verdict, args=(gold, answer, self.seconds), timeout=self.seconds)
                same = await self._result(pool, asyncio.wrap_future(task))
            except (TimeoutError, asyncio.TimeoutError, concurrent.futures.TimeoutError, ProcessExpired):
                self._answered = True
                return None
            except (BrokenProcessPool, RuntimeError):
                # Workers died between two comparisons, which takes pebble's whole pool down.
                if self._pool is None:
                    raise GradingError("The grader was closed while it compared two answers.") from None
                if self._pool is pool:
                    self.close()
            else:
                self._answered = True
                return same
        if self._answered:
            return None
        raise GradingError(
            "The grading processes fail to start.",
            'On Windows, call tt_scale in a script under: if __name__ == "__main__":',
        )

    async def _result(self, pool: ProcessPool, task: asyncio.Future[bool | None]) -> bool | None:
        """Wait for a comparison.

        A pool that breaks while a comparison is handed to it never answers that one, nor does one whose worker dies
        between taking a comparison and saying so while others are busy (pebble 5.2).

        Raises:
            BrokenProcessPool: there will be no answer.
        """
        begun = time.monotonic()
        try:
            while not (await asyncio.wait([task], timeout=_WATCH))[0]:
                idle = time.monotonic() - max(begun, self._ended)
                if (not pool.active or idle > self.seconds + _PATIENCE) and not task.done():
                    raise BrokenProcessPool
            self._ended = time.monotonic()
            return task.result()
        finally:
            task.cancel()

    def _running(self) -> ProcessPool:
        if self._pool is None:
            from pebble import ProcessPool

            with _without_interrupts():
                self._pool = ProcessPool(
                    max_workers=self.workers,
                    initializer=sandbox.enter,
                    initargs=(self.memory,),
                    context=worker_context(),
                )
                self._pool.active  # noqa: B018  (reading it starts the workers)
            # Also without `close`: if the interpreter exits while a worker starts, the worker prints a traceback.
            self._end = weakref.finalize(self, _stop, self._pool)
        return self._pool


def _digest(gold: str, answer: str) -> bytes:
    """Cache key of a pair of any length."""
    return blake2b(f"{len(gold)} {gold}{answer}".encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _stop(pool: ProcessPool) -> None:
    pool.stop()
    pool.join()


def _nothing_to_end() -> None:
    pass


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Block SIGINT in threads and processes that start within; both inherit the signal mask of the starting thread."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
