"""Sign-flip test of paired differences, and its inversion to limits of their mean."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import exp, inf, log
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from numpy import float64, int64
    from numpy.typing import NDArray

__all__ = ["SignFlips", "sign_flips"]

CELLS = 32_768
"""Cells for sums of gaps without a common grid; rounding moves 1,000 gaps by 1 % of a standard error."""

MOST_PARTS = 360
"""Maximum number of steps of a common grid within the smallest gap."""

FEW_PROBLEMS, FEW_GAPS = 20, 6
"""Up to these numbers of problems, or of differing ones, limits use exact tails; mid-p tails would be too short."""

NEGLIGIBLE = 1e-20
"""Probabilities below this are dropped: sums are computed under a tilt at which the observed sum is likely."""

NONE = 1e-9
"""Gaps below this are 0 up to rounding: thirds summed in another order differ in their last digit."""


@dataclass(frozen=True, slots=True, eq=False)
class SignFlips:
    """Distribution of the sum of paired gaps over all flips of their signs.

    A gap of size a is positive with probability 1 / (1 + exp(-2 * tilt * a)); without a difference the tilt is 0. Given
    the sizes, the sum is a sufficient statistic of the tilt, and the distribution of the sum under one tilt yields that
    under any other. If the odds of two methods differ by the same factor on every problem, this is conditional logistic
    regression (Cox 1970); for single searches, McNemar's test (1947).

    Attributes:
        problems: number of gaps, zeros included.
        sizes: distinct absolute sizes of the gaps in cells, ascending, without 0 [sizes].
        counts: number of gaps of each size [sizes].
        cell: size of a cell.
        total: sum of all absolute gaps, in cells.
        observed: cells of the gaps in favour of the leading method, in [total / 2, total].
        sign: 1 if the first method leads, otherwise -1.
        tilt: the tilt of `chances`; about its maximum-likelihood estimate.
        chances: probability of each number of cells in favour of the leading method, under `tilt` [total + 1].
        norm: logarithm of the sum over all flips of exp(tilt * sum).
    """

    problems: int
    sizes: NDArray[int64]
    counts: NDArray[int64]
    cell: float
    total: int
    observed: int
    sign: int
    tilt: float
    chances: NDArray[float64]
    norm: float

    def p_value(self) -> float:
        """Exact two-sided p-value of no difference, in [0, 1]: twice the smaller tail, to 12 digits."""
        return min(1.0, float(f"{2 * exp(self._log_tail(0.0, 1.0, upper=True)):.12g}"))

    def limits(self, level: float) -> tuple[float, float]:
        """Limits of the expected sum of the gaps, given their sizes, over all tilts not rejected at `level`.

        Tails count the observed sum half (mid-p, Lancaster 1961), and fully for few problems.

        Args:
            level: significance level of the two-sided test, in (0, 1).
        """
        few = self.problems <= FEW_PROBLEMS or self.counts.sum() <= FEW_GAPS
        share = 1.0 if few else 0.5
        ends = self._lowest_tilt(level, share), self._highest_tilt(level, share)
        low, high = (self._sum_under(end) for end in ends)
        return (low, high) if self.sign > 0 else (-high, -low)

    def _sum_under(self, tilt: float) -> float:
        """Expected sum of the gaps in favour of the leading method."""
        import numpy as np

        return float((self.counts * self.sizes * np.tanh(tilt * self.sizes)).sum()) * self.cell

    def _lowest_tilt(self, level: float, share: float) -> float:
        def excess(tilt: float) -> float:
            return self._log_tail(tilt, share, upper=True) - log(level / 2)

        if excess(0.0) < 0:
            return max(_root(excess, 0.0, self.tilt + 1 / self.total), 1e-100)
        return _root(excess, -1 / self.total, 0.0)

    def _highest_tilt(self, level: float, share: float) -> float:
        if self.observed == self.total:
            return inf
        end = self.tilt + 1 / self.total
        return _root(lambda tilt: log(level / 2) - self._log_tail(tilt, share, upper=False), self.tilt, end)

    def _log_tail(self, tilt: float, share: float, *, upper: bool) -> float:
        """Log-probability of the sums above or below the observed one, plus a share of the observed one's."""
        import numpy as np

        tail = self.chances[self.observed :] if upper else self.chances[self.observed :: -1]
        distances = np.arange(len(tail)) * (1 if upper else -1)
        change = tilt - self.tilt
        weights = np.exp(2 * change * distances)
        weights[0] = share
        norm = self.norm - _log_norm(self.sizes, self.counts, tilt) + change * (2 * self.observed - self.total)
        return float(np.log(tail @ weights)) + norm


def sign_flips(gaps: Sequence[float]) -> SignFlips | None:
    """Compute the sign-flip distribution of gaps; None if all gaps are 0.

    Sums are exact if all gaps are multiples of one step, as shares of a few searches are; otherwise they are rounded to
    32,768 cells. The distribution is computed under a tilt at which the observed sum is likely, so that p-values down
    to 1e-300 do not underflow.

    Args:
        gaps: difference of two methods on each problem, in [-1, 1] [problems].
    """
    import numpy as np

    cells, cell = _in_cells([gap for gap in gaps if abs(gap) > NONE])
    if not len(cells):
        return None
    sizes, counts = np.unique(np.abs(cells), return_counts=True)
    total, ahead = int(np.abs(cells).sum()), int(cells.sum())
    tilt = _tilt(sizes, counts, abs(ahead))
    return SignFlips(
        problems=len(gaps),
        sizes=sizes,
        counts=counts,
        cell=cell,
        total=total,
        observed=(total + abs(ahead)) // 2,
        sign=1 if ahead >= 0 else -1,
        tilt=tilt,
        chances=_chances(sizes, counts, total, tilt),
        norm=_log_norm(sizes, counts, tilt),
    )


def _in_cells(gaps: Sequence[float]) -> tuple[NDArray[int64], float]:
    """Gaps as non-zero integers of cells, and the size of a cell."""
    import numpy as np

    values = np.asarray(gaps, dtype=float)
    sizes = np.abs(values)
    step = sizes.min(initial=inf)
    for parts in range(1, MOST_PARTS + 1):
        exact = sizes * (parts / step)
        if exact.sum() > CELLS:
            break
        if np.abs(exact - np.rint(exact)).max(initial=0) < 1e-6:
            return np.rint(values * (parts / step)).astype(np.int64), float(step / parts)
    cell = float(sizes.sum()) / CELLS
    cells = np.rint(values / cell).astype(np.int64)
    return cells[cells != 0], cell


def _tilt(sizes: NDArray[int64], counts: NDArray[int64], ahead: int) -> float:
    """Tilt at which the expected sum is slightly below `ahead`, so that the tilt is finite."""
    import numpy as np

    target = ahead * counts.sum() / (counts.sum() + 1)
    return _root(lambda tilt: float(counts * sizes @ np.tanh(tilt * sizes)) - target, 0.0, 1 / float(sizes[-1]))


def _chances(sizes: NDArray[int64], counts: NDArray[int64], total: int, tilt: float) -> NDArray[float64]:
    """Probability of each sum of the sizes of positive gaps, from 0 to `total`: a convolution of binomials."""
    import numpy as np

    chances = np.ones(1)
    for size, count in zip(sizes.tolist(), counts.tolist(), strict=True):
        wider = np.zeros(len(chances) + size * count)
        ups = _binomial(count, 2 * tilt * size)
        for up in np.flatnonzero(ups > NEGLIGIBLE):
            wider[up * size : up * size + len(chances)] += ups[up] * chances
        chances = wider
    assert len(chances) == total + 1
    return chances


def _binomial(count: int, log_odds: float) -> NDArray[float64]:
    """Probabilities of 0 to `count` positive gaps."""
    import numpy as np
    from scipy.special import gammaln

    ups = np.arange(count + 1)
    ways = gammaln(count + 1) - gammaln(ups + 1) - gammaln(count - ups + 1)
    probabilities: NDArray[float64] = np.exp(ways + ups * log_odds - count * np.logaddexp(0, log_odds))
    return probabilities


def _log_norm(sizes: NDArray[int64], counts: NDArray[int64], tilt: float) -> float:
    import numpy as np

    return float(counts @ np.logaddexp(tilt * sizes, -tilt * sizes))


def _root(rising: Callable[[float], float], low: float, high: float) -> float:
    """Root of a rising function; the bracket is widened where needed."""
    from scipy.optimize import brentq

    width = high - low
    while rising(low) > 0:
        low, width = low - width, 2 * width
    while rising(high) < 0:
        high, width = high + width, 2 * width
    return float(brentq(rising, low, high, xtol=1e-300, rtol=1e-12))
