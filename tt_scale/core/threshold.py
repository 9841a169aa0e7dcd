"""The score at which a step passes: `tau` as a number, or as a quantile such as `q0.5`.

PRMs are not calibrated alike: one gives nearly all steps 0.9, another nearly none. A quantile says instead which share
of the steps is to fail: `q0.5` is the score that half of the run's first steps do not reach. How they come to be drawn
stands in `first_steps.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf
from re import fullmatch
from typing import Annotated, Any

from pydantic import AfterValidator, Discriminator, Field, Tag

from tt_scale.core.path import Path
from tt_scale.core.printable import shown
from tt_scale.errors import ConfigError

__all__ = ["Bar", "Tau", "quantile", "read_quantile"]

ROUNDING = 1e-9
"""0.29 * 100 is 28.999999999999996 in floating point and means 29."""


def read_quantile(text: str) -> float:
    """Read the number out of `q0.5`.

    Raises:
        ValueError: it is no quantile between q0 and q1; the message goes on from "tau".
    """
    written = fullmatch(r"[qQ](\d+\.?\d*|\.\d+)", text.strip())
    share = float(written[1]) if written else inf
    if share > 1.0:
        raise ValueError(
            f"is {shown(text)}, but should be a number from 0 to 1, or a quantile of the scores of first steps, "
            "from q0 (all of them pass) to q1 (only the best passes), such as q0.5"
        )
    return share


def quantile(scores: Sequence[float], share: float) -> float:
    """Give the score that a share of all scores does not reach: one of them, never a number in between.

    So what passes depends on the order of the scores alone: two PRMs that rank steps alike pass the same steps.

    Args:
        scores: at least one [scores].
        share: that is to fail, in [0, 1]; floor(share * scores) fail where no two scores are equal, and one passes.
    """
    ranked = sorted(scores)
    return ranked[min(len(ranked) - 1, int(share * len(ranked) + ROUNDING))]


def _canonical(text: str) -> str:
    return f"q{read_quantile(text):.12g}"


def _alternative(value: Any) -> str:
    """Tell which of both a value is meant to be: a text that no number can be read from is a quantile."""
    try:
        float(value)
    except (TypeError, ValueError, OverflowError):
        return "quantile" if isinstance(value, str) else "number"
    return "number"


Tau = Annotated[
    Annotated[float, Field(ge=0, le=1), Tag("number")] | Annotated[str, AfterValidator(_canonical), Tag("quantile")],
    Discriminator(_alternative),
]
"""A number in [0, 1], or a quantile in its canonical writing, as the configuration takes it."""


class Bar:
    """Judges the steps of one search by `tau`, and counts.

    Args:
        first_scores: of which a quantile is one; empty where `tau` is a number.
        quantiles: what quantiles came to before, as the attribute of that name.

    Attributes:
        judged: how many steps were held against the bar.
        passed: how many of them reached it.
        quantiles: (`tau`, relaxed) -> the score that passes, of each quantile that was asked for.
    """

    __slots__ = ("_first_scores", "judged", "passed", "quantiles")

    def __init__(
        self, first_scores: Sequence[float] = (), quantiles: Mapping[tuple[str, float], float] | None = None
    ) -> None:
        self._first_scores = first_scores
        self.quantiles = dict(quantiles or {})
        self.judged = 0
        self.passed = 0

    def height(self, tau: float | str, relaxed: float = 0.0) -> float:
        """Give the score that passes.

        Args:
            tau: a number in [0, 1], or a quantile.
            relaxed: taken off a number, which is rounded then, so that 0.8 - 0.1 lets 0.7 pass; off a quantile as its
                share is meant, so that q0.5 relaxed by 0.05 is q0.45.

        Raises:
            ConfigError: it is a quantile, and there are no scores that it could be taken of.
        """
        if not isinstance(tau, str):
            return round(tau - relaxed, 12) if relaxed else tau
        known = self.quantiles.get((tau, relaxed))
        if known is not None:
            return known
        if not self._first_scores:
            raise ConfigError(
                f"tau is {tau!r}, and this space knows no scores that it could be a quantile of.",
                "Give a number, or SearchSpace(..., first_scores=...).",
            )
        found = quantile(self._first_scores, max(0.0, read_quantile(tau) - relaxed))
        self.quantiles[tau, relaxed] = found
        return found

    def passes(self, path: Path, tau: float | str, relaxed: float = 0.0) -> bool:
        """Judge the newest step of a path by the path's score; `tau` and `relaxed` as in `height`."""
        passed = path.score >= self.height(tau, relaxed)
        self.judged += 1
        self.passed += passed
        return passed
