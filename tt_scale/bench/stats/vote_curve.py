"""Accuracy of majority voting as a function of the tokens that its samples cost."""

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
        tokens: mean generated tokens per problem, by number of samples, ascending [samples].
        right: problem -> share of its repeats in which the vote is correct, by number of samples [samples].
    """

    tokens: Sequence[float]
    right: Mapping[str, Sequence[float]]

    def at(self, tokens: float) -> dict[str, float] | None:
        """Accuracy of the vote on each problem at a given number of tokens; None outside the range of the samples.

        Between n and n + 1 samples, it is the expectation of a vote over n samples on randomly chosen problems and over
        n + 1 on the others, such that the mean number of tokens is the given one. Down to 5 % below one sample counts
        as one sample, and up to 1 % above all samples as all samples.

        Args:
            tokens: mean generated tokens per problem.

        Returns:
            Problem -> probability of a correct answer.
        """
        if not (1 - LESS) * self.tokens[0] <= tokens <= (1 + MORE) * self.tokens[-1]:
            return None
        upper = min(max(bisect_right(self.tokens, tokens), 1), len(self.tokens) - 1)
        lower = upper - 1 if upper else 0
        width = self.tokens[upper] - self.tokens[lower]
        share = min(max((tokens - self.tokens[lower]) / width, 0.0), 1.0) if width else 0.0
        return {problem: (1 - share) * right[lower] + share * right[upper] for problem, right in self.right.items()}
