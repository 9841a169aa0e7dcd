"""Searches in several processes: each has models of its own, and one process alone writes the journals.

Where models are small, searching takes more time than asking them, and Python searches on one core.
"""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import groupby, takewhile
from multiprocessing.connection import Connection, wait
from time import monotonic
from typing import TYPE_CHECKING

from tt_scale.base_classes import PRM, Generator, Searcher
from tt_scale.bench.record import Row
from tt_scale.bench.run.events import Event, Reporter, Warned, silent
from tt_scale.bench.run.open_models import Models
from tt_scale.bench.run.runner import Run, Task, run_tasks
from tt_scale.bench.run.signals import wait_for
from tt_scale.config import Config
from tt_scale.core.records import Problem
from tt_scale.engines.micro_batcher import share_thread
from tt_scale.errors import EngineDeadError, TTScaleError
from tt_scale.grading import Grader

if TYPE_CHECKING:
    from multiprocessing.sharedctypes import Synchronized

    from tt_scale.bench.run.journal import Journal

__all__ = ["Shared", "search_in_processes"]


READY = "ready"
"""What a process sends once its models are loaded."""


@dataclass(frozen=True)
class Shared:
    """What the processes search together.

    Attributes:
        configs: of the runs, with the same models [runs].
        searchers: their methods [runs].
        first_scores: of which a quantile as `tau` is taken, for each run [runs][scores].
        problems: of the set.
        tasks: in the order in which they are begun; those of one problem, side by side, go to one process, since what
            a model read of it is there.
        end: no search is begun after this time of the monotonic clock.
    """

    configs: Sequence[Config]
    searchers: Sequence[Searcher]
    first_scores: Sequence[Sequence[float]]
    problems: Sequence[Problem]
    tasks: Sequence[Task]
    end: float


async def search_in_processes(
    shared: Shared,
    processes: int,
    journals: Sequence[Journal],
    finished: Callable[[Row, int], None],
    ready: Callable[[], None] = lambda: None,
    report: Reporter = silent,
) -> None:
    """Search in several processes, each taking the next problem when it has room; journals are fed.

    Args:
        shared: what is searched.
        processes: at least 1; no more are started than there are problems.
        journals: of the runs, open [runs].
        finished: called with each new row and the place of its run.
        ready: called when the first process has loaded its models, before any row.
        report: is told what goes wrong with models.

    Raises:
        EngineDeadError: a process died, or its engine; what was done is in the journals.
        TTScaleError: what ended a process.
        JournalError: a journal cannot be written any more.
    """
    with _started(shared, processes) as ends:
        open_ends, loaded = list(ends), False
        while open_ends:
            for end in await asyncio.to_thread(wait, open_ends, 0.2):
                assert isinstance(end, Connection)
                try:
                    found = end.recv()
                except EOFError:
                    raise EngineDeadError("A process that searched died. What it had finished is kept.") from None
                if found is None:
                    open_ends.remove(end)
                elif found == READY:
                    if not loaded:
                        ready()
                    loaded = True
                elif isinstance(found, BaseException):
                    raise found
                elif isinstance(found, Warned):
                    report(found)
                else:
                    place, line, row = found
                    finished(journals[place].append_line(line, row), place)


@contextmanager
def _started(shared: Shared, count: int) -> Iterator[list[Connection]]:
    context = multiprocessing.get_context("spawn")
    begun = context.Value("q", 0)
    ends, processes = [], []
    try:
        for _ in range(min(count, len({task[1] for task in shared.tasks}))):
            ours, theirs = context.Pipe(duplex=False)
            process = context.Process(target=_work, args=(shared, begun, theirs))
            process.start()
            processes.append(process)
            theirs.close()  # so that the death of the process is the end of what can be read
            ends.append(ours)
        yield ends
    except BaseException:
        for end, process in zip(ends, processes, strict=False):
            end.close()  # one that is sending would wait for a reader for ever
            process.terminate()
        raise
    finally:
        for process in processes:
            process.join()


def _work(shared: Shared, begun: Synchronized[int], end: Connection) -> None:
    """In the new process: search, and send what is found; at last None, or what ended it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who started it decides
    gc.set_threshold(100_000, 50, 50)  # what is remembered is millions of objects, and none of them is garbage
    with suppress(asyncio.CancelledError, BrokenPipeError):  # ended by who started it
        try:
            wait_for(_search(shared, begun, end))
            end.send(None)
        except TTScaleError as error:
            end.send(error)


class _Sender:
    """Stands for the journal of a run: what it is given goes to the process that writes."""

    def __init__(self, place: int, end: Connection, unfinished: dict[Task, None]) -> None:
        self._place = place
        self._end = end
        self._unfinished = unfinished

    def append_line(self, line: bytes, entry: Row) -> Row:
        self._end.send((self._place, line, entry))
        del self._unfinished[self._place, entry.index, entry.repeat]
        return entry


async def _search(shared: Shared, begun: Synchronized[int], end: Connection) -> None:
    share_thread()
    first = shared.configs[0]
    unfinished: dict[Task, None] = {}
    new = takewhile(lambda _: monotonic() < shared.end, _taken(shared.tasks, begun))

    def tasks() -> Iterator[Task]:
        yield from list(unfinished)  # of models that were restarted
        for task in new:
            unfinished[task] = None
            yield task

    async def search(generator: Generator, prm: PRM | None) -> None:
        for config, searcher in zip(shared.configs, shared.searchers, strict=True):
            generator.check_search(searcher, config)
        end.send(READY)
        runs = [
            Run(
                *(config, searcher, generator, prm, grader, _Sender(place, end, unfinished), lambda _: None),
                first_scores=scores,
            )
            for place, (config, searcher, scores) in enumerate(
                zip(shared.configs, shared.searchers, shared.first_scores, strict=True)
            )
        ]
        await run_tasks(runs, shared.problems, tasks())

    with Grader(seconds=first.grade_timeout, workers=1) as grader:
        async with Models(first, lambda event: _send_warning(end, event), summary=False) as models:
            await models.use(search)


def _send_warning(end: Connection, event: Event) -> None:
    """Send what the user must know; that models load is reported by the process that waits for them."""
    if isinstance(event, Warned):
        end.send(event)


def _taken(tasks: Sequence[Task], begun: Synchronized[int]) -> Iterator[Task]:
    """The tasks of one problem after the other, of those that no process has begun; `begun` counts problems."""
    problems = [list(group) for _, group in groupby(tasks, key=lambda task: task[1])]
    while True:
        with begun.get_lock():
            number = begun.value
            begun.value += 1
        if number >= len(problems):
            return
        yield from problems[number]
