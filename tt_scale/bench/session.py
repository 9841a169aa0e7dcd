"""One command: several methods over several problem sets, with the models opened once.

Everything that can be wrong is found before a model is loaded: keys, methods, problem sets, run folders.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path as FilePath

from rich.console import Console

from tt_scale.base_classes import Problem, Searcher
from tt_scale.bench.journal import Journal
from tt_scale.bench.manifest import ignored_options, manifest
from tt_scale.bench.record import Row
from tt_scale.bench.runner import Run, run_problems
from tt_scale.config import Config, digest
from tt_scale.errors import ProblemSetError
from tt_scale.grading import Grader
from tt_scale.models import make_models, make_searcher, open_models
from tt_scale.problems import load_problems
from tt_scale.report.progress import Progress
from tt_scale.report.sheets import append_summary, summary_row, write_detail_log
from tt_scale.report.tables import cost_table, level_table, remarks, selector_table

__all__ = ["Plan", "bench", "plan_runs", "show", "warnings"]


@dataclass(frozen=True)
class Plan:
    """One method over one problem set.

    Attributes:
        config: of the run.
        searcher: its method.
        dataset: the set's name as given.
        problems: of the set.
        journal: in its folder; not open yet.
    """

    config: Config
    searcher: Searcher
    dataset: str
    problems: Sequence[Problem] = field(repr=False)
    journal: Journal = field(repr=False)

    @property
    def total(self) -> int:
        """Problems x repeats."""
        return len(self.problems) * self.config.repeats


async def bench(configs: Sequence[Config], console: Console) -> dict[str, dict[str, list[Row]]]:
    """Run each configuration over each of its problem sets, and show the closing tables.

    Args:
        configs: equal but for the method; at least one.
        console: where progress and tables go.

    Returns:
        Problem set -> method -> rows.

    Raises:
        TTScaleError: before any model is loaded where the input is at fault; an EngineDeadError or a JournalError
            later, with everything that was finished on disk.
    """
    grader = Grader(seconds=configs[0].grade_timeout)
    make_models(configs[0])
    plans = plan_runs(configs, f"{grader.name} {grader.version}")
    for warning in warnings(configs):
        console.print(f"[yellow]warning:[/yellow] {warning}")
    with ExitStack() as stack:
        stack.enter_context(grader)
        for plan in plans:
            stack.enter_context(plan.journal)
        if any(len(plan.journal.rows) < plan.total for plan in plans):
            console.print(f"Loading {configs[0].model_name} and {configs[0].prm_name} ...", highlight=False)
            async with open_models(configs[0]) as (generator, prm):
                for plan in plans:
                    await _run(plan, grader, console, generator, prm)
        return show(plans, console)


def plan_runs(configs: Sequence[Config], grader: str) -> list[Plan]:
    """Load every problem set once and lay out every run.

    Raises:
        ConfigError: a bad method.
        ProblemSetError: a set that cannot be read.
    """
    first = configs[0]
    searchers = [make_searcher(config) for config in configs]
    plans = []
    for dataset in first.datasets:
        problems = load_problems(
            dataset,
            split=first.split,
            num_samples=first.num_samples,
            seed=first.seed,
            question_field=first.question_field,
            answer_field=first.answer_field,
        )
        for config, searcher in zip(configs, searchers, strict=True):
            told = manifest(config, dataset, problems, grader)
            journal = Journal(_folder(config, dataset, digest(told["experiment"])), told)
            plans.append(Plan(config, searcher, dataset, problems, journal))
    folders = [plan.journal.folder for plan in plans]
    twice = next((plan.dataset for plan in plans if folders.count(plan.journal.folder) > 1), None)
    if twice:
        raise ProblemSetError(f"The problem set {twice!r} or the method is named twice.", "Name each once.")
    return plans


def warnings(configs: Sequence[Config]) -> list[str]:
    """What runs but is probably not meant."""
    told = []
    for config in configs:
        ignored = set(ignored_options(config))
        for other in configs:
            ignored &= set(ignored_options(other))  # an option of another method in the same comparison is meant
        if ignored and config is configs[0]:
            told.append(f"no method here looks at {', '.join(sorted(ignored))}.")
    heats = {config.method: _first_temperature(config) for config in configs}
    if len(set(heats.values())) > 1:
        shown = ", ".join([f"{method} {heat}" for method, heat in heats.items()])
        told.append(f"the methods sample at different temperatures ({shown}); set temperature and temp_origin equal.")
    return told


def show(plans: Sequence[Plan], console: Console) -> dict[str, dict[str, list[Row]]]:
    """Print the closing tables, one set of them for each problem set."""
    found: dict[str, dict[str, list[Row]]] = {}
    for plan in plans:
        found.setdefault(plan.dataset, {})[plan.config.method] = plan.journal.rows
    for dataset, rows in found.items():
        first = plans[0].config
        console.print()
        console.print(level_table(f"{dataset}: {first.model_name} with {first.prm_name}", rows))
        console.print(selector_table(rows))
        console.print(cost_table(rows))
        for remark in remarks(rows):
            console.print(remark, markup=False, highlight=False)
    for plan in plans:
        console.print(f"Records: {plan.journal.folder}", highlight=False, soft_wrap=True)
    return found


async def _run(plan: Plan, grader: Grader, console: Console, generator: object, prm: object) -> None:
    config, journal = plan.config, plan.journal
    before = len(journal.rows)
    if before == plan.total:
        return
    began = time.monotonic()
    label = f"{plan.dataset} {config.method}"
    correct = sum([row.correct for row in journal.rows])
    progress = Progress(console, label, plan.total, done=before, correct=correct, verbose=config.verbose)
    try:
        with progress:
            run = Run(config, plan.searcher, generator, prm, grader, journal, progress)  # type: ignore[arg-type]
            await run_problems(run, plan.problems)
    finally:
        if config.detail_log:
            write_detail_log(journal.folder / "detail.csv", journal.rows)
    row = summary_row(config, plan.dataset, journal.folder, journal.rows, time.monotonic() - began)
    append_summary(FilePath(config.summary_csv or FilePath(config.output_dir) / "summary.csv"), row)


def _folder(config: Config, dataset: str, digest: str) -> FilePath:
    """A tagged run has a folder that its tag names; any other is found again by its digest."""
    short = re.sub(r"[^A-Za-z0-9._-]+", "-", FilePath(dataset).stem if FilePath(dataset).exists() else dataset)
    name = f"{short}-{config.method}"
    if config.run_tag:
        tag = re.sub(r"[^A-Za-z0-9._-]+", "-", config.run_tag)
        return FilePath(config.output_dir) / tag / name
    return FilePath(config.output_dir) / f"{name}-{digest}"


def _first_temperature(config: Config) -> float:
    knobs = make_searcher(config)
    return float(getattr(knobs, "temperature", getattr(knobs, "temp_origin", config.temperature)))
