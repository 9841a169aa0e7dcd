"""`tt-scale compare` from configurations to what is told: runs in one folder, with the models opened once."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import cycle
from math import inf

from tt_scale.base_classes import Searcher
from tt_scale.bench.compare.interleaved import Search, done_by_all, run_interleaved
from tt_scale.bench.compare.subsampled import derived_row, sources, vote_curve
from tt_scale.bench.compare.variants import Variant
from tt_scale.bench.record import Row
from tt_scale.bench.run.events import Compared, Reporter, silent
from tt_scale.bench.run.journal import read_records
from tt_scale.bench.run.origin import Origin, computed_by
from tt_scale.bench.run.plan import Plan, plan_runs
from tt_scale.bench.run.session import (
    aggregate_footer,
    first_temperature,
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

__all__ = ["charged", "compare", "refuse_different_heat", "tagged", "with_votes", "without_prm"]


async def compare(
    variants: Sequence[Variant],
    report: Reporter = silent,
    *,
    derive: bool = True,
    minutes: float | None = None,
    processes: int = 1,
    quiet: Collection[str] = (),
) -> list[Comparison]:
    """Run every variant over every problem set, as far as that was not done before, and hold the results together.

    Args:
        variants: with one run tag; at least one.
        report: is told what happens.
        derive: read runs with fewer samples off the pool of a wider one, instead of searching anew.
        minutes: for each problem set; what all variants have done by then is compared, and the next call goes on.
            None runs everything.
        processes: that share the problems, each with models of its own.
        quiet: keys that are not warned about where no method reads them.

    Returns:
        One comparison for each problem set.

    Raises:
        TTScaleError: before any model is loaded where the input is at fault; an EngineDeadError or a JournalError
            later, with everything that was finished on disk; a ConfigError where time was too short for one problem.
    """
    configs = ready([each.config for each in variants])
    variants = [replace(each, config=config) for each, config in zip(variants, configs, strict=True)]
    first = variants[0].config
    grader = Grader(seconds=first.grade_timeout)
    names = [variant.folder for variant in variants]
    plans = plan_runs([variant.config for variant in variants], f"{grader.name} {grader.version}", names)
    warn(report, [*shared_warnings(configs, quiet), *plan_warnings(plans)])
    read_off = sources(plans) if derive else {}
    await run_and_derive(plans, read_off, grader, report, minutes, processes)
    done = _done(plans, read_off)
    for plan in plans[:: len(variants)]:
        derived = [each.name for place, each in enumerate(plans) if each.dataset == plan.dataset and place in read_off]
        report(Compared(plan.dataset, len(done[plan.dataset]), plan.total, tuple(derived)))
    entries, drawn = _entries(variants, plans, read_off, done)
    width = len(variants)
    footer = aggregate_footer([variant.config for variant in variants])
    found = [
        compare_entries(
            dataset,
            model_names(first),
            with_votes(entries[start : start + width], drawn[start : start + width]),
            _curve(_searched(plans, read_off, dataset), done[dataset]),
        )
        for start, dataset in zip(range(0, len(plans), width), first.datasets, strict=True)
    ]
    return [
        replace(each, footer=footer + computed_by(_origins(_searched(plans, read_off, each.dataset)))) for each in found
    ]


def _origins(plans: Sequence[Plan]) -> list[Origin]:
    return [plan.journal.origin for plan in plans]


async def run_and_derive(
    plans: Sequence[Plan],
    read_off: Mapping[int, int],
    grader: Grader,
    report: Reporter,
    minutes: float | None = None,
    processes: int = 1,
) -> None:
    """Search what is neither on disk nor in another run's pool; with a limit or several processes by problem."""
    searched = [plan for place, plan in enumerate(plans) if place not in read_off]
    with ExitStack() as stack:
        stack.enter_context(grader)
        for plan in searched:
            stack.enter_context(plan.journal)
        if minutes is None and processes == 1:
            await run_all(searched, grader, report)
        else:
            for dataset in dict.fromkeys([plan.dataset for plan in searched]):
                its = [plan for plan in searched if plan.dataset == dataset]
                await run_interleaved(its, grader, report, inf if minutes is None else minutes, processes)


def _done(plans: Sequence[Plan], read_off: Mapping[int, int]) -> dict[str, frozenset[Search]]:
    """Problem set -> the searches that all its runs have finished."""
    found: dict[str, frozenset[Search]] = {}
    for dataset in dict.fromkeys([plan.dataset for plan in plans]):
        its = _searched(plans, read_off, dataset)
        found[dataset] = done_by_all(its)
        if not found[dataset]:
            raise ConfigError(
                f"The time ended before all {len(its)} runs had searched one problem of {dataset}.",
                "Type the same command again: it goes on.",
            )
    return found


def _searched(plans: Sequence[Plan], read_off: Mapping[int, int], dataset: str) -> list[Plan]:
    return [plan for place, plan in enumerate(plans) if plan.dataset == dataset and place not in read_off]


def tagged(variants: Sequence[Variant], command: str, *more: object) -> list[Variant]:
    """Give variants without a run tag one that names them, so that the same command finds its folder again.

    Args:
        variants: of one command, with one run tag.
        command: its name.
        more: what else tells this command from another.
    """
    if variants[0].config.run_tag:
        return list(variants)
    whole = {"more": more, "variants": [each.config.experiment() for each in variants]}
    tag = f"{command}-{digest(whole)}"
    return [replace(each, config=each.config.changed(run_tag=tag)) for each in variants]


def refuse_different_heat(variants: Sequence[Variant], varied: Collection[str]) -> None:
    """A method that samples at another temperature is another experiment, unless temperature is what is compared.

    Raises:
        ConfigError: first steps are sampled at different temperatures, and nobody asked for it.
    """
    heats = {each.config.method: first_temperature(each.config) for each in variants}
    if len(set(heats.values()) - {None}) > 1 and not {"temperature", "temp_origin"} & set(varied):
        shown = ", ".join([f"{method} at {heat}" for method, heat in heats.items() if heat is not None])
        heat = next(heat for heat in heats.values() if heat is not None)
        raise ConfigError(
            f"The methods would sample at different temperatures ({shown}).",
            f"Type: --temperature {heat} --temp-origin {heat}",
        )


def _entries(
    variants: Sequence[Variant],
    plans: Sequence[Plan],
    read_off: Mapping[int, int],
    done: Mapping[str, frozenset[Search]],
) -> tuple[list[Entry], list[bool]]:
    """One line for each plan, and whether it draws independent solutions."""
    derived = _derived(plans, read_off)
    rows = [
        [row for row in derived.get(place, plan.journal.rows) if (row.id, row.repeat) in done[plan.dataset]]
        for place, plan in enumerate(plans)
    ]
    entries = []
    for place, (plan, variant) in enumerate(zip(plans, cycle(variants), strict=False)):
        counted = charged(rows[place], plan.searcher, plan.config.selector)
        entries.append(
            Entry(
                variant.label,
                variant.budget,
                counted,
                str(plans[read_off.get(place, place)].journal.folder),
                derived=place in derived,
                votes=_votes(plan),
                samples=plan.searcher.samples,
                selector=plan.config.selector or plan.searcher.selector,
                final_agg=plan.config.final_agg,
                prm_counts=counted is rows[place],
            )
        )
    return entries, [plan.searcher.samples is not None for plan in plans]


def _votes(plan: Plan) -> bool:
    return plan.searcher.samples is not None and (plan.config.selector or plan.searcher.selector) == MAJORITY


def _derived(plans: Sequence[Plan], read_off: Mapping[int, int]) -> dict[int, list[Row]]:
    """The rows of runs that were not searched, each source read once."""
    found: dict[int, list[Row]] = {place: [] for place in read_off}
    for source in sorted(set(read_off.values())):
        wanted = [place for place in read_off if read_off[place] == source]
        for record in read_records(plans[source].journal.folder):
            for place in wanted:
                plan = plans[place]
                selector = plan.config.selector or plan.searcher.selector
                row = derived_row(record, plan.searcher.samples or 1, selector, plan.config.final_agg)
                found[place].append(row)
    return found


def _curve(plans: Sequence[Plan], done: frozenset[Search]) -> VoteCurve | None:
    """The vote over the widest pool of independent samples among runs that were searched; None where there is none."""
    known = [(plan.searcher.samples, plan) for plan in plans if plan.searcher.samples is not None]
    if not known:
        return None
    samples, widest = max(known, key=lambda pair: pair[0])
    return vote_curve(widest.journal.folder, samples, done)


def charged(rows: Sequence[Row], searcher: Searcher, selector: str | None) -> Sequence[Row]:
    """Leave out what the PRM read where neither search nor selector looks at scores: then it only served the report.

    A method that votes by weight without a PRM brings weights of its own.

    Args:
        rows: of a run.
        searcher: its method.
        selector: of its configuration; None is that of the method.
    """
    chosen = selector or searcher.selector
    if searcher.uses_prm or chosen == "best" or (chosen == "weighted" and searcher.selector != "weighted"):
        return rows
    return [without_prm(row) for row in rows]


def with_votes(entries: Sequence[Entry], drawn: Sequence[bool]) -> list[Entry]:
    """Put behind methods that draw independent solutions what a majority vote over the very same pool answers.

    It costs the same tokens and needs no PRM. A budget at which some method votes anyway gets no such line.

    Args:
        entries: of one problem set [entries].
        drawn: whether each draws independent solutions [entries].
    """
    found = []
    voting = {entry.budget for entry in entries if entry.votes}
    for entry, independent in zip(entries, drawn, strict=True):
        found.append(entry)
        if independent and not entry.votes and entry.budget not in voting:
            rows = [without_prm(revoted(row)) for row in entry.rows]
            label = f"{MAJORITY} of {entry.label}"
            found.append(Entry(label, entry.budget, rows, entry.folder, derived=True, votes=True))
    return found


def without_prm(row: Row) -> Row:
    """Leave out what the PRM read for one search."""
    return replace(row, usage=replace(row.usage, prm_tokens=0, cached_prm_tokens=0, prm_calls=0))
