"""The generator's own doubts as PRM: a path is worth what its least likely token, or all of them, say."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, ClassVar

from tt_scale.base_classes import PRM, Generator
from tt_scale.core.logprobs import TOP_LOGPROBS
from tt_scale.core.path import Path
from tt_scale.core.records import Problem, Scores, Step
from tt_scale.errors import ConfigError, PRMError, nearest

if TYPE_CHECKING:
    from typing_extensions import Self

    from tt_scale.config import Config

__all__ = ["ConfidencePRM", "least", "means"]

MEASURES = ("min", "mean", "certainty")


class ConfidencePRM(PRM):
    """Scores a step by the log-probabilities of all tokens up to its end, which cost nothing more.

    Args:
        measure: "min" is the probability of the least likely token, which never rises along a path; "mean" the
            geometric mean of all probabilities; "certainty" how far from even the likeliest tokens are.

    Raises:
        ConfigError: an unknown measure.
    """

    summary: ClassVar[str] = "how sure the generator was of its own tokens (prm_confidence); no second model, no tokens"
    own_name: ClassVar[str] = "confidence"
    config_keys: ClassVar[frozenset[str]] = frozenset({"prm_confidence"})
    reads_samples: ClassVar[bool] = True

    def __init__(self, measure: str = "min") -> None:
        if measure not in MEASURES:
            raise ConfigError(f"prm_confidence is {measure!r}.", nearest(measure, MEASURES))
        self.measure = measure
        self.top_logprobs = TOP_LOGPROBS if measure == "certainty" else 1

    @classmethod
    def from_config(cls, config: Config, generator: Generator) -> Self:
        """Take `prm_confidence`."""
        return cls(config.prm_confidence)

    async def score(self, problem: Problem, paths: Sequence[Path]) -> list[Scores]:
        """Read the scores off the steps.

        Raises:
            PRMError: the steps were sampled without log-probabilities.
        """
        return [Scores(tuple(self._prefixes(problem, path.steps)[len(path.scores) :])) for path in paths]

    def _prefixes(self, problem: Problem, steps: Sequence[Step]) -> list[float]:
        if any(len(step.logprobs) != len(step.ids) for step in steps):
            raise PRMError(f"The steps of problem {problem.id!r} came without log-probabilities of their tokens.")
        return {"min": least, "mean": means, "certainty": certainties}[self.measure](steps)


def least(steps: Sequence[Step]) -> list[float]:
    """Give the probability of the least likely token up to the end of each step, in [0, 1] [steps]."""
    lowest = accumulate([min(step.logprobs, default=0.0) for step in steps], min)
    return [math.exp(min(value, 0.0)) for value in lowest]


def means(steps: Sequence[Step]) -> list[float]:
    """Give the geometric mean of the probabilities of all tokens up to the end of each step, in [0, 1] [steps]."""
    return [math.exp(min(value, 0.0)) for value in _running_means([step.logprobs for step in steps])]


def certainties(steps: Sequence[Step]) -> list[float]:
    """Give c / (1 + c) for the certainty c up to the end of each step, in [0, 1] [steps].

    c is the mean of the confidences less the logarithm of the number k of tokens that they look at, which is the mean
    of -ln(k p) over the k likeliest tokens: 0 where these share all probability evenly. Self-certainty (Kang et al.
    2025, arXiv 2502.18581) is the same mean over the whole vocabulary, of size V; as the other tokens are less
    likely, it is at least c - ln(V / k), so paths stand in the order of a lower bound of it.
    """
    even = math.log(TOP_LOGPROBS)
    found = [max(value - even, 0.0) for value in _running_means([step.confidences for step in steps])]
    return [1.0 - 1.0 / (1.0 + value) for value in found]


def _running_means(numbers: Sequence[Sequence[float]]) -> list[float]:
    """Means of all numbers up to the end of each group; 0 where there is none yet [groups]."""
    totals = accumulate([math.fsum(each) for each in numbers])
    counts = accumulate([len(each) for each in numbers])
    return [total / max(count, 1) for total, count in zip(totals, counts, strict=True)]
