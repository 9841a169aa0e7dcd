r"""The grader: verdicts on answers, from worker processes that can be killed.

    with Grader() as grader:
        await grader.grade(gold=r"\frac{1}{2}", answer="0.5")      # "correct"

Equal spellings and plain numbers are settled at once, so that most benchmarks never start a worker. Every other
comparison has a wall-clock limit and a memory limit; one that is killed, crashes or raises is `ungraded`, which says
that the grader failed, never that the answer is wrong.

What is settled at once is settled in the event loop of the caller, at most 10 ms in a row before other tasks have their
turn. Answers of more than 1,000 characters and lists of many members go to the workers; of more than 100,000, equal
spelling counts and all else is `ungraded`.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import importlib.metadata
import re
import signal
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
"""The verdict on an answer; `ungraded` where the grader failed."""

_REMEMBERED = 1 << 16
_ATTEMPTS = 2
_LONGEST = 100_000
"""Characters of an answer that a worker is given."""
_RELATION = re.compile(r"[=<>≤≥≠,]|\\(?:[lg]e|[lg]t|ne|in|cup|pm)(?![a-zA-Z])|\\[lg]eq")
"""Only with relations, sets and lists does it matter which of two answers stands first."""


class Grader:
    """Grades answers and groups them into classes.

    Workers start with the first comparison that needs one and end with `close`, or with this process. The instance
    belongs to no event loop and to no thread.

    Args:
        seconds: wall-clock limit of one comparison, above 0.
        memory: most bytes that a worker may keep resident.
        workers: comparisons at a time, at least 1.
    """

    name: ClassVar[str] = "math-verify"

    def __init__(self, *, seconds: float = 5.0, memory: int = 2 << 30, workers: int = 2) -> None:
        self.seconds = seconds
        self.memory = memory
        self.workers = workers
        self._pool: ProcessPool | None = None
        self._end: Callable[[], object] = _nothing_to_end
        self._answered = False
        self._known: dict[bytes, bool | None] = {}
        self._slice = TimeSlice()

    @property
    def version(self) -> str:
        """The installed version of Math-Verify, for the manifest."""
        return importlib.metadata.version(self.name)

    async def grade(self, gold: str, answer: str | None) -> Grade:
        """Grade one answer.

        Args:
            gold: the reference.
            answer: as extracted; None where the solution states none.

        Raises:
            GradingError: the gold answer says nothing, or no worker can be started.
        """
        await self._slice.turn()
        if not key(gold):
            raise GradingError(
                f"The gold answer {gold!r} says nothing, so no answer can be graded against it.",
                "Give every problem of the set an answer.",
            )
        if answer is None or not key(answer):
            return "no_answer"
        same = await self._same(gold, answer)
        return "ungraded" if same is None else "correct" if same else "wrong"

    async def grade_many(self, gold: str, answers: Sequence[str | None]) -> list[Grade]:
        """Grade the answers of a pool [members]; each distinct one is compared once.

        Args:
            gold: the reference.
            answers: in pool order [members].

        Raises:
            GradingError: as `grade`.
        """
        distinct = list(dict.fromkeys(answers))
        grades = await asyncio.gather(*[self.grade(gold, answer) for answer in distinct])
        by_answer = dict(zip(distinct, grades, strict=True))
        return [by_answer[answer] for answer in answers]

    async def group(self, answers: Sequence[str | None]) -> list[int]:
        """Number the answer classes of a pool: 1/2 and 0.5 are one candidate.

        Args:
            answers: in pool order [members].

        Returns:
            A class for each member, from 0 in order of appearance; -1 where there is no answer [members]. Answers
            that cannot be compared are told apart by their spelling.

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
            while len(self._known) >= _REMEMBERED:
                del self._known[next(iter(self._known))]
            self._known[pair] = same
        return self._known[pair]

    async def _compare(self, gold: str, answer: str) -> bool | None:
        from pebble import ProcessExpired

        for _ in range(_ATTEMPTS):
            pool = self._running()
            try:
                task = pool.schedule(verdict, args=(gold, answer, self.seconds), timeout=self.seconds)
                same: bool | None = await asyncio.wrap_future(task)
            except (TimeoutError, asyncio.TimeoutError, concurrent.futures.TimeoutError, ProcessExpired):
                self._answered = True
                return None
            except (BrokenProcessPool, RuntimeError):
                # Workers died between two comparisons, which takes pebble's whole pool down.
                if self._pool is pool:
                    self.close()
            else:
                self._answered = True
                return same
        if self._answered:
            return None
        raise GradingError(
            "The grading processes die as they start.",
            'On Windows, call tt_scale in a script under: if __name__ == "__main__":',
        )

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
            # Also where nobody closes: an interpreter that ends while a worker starts leaves that worker a traceback.
            self._end = weakref.finalize(self, _stop, self._pool)
        return self._pool


def _digest(gold: str, answer: str) -> bytes:
    """Name a pair, of whatever length."""
    return blake2b(f"{len(gold)} {gold}{answer}".encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _stop(pool: ProcessPool) -> None:
    pool.stop()
    pool.join()


def _nothing_to_end() -> None:
    pass


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Start threads and processes that never see Ctrl-C: both inherit the signal mask of the starting thread."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
