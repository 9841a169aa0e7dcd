"""DeepConf: stop traces with low token confidence early; the others vote, weighted by their confidence.

Source: Fu et al. 2025, "Deep Think with Confidence" (arXiv 2508.15260), with its published code. Differences: a trace
is checked at the end of each step, not at every token; finished traces below the threshold stay in the pool with
weight 0; the published code has no stop by consensus; windows are short enough for small models.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from math import ceil, floor, fsum, inf
from typing import ClassVar

from tt_scale.base_classes import Searcher
from tt_scale.core.logprobs import TOP_LOGPROBS
from tt_scale.core.path import Outcome, Path
from tt_scale.core.selection import NO_ANSWER
from tt_scale.errors import ConfigError, nearest
from tt_scale.space.search_space import SearchSpace

__all__ = ["DeepConf", "group_confidences", "percentile", "trace_confidence"]

MEASURES = ("lowest", "bottom", "tail", "mean")


@dataclass(frozen=True)
class DeepConf(Searcher):
    """Sample warm-up traces in full, then stop later traces at low confidence, and vote by confidence.

    Attributes:
        N: maximum number of traces, at least 1.
        temperature: sampling temperature.
        warmup_traces: traces sampled in full to set the threshold, at least 1; with N or more, no trace is stopped.
        trace_batch: traces sampled concurrently after that, between two checks of the vote, at least 1.
        keep_percent: percentage of the warm-up traces at or above the threshold, in (0, 100]; with 100, all vote.
        group_tokens: tokens of the sliding window, at least 1; 2048 in the paper, for traces of 30,000 tokens.
        trace_measure: weight of a trace: its "lowest" group, the mean of its "bottom" tenth of groups, its "tail"
            (the last group), or the "mean" of all tokens.
        consensus: share of the vote at which the search ends, in (0, 1]; 1 ends it once all voters agree, None never.
    """

    summary: ClassVar[str] = "stops traces with low token confidence; the others vote by confidence; no PRM"
    source: ClassVar[str] = "Fu et al. 2025, arXiv 2508.15260"
    selector: ClassVar[str] = "weighted"
    uses_prm: ClassVar[bool] = False
    top_logprobs: ClassVar[int] = TOP_LOGPROBS

    N: int = 4
    temperature: float = 0.8
    warmup_traces: int = 16
    trace_batch: int = 8
    keep_percent: float = 90.0
    group_tokens: int = 64
    trace_measure: str = "lowest"
    consensus: float | None = 0.95

    def __post_init__(self) -> None:
        if self.trace_measure not in MEASURES:
            raise ConfigError(f"trace_measure is {self.trace_measure!r}.", nearest(self.trace_measure, MEASURES))
        for knob in ("warmup_traces", "trace_batch", "group_tokens"):
            if not getattr(self, knob) >= 1:
                raise ConfigError(f"{knob} is {getattr(self, knob)}; it is at least 1.")
        if not 0 < self.keep_percent <= 100:
            raise ConfigError(f"keep_percent is {self.keep_percent}; it is above 0 and at most 100.")
        if self.consensus is not None and not 0 < self.consensus <= 1:
            raise ConfigError(f"consensus is {self.consensus}; it is above 0 and at most 1, or null for none.")

    def widths(self, budget: int) -> Mapping[str, int]:
        """Set N to the budget."""
        return {"N": budget}

    async def search(self, space: SearchSpace) -> Outcome:
        """Set the thresholds from the warm-up, sample further traces against them, stop when the vote is settled."""
        space.request_logprobs(self.top_logprobs)
        roots = space.roots()
        requested = min(self.N, self.warmup_traces)
        [drawn] = await space.complete(roots, requested, temperature=self.temperature)
        pool = [path for path in drawn if path.is_finished]
        weights = [self._weight(path) for path in pool]
        least_weight = self._threshold(weights)
        least_group = self._threshold([min(group_confidences(_confidences(path), self.group_tokens)) for path in pool])
        while True:
            weights += [self._weight(path) for path in pool[len(weights) :]]
            weights = [weight if weight >= least_weight else 0.0 for weight in weights]
            if space.exhausted:
                return Outcome(tuple(pool), "budget", tuple(weights))
            if requested == self.N or self._settled(pool, weights, space):
                return Outcome(tuple(pool), "enough", tuple(weights))
            share = min(self.trace_batch, self.N - requested)
            pool += await self._traces(space, roots, share, least_group)
            requested += share

    async def _traces(self, space: SearchSpace, roots: Sequence[Path], share: int, threshold: float) -> list[Path]:
        """Sample traces concurrently, step by step; stop one at its first step with a group below the threshold."""
        finished: list[Path] = []
        growing, share_each = list(roots), share
        while growing and not space.exhausted:
            families = await space.expand(growing, share_each, temperature=self.temperature)
            children = list(chain.from_iterable(families))
            finished += [child for child in children if child.is_finished]
            checked = [(child, self._falls_below(child, threshold)) for child in children if child.is_open]
            stopped = [child for child, falls in checked if falls]
            if stopped:
                space.mark("left", stopped)
            growing, share_each = [child for child, falls in checked if not falls], 1
        return finished

    def _falls_below(self, path: Path, threshold: float) -> bool:
        """Whether a full group that ends in the newest step is below the threshold."""
        confidences = _confidences(path)[-(len(path.steps[-1].ids) + self.group_tokens - 1) :]
        full = len(confidences) >= self.group_tokens
        return full and min(group_confidences(confidences, self.group_tokens)) < threshold

    def _weight(self, path: Path) -> float:
        return trace_confidence(_confidences(path), self.trace_measure, self.group_tokens)

    def _threshold(self, values: Sequence[float]) -> float:
        """The value that `keep_percent` of the warm-up traces reach; minus infinity without any."""
        return percentile(values, 100 - self.keep_percent) if values else -inf

    def _settled(self, pool: Sequence[Path], weights: Sequence[float], space: SearchSpace) -> bool:
        """Whether one answer has the share `consensus` of the vote."""
        votes: defaultdict[int, list[float]] = defaultdict(list)
        classes = space.answer_classes([space.answer(path) for path in pool])
        for answer, weight in zip(classes, weights, strict=True):
            if answer != NO_ANSWER and weight > 0:
                votes[answer].append(weight)
        if self.consensus is None or not votes:
            return False
        totals = [fsum(each) for each in votes.values()]
        return len(totals) == 1 or max(totals) >= self.consensus * fsum(totals)


def _confidences(path: Path) -> list[float]:
    """Confidence at each token of a path [tokens]."""
    return list(chain.from_iterable([step.confidences for step in path.steps]))


def group_confidences(confidences: Sequence[float], window: int) -> list[float]:
    """Mean confidence of every sliding window of tokens.

    Args:
        confidences: confidence at each token [tokens].
        window: window size in tokens, at least 1.

    Returns:
        The means, in the order in which the windows end [tokens - window + 1]; the mean of all tokens where there are
        fewer than a window. Sums are exact, so that equal windows have equal means.
    """
    if len(confidences) <= window:
        return [fsum(confidences) / max(len(confidences), 1)]
    return [fsum(confidences[end - window : end]) / window for end in range(window, len(confidences) + 1)]


def trace_confidence(confidences: Sequence[float], measure: str, window: int) -> float:
    """Confidence of a whole trace; arguments as in `DeepConf` and `group_confidences`."""
    if measure == "mean":
        return fsum(confidences) / max(len(confidences), 1)
    groups = group_confidences(confidences, window)
    if measure == "tail":
        return groups[-1]
    if measure == "lowest":
        return min(groups)
    tenth = sorted(groups)[: max(1, len(groups) // 10)]
    return fsum(tenth) / len(tenth)


def percentile(values: Sequence[float], percent: float) -> float:
    """Percentile with linear interpolation between the two nearest values.

    Args:
        values: at least one, in any order.
        percent: in [0, 100]; 0 is the smallest value.
    """
    ordered = sorted(values)
    position = percent * (len(ordered) - 1) / 100
    low = ordered[floor(position)]
    return low + (ordered[ceil(position)] - low) * (position - floor(position))
