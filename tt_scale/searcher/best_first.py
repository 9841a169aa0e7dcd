"""Best-first search that expands the prefix with the largest expected gain from another child.

Source: this project; specified in docs/algorithms.md. Two observations on the pocket pair motivate it. A prefix with a
high-scoring child tends to produce the same child again, so its value is reduced by what its children already account
for. And after failed children, the next child passes less and less often (`benchmarks/retries.py`), so the search must
be able to move to another prefix.
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
"""Score of the root, which has no steps for the PRM to score."""

LEAST = 0.05
"""Share of a prefix's score that is kept whatever its children score: a PRM may score a wrong child highly."""

MOST_HEATING = 5
"""Retries that raise the temperature: a PRM scores steps sampled at high temperatures less reliably."""


@dataclass(slots=True)
class Prefix:
    """An open path with statistics of its children.

    Attributes:
        path: the open path.
        tries: number of children requested.
        best: score of its best child; 0 without children.
        texts: texts of its children's last steps, stripped.
    """

    path: Path
    tries: int = 0
    best: float = 0.0
    texts: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class BestFirst(Searcher):
    """Sample one solution; until a finished path reaches `tau`, sample one more child of the most promising prefix.

    Attributes:
        N: token limit in solutions: the search ends at N times the length of its longest path.
        tau: score of a finished path that ends the search, in [0, 1], or a quantile of first steps' scores: "q0.5".
        doubt: at least 0; the worth of a prefix is divided by 1 + doubt * k after k children.
        temp_origin: temperature of the first child of a prefix.
        temp_step: temperature added for each further child, at most five times.
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
        """Set N to the budget; a solution that passes early leaves the rest unspent."""
        return {"N": budget}

    async def search(self, space: SearchSpace) -> Outcome:
        """Sample one solution step by step whatever its scores; then expand the most promising prefix repeatedly."""
        pool: list[Path] = []
        prefixes = [Prefix(path) for path in space.roots()]
        prefix, descending = prefixes[0], True
        spent = longest = 0
        while True:
            if prefix.tries:
                space.mark("backtrack", [prefix.path])
            [family] = await space.expand([prefix.path], 1, temperature=self._temperature(prefix.tries))
            prefix.tries += 1
            for child in family:  # one, or none where the budget ran out
                spent += max(1, child.tokens - prefix.path.tokens)  # at least 1: failed requests must end the search
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

    def _temperature(self, tries: int) -> float:
        return min(2.0, self.temp_origin + self.temp_step * min(tries, MOST_HEATING))


def grown(prefix: Prefix, child: Path) -> list[Prefix]:
    """Record a child in its prefix; return the child as a new prefix if it is open and no sibling has the same text."""
    text = child.steps[-1].text.strip()
    is_duplicate = text in prefix.texts
    prefix.texts.add(text)
    prefix.best = max(prefix.best, child.score)
    return [Prefix(child)] if child.is_open and not is_duplicate else []


def worth(score: float, best: float, tries: int, doubt: float) -> float:
    """Value of another child of a prefix: its score less that of its best child, discounted by the number of tries.

        max(score - best, LEAST * score) / (1 + doubt * tries)

    Args:
        score: score of the prefix, in [0, 1].
        best: score of its best child, in [0, 1].
        tries: number of children requested so far.
        doubt: weight of the discount, at least 0.
    """
    return max(score - best, LEAST * score) / (1.0 + doubt * tries)


def most_promising(prefixes: Sequence[Prefix], doubt: float) -> Prefix:
    """The prefix with the largest worth; ties go to the deeper prefix, then to the smaller key."""

    def rank(prefix: Prefix) -> tuple[float, int, Key]:
        path = prefix.path
        score = path.score if path.steps else ROOT_SCORE
        return (-worth(score, prefix.best, prefix.tries, doubt), -len(path.key), path.key)

    return min(prefixes, key=rank)
