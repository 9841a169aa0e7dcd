"""Searches in this process, with models that it opens itself."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from tt_scale.base_classes import PRM, Generator
from tt_scale.bench.run.events import Reporter
from tt_scale.bench.run.executor import Work
from tt_scale.bench.run.open_models import Models
from tt_scale.bench.run.plan import Plan
from tt_scale.bench.run.runner import Run, run_tasks
from tt_scale.config import Config
from tt_scale.space.first_steps import FirstSteps, asked_quantile, measure

__all__ = ["LocalExecutor"]


class LocalExecutor(Models):
    """Searches in this process; the models are opened when they are first needed.

    Args:
        config: names the models.
        report: is told what happens.

    Attributes:
        at_once: searches that are in flight at a time.
    """

    def __init__(self, config: Config, report: Reporter) -> None:
        super().__init__(config, report)
        self.at_once = config.concurrency

    async def check(self, plans: Sequence[Plan]) -> None:
        """Load the models, and let the generator refuse what it cannot serve."""
        generator, _ = await self.get()
        for plan in plans:
            generator.check_search(plan.searcher, plan.config)

    async def measure(self, plan: Plan) -> FirstSteps:
        """Draw the first steps whose quantile is the `tau` of a plan."""
        asked = asked_quantile(plan.searcher)
        assert asked is not None
        return await self.use(
            lambda generator, prm: measure(asked, plan.searcher, plan.problems, generator, prm, plan.config)
        )

    async def search(self, work: Work) -> None:
        """Carry out searches; where models stall, they are restarted once and what is missing is searched anew."""

        async def search(generator: Generator, prm: PRM | None) -> None:
            with work.counter() as counter:
                runs = [
                    Run(
                        plan.config,
                        plan.searcher,
                        generator,
                        prm,
                        work.grader,
                        plan.journal,
                        partial(counter.one_more, label=plan.label),
                        first_scores=scores,
                        begun=partial(counter.begin, label=plan.label),
                    )
                    for plan, scores in zip(work.plans, work.first_scores, strict=True)
                ]
                await run_tasks(runs, work.plans[0].problems, work.missing())
                for plan in work.plans:
                    plan.journal.check_in_place()

        await self.use(search)
