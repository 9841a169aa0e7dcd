"""What the runtimes share: PRMs that answer at a token of what they read."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tt_scale.base_classes import PRM, Generator, Problem, Scores
from tt_scale.path import Path
from tt_scale.prm.adapter import Adapter, Reading

if TYPE_CHECKING:
    from typing_extensions import Self

    from tt_scale.config import Config

__all__ = ["RowPRM"]


class RowPRM(PRM):
    """A PRM whose verdict on a step stands at one token: adapter in front, some engine behind.

    Args:
        config: of the run.

    Attributes:
        adapter: how the model is asked; there once `start` is done.
        context: most tokens that it is given; there once `start` is done.
    """

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

        Raises:
            PRMError: the model failed, or what it gave is no probability.
            EngineDeadError: it is gone.
        """
        readings = [self.adapter.read(problem, path) for path in paths]
        fitting = [reading for reading in readings if len(reading.ids) <= self.context]
        answers = iter(await self.answers(fitting))
        return [
            next(answers) if len(reading.ids) <= self.context else Scores((), too_long=True) for reading in readings
        ]

    @abstractmethod
    async def answers(self, readings: Sequence[Reading]) -> list[Scores]:
        """Give the verdicts on readings that fit into the context [readings], in order."""
