"""Intervals of 95 %: of a mean of shares, and of a mean difference between two methods over the same problems."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, sqrt
from typing import TYPE_CHECKING

from tt_scale.bench.stats.sign_flips import SignFlips, sign_flips

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray

__all__ = ["LEVEL", "Difference", "difference", "mean_interval"]

LEVEL = 0.05
"""Of the tests; intervals have one minus it."""

TINY = 1e-12
"""What is smaller is rounding."""

LEAST_RATIO = 1e-3
"""A smaller share of the variance is taken for this one where logarithms are compared."""

MANY = 1e6
"""With more degrees of freedom Student's distribution is the normal one."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Mean difference of two methods.

    Attributes:
        mean: in [-1, 1].
        low: lower end of its 95 % interval, in [-1, 1]; above 0 exactly where the first is better with p < .05.
        high: upper end; below 0 exactly where the first is worse with p < .05.
        p_value: of no difference, in [0, 1].
    """

    mean: float
    low: float
    high: float
    p_value: float


def mean_interval(shares: Sequence[float]) -> tuple[float, float]:
    """95 % interval of a mean, problems being drawn at random.

    Wilson's score interval (1927) where each problem was searched once, so that its share is 0 or 1. Shares of several
    searches vary less: there the variance is the observed one, and the quantile is Student's, with as many degrees of
    freedom as a jackknife over problems finds in that variance (Satterthwaite 1946). Never wider than Wilson's for
    single searches, since repeats of a problem that all end alike are worth one.

    Args:
        shares: one for each problem, in [0, 1] [problems]; none at all gives [0, 1].
    """
    if not len(shares):
        return 0.0, 1.0
    import numpy as np

    found = np.asarray(shares, dtype=float)
    count, mean = len(found), float(found.mean())
    spread = _quantile(inf) ** 2 / count
    ratio = float(_ratios(np.array([found.sum()]), np.array([found @ found]), count)[0])
    if 0 < ratio < 1:
        spread = min(spread, _quantile(_freedom(found)) ** 2 * ratio / (count - 1))
    centre = (mean + spread / 2) / (1 + spread)
    half = sqrt(spread * mean * (1 - mean) + spread * spread / 4) / (1 + spread)
    return max(0.0, centre - half), min(1.0, centre + half)


def _ratios(sums: NDArray[float64], squares: NDArray[float64], count: int) -> NDArray[float64]:
    """Variance of shares per variance of zeros and ones of the same mean, in [0, 1]; 1 where all are 0 or all are 1."""
    import numpy as np

    means = sums / count
    own = means * (1 - means)
    clear = own > TINY
    return np.where(clear, np.maximum(squares / count - means**2, 0.0) / np.where(clear, own, 1.0), 1.0)


def _freedom(shares: NDArray[float64]) -> float:
    """Degrees of freedom of an observed variance: 2 per squared coefficient of variation, by the jackknife."""
    import numpy as np

    left = len(shares) - 1
    ratios = _ratios(shares.sum() - shares, shares @ shares - shares**2, left)
    logs = np.log(np.maximum(ratios, LEAST_RATIO))
    return max(1.0, 2 / max(float(left * logs.var()), TINY))


def _quantile(freedom: float) -> float:
    """Of Student's distribution, two-sided, at the level of the intervals."""
    from scipy.special import ndtri, stdtrit

    return float(ndtri(1 - LEVEL / 2) if freedom > MANY else stdtrit(freedom, 1 - LEVEL / 2))


def difference(gaps: Sequence[float]) -> Difference:
    """Test a mean difference, and give the interval of the differences that agree with the data.

    The p-value is that of the exact sign-flip test. For the interval two things are uncertain: which side is ahead
    where the two differ, and how much they differ at all. The limits of the first invert the sign-flip test
    (`sign_flips`), those of the second are `mean_interval`'s; as in MOVER (Donner and Zou 2012) both are put together
    on the ellipse that they span, by its least and its greatest product. At 0 only the first counts. Its tails are
    mid-p ones, a little shorter than the test's: an end that would exclude 0 where the test does not reject is 0. So
    the interval excludes 0 exactly where p < .05.

    Args:
        gaps: differences of the shares of right answers, one for each problem, in [-1, 1] [problems], at least one.
    """
    gaps = sorted(gaps)  # sums must not depend on the order in which searches ended
    count = len(gaps)
    mean = sum(gaps) / count
    flips = sign_flips(gaps)
    if flips is None:
        high = mean_interval([0.0] * count)[1]
        return Difference(0.0, -high, high, 1.0)
    p_value = flips.p_value()
    low, high = (end / count for end in flips.limits(LEVEL))
    scales = _scales(gaps, flips)
    low = max(-1.0, min([_least(mean, low, scale) for scale in scales]))
    high = min(1.0, -min([_least(-mean, -high, scale) for scale in scales]))
    if p_value >= LEVEL:
        low, high = min(low, 0.0), max(high, 0.0)
    return Difference(mean, low, high, p_value)


def _scales(gaps: Sequence[float], flips: SignFlips) -> tuple[float, float]:
    """How much less and how much more than on these problems two methods may differ, as factors."""
    import numpy as np

    sizes = np.abs(np.asarray(gaps, dtype=float))
    tilt = flips.tilt / flips.cell
    weights = sizes * np.tanh(tilt * sizes) / np.tanh(tilt) if tilt > 1e-9 else sizes**2
    low, high = mean_interval(weights.tolist())
    mean = float(weights.mean())
    return low / mean, high / mean


def _least(mean: float, limit: float, scale: float) -> float:
    """Least product of a difference, `mean` to `limit`, and a factor, 1 to `scale`, on a quarter of an ellipse."""
    import numpy as np

    angle = np.linspace(0, np.pi / 2, 181)
    sides: NDArray[float64] = limit + (1 - np.cos(angle)) * (mean - limit)
    return float((sides * (1 + np.sin(angle) * (scale - 1))).min())
