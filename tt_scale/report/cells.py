"""Table cells: formatted text that keeps its exact number, which CSV and JSON use."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = [
    "BY_SOURCE",
    "Interval",
    "Number",
    "count_cell",
    "interval_cell",
    "number_cell",
    "number_text",
    "p_value_cell",
    "percent_cell",
    "points_cells",
    "ratio_cell",
    "share_cell",
    "tokens_text",
]

BY_SOURCE = "By source"
"""Heading of an accuracy by the verdicts of the source of recorded samples, beside that by ours."""


class Number(str):
    """A cell with a number.

    Args:
        text: the formatted number.
        value: the exact number; None if there is none.
    """

    __slots__ = ("value",)

    value: float | None

    def __new__(cls, text: str, value: float | None) -> Number:
        """Make one."""
        number = super().__new__(cls, text)
        number.value = value
        return number


class Interval(str):
    """A cell with an interval.

    Args:
        text: the formatted interval.
        ends: lower and upper end.
    """

    __slots__ = ("ends",)

    ends: tuple[float, float]

    def __new__(cls, text: str, ends: tuple[float, float]) -> Interval:
        """Make one."""
        interval = super().__new__(cls, text)
        interval.ends = ends
        return interval


def number_cell(value: float | None, form: str) -> str:
    """A number in a format; "-" if it is unknown."""
    return Number("-" if value is None else format(value, form), value)


def number_text(value: float | None, form: str) -> str:
    """A number in a format; "unknown" if it is."""
    return "unknown" if value is None else format(value, form)


def count_cell(count: int | None) -> str:
    """A whole number; "-" if it is unknown."""
    return number_cell(count, ",")


def tokens_text(tokens: float | None, what: str = "tokens") -> str:
    """A number of tokens in a sentence: "1,024 tokens", "tokens unknown"."""
    return f"{what} unknown" if tokens is None else f"{tokens:,.0f} {what}"


def percent_cell(share: float | None, decimals: int = 1) -> str:
    """A share, in percent."""
    return number_cell(share, f".{decimals}%")


def share_cell(part: int, whole: int) -> str:
    """A part of a whole, in percent without decimals; "-" of nothing."""
    return percent_cell(part / whole if whole else None, 0)


def ratio_cell(ratio: float) -> str:
    """A ratio: "x 1.25"; "-" if it is 0, because tokens are unknown."""
    return Number(f"x {ratio:.2f}" if ratio else "-", ratio or None)


def p_value_cell(p_value: float) -> str:
    """A p-value, to three digits."""
    return Number(f"{p_value:.3f}" if p_value >= 0.001 else "<0.001", p_value)


def interval_cell(low: float, high: float, between: str = " to ", unit: str = "") -> str:
    """An interval of shares, in percent."""
    return Interval(f"{100 * low:.1f}{unit}{between}{100 * high:.1f}{unit}", (low, high))


def points_cells(difference: float, ends: Sequence[float], unit: str = "") -> list[str]:
    """A difference of shares and its interval, in signed percentage points."""
    low, high = ends
    interval = Interval(f"{points(low)} to {points(high)}", (low, high))
    return [Number(f"{points(difference)}{unit}", difference), interval]


def points(share: float) -> str:
    """Format a difference of shares in signed percentage points; never "-0.0"."""
    return f"{100 * share + 0.0:+.1f}"
