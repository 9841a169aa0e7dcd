"""What is to be run: one method over one problem set, in one folder; laid out before anything is loaded or written."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path as FilePath

from tt_scale.backends import resolve_generator
from tt_scale.base_classes import Searcher
from tt_scale.bench.run import folder_names
from tt_scale.bench.run.folder_names import run_folder
from tt_scale.bench.run.journal import Journal
from tt_scale.bench.run.manifest import manifest
from tt_scale.config import Config, digest
from tt_scale.config.widths import budgeted
from tt_scale.core.records import Problem
from tt_scale.errors import ConfigError
from tt_scale.models import make_searcher
from tt_scale.problems import load_problems
from tt_scale.problems.identity import split_ids
from tt_scale.problems.local import name_of

__all__ = ["Plan", "plan_runs", "plans_over", "problems_of", "tag_folder"]


@dataclass(frozen=True)
class Plan:
    """One method over one problem set.

    Attributes:
        config: of the run.
        searcher: its method.
        dataset: the set's name as given.
        problems: of the set.
        journal: in its folder; not open yet.
        name: what people read it as beside the problem set.
    """

    config: Config
    searcher: Searcher
    dataset: str
    problems: Sequence[Problem] = field(repr=False)
    journal: Journal = field(repr=False)
    name: str = ""

    @property
    def total(self) -> int:
        """Problems x repeats."""
        return len(self.problems) * self.config.repeats

    @property
    def label(self) -> str:
        """Problem set and name, as events call the run."""
        return f"{self.dataset} {self.name}"


def plan_runs(configs: Sequence[Config], grader: str, names: Sequence[str] = ()) -> list[Plan]:
    """Load every problem set once and lay out every run.

    Args:
        configs: equal but for the method and its knobs.
        grader: name and version.
        names: what the folder of each run is called beside its problem set [configs]; their methods where empty.

    Raises:
        ConfigError: a bad method.
        ProblemSetError: a set that cannot be read, or that the generator does not know.
    """
    found = []
    for dataset in configs[0].datasets:
        found += plans_over(dataset, problems_of(configs[0], dataset), configs, grader, names)
    _refuse_shared_folders(found)
    return found


def plans_over(
    dataset: str, problems: Sequence[Problem], configs: Sequence[Config], grader: str, names: Sequence[str] = ()
) -> list[Plan]:
    """Lay out one run for each configuration over the same problems; nothing is written before a journal is opened.

    Args:
        dataset: the name of the set.
        problems: of the set, or some of them.
        configs: equal but for the method and its knobs.
        grader: name and version.
        names: as in `plan_runs`.

    Raises:
        ConfigError: a bad method.
    """
    searchers = [make_searcher(config) for config in configs]
    found = []
    for config, searcher, name in zip(configs, searchers, names or [each.method for each in configs], strict=True):
        whole = budgeted(config, searcher.widths)
        told = manifest(whole, dataset, problems, grader)
        journal = Journal(
            _folder(whole, dataset, name, digest(told["experiment"])),
            told,
            problems,
            whole.repeats,
            retry_failed=config.retry_failed,
        )
        found.append(Plan(whole, searcher, dataset, problems, journal, name))
    return found


def problems_of(config: Config, dataset: str) -> list[Problem]:
    """Load one problem set; errors as in `plan_runs`."""
    problems = load_problems(
        dataset,
        split=config.split,
        num_samples=config.num_samples,
        seed=config.seed,
        question_field=config.question_field,
        answer_field=config.answer_field,
    )
    generator = resolve_generator(config).cls
    for problem in problems:
        generator.check_problem(problem)
    return problems


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


def _folder(config: Config, dataset: str, name: str, digest: str) -> FilePath:
    """A tagged run has a folder that its tag names; any other is found again by its digest."""
    parent, digest = (tag_folder(config), "") if config.run_tag else (FilePath(config.output_dir), digest)
    folder, whole = [run_folder(parent, dataset, short, name, digest) for short in (_short(dataset), dataset)]
    if not dataset.startswith("~"):
        return folder
    return folder_names.known_folder(  # older versions named it after the whole path
        folder, whole, "manifest.json", lambda told: told["experiment"]["dataset"] == dataset
    )


def _short(dataset: str) -> str:
    """A problem set as folders name it: of a file only its name."""
    if _is_there(dataset):
        return name_of(dataset)
    bare, by_question = split_ids(dataset)
    return f"{name_of(bare)}-ids=question" if by_question and _is_there(bare) else dataset


def _is_there(path: str) -> bool:
    return os.path.exists(os.path.expanduser(path))


def tag_folder(config: Config) -> FilePath:
    """The folder of all runs of a tag."""
    return folder_names.tag_folder(FilePath(config.output_dir), config.run_tag)
