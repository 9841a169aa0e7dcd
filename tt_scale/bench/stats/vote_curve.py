"""The accuracy of majority voting by the number of tokens that its samples cost."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

__all__ = ["VoteCurve"]

LESS, MORE = 0.05, 0.01


@dataclass(frozen=True)
class VoteCurve:
    """Majority voting over the first 1, 2, ... samples of a pool.

    Attributes:
        tokens: generated per problem on average, by number of samples, ascending [samples].
        right: problem -> share of its repeats that the vote got right, by number of samples [samples].
    """

    tokens: Sequence[float]
    right: Mapping[str, Sequence[float]]

    def at(self, tokens: float) -> dict[str, float] | None:
        """What the vote gets right for so many tokens per problem; None outside of what was drawn.

        Between n and n + 1 samples it is a vote over n for some problems and over n + 1 for others, by chance,
        such that the mean number of tokens is the wanted one: the exact expectation, problem by problem. Up to 5 %
        less than one sample is taken for one sample, and up to 1 % more than all samples for all.

        Args:
            tokens: generated per problem, on average.

        Returns:
            Problem -> probability of a right answer.
        """
        if not (1 - LESS) * self.tokens[0] <= tokens <= (1 + MORE) * self.tokens[-1]:
            return None
        upper = min(max(bisect_right(self.tokens, tokens), 1), len(self.tokens) - 1)
        lower = upper - 1 if upper else 0
        room = self.tokens[upper] - self.tokens[lower]
        share = min(max((tokens - self.tokens[lower]) / room, 0.0), 1.0) if room else 0.0
        return {problem: (1 - share) * right[lower] + share * right[upper] for problem, right in self.right.items()}
