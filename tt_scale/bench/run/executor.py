"""What carries out searches: this process, or replicas of the models on a cluster. Both are given the same work."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from tt_scale.bench.run.events import RunCounter
from tt_scale.bench.run.plan import Plan
from tt_scale.bench.run.runner import Task
from tt_scale.grading import Grader
from tt_scale.space.first_steps import FirstSteps

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["SearchExecutor", "Work", "missing_searches"]


@dataclass(frozen=True)
class Work:
    """Searches of one run, or of several over the same problems with the same models.

    Attributes:
        plans: of the runs; their journals are open [runs].
        first_scores: of which a quantile as `tau` is taken, for each run; empty where it is a number [runs][scores].
        grader: open; for searches in this process.
        missing: gives the searches to be done, in the order in which they are begun; called anew after a restart.
        counter: makes what counts and reports finished searches; called as the searches begin.
    """

    plans: Sequence[Plan]
    first_scores: Sequence[Sequence[float]]
    grader: Grader
    missing: Callable[[], Iterable[Task]]
    counter: Callable[[], RunCounter]


class SearchExecutor(Protocol):
    """Carries out searches and writes their records to the journals. Use it as an async context manager."""

    async def __aenter__(self) -> Self:
        """Open nothing yet."""

    async def __aexit__(self, *ended: object) -> None:
        """Close all models."""

    @property
    def at_once(self) -> int:
        """Searches that are in flight at a time."""

    async def check(self, plans: Sequence[Plan]) -> None:
        """Load the models, and refuse a search that the generator turned out to be unable to serve.

        Raises:
            ConfigError: it cannot serve a plan.
            TTScaleError: a model cannot be loaded.
        """

    async def measure(self, plan: Plan) -> FirstSteps:
        """Draw the first steps whose quantile is the `tau` of a plan; errors as of `space.first_steps.measure`."""

    async def search(self, work: Work) -> None:
        """Carry out searches; each is in its journal as soon as it is finished.

        Raises:
            EngineDeadError: no model can serve any more; what was done is in the journals.
            JournalError: a journal cannot be written any more.
        """


def missing_searches(plans: Sequence[Plan]) -> Iterator[Task]:
    """Searches that runs over the same problems lack: repeats in the outer loop, runs in the inner loop."""
    done = [plan.journal.done() for plan in plans]
    for repeat in range(plans[0].config.repeats):
        for index, problem in enumerate(plans[0].problems):
            for run in range(len(plans)):
                if (problem.id, repeat) not in done[run]:
                    yield run, index, repeat
