"""Calibration and ranking of a run's PRM, on the graded paths of its pools."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tt_scale.prm_eval.calibration import Bin, expected_calibration_error, interval, reliability, roc_auc
from tt_scale.report.digest import Digest, ScoredPath

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "Area",
    "Calibration",
    "HISTOGRAM_BINS",
    "areas_by_depth",
    "areas_by_level",
    "calibration",
    "histogram",
    "rankable",
]

HISTOGRAM_BINS = 20
RESAMPLES = 200
FEWEST = 8
"""Least number of correct, and of wrong, paths from which an area under the curve is computed."""

Item = tuple[float, bool, str]
"""Score, whether the path's answer is right, and problem."""


@dataclass(frozen=True, slots=True)
class Area:
    """Area under the ROC curve of some scores.

    Attributes:
        group: that they are of: a level or a depth; 0 for all.
        value: in [0, 1].
        low: lower end of its 95 % interval, problems being drawn at random.
        high: upper end.
        paths: that were ranked.
    """

    group: int
    value: float
    low: float
    high: float
    paths: int


@dataclass(frozen=True, slots=True)
class Calibration:
    """Calibration of the scores of whole paths.

    Attributes:
        bins: of the reliability curve.
        error: expected calibration error, in [0, 1]; NaN without paths.
        area: over all paths; None where there are too few.
        paths: that were scored and graded.
        right: of those.
    """

    bins: Sequence[Bin]
    error: float
    area: Area | None
    paths: int
    right: int


def calibration(digests: Sequence[Digest]) -> Calibration:
    """Compare the scores that selectors saw with the answers."""
    items = [item for digest in digests for item in _whole(digest)]
    bins = reliability([score for score, _, _ in items], [right for _, right, _ in items]) if items else []
    rights = sum([right for _, right, _ in items])
    return Calibration(bins, expected_calibration_error(bins), _area(0, items), len(items), rights)


def rankable(digests: Sequence[Digest], by: str) -> bool:
    """Whether an AUC can be computed by "level" or by "depth"."""
    groups: dict[int | None, list[bool]] = {}
    for digest in digests:
        group = digest.row.level if by == "level" else 1
        groups.setdefault(group, []).extend([path.right for path in digest.paths])
    groups.pop(None, None)
    return any(min(sum(rights), len(rights) - sum(rights)) >= FEWEST for rights in groups.values())


def areas_by_level(digests: Sequence[Digest]) -> list[Area]:
    """AUC of whole paths within each level of the set."""
    levels = sorted({digest.row.level for digest in digests if digest.row.level is not None})
    found = [
        _area(level, [item for digest in digests if digest.row.level == level for item in _whole(digest)])
        for level in levels
    ]
    return [area for area in found if area is not None]


def areas_by_depth(digests: Sequence[Digest]) -> list[Area]:
    """AUC of the scores of first, second, ... steps: how early the PRM predicts the grade of a path."""
    deepest = max([len(path.steps) for digest in digests for path in digest.paths], default=0)
    found = [
        _area(depth, [item for digest in digests for item in _at_depth(digest, depth)])
        for depth in range(1, deepest + 1)
    ]
    return [area for area in found if area is not None]


def histogram(digests: Sequence[Digest], *, right: bool) -> list[int]:
    """How many paths have a score in each of `HISTOGRAM_BINS` equal parts of [0, 1] [bins]."""
    counts = [0] * HISTOGRAM_BINS
    for digest in digests:
        for path in digest.paths:
            if path.right is right:
                counts[min(int(path.score * HISTOGRAM_BINS), HISTOGRAM_BINS - 1)] += 1
    return counts


def _whole(digest: Digest) -> Iterator[Item]:
    return _items(digest, lambda path: path.score)


def _at_depth(digest: Digest, depth: int) -> Iterator[Item]:
    return _items(digest, lambda path: path.steps[depth - 1] if len(path.steps) >= depth else None)


def _items(digest: Digest, score: Callable[[ScoredPath], float | None]) -> Iterator[Item]:
    for path in digest.paths:
        value = score(path)
        if value is not None:
            yield value, path.right, digest.row.id


def _area(group: int, items: Sequence[Item]) -> Area | None:
    rights = sum([right for _, right, _ in items])
    if min(rights, len(items) - rights) < FEWEST:
        return None
    ranked = sorted(items, key=lambda item: item[0])  # sorting what is sorted is what makes resamples cheap
    scores, labels = [score for score, _, _ in ranked], [right for _, right, _ in ranked]
    groups: Sequence[Hashable] = [problem for _, _, problem in ranked]

    def area(weights: NDArray[Any]) -> float:
        return roc_auc(scores, labels, weights)  # type: ignore[arg-type]

    low, high = interval(area, groups, RESAMPLES)
    value = roc_auc(scores, labels)
    return Area(group, value, value if math.isnan(low) else low, value if math.isnan(high) else high, len(items))
