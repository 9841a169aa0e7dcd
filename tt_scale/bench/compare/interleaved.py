"""Interleaved runs: search problem by problem over all runs, so that a time limit leaves them on the same problems."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from itertools import takewhile
from time import monotonic

from tt_scale.bench.rows import Row, Search
from tt_scale.bench.run.events import Reporter, RunCounter, RunProgress, loading
from tt_scale.bench.run.executor import Work, missing_searches
from tt_scale.bench.run.open_models import loaded_names
from tt_scale.bench.run.plan import Plan
from tt_scale.bench.run.processes import Shared, search_in_processes
from tt_scale.bench.run.session import first_scores, make_executor, runs_planned
from tt_scale.grading import Grader

__all__ = ["balanced", "done_by_all", "run_interleaved"]


def done_by_all(plans: Sequence[Plan]) -> frozenset[Search]:
    """Searches that every run has finished, for the first problems and with the same number of repeats of each.

    Args:
        plans: at least one, on the same problems; their journals were opened.
    """
    done = frozenset.intersection(*[frozenset(plan.journal.done()) for plan in plans])
    return balanced(done, [problem.id for problem in plans[0].problems])


def balanced(done: frozenset[Search], problems: Sequence[str]) -> frozenset[Search]:
    """Select a balanced subset of finished searches; in an interrupted run, easy problems finish first.

    The subset has the n problems before the first that lacks a search, with r repeats each. The number of repeats r
    maximises n 2r / (1 + r), the effective number of problems if half of the variance is between problems and half
    between searches of one.

    Args:
        done: problem ids and repeats, from 0.
        problems: problem ids in the order of the search.
    """
    repeats = range(1, 1 + max([repeat + 1 for _, repeat in done], default=0))
    first = {
        count: list(takewhile(lambda each: all((each, number) in done for number in range(count)), problems))  # noqa: B023
        for count in repeats
    }
    best = max(repeats, key=lambda count: len(first[count]) * 2 * count / (1 + count), default=0)
    return frozenset([(each, number) for each in first.get(best, ()) for number in range(best)])


async def run_interleaved(
    plans: Sequence[Plan], grader: Grader, report: Reporter, minutes: float, processes: int = 1
) -> None:
    """Run missing searches until the time limit: one problem for all runs, then the next.

    Searches in progress at the time limit are finished. Loading the models counts only if several processes each load
    their own.

    Args:
        plans: runs on the same problems, with the same models; their journals are open.
        grader: an open grader.
        report: callback for events.
        minutes: time limit in minutes of wall-clock time, at least 0; 0 searches nothing.
        processes: number of processes that share the problems, each with its own models, at least 1.

    Raises:
        EngineDeadError: the engine died; finished searches are in the journals.
        JournalError: a journal can no longer be written.
    """
    total, done = sum([plan.total for plan in plans]), sum([len(plan.journal.rows) for plan in plans])
    if done == total or not minutes:
        return
    first = plans[0].config
    async with make_executor(first, report) as executor:
        if processes == 1:
            await executor.check(plans)
        scores = [(await first_scores(plan, executor))[0] for plan in plans]
        if processes == 1:
            end = monotonic() + 60 * minutes
            report(runs_planned([total - done], plans, executor.at_once))
            work = Work(
                plans,
                scores,
                grader,
                lambda: takewhile(lambda _: monotonic() < end, missing_searches(plans)),
                lambda: RunCounter(report, _progress(plans, total, executor.at_once)),
            )
            await executor.search(work)
            return
    shared = Shared(
        [plan.config for plan in plans],
        [plan.searcher for plan in plans],
        scores,
        plans[0].problems,
        sorted(missing_searches(plans), key=lambda task: task[1]),
        monotonic() + 60 * minutes,
    )
    counter = RunCounter(report, _progress(plans, total, first.concurrency * processes))
    await _in_processes(shared, processes, plans, counter, report)


def _progress(plans: Sequence[Plan], total: int, at_once: int) -> RunProgress:
    rows = [row for plan in plans for row in plan.journal.rows]
    label = f"{plans[0].dataset} {len(plans)} runs"
    return RunProgress(label, total, len(rows), sum([row.correct for row in rows]), at_once=at_once)


async def _in_processes(
    shared: Shared, processes: int, plans: Sequence[Plan], counter: RunCounter, report: Reporter
) -> None:
    """Search in several processes; report the loading of their models, then their progress."""
    with ExitStack() as stack:
        stack.enter_context(loading(report, loaded_names(shared.configs[0])))

        def ready() -> None:
            stack.close()
            at_once = shared.configs[0].concurrency * processes
            report(runs_planned([len(shared.tasks)], plans, at_once))
            stack.enter_context(counter)

        def finished(row: Row, place: int) -> None:
            counter.one_more(row, plans[place].label)

        journals = [plan.journal for plan in plans]
        await search_in_processes(shared, processes, journals, finished, ready, report)
