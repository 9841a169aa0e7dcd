"""Compare finished runs from their folders, without loading a model."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

from tt_scale.base_classes import Searcher
from tt_scale.bench.compare.compare_command import charged, with_votes
from tt_scale.bench.compare.subsampled import vote_curve
from tt_scale.bench.reader.finished_run import FinishedRun
from tt_scale.bench.reader.run_data import RunData, read_run
from tt_scale.bench.reader.run_paths import run_folders
from tt_scale.bench.run.journal import differing_keys
from tt_scale.bench.run.origin import computed_by
from tt_scale.bench.stats.comparison import Comparison, Entry, compare_entries
from tt_scale.bench.stats.pairs import MAJORITY
from tt_scale.core.aggregate import aggregates_in_words
from tt_scale.errors import ConfigError, JournalError, nearest

__all__ = ["NEVER_VARIED", "compare_folders", "compare_runs", "labels"]

NEVER_VARIED = ("dataset", "problems", "grader")


def compare_folders(paths: Sequence[str], varied: Collection[str]) -> Comparison:
    """Compare finished runs.

    Args:
        paths: run folders, or folders of run folders; at least two runs together.
        varied: keys that may differ beside the method's own knobs.

    Raises:
        JournalError: a folder is not a run folder, or its run is not finished.
        ConfigError: fewer than two runs, or runs that differ in a key that must be equal.
    """
    runs = [_finished(read_run(folder)) for path in paths for folder in run_folders(path)]
    if len({run.folder.resolve() for run in runs}) < max(len(runs), 2):
        raise ConfigError("A comparison needs at least two different runs; only one is named, or one is named twice.")
    return compare_runs(runs, varied)


def compare_runs(
    runs: Sequence[FinishedRun],
    varied: Collection[str] = (),
    among: Collection[tuple[str, int]] | None = None,
    *,
    votes: bool = True,
) -> Comparison:
    """Compare runs that were read before.

    Args:
        runs: at least one.
        varied: keys that may differ beside the method's own knobs.
        among: problem ids and repeats that count; None counts all.
        votes: whether to read the vote at equal tokens off the widest pool, which needs an undamaged journal.

    Raises:
        ConfigError: they differ in what a comparison must have in common.
    """
    _refuse_unlike(runs, varied)
    if among is not None:
        runs = [replace(run, rows=[row for row in run.rows if (row.id, row.repeat) in among]) for run in runs]
    searchers = [run.searcher for run in runs]
    samples = [None if searcher is None else searcher.samples for searcher in searchers]
    entries = [
        Entry(
            label,
            run.experiment.get("budget"),
            run.rows if searcher is None else charged(run.rows, searcher, run.experiment.get("selector")),
            str(run.folder),
            votes=count is not None and _selector(run, searcher) == MAJORITY,
        )
        for run, label, searcher, count in zip(runs, labels(runs), searchers, samples, strict=True)
    ]
    count, folder = max([(count or 0, run.folder) for count, run in zip(samples, runs, strict=True)])
    curve = vote_curve(folder, count, among) if count and votes else None
    dataset, models = str(runs[0].experiment.get("dataset")), _models(runs[0])
    comparison = compare_entries(dataset, models, with_votes(entries, [count is not None for count in samples]), curve)
    return replace(comparison, footer=_aggregate_footer(runs) + computed_by([run.origin for run in runs]))


def _aggregate_footer(runs: Sequence[FinishedRun]) -> tuple[str, ...]:
    scored = [run.config for run in runs if run.experiment.get("prm") != "none"]
    return aggregates_in_words([(str(config.get("agg", "last")), config.get("final_agg")) for config in scored])


def _finished(run: RunData) -> FinishedRun:
    if run.damaged:
        first = run.damaged[0]
        raise JournalError(
            f"The journal of {str(run.folder)!r} is damaged in line {first.number}: {first.reason}.",
            "Type its command again: the line is set aside and its problem searched again.",
        )
    if run.partial:
        raise JournalError(
            f"{str(run.folder)!r} holds {len(run.rows)} of {run.wanted} searches; only finished runs are compared.",
            "Type its command again; it resumes the run.",
        )
    return run.finished


def _refuse_unlike(runs: Sequence[FinishedRun], varied: Collection[str]) -> None:
    known = {key for run in runs for key in run.shared}
    for key in varied:
        if key in NEVER_VARIED or key not in known:
            hint = "It must be the same." if key in NEVER_VARIED else nearest(key, known - set(NEVER_VARIED))
            raise ConfigError(f"--vary is {key!r}, in which runs cannot differ.", hint)
    for first, other in combinations(runs, 2):
        one, two = dict(first.shared), dict(other.shared)
        if "temperature" not in one or "temperature" not in two:  # greedy decoding has none
            one.pop("temperature", None)
            two.pop("temperature", None)
        keys = [key for key in differing_keys(one, two) if key not in varied]
        if keys:
            differences = "; ".join([f"{key}: {one.get(key)!r} and {two.get(key)!r}" for key in keys])
            free = [key for key in keys if key not in NEVER_VARIED]
            hint = f"If the difference is intended, type: --vary {' --vary '.join(free)}" if free == keys else ""
            raise ConfigError(f"{first.folder} and {other.folder} cannot be compared ({differences}).", hint)


def labels(runs: Sequence[FinishedRun]) -> list[str]:
    """The method of each run, with the keys that distinguish it from others of the same method and budget."""
    names = []
    for run in runs:
        alike = [other for other in runs if _method_and_budget(other) == _method_and_budget(run)]
        keys = sorted({key for other in alike for key in differing_keys(run.experiment, other.experiment)})
        words = [f"{key}={run.experiment.get(key)}" for key in keys]
        if len(alike) > 1 and not keys:
            words = [str(run.folder)]
        names.append(" ".join([str(run.experiment["method"]), *words]))
    return names


def _method_and_budget(run: FinishedRun) -> tuple[Any, Any]:
    return run.experiment["method"], run.experiment.get("budget")


def _selector(run: FinishedRun, searcher: Searcher | None) -> str | None:
    return run.experiment.get("selector") or (None if searcher is None else searcher.selector)


def _models(run: FinishedRun) -> str:
    prm = run.experiment.get("prm_name")
    model = str(run.experiment.get("model_name"))
    return model if run.experiment.get("prm") == "none" else f"{model} with {prm}"
