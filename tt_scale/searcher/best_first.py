"""Best-first search that goes back to where a right step is missing, and nowhere else.

Source: this project; the specification stands in docs/algorithms.md. Two observations on the pocket pair led to it. A
prefix whose child looks right draws the same child again, so that coming back to it is waste: it is worth only what its
children do not account for. And where children failed the next one passes ever more rarely (`benchmarks/retries.py`): a
search must be able to leave a prefix for another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from tt_scale.base_classes import Searcher
from tt_scale.core.path import Key, Outcome, Path
from tt_scale.space.search_space import SearchSpace

__all__ = ["BestFirst", "Prefix", "most_promising", "worth"]

ROOT_SCORE = 1.0
"""What says nothing yet is not wrong; the PRM never sees it."""

LEAST = 0.05
"""Share of a prefix's score that no child takes away: a PRM errs, and a wrong child may look right."""

MOST_HEATING = 5
"""Retries that raise the temperature: the wilder a step, the surer it deceives a PRM."""


@dataclass(slots=True)
class Prefix:
    """An open path and what came of it.

    Attributes:
        path: where it stands.
        tries: children drawn from it.
        best: score of its best child.
        texts: that its children said.
    """

    path: Path
    tries: int = 0
    best: float = 0.0
    texts: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class BestFirst(Searcher):
    """Draw one solution; while none reaches `tau`, grow the most promising of all prefixes by one child.

    Attributes:
        N: the search ends when it has spent as many tokens as N solutions of the length of its longest path.
        tau: score of a finished path that ends the search, in [0, 1], or a quantile of first steps' scores: "q0.5".
        doubt: at least 0; what a prefix promises is divided by 1 + doubt * k after k children.
        temp_origin: temperature of the first child of a prefix.
        temp_step: added for each further one, five times at most.
    """

    summary: ClassVar[str] = "returns to the most promising prefix; ends with the first solution that passes tau"
    source: ClassVar[str] = "tt_scale"
    selector: ClassVar[str] = "weighted"

    N: int = 4
    tau: float | str = 0.6
    doubt: float = 1.0
    temp_origin: float = 0.7
    temp_step: float = 0.1

    def widths(self, budget: int) -> Mapping[str, int]:
        """As many solutions as the budget has; one that passes early leaves the rest unspent."""
        return {"N": budget}

    async def search(self, space: SearchSpace) -> Outcome:
        """Draw one solution step by step, whatever its steps score; then return to where it pays most."""
        pool: list[Path] = []
        prefixes = [Prefix(path) for path in space.roots()]
        prefix, descending = prefixes[0], True
        spent = longest = 0
        while True:
            if prefix.tries:
                space.mark("backtrack", [prefix.path])
            [family] = await space.expand([prefix.path], 1, temperature=self._heat(prefix.tries))
            prefix.tries += 1
            for child in family:  # one, or none where the budget ran out
                spent += max(1, child.tokens - prefix.path.tokens)  # a request that fails costs nothing, for ever
                longest = max(longest, child.tokens)
                descending = descending and child.is_open
                prefixes += grown(prefix, child)
                pool += [child] * child.is_finished
                if child.is_finished and space.bar.passes(child, self.tau):
                    return Outcome(tuple(pool), "enough")
            if space.exhausted:
                return Outcome(tuple(pool), "budget")
            if not descending and spent >= self.N * longest:
                return Outcome(tuple(pool), "steps")
            prefix = prefixes[-1] if descending else most_promising(prefixes, self.doubt)

    def _heat(self, tries: int) -> float:
        return min(2.0, self.temp_origin + self.temp_step * min(tries, MOST_HEATING))


def grown(prefix: Prefix, child: Path) -> list[Prefix]:
    """Tell a prefix of its child; what can be grown further comes back, unless a sibling said the same before."""
    text = child.steps[-1].text.strip()
    known = text in prefix.texts
    prefix.texts.add(text)
    prefix.best = max(prefix.best, child.score)
    return [Prefix(child)] if child.is_open and not known else []


def worth(score: float, best: float, tries: int, doubt: float) -> float:
    """What another child of a prefix promises: the part of its score that no child accounts for, less with each try.

        max(score - best, LEAST * score) / (1 + doubt * tries)

    Args:
        score: of the prefix, in [0, 1].
        best: score of its best child, in [0, 1].
        tries: children that it has.
        doubt: at least 0.
    """
    return max(score - best, LEAST * score) / (1.0 + doubt * tries)


def most_promising(prefixes: Sequence[Prefix], doubt: float) -> Prefix:
    """The prefix of the largest worth; ties go to what is deeper, then to the smaller key."""

    def rank(prefix: Prefix) -> tuple[float, int, Key]:
        path = prefix.path
        score = path.score if path.steps else ROOT_SCORE
        return (-worth(score, prefix.best, prefix.tries, doubt), -len(path.key), path.key)

    return min(prefixes, key=rank)
