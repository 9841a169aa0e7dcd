"""Power backtracking: a particle filter over a persistent pool of all prefixes sampled so far.

Inspired by Tran et al. 2026 (arXiv 2605.25143), of which only the abstract was available: resampling over a persistent
pool of prefixes, powered scores, weights corrected for the mixture of proposals. The formula is a reconstruction; do
not expect the results of that paper from this code.

A round draws N parents from the pool in proportion to w(s) and extends each by one step. With r(s) the score of a
prefix and n(s) its expected number of children in all rounds so far, sampled or not,

    w(s) = (r(s) * decay^n(s))^power / product of n(a) over the ancestors a of s.

A child of a parent drawn often is one of many and has a smaller weight (the balance heuristic of Veach and Guibas
1995), so that among new prefixes w estimates p_model(s) * r(s)^power; restricted to the last round it is the
incremental weight (r(s) / r(parent))^power of a particle filter. Prefixes expanded before are discounted by `decay`:
without that, the search keeps returning to them and finishes no path.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log
from random import Random
from typing import ClassVar

from tt_scale.base_classes import Searcher
from tt_scale.core.path import Outcome, Path, finished_children, open_children
from tt_scale.errors import ConfigError
from tt_scale.searcher.parts.allocation import CLIP, softmax, systematic
from tt_scale.searcher.subpool import ROOT_SCORE
from tt_scale.space.search_space import SearchSpace

__all__ = ["PowerBacktrack", "mixture_log_weights"]


@dataclass(slots=True)
class Prefix:
    """An open path of the pool.

    Attributes:
        path: the open path.
        parent: index of its parent prefix; -1 for the root.
        expected: expected number of children over all rounds since it joined the pool.
        drawn: number of children sampled in these rounds.
    """

    path: Path
    parent: int = -1
    expected: float = 0.0
    drawn: int = 0


@dataclass(frozen=True)
class PowerBacktrack(Searcher):
    """Resample N parents each round from the prefixes of all depths.

    Attributes:
        N: children sampled per round; also the number of finished paths at which the search ends.
        power: exponent of the scores, at least 0; 0 ignores them, a large value is greedy.
        decay: factor on a prefix's score for each expected child, in (0, 1]; None is 0.25.
        temperature: sampling temperature.
        max_steps: maximum number of rounds, and of steps of a path; the last round completes its paths.
    """

    summary: ClassVar[str] = "resamples from all prefixes so far by a power of their scores (inspired by the paper)"
    source: ClassVar[str] = "inspired by Tran et al. 2026, arXiv 2605.25143 (abstract only)"

    N: int = 4
    power: float = 4.0
    decay: float | None = None
    temperature: float = 0.8
    max_steps: int = 30

    def __post_init__(self) -> None:
        if not self.power >= 0:
            raise ConfigError(f"power is {self.power}; it is at least 0.", "Usual: 4.0.")
        if not 0 < self.discount <= 1:
            raise ConfigError(f"decay is {self.decay}; it lies above 0, and is at most 1.", "Usual: 0.25.")

    @property
    def discount(self) -> float:
        """`decay`, 0.25 where it is unset."""
        return 0.25 if self.decay is None else self.decay

    def widths(self, budget: int) -> Mapping[str, int]:
        """Set N to two thirds of the budget; about a third is spent on expanding earlier prefixes again."""
        return {"N": max(1, round(2 * budget / 3))}

    async def search(self, space: SearchSpace) -> Outcome:
        """Weigh the pool, draw parents, extend them; parents stay in the pool beside their children."""
        random = space.random("parents")
        pool: list[Path] = []
        prefixes = [Prefix(path) for path in space.roots()]
        for number in range(self.max_steps):
            grow = space.expand if number < self.max_steps - 1 else space.complete  # the last round leaves none open
            chosen = self._parents(space, prefixes, random)
            parents = [prefixes[index].path for index in chosen]
            families = await grow(parents, list(chosen.values()), temperature=self.temperature)
            pool += finished_children(families)
            for index, family in zip(chosen, families, strict=True):
                prefixes += [Prefix(child, index) for child in open_children([family])]
            if len(pool) >= self.N:
                return Outcome(tuple(pool), "enough")
            if space.exhausted:
                return Outcome(tuple(pool), "budget")
        return Outcome(tuple(pool), "steps")

    def _parents(self, space: SearchSpace, prefixes: Sequence[Prefix], random: Random) -> dict[int, int]:
        """Allocate N children: the index of each chosen prefix to its number of children."""
        weights = softmax(self._log_weights(prefixes))
        counts = systematic(weights, self.N, random)
        chosen = {index: count for index, count in enumerate(counts) if count}
        if returning := [prefixes[index].path for index in chosen if prefixes[index].drawn]:
            space.mark("backtrack", returning)
        for prefix, weight, count in zip(prefixes, weights, counts, strict=True):
            prefix.expected += self.N * weight
            prefix.drawn += count
        return chosen

    def _log_weights(self, prefixes: Sequence[Prefix]) -> list[float]:
        scores = [prefix.path.score if prefix.path.steps else ROOT_SCORE for prefix in prefixes]
        expected = [prefix.expected for prefix in prefixes]
        values = [
            log(max(score, CLIP)) + count * log(self.discount) for score, count in zip(scores, expected, strict=True)
        ]
        return mixture_log_weights(
            [self.power * value for value in values], [prefix.parent for prefix in prefixes], expected
        )


def mixture_log_weights(log_values: Sequence[float], parents: Sequence[int], expected: Sequence[float]) -> list[float]:
    """Compute ln w(s) of each prefix, as defined in the module's docstring.

    Args:
        log_values: power * ln(r * decay^n) of each prefix, parents before children [prefixes].
        parents: index of each prefix's parent; -1 for a root [prefixes].
        expected: expected children of each prefix so far; above 0 for prefixes that have children [prefixes].

    Returns:
        Unnormalised log-weights [prefixes].
    """
    log_products: list[float] = []  # ln of the product of n(a) over the ancestors a of each prefix
    for parent in parents:
        log_products.append(0.0 if parent < 0 else log_products[parent] + log(expected[parent]))
    return [value - log_product for value, log_product in zip(log_values, log_products, strict=True)]
