"""What the runtimes share: PRMs that answer at a token of what they read."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from tt_scale.base_classes import PRM, Generator
from tt_scale.core.path import Path
from tt_scale.core.records import Problem, Scores
from tt_scale.prm.adapters.base import Adapter, Reading

if TYPE_CHECKING:
    from typing_extensions import Self

    from tt_scale.config import Config

__all__ = ["RowPRM"]


NO_VERDICT = 0.5


class RowPRM(PRM):
    """A PRM whose verdict on a step stands at one token: adapter in front, some engine behind.

    Args:
        config: of the run.

    Attributes:
        batch_dependent: whether the last digits of a score depend on what shares its batch; scores that were given are
            then given again.
        adapter: how the model is asked; there once `start` is done.
        context: most tokens that it is given; there once `start` is done.
    """

    uses_generator: ClassVar[bool] = False
    batch_dependent: ClassVar[bool] = False
    adapter: Adapter
    context: int

    def __init__(self, config: Config) -> None:
        self._config = config

    @classmethod
    def from_config(cls, config: Config, generator: Generator) -> Self:
        """Make one as a configuration says; nothing is loaded before `start`."""
        return cls(config)

    async def score(self, problem: Problem, paths: Sequence[Path]) -> list[Scores]:
        """Score the new steps of each path; one that does not fit into the context is said to be too long.

        Where the adapter reads finished paths only, a step that none of its verdicts is about has the score 0.5.

        Raises:
            PRMError: the model failed, or what it gave is no probability.
            EngineDeadError: it is gone.
        """
        due = [path for path in paths if path.is_finished or not self.adapter.finished_only]
        verdicts = iter([verdict for _, verdict in await self.verdicts(problem, due)])
        if not self.adapter.finished_only:
            return list(verdicts)
        return [_of_whole(path, next(verdicts) if path.is_finished else Scores(())) for path in paths]

    async def verdicts(self, problem: Problem, paths: Sequence[Path]) -> list[tuple[Reading, Scores]]:
        """Read paths, and say with each what was read of it; errors as of `score`."""
        readings = [self.adapter.read(problem, path) for path in paths]
        fitting = [reading for reading in readings if len(reading.ids) <= self.context]
        answers = iter(await self.answers(fitting))
        return [
            (reading, next(answers) if len(reading.ids) <= self.context else Scores((), too_long=True))
            for reading in readings
        ]

    @abstractmethod
    async def answers(self, readings: Sequence[Reading]) -> list[Scores]:
        """Give the verdicts on readings that fit into the context [readings], in order."""


def _of_whole(path: Path, verdict: Scores) -> Scores:
    """Give the verdict on a whole path to its last step; the others have none."""
    if verdict.too_long:
        return verdict
    new = len(path.steps) - len(path.scores)
    return replace(verdict, values=(NO_VERDICT,) * (new - len(verdict.values)) + verdict.values)
