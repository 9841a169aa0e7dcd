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

from tt_scale.base_classes import PRM, Generator, Problem, Searcher
from tt_scale.bench.journal import Journal, differing_keys
from tt_scale.bench.manifest import METHOD_KEYS, ignored_options, manifest
from tt_scale.bench.record import Row
from tt_scale.bench.runner import Run, run_problems
from tt_scale.config import Config, digest
from tt_scale.errors import ConfigError
from tt_scale.grading import Grader
from tt_scale.models import backends, make_models, make_searcher, open_models
from tt_scale.problems import load_problems, parse_question
from tt_scale.report.progress import Progress
from tt_scale.report.sheets import append_summary, check_summary, summary_line, summary_path, write_detail_log
from tt_scale.report.tables import cost_table, level_table, pair_table, remarks, selector_table
from tt_scale.widths import budgeted

__all__ = ["Plan", "bench", "plan_runs", "run_plan", "show", "warnings"]


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
        total, done = sum([plan.total for plan in plans]), sum([len(plan.journal.rows) for plan in plans])
        if done:
            console.print(f"Done before: {done} of {total}.", highlight=False)
        if done < total:
            for warning in _updates(plans):
                console.print(f"[yellow]warning:[/yellow] {warning}", highlight=False)
            check_summary(summary_path(configs[0]))
            if backends(configs[0])[0] != "simulated":
                console.print(f"Loading {_models(configs[0])} ...", markup=False, highlight=False)
            async with open_models(configs[0]) as (generator, prm):
                for plan in plans:
                    await run_plan(plan, grader, console, generator, prm)
        return show(plans, console)


def plan_runs(configs: Sequence[Config], grader: str) -> list[Plan]:
    """Load every problem set once and lay out every run.

    Raises:
        ConfigError: a bad method.
        ProblemSetError: a set that cannot be read, or that the simulated world does not know.
    """
    first = configs[0]
    searchers = [make_searcher(config) for config in configs]
    configs = [budgeted(config, searcher) for config, searcher in zip(configs, searchers, strict=True)]
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
        if backends(first)[0] == "simulated":
            for problem in problems:
                parse_question(problem.question)
        for config, searcher in zip(configs, searchers, strict=True):
            told = manifest(config, dataset, problems, grader)
            journal = Journal(
                _folder(config, dataset, digest(told["experiment"])), told, retry_failed=config.retry_failed
            )
            plans.append(Plan(config, searcher, dataset, problems, journal))
    _refuse_shared_folders(plans)
    return plans


def _refuse_shared_folders(plans: Sequence[Plan]) -> None:
    """Two runs must not write to one folder."""
    seen: dict[FilePath, Plan] = {}
    for plan in plans:
        other = seen.setdefault(plan.journal.folder, plan)
        if other is plan:
            continue
        if other.dataset == plan.dataset:
            raise ConfigError(f"The method {plan.config.method!r} or the problem set {plan.dataset!r} is named twice.")
        raise ConfigError(
            f"{other.dataset!r} and {plan.dataset!r} would both be written to {str(plan.journal.folder)!r}.",
            "Rename one of the files, or run them with different --run-tag.",
        )


def warnings(configs: Sequence[Config]) -> list[str]:
    """What runs but is probably not meant."""
    told = []
    for config in configs:
        ignored = set(ignored_options(config))
        for other in configs:
            ignored &= set(ignored_options(other))  # an option of another method in the same comparison is meant
        if ignored and config is configs[0]:
            told.append(f"no method here looks at {', '.join(sorted(ignored))}.")
    told += [
        f"{config.method} spends the same at every budget; {config.budget} only limits its tokens."
        for config in configs
        if config.budget and config.budget > 1 and not make_searcher(config).widths(config.budget)
    ]
    heats = {config.method: _first_temperature(config) for config in configs}
    if len(set(heats.values()) - {None}) > 1:
        shown = ", ".join([f"{method} {heat}" for method, heat in heats.items() if heat is not None])
        told.append(f"the methods sample at different temperatures ({shown}); set temperature and temp_origin equal.")
    return told + _differences(configs)


def _differences(configs: Sequence[Config]) -> list[str]:
    """What beside the method differs, so that a comparison would be of something else."""
    shared = [config.experiment(ignore=METHOD_KEYS | {"method", "method_args"}) for config in configs]
    keys = sorted({key for other in shared[1:] for key in differing_keys(shared[0], other)})
    return [f"the methods are compared at different settings: {', '.join(keys)}."] if keys else []


def _updates(plans: Sequence[Plan]) -> list[str]:
    """What a run that goes on must know about its beginning."""
    told = []
    for plan in plans:
        changes = ", ".join([f"{name} {then} then, {now} now" for name, (then, now) in plan.journal.updated.items()])
        if changes and plan.journal.rows:
            told.append(f"{plan.journal.folder} was begun with other versions ({changes}); numbers may differ.")
    return told


def show(plans: Sequence[Plan], console: Console) -> dict[str, dict[str, list[Row]]]:
    """Print the closing tables, one set of them for each problem set."""
    found: dict[str, dict[str, list[Row]]] = {}
    for plan in plans:
        found.setdefault(plan.dataset, {})[plan.config.method] = plan.journal.rows
    for dataset, rows in found.items():
        first = plans[0].config
        console.print()
        console.print(level_table(f"{dataset}: {_models(first)}", rows))
        pairs = pair_table(rows)
        if pairs is not None:
            console.print(pairs)
        console.print(selector_table(rows))
        console.print(cost_table(rows))
        for remark in remarks(rows):
            console.print(remark, markup=False, highlight=False)
    for plan in plans:
        console.print(f"Records: {plan.journal.folder}", highlight=False, soft_wrap=True)
    return found


async def run_plan(plan: Plan, grader: Grader, console: Console, generator: Generator, prm: PRM | None) -> None:
    """Search what a run still lacks; its journal must be open. Ends with the detail log and a row of the summary."""
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
            run = Run(config, plan.searcher, generator, prm, grader, journal, progress)
            await run_problems(run, plan.problems)
    finally:
        if config.detail_log:
            write_detail_log(journal.folder / "detail.csv", journal.rows)
    line = summary_line(config, plan.dataset, journal.folder, journal.rows, time.monotonic() - began)
    append_summary(summary_path(config), line)


def _folder(config: Config, dataset: str, digest: str) -> FilePath:
    """A tagged run has a folder that its tag names; any other is found again by its digest."""
    short = re.sub(r"[^A-Za-z0-9._-]+", "-", FilePath(dataset).stem if FilePath(dataset).exists() else dataset)
    name = f"{short}-{config.method}"
    if config.run_tag:
        tag = re.sub(r"[^A-Za-z0-9._-]+", "-", config.run_tag).lstrip(".") or "-"
        return FilePath(config.output_dir) / tag / name
    return FilePath(config.output_dir) / f"{name}-{digest}"


def _models(config: Config) -> str:
    return config.model_name + (f" with {config.prm_name}" if backends(config)[1] != "none" else "")


def _first_temperature(config: Config) -> float | None:
    """The temperature of a method's first step; None where it has none of its own, as greedy search."""
    knobs = make_searcher(config)
    heat = getattr(knobs, "temperature", getattr(knobs, "temp_origin", None))
    return None if heat is None else float(heat)
