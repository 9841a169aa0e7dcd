"""`tt-scale compare`: run variants into one folder, loading the models once, and compare the results."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import cycle
from math import inf

from tt_scale.base_classes import Searcher
from tt_scale.bench.compare.interleaved import done_by_all, run_interleaved
from tt_scale.bench.compare.subsampled import derived_row, sources, vote_curve
from tt_scale.bench.compare.variants import Variant
from tt_scale.bench.rows import Row, Search
from tt_scale.bench.run.events import Compared, Reporter, silent
from tt_scale.bench.run.journal import read_records
from tt_scale.bench.run.origin import Origin, computed_by
from tt_scale.bench.run.plan import Plan, plan_runs
from tt_scale.bench.run.session import (
    aggregate_footer,
    first_temperature,
    journal_warnings,
    model_names,
    plan_warnings,
    ready,
    run_all,
    shared_warnings,
    warn,
)
from tt_scale.bench.stats.comparison import Comparison, Entry, compare_entries
from tt_scale.bench.stats.pairs import MAJORITY, revoted
from tt_scale.bench.stats.vote_curve import VoteCurve
from tt_scale.config import digest
from tt_scale.errors import ConfigError
from tt_scale.grading import Grader

__all__ = ["charged", "compare", "refuse_different_temperatures", "tagged", "with_votes", "without_prm"]


async def compare(
    variants: Sequence[Variant],
    report: Reporter = silent,
    *,
    derive: bool = True,
    minutes: float | None = None,
    processes: int = 1,
    quiet: Collection[str] = (),
) -> list[Comparison]:
    """Run every variant on every problem set, skipping finished searches, and compare the results.

    Args:
        variants: variants with the same run tag; at least one.
        report: callback for events.
        derive: derive runs with fewer samples from the pool of a wider one, instead of searching again.
        minutes: time limit for each problem set; the problems that all variants have finished are compared, and the
            next call continues. None runs everything.
        processes: number of processes that share the problems, each with its own models.
        quiet: keys that cause no warning if no method reads them.

    Returns:
        One comparison per problem set.

    Raises:
        TTScaleError: the input is invalid, before any model is loaded; later an EngineDeadError or a JournalError, with
            finished work on disk; a ConfigError if the time did not suffice for one problem.
    """
    configs = ready([each.config for each in variants])
    variants = [replace(each, config=config) for each, config in zip(variants, configs, strict=True)]
    first = variants[0].config
    grader = Grader(seconds=first.grade_timeout)
    names = [variant.folder for variant in variants]
    plans = plan_runs([variant.config for variant in variants], f"{grader.name} {grader.version}", names)
    warn(report, [*shared_warnings(configs, quiet), *plan_warnings(plans)])
    source_of = sources(plans) if derive else {}
    await run_and_derive(plans, source_of, grader, report, minutes, processes)
    done = _done(plans, source_of)
    for plan in plans[:: len(variants)]:
        derived = [each.name for i, each in enumerate(plans) if each.dataset == plan.dataset and i in source_of]
        report(Compared(plan.dataset, len(done[plan.dataset]), plan.total, tuple(derived)))
    entries, drawn = _entries(variants, plans, source_of, done)
    width = len(variants)
    footer = aggregate_footer([variant.config for variant in variants])
    comparisons = [
        compare_entries(
            dataset,
            model_names(first),
            with_votes(entries[start : start + width], drawn[start : start + width]),
            _curve(_searched(plans, source_of, dataset), done[dataset]),
        )
        for start, dataset in zip(range(0, len(plans), width), first.datasets, strict=True)
    ]
    return [
        replace(each, footer=footer + computed_by(_origins(_searched(plans, source_of, each.dataset))))
        for each in comparisons
    ]


def _origins(plans: Sequence[Plan]) -> list[Origin]:
    return [plan.journal.origin for plan in plans]


async def run_and_derive(
    plans: Sequence[Plan],
    source_of: Mapping[int, int],
    grader: Grader,
    report: Reporter,
    minutes: float | None = None,
    processes: int = 1,
) -> None:
    """Run the searches that are neither on disk nor derived; interleaved for a time limit or several processes."""
    searched = [plan for index, plan in enumerate(plans) if index not in source_of]
    with ExitStack() as stack:
        stack.enter_context(grader)
        for plan in searched:
            stack.enter_context(plan.journal)
        warn(report, journal_warnings(searched))
        if minutes is None and processes == 1:
            await run_all(searched, grader, report)
        else:
            for dataset in dict.fromkeys([plan.dataset for plan in searched]):
                of_dataset = [plan for plan in searched if plan.dataset == dataset]
                await run_interleaved(of_dataset, grader, report, inf if minutes is None else minutes, processes)


def _done(plans: Sequence[Plan], source_of: Mapping[int, int]) -> dict[str, frozenset[Search]]:
    """Problem set -> the searches that all its runs have finished."""
    done: dict[str, frozenset[Search]] = {}
    for dataset in dict.fromkeys([plan.dataset for plan in plans]):
        searched = _searched(plans, source_of, dataset)
        done[dataset] = done_by_all(searched)
        if not done[dataset]:
            raise ConfigError(
                f"The time ended before all {len(searched)} runs had searched one problem of {dataset}.",
                "Type the same command again; it continues.",
            )
    return done


def _searched(plans: Sequence[Plan], source_of: Mapping[int, int], dataset: str) -> list[Plan]:
    return [plan for index, plan in enumerate(plans) if plan.dataset == dataset and index not in source_of]


def tagged(variants: Sequence[Variant], command: str, *more: object) -> list[Variant]:
    """Give variants without a run tag a derived one, so that the same command uses the same folder again.

    Args:
        variants: variants of one command, with the same run tag.
        command: name of the command.
        more: further values that distinguish this command from others.
    """
    if variants[0].config.run_tag:
        return list(variants)
    identity = {"more": more, "variants": [each.config.experiment() for each in variants]}
    tag = f"{command}-{digest(identity)}"
    return [replace(each, config=each.config.changed(run_tag=tag)) for each in variants]


def refuse_different_temperatures(variants: Sequence[Variant], varied: Collection[str]) -> None:
    """Reject methods that sample at different temperatures, unless temperature is varied.

    Raises:
        ConfigError: first steps are sampled at different temperatures, and temperature is not varied.
    """
    temperatures = {each.config.method: first_temperature(each.config) for each in variants}
    if len(set(temperatures.values()) - {None}) > 1 and not {"temperature", "temp_origin"} & set(varied):
        shown = ", ".join([f"{method} at {value}" for method, value in temperatures.items() if value is not None])
        first = next(value for value in temperatures.values() if value is not None)
        raise ConfigError(
            f"The methods would sample at different temperatures ({shown}).",
            f"Type: --temperature {first} --temp-origin {first}",
        )


def _entries(
    variants: Sequence[Variant],
    plans: Sequence[Plan],
    source_of: Mapping[int, int],
    done: Mapping[str, frozenset[Search]],
) -> tuple[list[Entry], list[bool]]:
    """One entry per plan, and whether the plan samples independent solutions."""
    derived = _derived(plans, source_of)
    rows = [
        [row for row in derived.get(index, plan.journal.rows) if (row.id, row.repeat) in done[plan.dataset]]
        for index, plan in enumerate(plans)
    ]
    entries = []
    for index, (plan, variant) in enumerate(zip(plans, cycle(variants), strict=False)):
        counted = charged(rows[index], plan.searcher, plan.config.selector)
        entries.append(
            Entry(
                variant.label,
                variant.budget,
                counted,
                str(plans[source_of.get(index, index)].journal.folder),
                derived=index in derived,
                votes=_votes(plan),
                samples=plan.searcher.samples,
                selector=plan.config.selector or plan.searcher.selector,
                final_agg=plan.config.final_agg,
                prm_counts=counted is rows[index],
            )
        )
    return entries, [plan.searcher.samples is not None for plan in plans]


def _votes(plan: Plan) -> bool:
    return plan.searcher.samples is not None and (plan.config.selector or plan.searcher.selector) == MAJORITY


def _derived(plans: Sequence[Plan], source_of: Mapping[int, int]) -> dict[int, list[Row]]:
    """Rows of derived runs by plan index; each source is read once."""
    rows: dict[int, list[Row]] = {index: [] for index in source_of}
    for source in sorted(set(source_of.values())):
        indices = [index for index in source_of if source_of[index] == source]
        for record in read_records(plans[source].journal.folder):
            for index in indices:
                plan = plans[index]
                selector = plan.config.selector or plan.searcher.selector
                row = derived_row(record, plan.searcher.samples or 1, selector, plan.config.final_agg)
                rows[index].append(row)
    return rows


def _curve(plans: Sequence[Plan], done: frozenset[Search]) -> VoteCurve | None:
    """The vote over the widest pool of independent samples among the searched runs; None if there is no such run."""
    sampled = [(plan.searcher.samples, plan) for plan in plans if plan.searcher.samples is not None]
    if not sampled:
        return None
    samples, widest = max(sampled, key=lambda pair: pair[0])
    return vote_curve(widest.journal.folder, samples, done)


def charged(rows: Sequence[Row], searcher: Searcher, selector: str | None) -> Sequence[Row]:
    """Set the PRM's usage to 0 if neither the search nor the selector uses scores: the PRM then served only reporting.

    A method with the selector "weighted" that uses no PRM has weights of its own.

    Args:
        rows: rows of a run.
        searcher: its method.
        selector: selector of its configuration; None is that of the method.
    """
    chosen = selector or searcher.selector
    if searcher.uses_prm or chosen == "best" or (chosen == "weighted" and searcher.selector != "weighted"):
        return rows
    return [without_prm(row) for row in rows]


def with_votes(entries: Sequence[Entry], drawn: Sequence[bool]) -> list[Entry]:
    """Add a majority vote over the same pool after each method that samples independent solutions.

    It costs the same tokens and needs no PRM. It is not added at a budget at which some method votes anyway.

    Args:
        entries: entries of one problem set [entries].
        drawn: whether each samples independent solutions [entries].
    """
    extended = []
    voting = {entry.budget for entry in entries if entry.votes}
    for entry, independent in zip(entries, drawn, strict=True):
        extended.append(entry)
        if independent and not entry.votes and entry.budget not in voting:
            rows = [without_prm(revoted(row)) for row in entry.rows]
            label = f"{MAJORITY} of {entry.label}"
            extended.append(Entry(label, entry.budget, rows, entry.folder, derived=True, votes=True))
    return extended


def without_prm(row: Row) -> Row:
    """The row with the PRM's usage set to 0."""
    return replace(row, usage=replace(row.usage, prm_tokens=0, cached_prm_tokens=0, prm_calls=0))
