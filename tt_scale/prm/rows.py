"""What the runtimes share: PRMs that answer at a token of what they read."""

from __future__ import annotations

from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from tt_scale.base_classes import PRM, Generator, Problem, Scores
from tt_scale.path import Path
from tt_scale.prm.adapter import Adapter, Reading

if TYPE_CHECKING:
    from typing_extensions import Self

    from tt_scale.config import Config

__all__ = ["RowPRM"]


NO_VERDICT = 0.5

Words = tuple[str, ...]
"""A question and the steps up to one of them: a causal model says the same of it, whatever follows."""

MOST_KNOWN = 1 << 18
"""Scores that are kept."""


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
        self._known: OrderedDict[Words, tuple[float, int]] = OrderedDict()  # score, tokens read up to there

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
        verdicts = iter(await self._verdicts(problem, due))
        if not self.adapter.finished_only:
            return list(verdicts)
        return [_of_whole(path, next(verdicts) if path.is_finished else Scores(())) for path in paths]

    async def _verdicts(self, problem: Problem, paths: Sequence[Path]) -> list[Scores]:
        """Verdicts on paths [paths]; what was said of the same steps before is not asked again, and costs nothing."""
        asked = [self._known_of(problem, path) for path in paths]
        fresh: dict[Words, tuple[Path, tuple[float, ...]]] = {}
        for (words, known), path in zip(asked, paths, strict=True):
            if len(known) < len(words):
                fresh.setdefault(words[-1], (path, tuple([value for value, _ in known])))
        grown = [replace(path, scores=path.scores + values) for path, values in fresh.values()]
        read = dict(zip(fresh, await self._read(problem, grown), strict=True))
        verdicts = []
        for words, known in asked:
            verdict = read.pop(words[-1], None)  # the first of equal ones has caused the cost
            if verdict is not None and not verdict.too_long:
                for place, value in zip(words[len(known) :], verdict.values, strict=True):
                    self._known[place] = (value, verdict.tokens)
                verdict = replace(verdict, values=tuple([value for value, _ in known]) + verdict.values)
            verdicts.append(verdict or self._again(words))
        while len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)
        return verdicts

    def _known_of(self, problem: Problem, path: Path) -> tuple[list[Words], list[tuple[float, int]]]:
        """The words up to each place that is due, and what is known of the first of these places."""
        said = (problem.question, *[step.text for step in path.steps])
        first = len(said) if self.adapter.finished_only else len(path.scores) + 2
        words = [said[:end] for end in range(first, len(said) + 1)]
        known = []
        for place in words:
            found = self._known.get(place)
            if found is None:
                break
            self._known.move_to_end(place)
            known.append(found)
        return words, known

    def _again(self, words: Sequence[Words]) -> Scores:
        """What was said before of the same words, in this call or an earlier one."""
        found = [self._known.get(place) for place in words]
        known = [each for each in found if each is not None]
        if len(known) < len(words):
            return Scores((), too_long=True)
        tokens = known[-1][1]
        return Scores(tuple([value for value, _ in known]), tokens, tokens, flops=0.0)

    async def _read(self, problem: Problem, paths: Sequence[Path]) -> list[Scores]:
        readings = [self.adapter.read(problem, path) for path in paths]
        fitting = [reading for reading in readings if len(reading.ids) <= self.context]
        answers = iter(await self.answers(fitting))
        return [
            next(answers) if len(reading.ids) <= self.context else Scores((), too_long=True) for reading in readings
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
