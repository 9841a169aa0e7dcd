"""`tt-scale sweep`: rank recipes of one method on some problems, then test the best on held-out problems."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

from tt_scale.bench.compare.compare_command import charged
from tt_scale.bench.compare.grid import DEFAULT
from tt_scale.bench.compare.variants import Variant
from tt_scale.bench.run.config_warnings import sample_warnings
from tt_scale.bench.run.events import Reporter, silent
from tt_scale.bench.run.executor import SearchExecutor
from tt_scale.bench.run.origin import computed_by
from tt_scale.bench.run.plan import Plan, plans_over, problems_of
from tt_scale.bench.run.session import (
    aggregate_footer,
    journal_warnings,
    make_executor,
    ready,
    run_all,
    shared_warnings,
    warn,
)
from tt_scale.bench.stats.comparison import Entry
from tt_scale.bench.stats.pairs import Pair, corrected, paired_differences, uncorrected_differences
from tt_scale.config import DISTRIBUTED_KEYS, Config
from tt_scale.core.records import Problem
from tt_scale.errors import ConfigError
from tt_scale.grading import Grader
from tt_scale.problems.identity import sample

__all__ = ["ALLOWANCE", "Sweep", "ranked", "recipe_keys", "run_sweep"]

ALLOWANCE = 1.05
"""Maximum tokens of a ranked recipe per token of the default."""


@dataclass(frozen=True)
class Sweep:
    """Result of a sweep.

    Attributes:
        dataset: the problem set.
        ranking: recipes within the token allowance, the best first.
        over_allowance: the other recipes, by accuracy.
        differences: label -> the recipe against the default on the same problems, corrected for their number.
        winner: the first of `ranking`.
        held: winner and default on the held-out problems; None if none were held out or the default won.
        held_pair: their paired difference.
        held_problems: number of held-out problems.
        footer: sentences printed below its tables.
    """

    dataset: str
    ranking: Sequence[Entry]
    over_allowance: Sequence[Entry]
    differences: dict[str, Pair]
    winner: Variant
    held: tuple[Entry, Entry] | None
    held_pair: Pair | None
    held_problems: int
    footer: tuple[str, ...] = ()


async def run_sweep(
    recipes: Sequence[Variant], share: float, report: Reporter = silent, quiet: Collection[str] = ()
) -> Sweep:
    """Run every recipe, rank them, and test the best on held-out problems.

    Args:
        recipes: recipes, the unchanged configuration first.
        share: share of the problems to hold out, in [0, 1).
        report: callback for events.
        quiet: keys that cause no warning if no method reads them.

    Raises:
        TTScaleError: the input is invalid, before any model is loaded; later an EngineDeadError or a JournalError, with
            finished work on disk.
    """
    configs = ready([each.config for each in recipes])
    recipes = [replace(each, config=config) for each, config in zip(recipes, configs, strict=True)]
    first = recipes[0].config
    grader = Grader(seconds=first.grade_timeout)
    if len(first.datasets) > 1:
        raise ConfigError(f"{len(first.datasets)} problem sets are named; a sweep takes one.", "Type: --dataset once")
    dataset = first.datasets[0]
    tuned, held = _split(problems_of(first, dataset), share, first.seed)
    grading = f"{grader.name} {grader.version}"
    plans = plans_over(dataset, tuned, [each.config for each in recipes], grading, [each.folder for each in recipes])
    warn(report, shared_warnings(configs, quiet))
    warn(report, sample_warnings(first, dataset, [*tuned, *held]))
    async with make_executor(first, report) as executor:
        with ExitStack() as stack:
            stack.enter_context(grader)
            await _search(plans, grader, report, executor)
            entries = _entries(recipes, plans)
            ranking, over_allowance = ranked(entries)
            winner = next(recipe for recipe in recipes if recipe.label == ranking[0].label)
            finals = [] if winner is recipes[0] or not held else [winner, recipes[0]]
            names = [f"holdout-{each.folder}" for each in finals]
            last = plans_over(dataset, held, [each.config for each in finals], grading, names)
            if last:
                await _search(last, grader, report, executor)
    finalists = _entries(finals, last)
    pair = paired_differences({entry.label: entry.rows for entry in finalists})
    return Sweep(
        dataset,
        ranking,
        over_allowance,
        _against_default(entries),
        winner,
        (finalists[0], finalists[1]) if finalists else None,
        pair[0] if pair else None,
        len(held),
        aggregate_footer([recipe.config for recipe in recipes])
        + computed_by([plan.journal.origin for plan in (*plans, *last)]),
    )


async def _search(plans: Sequence[Plan], grader: Grader, report: Reporter, executor: SearchExecutor) -> None:
    with ExitStack() as stack:
        for plan in plans:
            stack.enter_context(plan.journal)
        warn(report, journal_warnings(plans))
        await run_all(plans, grader, report, executor)


def _split(problems: Sequence[Problem], share: float, seed: int) -> tuple[list[Problem], list[Problem]]:
    """Split problems into those for the ranking and held-out ones; depends only on seed and ids."""
    if not share:
        return list(problems), []
    count = round(share * len(problems))
    if not 1 <= count < len(problems):
        raise ConfigError(
            f"Holding out a share of {share} of {len(problems)} problems leaves one part empty.",
            "Type: --holdout 0, or use more problems.",
        )
    held = {problem.id for problem in sample(problems, count, seed + 1)}
    return [each for each in problems if each.id not in held], [each for each in problems if each.id in held]


def _entries(recipes: Sequence[Variant], plans: Sequence[Plan]) -> list[Entry]:
    return [
        Entry(
            recipe.label,
            None,
            charged(plan.journal.rows, plan.searcher, plan.config.selector),
            str(plan.journal.folder),
        )
        for recipe, plan in zip(recipes, plans, strict=True)
    ]


def ranked(entries: Sequence[Entry]) -> tuple[list[Entry], list[Entry]]:
    """Rank recipes at equal tokens.

    A recipe that generates more than 1.05 x the tokens of the default is not ranked, since more compute alone could
    explain its gain. The others are ranked by accuracy; ties go to fewer tokens, then to the earlier entry.

    Args:
        entries: entries, the default first.

    Returns:
        Entries within the allowance, and those above it, each with the best first.
    """
    most = ALLOWANCE * entries[0].tokens
    order = sorted(entries, key=lambda entry: (-entry.accuracy, entry.tokens))
    return [entry for entry in order if entry.tokens <= most], [entry for entry in order if entry.tokens > most]


def _against_default(entries: Sequence[Entry]) -> dict[str, Pair]:
    default = entries[0]
    raw = [
        pair
        for entry in entries[1:]
        for pair in uncorrected_differences({entry.label: entry.rows, DEFAULT: default.rows})
    ]
    return {pair.first: pair for pair in corrected(raw)}


def recipe_keys(config: Config) -> dict[str, object]:
    """Keys of a recipe for `bench`: all that were given, except names of folders and files and flags of a run."""
    excluded = {"output_dir", "run_tag", "summary_csv", "retry_failed", "verbose", "distribute", *DISTRIBUTED_KEYS}
    values = config.model_dump(mode="json")
    return {key: values[key] for key in values if key in config.model_fields_set and key not in excluded}
