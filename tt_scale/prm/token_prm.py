"""Base class of PRMs that score each step at a token position of their input, on any runtime."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from tt_scale.base_classes import PRM, Generator
from tt_scale.core.path import Path
from tt_scale.core.records import Problem, Scores
from tt_scale.prm.adapters.base import Adapter, ScoringInput

if TYPE_CHECKING:
    from typing_extensions import Self

    from tt_scale.config import Config

__all__ = ["TokenPRM"]


UNSCORED = 0.5
"""Score of a step for which an adapter of whole solutions has no score."""


class TokenPRM(PRM):
    """A PRM that scores each step at a token position: an adapter encodes the path, an engine scores the positions.

    Args:
        config: configuration of the run.

    Attributes:
        batch_dependent: whether the last digits of a score depend on the other inputs of its batch; such PRMs run
            behind a score cache.
        adapter: input format of the model; set by `start`.
        context: largest input, in tokens; set by `start`.
    """

    uses_generator: ClassVar[bool] = False
    batch_dependent: ClassVar[bool] = False
    adapter: Adapter
    context: int

    def __init__(self, config: Config) -> None:
        self._config = config

    @classmethod
    def from_config(cls, config: Config, generator: Generator) -> Self:
        """Create the PRM from a configuration; nothing is loaded before `start`."""
        return cls(config)

    async def score(self, problem: Problem, paths: Sequence[Path]) -> list[Scores]:
        """Score the new steps of each path; a path longer than the context is returned as too long.

        If the adapter scores finished solutions only, every step but the last one of such a solution gets 0.5.

        Raises:
            PRMError: the model failed, or returned a value that is not a probability.
            EngineDeadError: the engine has ended.
        """
        due = [path for path in paths if path.is_finished or not self.adapter.finished_only]
        scores = iter([scores for _, scores in await self.score_with_inputs(problem, due)])
        if not self.adapter.finished_only:
            return list(scores)
        return [_whole_path_scores(path, next(scores) if path.is_finished else Scores(())) for path in paths]

    async def score_with_inputs(self, problem: Problem, paths: Sequence[Path]) -> list[tuple[ScoringInput, Scores]]:
        """Score paths, and return with each the model input that was built for it; errors as in `score`."""
        inputs = [self.adapter.read(problem, path) for path in paths]
        fitting = [each for each in inputs if len(each.ids) <= self.context]
        scores = iter(await self.score_inputs(fitting))
        return [(each, next(scores) if len(each.ids) <= self.context else Scores((), too_long=True)) for each in inputs]

    @abstractmethod
    async def score_inputs(self, inputs: Sequence[ScoringInput]) -> list[Scores]:
        """Score inputs that fit into the context, in order [inputs]."""


def _whole_path_scores(path: Path, scores: Scores) -> Scores:
    """Assign the score of a whole path to its last step; the steps before it are unscored."""
    if scores.too_long:
        return scores
    new = len(path.steps) - len(path.scores)
    return replace(scores, values=(UNSCORED,) * (new - len(scores.values)) + scores.values)
