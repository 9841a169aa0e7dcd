"""`tt-scale sweep`: many recipes of one method on some problems, then the winner against the default on the rest."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

from tt_scale.bench.compare.compare_command import charged
from tt_scale.bench.compare.grid import DEFAULT
from tt_scale.bench.compare.variants import Variant
from tt_scale.bench.run.config_warnings import sample_warnings
from tt_scale.bench.run.events import Reporter, silent
from tt_scale.bench.run.open_models import Models
from tt_scale.bench.run.origin import computed_by
from tt_scale.bench.run.plan import Plan, plans_over, problems_of
from tt_scale.bench.run.session import aggregate_footer, ready, run_all, shared_warnings, warn
from tt_scale.bench.stats.comparison import Entry
from tt_scale.bench.stats.pairs import Pair, corrected, paired_differences, uncorrected_differences
from tt_scale.config import Config
from tt_scale.core.records import Problem
from tt_scale.errors import ConfigError
from tt_scale.grading import Grader
from tt_scale.problems.identity import sample

__all__ = ["ALLOWANCE", "Sweep", "ranked", "recipe_keys", "run_sweep"]

ALLOWANCE = 1.05
"""A recipe may generate so many tokens per token of the default; dearer ones are not ranked."""


@dataclass(frozen=True)
class Sweep:
    """What a sweep found.

    Attributes:
        dataset: the problem set.
        places: recipes that cost no more than the default, the best first.
        dearer: the others, by accuracy.
        differences: label -> the recipe against the default on the same problems, corrected for their number.
        winner: the first of `places`.
        held: winner and default on the problems that chose nothing; None where none were held out or they are the same.
        held_pair: their paired difference.
        held_problems: how many were held out.
        footer: sentences that belong below its tables.
    """

    dataset: str
    places: Sequence[Entry]
    dearer: Sequence[Entry]
    differences: dict[str, Pair]
    winner: Variant
    held: tuple[Entry, Entry] | None
    held_pair: Pair | None
    held_problems: int
    footer: tuple[str, ...] = ()


async def run_sweep(
    recipes: Sequence[Variant], share: float, report: Reporter = silent, quiet: Collection[str] = ()
) -> Sweep:
    """Run every recipe, rank them, and test the winner on problems that did not choose it.

    Args:
        recipes: the unchanged configuration first.
        share: of the problems to hold out, in [0, 1).
        report: is told what happens.
        quiet: keys that are not warned about where no method reads them.

    Raises:
        TTScaleError: before any model is loaded where the input is at fault; an EngineDeadError or a JournalError
            later, with everything that was finished on disk.
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
    async with Models(first, report) as models:
        with ExitStack() as stack:
            stack.enter_context(grader)
            await _search(plans, grader, report, models)
            entries = _entries(recipes, plans)
            places, dearer = ranked(entries)
            winner = next(recipe for recipe in recipes if recipe.label == places[0].label)
            finals = [] if winner is recipes[0] or not held else [winner, recipes[0]]
            names = [f"holdout-{each.folder}" for each in finals]
            last = plans_over(dataset, held, [each.config for each in finals], grading, names)
            if last:
                await _search(last, grader, report, models)
    finalists = _entries(finals, last)
    pair = paired_differences({entry.label: entry.rows for entry in finalists})
    return Sweep(
        dataset,
        places,
        dearer,
        _against_default(entries),
        winner,
        (finalists[0], finalists[1]) if finalists else None,
        pair[0] if pair else None,
        len(held),
        aggregate_footer([recipe.config for recipe in recipes])
        + computed_by([plan.journal.origin for plan in (*plans, *last)]),
    )


async def _search(plans: Sequence[Plan], grader: Grader, report: Reporter, models: Models) -> None:
    with ExitStack() as stack:
        for plan in plans:
            stack.enter_context(plan.journal)
        await run_all(plans, grader, report, models)


def _split(problems: Sequence[Problem], share: float, seed: int) -> tuple[list[Problem], list[Problem]]:
    """Problems to choose on, and problems to test on; which is which depends on seed and ids alone."""
    if not share:
        return list(problems), []
    count = round(share * len(problems))
    if not 1 <= count < len(problems):
        raise ConfigError(
            f"A share of {share} of {len(problems)} problems leaves one side empty.",
            "Type: --holdout 0, or take more problems.",
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

    A recipe that generates more than 1.05 x the tokens of the default is set aside: what it gains could be bought. The
    others are ranked by accuracy; ties go to fewer tokens, then to the one that stands first.

    Args:
        entries: the default first.

    Returns:
        Those within the allowance and the dearer ones, the best of each first.
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
    """The keys of a recipe as `bench` takes them: all that were given, but for names of folders and files."""
    left = {"output_dir", "run_tag", "summary_csv", "retry_failed", "verbose"}
    values = config.model_dump(mode="json")
    return {key: values[key] for key in values if key in config.model_fields_set and key not in left}
