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
    """Scores a step by the log-probabilities of all tokens up to its end, at no additional cost.

    Args:
        measure: "min" is the probability of the least likely token, which never rises along a path; "mean" the
            geometric mean of all probabilities; "certainty" how far the most likely tokens are from uniform.

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
        """Create the PRM with the measure `prm_confidence`."""
        return cls(config.prm_confidence)

    async def score(self, problem: Problem, paths: Sequence[Path]) -> list[Scores]:
        """Compute the scores from the log-probabilities of the steps.

        Raises:
            PRMError: the steps were sampled without log-probabilities.
        """
        return [Scores(tuple(self._prefixes(problem, path.steps)[len(path.scores) :])) for path in paths]

    def _prefixes(self, problem: Problem, steps: Sequence[Step]) -> list[float]:
        if any(len(step.logprobs) != len(step.ids) for step in steps):
            raise PRMError(f"The steps of problem {problem.id!r} have no log-probabilities.")
        return {"min": least, "mean": means, "certainty": certainties}[self.measure](steps)


def least(steps: Sequence[Step]) -> list[float]:
    """Compute the probability of the least likely token up to the end of each step, in [0, 1] [steps]."""
    lowest = accumulate([min(step.logprobs, default=0.0) for step in steps], min)
    return [math.exp(min(value, 0.0)) for value in lowest]


def means(steps: Sequence[Step]) -> list[float]:
    """Compute the geometric mean of the token probabilities up to the end of each step, in [0, 1] [steps]."""
    return [math.exp(min(value, 0.0)) for value in _running_means([step.logprobs for step in steps])]


def certainties(steps: Sequence[Step]) -> list[float]:
    """Compute c / (1 + c) for the certainty c up to the end of each step, in [0, 1] [steps].

    c is the mean confidence minus ln k, where k is the number of tokens that confidences use. This is the mean of
    -ln(k p) over the k most likely tokens: 0 if they share all probability evenly. Self-certainty (Kang et al. 2025,
    arXiv 2502.18581) is the same mean over the whole vocabulary of size V; since the other tokens are less likely, it
    is at least c - ln(V / k), so c ranks paths by a lower bound of it.
    """
    uniform = math.log(TOP_LOGPROBS)
    certainty = [max(value - uniform, 0.0) for value in _running_means([step.confidences for step in steps])]
    return [1.0 - 1.0 / (1.0 + value) for value in certainty]


def _running_means(numbers: Sequence[Sequence[float]]) -> list[float]:
    """Compute the mean of all numbers up to the end of each group; 0 if there is none [groups]."""
    totals = accumulate([math.fsum(each) for each in numbers])
    counts = accumulate([len(each) for each in numbers])
    return [total / max(count, 1) for total, count in zip(totals, counts, strict=True)]
