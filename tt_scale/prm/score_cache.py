"""Scores that were given once are given again: equal steps have equal scores, and cost nothing the second time.

On Transformers the last digits of a score depend on what shares its batch. Siblings with the same words would stand in
an order that depends on it, and a search that is repeated would find another tree. So would steps of which a PRM is all
but certain, whose scores lie so close to each other: scores are rounded to five decimals, and equal ones stand in the
order of the tree.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from tt_scale.base_classes import PRM, Generator
from tt_scale.core.path import Path
from tt_scale.core.records import Problem, Scores
from tt_scale.prm.token_prm import RowPRM

if TYPE_CHECKING:
    from typing_extensions import Self

    from tt_scale.config import Config

__all__ = ["RememberedPRM"]

Words = tuple[str, ...]
"""A question and the steps up to one of them: a causal model says the same of it, whatever follows."""

DIGITS = 5
"""Decimals of a score. In float32 the batch moves the seventh. One score in a hundred lies so close to an edge that its
fifth decimal moves with it, which matters only where another score lies next to it: of 15,480 searches, made twice
with other batches, 95 differed without rounding and none with it."""

MOST_KNOWN = 1 << 18
"""Scores that are kept; the least recently used are let go first."""


class RememberedPRM(PRM):
    """A PRM in front of another one, which it asks only about steps that nobody has asked about.

    Tokens count as if everything had been read, so that what a search costs does not depend on what ran before it;
    those that were not read count as cached. What reads finished paths only is asked every time.

    Args:
        inner: the PRM that is asked.
    """

    def __init__(self, inner: RowPRM) -> None:
        self.inner = inner
        self._known: OrderedDict[Words, tuple[float, int]] = OrderedDict()  # score, tokens read up to there

    @classmethod
    def from_config(cls, config: Config, generator: Generator) -> Self:
        """Put one before the PRM on Transformers that a configuration names."""
        from tt_scale.prm.huggingface import HuggingFacePRM

        return cls(HuggingFacePRM.from_config(config, generator))

    @property
    def parameters(self) -> int:  # type: ignore[override]
        """Of the model; 0 where unknown."""
        return self.inner.parameters

    async def start(self) -> None:
        """Load the model."""
        await self.inner.start()

    async def close(self) -> None:
        """Let go of the model; a second call does nothing."""
        await self.inner.close()

    def progress(self) -> float:
        """The last sign of progress of either."""
        return max(self.last_progress, self.inner.progress())

    def died(self) -> str:
        """How the model's process ended; empty while all is well."""
        return self.inner.died()

    async def score(self, problem: Problem, paths: Sequence[Path]) -> list[Scores]:
        """Score the new steps of each path, as far as they are not known; errors as of the PRM that is asked."""
        if self.inner.adapter.finished_only:
            return [_rounded(scores) for scores in await self.inner.score(problem, paths)]
        asked = [self._look_up(problem, path) for path in paths]
        fresh: dict[tuple[Words, int], Path] = {}
        for path, (words, known) in zip(paths, asked, strict=True):
            if len(known) < len(words):
                values = tuple([value for value, _ in known])
                fresh.setdefault((words[-1], len(words) - len(known)), replace(path, scores=path.scores + values))
        verdicts = await self.inner.verdicts(problem, list(fresh.values()))
        read = {new: (reading, _rounded(scores)) for new, (reading, scores) in zip(fresh, verdicts, strict=True)}
        paid: set[tuple[Words, int]] = set()
        found = []
        for words, known in asked:
            new = (words[-1], len(words) - len(known))
            scores = read[new][1] if new in read else Scores((), known[-1][1])
            if new not in read or new in paid:  # of equal ones the first has caused the cost
                scores = replace(scores, cached=scores.tokens, flops=0.0)
            paid.add(new)
            if not scores.too_long:
                scores = replace(scores, values=tuple([value for value, _ in known]) + scores.values)
            found.append(scores)
        for (last, missing), (reading, scores) in read.items():
            self._keep(last, missing, reading.positions, scores)
        return found

    def _look_up(self, problem: Problem, path: Path) -> tuple[list[Words], list[tuple[float, int]]]:
        """The words up to each place that is due, and what is known of the first of these places."""
        said = (problem.question, *[step.text for step in path.steps])
        words = [said[:end] for end in range(len(path.scores) + 2, len(said) + 1)]
        known = []
        for place in words:
            found = self._known.get(place)
            if found is None:
                break
            self._known.move_to_end(place)
            known.append(found)
        return words, known

    def _keep(self, words: Words, missing: int, positions: Sequence[int], scores: Scores) -> None:
        for end, position, value in zip(
            range(len(words) - missing + 1, len(words) + 1), positions, scores.values, strict=False
        ):
            self._known[words[:end]] = (value, position + 1)
        while len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)


def _rounded(scores: Scores) -> Scores:
    return replace(scores, values=tuple([round(value, DIGITS) for value in scores.values]))
