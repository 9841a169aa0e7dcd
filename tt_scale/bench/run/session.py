"""One command: several methods over several problem sets, with the models opened once.

Everything that can be wrong is found before a model is loaded: keys, methods, problem sets, run folders.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path as FilePath

from tt_scale.backends import resolve_generator
from tt_scale.bench.record import Row
from tt_scale.bench.run.config_warnings import first_temperature, sample_warnings, shared_warnings, warnings
from tt_scale.bench.run.csv_logs import (
    SummaryLine,
    append_summary,
    in_summary,
    summary_line,
    summary_path,
    write_detail_log,
)
from tt_scale.bench.run.distribute.requirements import check_distribution
from tt_scale.bench.run.events import (
    Reporter,
    Resumed,
    RunCounter,
    RunProgress,
    RunsPlanned,
    Warned,
    silent,
)
from tt_scale.bench.run.executor import SearchExecutor, Work, missing_searches
from tt_scale.bench.run.local_executor import LocalExecutor
from tt_scale.bench.run.open_models import Models, loaded_names, model_names
from tt_scale.bench.run.plan import Plan, plan_runs
from tt_scale.config import Config
from tt_scale.core.aggregate import aggregates_in_words
from tt_scale.errors import JournalError
from tt_scale.grading import Grader
from tt_scale.models import make_models, make_searcher
from tt_scale.preflight import preflight
from tt_scale.space.first_steps import asked_quantile, known_tau

__all__ = [
    "Models",
    "aggregate_footer",
    "Plan",
    "bench",
    "first_scores",
    "first_temperature",
    "journal_warnings",
    "loaded_names",
    "make_executor",
    "model_names",
    "plan_runs",
    "plan_warnings",
    "progress_of",
    "ready",
    "run_all",
    "run_plan",
    "runs_planned",
    "shared_warnings",
    "rows_by_set",
    "warn",
    "warnings",
]


async def bench(configs: Sequence[Config], report: Reporter = silent, quiet: Collection[str] = ()) -> list[Plan]:
    """Run each configuration over each of its problem sets.

    Args:
        configs: equal but for the method; at least one.
        report: is told what happens.
        quiet: as of `warnings`.

    Returns:
        Every run, its rows in its journal.

    Raises:
        TTScaleError: before any model is loaded where the input is at fault; an EngineDeadError or a JournalError
            later, with everything that was finished on disk.
    """
    grader = Grader(seconds=configs[0].grade_timeout)
    configs = ready(configs)
    plans = plan_runs(configs, f"{grader.name} {grader.version}")
    warn(report, [*warnings(configs, quiet), *plan_warnings(plans)])
    with ExitStack() as stack:
        stack.enter_context(grader)
        for plan in plans:
            stack.enter_context(plan.journal)
        warn(report, journal_warnings(plans))
        await run_all(plans, grader, report)
    return plans


def rows_by_set(plans: Sequence[Plan]) -> dict[str, dict[str, list[Row]]]:
    """Problem set -> method -> the rows of its run."""
    found: dict[str, dict[str, list[Row]]] = {}
    for plan in plans:
        found.setdefault(plan.dataset, {})[plan.config.method] = plan.journal.rows
    return found


def ready(configs: Sequence[Config]) -> list[Config]:
    """Find what is wrong with methods and models before anything is loaded or written; no folder is made.

    Args:
        configs: equal but for the method; at least one.

    Returns:
        The same with what the generator's backend decides, and the context that it will have.
    """
    check_distribution(configs[0])
    configs = [resolve_generator(config).cls.prepared(config) for config in configs]
    make_models(configs[0])
    for config in configs:
        make_searcher(config)
    context = preflight(configs[0]).max_model_len
    changed = [] if context == configs[0].max_model_len else [("max_model_len", context)]
    return [config.model_copy(update=dict(changed)) for config in configs]


def warn(report: Reporter, warnings: Sequence[str]) -> None:
    """Report warnings one by one."""
    for warning in warnings:
        report(Warned(warning))


def plan_warnings(plans: Sequence[Plan]) -> list[str]:
    """What is said of problem sets, once for each."""
    sets = {plan.dataset: plan for plan in plans}
    return [each for name, plan in sets.items() for each in sample_warnings(plan.config, name, plan.problems)]


def journal_warnings(plans: Sequence[Plan]) -> list[str]:
    """Warnings about journals as they were found."""
    return [warning for plan in plans for warning in plan.journal.warnings]


def make_executor(config: Config, report: Reporter) -> SearchExecutor:
    """Make what carries out the searches of a command; nothing is loaded before it is needed."""
    if config.distribute == "ray":
        from tt_scale.bench.run.distribute.replicas import Replicas

        return Replicas(config, report)
    return LocalExecutor(config, report)


async def run_all(
    plans: Sequence[Plan], grader: Grader, report: Reporter, executor: SearchExecutor | None = None
) -> None:
    """Search what runs still lack, with the models opened once, or not at all where nothing is lacking.

    Args:
        plans: at least one, of the same models; their journals are open.
        grader: open.
        report: is told what happens.
        executor: to use and leave open; None opens and closes that of the plans.
    """
    if executor is None:
        async with make_executor(plans[0].config, report) as own:
            return await run_all(plans, grader, report, own)
    for plan in plans:
        if plan.journal.rows and len(plan.journal.rows) == plan.total:
            warn(report, _write_missing_tables(plan))
    total, done = sum([plan.total for plan in plans]), sum([len(plan.journal.rows) for plan in plans])
    if done:
        report(Resumed(done, "searches", total))
    if done == total:
        return None
    warn(report, _updates(plans))
    await executor.check(plans)
    lacking = [plan.total - len(plan.journal.rows) for plan in plans]
    report(runs_planned([count for count in lacking if count], plans, executor.at_once))
    for plan in plans:
        await run_plan(plan, grader, report, executor)
    return None


def _write_missing_tables(plan: Plan) -> list[str]:
    """Write the tables of a finished run that are missing: left out, deleted since, or it was killed before them.

    Returns:
        A warning if the summary cannot take its line; the run can be shown all the same.
    """
    detail = plan.journal.folder / "detail.csv"
    if plan.config.detail_log and not detail.exists():
        write_detail_log(detail, plan.journal.rows)
    line = _summary_line(plan, 0.0, _known_tau(plan))
    try:
        if not in_summary(summary_path(plan.config), line):
            append_summary(summary_path(plan.config), line)
    except JournalError as error:
        return [str(error)]
    return []


def _summary_line(plan: Plan, elapsed: float, tau: float | None) -> SummaryLine:
    journal = plan.journal
    return summary_line(plan.config, plan.dataset, journal.folder, journal.rows, elapsed, tau, journal.first_steps)


def _updates(plans: Sequence[Plan]) -> list[str]:
    """What a run that goes on must know about its beginning."""
    told = []
    for plan in plans:
        changes = ", ".join([f"{name} {then} then, {now} now" for name, (then, now) in plan.journal.updated.items()])
        if changes and plan.journal.rows:
            told.append(f"{plan.journal.folder} was begun with other versions ({changes}); numbers may differ.")
    return told


async def run_plan(plan: Plan, grader: Grader, report: Reporter, executor: SearchExecutor) -> None:
    """Search what a run still lacks. Ends with the detail log and a row of the summary.

    Args:
        plan: of the run; its journal is open.
        grader: open.
        report: is told what happens.
        executor: has the models of the run.
    """
    config, journal = plan.config, plan.journal
    if len(journal.rows) == plan.total:
        return
    began = time.monotonic()
    scores, tau = await first_scores(plan, executor)
    work = Work(
        [plan],
        [scores],
        grader,
        lambda: missing_searches([plan]),
        lambda: RunCounter(report, progress_of(plan, executor.at_once)),
    )
    with _detail_log(plan):
        await executor.search(work)
    elapsed = time.monotonic() - began
    append_summary(summary_path(config), _summary_line(plan, elapsed, tau))


def runs_planned(pieces: Sequence[int], plans: Sequence[Plan], at_once: int) -> RunsPlanned:
    """What is about to be done, as previous run segments left it.

    Args:
        pieces: as of `RunsPlanned`.
        plans: their journals are open.
        at_once: as of `RunsPlanned`.
    """
    rows = tuple([tuple(plan.journal.rows) for plan in plans])
    return RunsPlanned(tuple(pieces), at_once, tuple([progress_of(plan, at_once) for plan in plans]), rows)


def progress_of(plan: Plan, at_once: int) -> RunProgress:
    """How far a run is; its journal is open, and so many of its searches are in flight at a time."""
    rows, journal = plan.journal.rows, plan.journal
    correct = sum([row.correct for row in rows])
    return RunProgress(plan.label, plan.total, len(rows), correct, at_once=at_once, folder=str(journal.folder))


@contextmanager
def _detail_log(plan: Plan) -> Iterator[None]:
    """Write the detail log at the end; where something else ended the run, that alone is said."""
    path = plan.journal.folder / "detail.csv"
    try:
        yield
    except JournalError:  # the folder is full or gone
        raise
    except BaseException:
        with suppress(JournalError):
            _write_details(plan, path)
        raise
    _write_details(plan, path)


def _write_details(plan: Plan, path: FilePath) -> None:
    if plan.config.detail_log:
        write_detail_log(path, plan.journal.rows)


async def first_scores(plan: Plan, executor: SearchExecutor) -> tuple[tuple[float, ...], float | None]:
    """What a quantile is taken of and comes to, drawn once and kept with the run; a number as `tau` needs no scores."""
    asked, journal = asked_quantile(plan.searcher), plan.journal
    if asked is not None and journal.first_steps is None:
        journal.keep_first_steps(await executor.measure(plan))
    return journal.first_steps.scores if asked is not None and journal.first_steps else (), _known_tau(plan)


def _known_tau(plan: Plan) -> float | None:
    """The score that steps of a run are judged by."""
    first_steps = plan.journal.first_steps
    return known_tau(getattr(plan.searcher, "tau", None), first_steps.value if first_steps else None)


def aggregate_footer(configs: Sequence[Config]) -> tuple[str, ...]:
    """The sentence below tables that states the aggregates of runs; none where no run has a PRM."""
    return aggregates_in_words([(config.agg, config.final_agg) for config in configs if config.has_prm])
