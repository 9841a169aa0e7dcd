"""DeepConf: traces that were unsure somewhere are left early or do not vote; the others vote by how sure they were.

Source: Fu et al. 2025, "Deep Think with Confidence" (arXiv 2508.15260), with its published code. Differences: a trace
is looked at where its steps end, not at every token; finished traces below the bar stay in the pool and weigh nothing;
the published code has no stop by consensus; windows are short enough for small models.
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
    """Grow some traces in full, then leave those early that are less sure, and vote by confidence.

    Attributes:
        N: most traces, at least 1.
        temperature: of all of them.
        warmup_traces: grown in full to set the bar, at least 1; from N on no trace is left early.
        trace_batch: traces grown side by side after that, between two looks at the vote, at least 1.
        keep_percent: share of the warm-up traces that reach the bar, above 0 to 100; 100 lets every trace vote.
        group_tokens: tokens of the sliding window, at least 1; 2048 in the paper, for traces of 30,000 tokens.
        trace_measure: what a trace weighs: its "lowest" group, the mean of its "bottom" tenth of groups, its "tail"
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
        """As many traces as the budget has solutions."""
        return {"N": budget}

    async def search(self, space: SearchSpace) -> Outcome:
        """Set the bars by the warm-up, grow the other traces against them, stop early where the vote is settled."""
        space.tell_logprobs(self.top_logprobs)
        roots = space.roots()
        asked = min(self.N, self.warmup_traces)
        [drawn] = await space.complete(roots, asked, temperature=self.temperature)
        pool = [path for path in drawn if path.is_finished]
        weights = [self._weight(path) for path in pool]
        bar = self._bar(weights)
        lowest = self._bar([min(group_confidences(_told(path), self.group_tokens)) for path in pool])
        while True:
            weights += [self._weight(path) for path in pool[len(weights) :]]
            weights = [weight if weight >= bar else 0.0 for weight in weights]
            if space.exhausted:
                return Outcome(tuple(pool), "budget", tuple(weights))
            if asked == self.N or self._settled(pool, weights, space):
                return Outcome(tuple(pool), "enough", tuple(weights))
            share = min(self.trace_batch, self.N - asked)
            pool += await self._traces(space, roots, share, lowest)
            asked += share

    async def _traces(self, space: SearchSpace, roots: Sequence[Path], share: int, lowest: float) -> list[Path]:
        """Grow traces side by side, step by step; one is left at the first step that holds a group below the bar."""
        finished: list[Path] = []
        growing, share_each = list(roots), share
        while growing and not space.exhausted:
            families = await space.expand(growing, share_each, temperature=self.temperature)
            children = list(chain.from_iterable(families))
            finished += [child for child in children if child.is_finished]
            seen = [(child, self._falls_below(child, lowest)) for child in children if child.is_open]
            left = [child for child, falls in seen if falls]
            if left:
                space.mark("left", left)
            growing, share_each = [child for child, falls in seen if not falls], 1
        return finished

    def _falls_below(self, path: Path, lowest: float) -> bool:
        """Whether a group that ends in the newest step is below the bar; no group ends before it is full."""
        told = _told(path)[-(len(path.steps[-1].ids) + self.group_tokens - 1) :]
        return len(told) >= self.group_tokens and min(group_confidences(told, self.group_tokens)) < lowest

    def _weight(self, path: Path) -> float:
        return trace_confidence(_told(path), self.trace_measure, self.group_tokens)

    def _bar(self, reached: Sequence[float]) -> float:
        """Give what the wanted share of the warm-up reaches; no trace is held to a bar that none has set."""
        return percentile(reached, 100 - self.keep_percent) if reached else -inf

    def _settled(self, pool: Sequence[Path], weights: Sequence[float], space: SearchSpace) -> bool:
        """Whether one answer has the wanted share of the vote."""
        votes: defaultdict[int, list[float]] = defaultdict(list)
        classes = space.answer_classes([space.answer(path) for path in pool])
        for answer, weight in zip(classes, weights, strict=True):
            if answer != NO_ANSWER and weight > 0:
                votes[answer].append(weight)
        if self.consensus is None or not votes:
            return False
        totals = [fsum(each) for each in votes.values()]
        return len(totals) == 1 or max(totals) >= self.consensus * fsum(totals)


def _told(path: Path) -> list[float]:
    """Give the confidence at each token of a path [tokens]."""
    return list(chain.from_iterable([step.confidences for step in path.steps]))


def group_confidences(told: Sequence[float], window: int) -> list[float]:
    """Give the mean confidence of every window of tokens.

    Args:
        told: confidence at each token [tokens].
        window: tokens, at least 1.

    Returns:
        The means, in the order in which the windows end [tokens - window + 1]; the plain mean where there are fewer
        tokens than a window has. Sums are exact, so that equal windows have equal means.
    """
    if len(told) <= window:
        return [fsum(told) / max(len(told), 1)]
    return [fsum(told[end - window : end]) / window for end in range(window, len(told) + 1)]


def trace_confidence(told: Sequence[float], measure: str, window: int) -> float:
    """Say how sure a whole trace was; arguments as in `DeepConf` and `group_confidences`."""
    if measure == "mean":
        return fsum(told) / max(len(told), 1)
    groups = group_confidences(told, window)
    if measure == "tail":
        return groups[-1]
    if measure == "lowest":
        return min(groups)
    tenth = sorted(groups)[: max(1, len(groups) // 10)]
    return fsum(tenth) / len(tenth)


def percentile(values: Sequence[float], percent: float) -> float:
    """Give the value below which so many percent lie, on a line between the two nearest ones.

    Args:
        values: at least one, in any order.
        percent: in [0, 100]; 0 is the smallest value.
    """
    ordered = sorted(values)
    place = percent * (len(ordered) - 1) / 100
    low = ordered[floor(place)]
    return low + (ordered[ceil(place)] - low) * (place - floor(place))
