"""Run an evaluation: a PRM on several labelled sets, with each model loaded once and only if needed.

Keys, sets and run folders are checked before a model is loaded.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path as FilePath

from tt_scale.backends import ResolvedModels, resolve
from tt_scale.base_classes import PRM, Generator
from tt_scale.bench.run.config_warnings import delimiter_warnings, sample_warnings
from tt_scale.bench.run.events import Reporter, Resumed, RunCounter, RunProgress
from tt_scale.bench.run.folder_names import known_folder, safe_name, tag_folder
from tt_scale.bench.run.manifest import described
from tt_scale.bench.run.open_models import Models
from tt_scale.bench.run.session import warn
from tt_scale.config import Config, digest
from tt_scale.core.records import Problem
from tt_scale.engines.model_dtypes import dtype_warnings
from tt_scale.errors import ConfigError
from tt_scale.grading import Grader
from tt_scale.models import make_models
from tt_scale.preflight import preflight, preflight_prms
from tt_scale.prm_eval.keys import idle_keys, reads_generator, sampling_keys, scoring_keys
from tt_scale.prm_eval.labelled import GivenSet, LabelledSolution
from tt_scale.prm_eval.sampled import DrawnJournal, SampledSet, World, draw
from tt_scale.prm_eval.scoring import GivenScores, ScoreJournal, score_solutions
from tt_scale.prm_eval.sets import find_sets, recorded_prm, resolved

__all__ = ["Plan", "plan_sets", "run_plans"]


@dataclass(frozen=True)
class Plan:
    """A set with its journals.

    Attributes:
        asked: the set.
        config: configuration of the run.
        scores: journal of the scores.
        drawn: journal of sampled solutions; None for given ones.
        top_logprobs: number of most likely tokens whose log-probabilities the PRM needs.
    """

    asked: GivenSet | SampledSet
    config: Config
    scores: ScoreJournal = field(repr=False)
    drawn: DrawnJournal | None = field(repr=False)
    top_logprobs: int = 0

    @property
    def solutions(self) -> list[LabelledSolution]:
        """The given or sampled solutions so far."""
        if isinstance(self.asked, GivenSet):
            return list(self.asked.solutions)
        assert self.drawn is not None
        order = {problem.id: index for index, problem in enumerate(self.asked.problems)}
        rows = sorted(self.drawn.rows, key=lambda row: order[row.id])
        return [solution for row in rows for solution in row.solutions]

    @property
    def lacks_solutions(self) -> bool:
        """Whether solutions have yet to be sampled."""
        return isinstance(self.asked, SampledSet) and len(self.drawn.rows) < len(self.asked.problems)  # type: ignore[union-attr]

    @property
    def lacks_scores(self) -> bool:
        """Whether solutions have yet to be scored."""
        return self.lacks_solutions or len(self.scores.rows) < len(self.solutions)


def plan_sets(config: Config, grader: Grader, report: Reporter, quiet: Collection[str] = ()) -> list[Plan]:
    """Read all sets and plan their folders; no model is loaded, nothing is written.

    Raises:
        ConfigError: the PRM or the pair of models cannot work.
        ProblemSetError: a set cannot be read.
    """
    if config.prm_name in ("none", ""):
        raise ConfigError(f"The PRM is {config.prm_name!r}; there is nothing to measure.", "Name a PRM.")
    config = resolved(config)
    sets = find_sets(config)
    samples = any(isinstance(each, SampledSet) for each in sets)
    models = None
    if not recorded_prm(config):
        config = _ready(config, resolve(config), samples=samples)
        models = resolve(config)
    model = make_models(config)[1] if models else None
    top_logprobs = model.top_logprobs if model else 0
    idle = [key for key in idle_keys(config, models, samples=samples) if key not in quiet]
    unread = [f"{', '.join(idle)} {'has' if len(idle) == 1 else 'have'} no effect here."] if idle else []
    types = dtype_warnings(models) if models else []
    warn(report, [*unread, *delimiter_warnings(config), *types, *_sample_warnings(config, sets)])
    grading = f"{grader.name} {grader.version}"
    return [_plan(each, config, models, grading, top_logprobs) for each in sets]


def _sample_warnings(config: Config, sets: Sequence[GivenSet | SampledSet]) -> list[str]:
    problems = [(each.name, {p.id: p for p in _problems(each)}) for each in sets]
    return [warning for name, its in problems for warning in sample_warnings(config, name, list(its.values()))]


def _problems(asked: GivenSet | SampledSet) -> Sequence[Problem]:
    return [each.problem for each in asked.solutions] if isinstance(asked, GivenSet) else asked.problems


def _ready(config: Config, models: ResolvedModels, *, samples: bool) -> Config:
    """Check the models that will be loaded: only the PRM for given solutions."""
    if samples or reads_generator(models):
        return preflight(config)
    preflight_prms(config)
    return config


def _plan(
    asked: GivenSet | SampledSet, config: Config, models: ResolvedModels | None, grader: str, top_logprobs: int
) -> Plan:
    drawn = None
    if isinstance(asked, SampledSet):
        assert models is not None, "recorded scores come with their solutions"
        keys = sampling_keys(models) | {"set": asked.name, "grader": grader, "top_logprobs": top_logprobs}
        keys["problems"] = _hash(len(asked.problems), [f"{p.id}\x1f{p.question}\x1f{p.answer}" for p in asked.problems])
        folder = _folder(config, asked.name, "sampled", digest(keys))
        drawn = DrawnJournal(asked, folder, described(keys, config), retry_failed=config.retry_failed)
        content = digest(keys)
    else:
        content = _hash(
            len(asked.solutions),
            [f"{each.id}\x1f{each.problem.question}\x1f{each.steps}\x1f{each.recorded}" for each in asked.solutions],
        )
    keys = scoring_keys(config, models) | {"set": asked.name, "solutions": content}
    folder = _folder(config, asked.name, _short(str(config.prm_name)), digest(keys))
    scores = ScoreJournal(folder, described(keys, config), retry_failed=config.retry_failed)
    return Plan(asked, config, scores, drawn, top_logprobs)


def _hash(count: int, lines: Sequence[str]) -> str:
    return f"{count} ({hashlib.blake2b(chr(10).join(lines).encode(), digest_size=8).hexdigest()})"


def _folder(config: Config, name: str, what: str, digest: str) -> FilePath:
    """Folder named after the run tag, or after a digest of the keys without a tag."""
    parent = FilePath(config.output_dir)
    if not config.run_tag:
        return parent / f"{_short(name)}-{what}-{digest}"
    tag = tag_folder(parent, config.run_tag, _short(config.run_tag))
    kind = "sampled" if what == "sampled" else "scores"
    return known_folder(
        tag / f"{safe_name(name)}-{kind}",
        tag / f"{_short(name)}-{kind}",
        "manifest.json",
        lambda manifest: manifest["experiment"]["set"] == name,
    )


def _short(name: str) -> str:
    last = name.rstrip("/").rpartition("/")[2]
    return re.sub(r"[^A-Za-z0-9._-]+", "-", last)


async def run_plans(plans: Sequence[Plan], grader: Grader, report: Reporter) -> None:
    """Sample and score what is missing, with the folders locked.

    Raises:
        TTScaleError: a folder belongs to another experiment, or a model cannot be loaded; later an EngineDeadError or a
            JournalError, with finished work on disk.
    """
    with ExitStack() as folders:
        for plan in plans:
            if plan.drawn is not None:
                folders.enter_context(plan.drawn)
            folders.enter_context(plan.scores)
        journals = [journal for plan in plans for journal in (plan.drawn, plan.scores) if journal is not None]
        warn(report, [warning for journal in journals for warning in journal.warnings])
        done = sum([len(plan.scores.rows) for plan in plans])
        if done:
            report(Resumed(done, "solutions"))
        if any(plan.lacks_scores for plan in plans):
            await _fill(plans, grader, report)
        for plan in plans:
            plan.scores.check(plan.solutions)


async def _fill(plans: Sequence[Plan], grader: Grader, report: Reporter) -> None:
    config = plans[0].config
    if recorded_prm(config):
        for plan in plans:
            await _score(plan, report, None, GivenScores(plan.solutions))
        return
    reads = reads_generator(resolve(config))
    async with _models(config, report, generator=True, prm=reads) as models:
        for plan in plans:
            if plan.lacks_solutions:
                await models.use(partial(_draw, plan, grader, report))
        if not reads:
            await models.close()  # frees its memory for the PRM
            models = _models(config, report, generator=False, prm=True)
        async with models:
            for plan in plans:
                if plan.lacks_scores:
                    await models.use(partial(_score, plan, report))


def _models(config: Config, report: Reporter, *, generator: bool, prm: bool) -> Models:
    """Those of the two models that are needed; nothing is loaded before it is used."""
    found = resolve(config)
    weights = [config.model_name] if generator and found.generator.weights else []
    weights += [each.name for each in found.prms if prm and each.weights]
    opening = partial(_started, generator=generator, prm=prm)
    return Models(config, report, summary=False, opening=opening, names=", ".join(weights))


@asynccontextmanager
async def _started(config: Config, *, generator: bool, prm: bool) -> AsyncIterator[tuple[Generator, PRM | None]]:
    """Start those that are needed, and close them at the end."""
    sampler, judge = make_models(config)
    needed = [model for model, wanted in ((sampler, generator), (judge, prm)) if wanted and model is not None]
    async with AsyncExitStack() as stack:
        for model in needed:
            stack.push_async_callback(model.close)
            await model.start()
        yield sampler, judge if prm else None


async def _draw(plan: Plan, grader: Grader, report: Reporter, generator: Generator, prm: PRM | None) -> None:
    assert isinstance(plan.asked, SampledSet)
    assert plan.drawn is not None
    total, done, at_once = len(plan.asked.problems), len(plan.drawn.rows), plan.config.concurrency
    progress = RunProgress(f"{plan.asked.name} sampling", total, done, unit="problems", at_once=at_once)
    with RunCounter(report, progress) as counter:
        world = World(plan.config, generator, grader, plan.top_logprobs)
        await draw(plan.asked, world, plan.drawn, lambda _: counter.one_more())


async def _score(plan: Plan, report: Reporter, generator: Generator | None, prm: PRM | None) -> None:
    assert prm is not None
    solutions = plan.solutions
    plan.scores.check(solutions)
    if len(plan.scores.rows) == len(solutions):
        return
    total, done, at_once = len(solutions), len(plan.scores.rows), plan.config.concurrency
    progress = RunProgress(f"{plan.asked.name} scoring", total, done, unit="solutions", at_once=at_once)
    with RunCounter(report, progress) as counter:
        await score_solutions(solutions, prm, plan.scores, lambda _: counter.one_more(), at_once)
