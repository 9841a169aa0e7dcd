"""95 % intervals: of a mean of shares, and of a mean difference between two methods on the same problems."""

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
"""Significance level of the tests; intervals cover one minus it."""

TINY = 1e-12
"""Variances below this, and ratios of variances, are rounding errors: equal thirds differ in their last digit."""

LEAST_RATIO = 1e-3
"""Lower bound of variance ratios before logarithms are taken."""

MANY = 1e6
"""Degrees of freedom above which the normal distribution replaces Student's."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Mean difference of two methods.

    Attributes:
        mean: the mean difference, in [-1, 1].
        low: lower end of its 95 % interval, in [-1, 1]; above 0 exactly if the first is better with p < .05.
        high: upper end; below 0 exactly if the first is worse with p < .05.
        p_value: p-value of no difference, in [0, 1].
    """

    mean: float
    low: float
    high: float
    p_value: float


def mean_interval(shares: Sequence[float]) -> tuple[float, float]:
    """95 % interval of a mean over randomly drawn problems.

    Wilson's score interval (1927) if each problem was searched once, so that its share is 0 or 1. Shares of several
    searches vary less: there the variance is the observed one, and the quantile is Student's, with degrees of freedom
    estimated by a jackknife over problems (Satterthwaite 1946). Never wider than Wilson's interval for single searches,
    since repeats of a problem with equal outcomes carry as much information as one.

    Args:
        shares: share of correct searches of each problem, in [0, 1] [problems]; empty gives [0, 1].
    """
    if not len(shares):
        return 0.0, 1.0
    import numpy as np

    values = np.asarray(shares, dtype=float)
    count, mean = len(values), float(values.mean())
    spread = _quantile(inf) ** 2 / count
    ratio = float(_ratios(np.array([values.sum()]), np.array([values @ values]), count)[0])
    if 0 < ratio < 1:
        spread = min(spread, _quantile(_freedom(values)) ** 2 * ratio / (count - 1))
    centre = (mean + spread / 2) / (1 + spread)
    half = sqrt(spread * mean * (1 - mean) + spread * spread / 4) / (1 + spread)
    return max(0.0, centre - half), min(1.0, centre + half)


def _ratios(sums: NDArray[float64], squares: NDArray[float64], count: int) -> NDArray[float64]:
    """Ratio of the variance of shares to that of zeros and ones of the same mean, in [0, 1]; 1 if that is 0."""
    import numpy as np

    means = sums / count
    own = means * (1 - means)
    clear = own > TINY
    ratios = (squares / count - means**2) / np.where(clear, own, 1.0)
    return np.where(clear, np.where(ratios > TINY, ratios, 0.0), 1.0)


def _freedom(shares: NDArray[float64]) -> float:
    """Degrees of freedom of an observed variance: 2 / squared coefficient of variation, by the jackknife."""
    import numpy as np

    left = len(shares) - 1
    ratios = _ratios(shares.sum() - shares, shares @ shares - shares**2, left)
    logs = np.log(np.maximum(ratios, LEAST_RATIO))
    return max(1.0, 2 / max(float(left * logs.var()), TINY))


def _quantile(freedom: float) -> float:
    """Two-sided quantile of Student's distribution at the level of the intervals."""
    from scipy.special import ndtri, stdtrit

    return float(ndtri(1 - LEVEL / 2) if freedom > MANY else stdtrit(freedom, 1 - LEVEL / 2))


def difference(gaps: Sequence[float]) -> Difference:
    """Test a mean difference, and compute its 95 % interval.

    The p-value is that of the exact sign-flip test. The interval combines two uncertainties: which method is ahead on
    problems where they differ, and how much they differ at all. The limits of the first invert the sign-flip test
    (`sign_flips`), those of the second are `mean_interval`'s; as in MOVER (Donner and Zou 2012), both are combined on
    the ellipse that they span, by its smallest and largest product. At 0 only the first matters. Its tails are mid-p
    tails, slightly shorter than the test's: an end that would exclude 0 where the test does not reject is set to 0.
    Thus the interval excludes 0 exactly if p < .05.

    Args:
        gaps: difference of the shares of correct answers of each problem, in [-1, 1] [problems], at least one.
    """
    gaps = sorted(gaps)  # sums must not depend on the order in which searches finished
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
    """Limits of how much two methods differ, as factors of how much they differ on these problems."""
    import numpy as np

    sizes = np.abs(np.asarray(gaps, dtype=float))
    tilt = flips.tilt / flips.cell
    weights = sizes * np.tanh(tilt * sizes) / np.tanh(tilt) if tilt > 1e-9 else sizes**2
    low, high = mean_interval(weights.tolist())
    mean = float(weights.mean())
    return low / mean, high / mean


def _least(mean: float, limit: float, scale: float) -> float:
    """Smallest product of a difference, `mean` to `limit`, and a factor, 1 to `scale`, on a quarter of an ellipse."""
    import numpy as np

    angle = np.linspace(0, np.pi / 2, 181)
    sides: NDArray[float64] = limit + (1 - np.cos(angle)) * (mean - limit)
    return float((sides * (1 + np.sin(angle) * (scale - 1))).min())
