"""Backtracking report: a table of rates, and sentences for each method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tt_scale.bench.record import Row
from tt_scale.bench.stats.backtracking import Backtracking, sum_up
from tt_scale.report.cells import number_cell, percent_cell
from tt_scale.report.tables import Sheet
from tt_scale.space.first_steps import FirstSteps

__all__ = ["backtracking_remarks", "backtracking_sheet"]

FEW, MOST = 0.05, 0.95
"""Pass rates outside these limits cause a remark that tau hardly discriminates."""


def backtracking_sheet(rows: Mapping[str, Sequence[Row]]) -> Sheet:
    """Table of pass rate, recovery rate and waste of the methods that backtrack or use tau; without rows if none does.

    Args:
        rows: method -> its rows.
    """
    numbers = ["Passed", "Retries", "Backtracks", "Recovered", "Jumps", "Wasted"]
    sheet = Sheet("Backtracking", ["Method"], numbers)
    for method, sums in _statistics(rows).items():
        sheet.rows.append(
            [
                method,
                percent_cell(sums.pass_rate, 0),
                *(number_cell(count / sums.problems, ".1f") for count in (sums.retries, sums.backtracks)),
                percent_cell(sums.recovery_rate, 0),
                number_cell(sums.jumps / sums.problems, ".1f"),
                percent_cell(sums.wasted_share, 0),
            ]
        )
    return sheet


def backtracking_remarks(rows: Mapping[str, Sequence[Row]], measured: Mapping[str, FirstSteps | None]) -> list[str]:
    """State the value of a tau given as a quantile, and the results of backtracking.

    Args:
        rows: method -> its rows.
        measured: method -> first steps on which its quantile was measured.
    """
    sentences = []
    for method, first in measured.items():
        if first is not None:
            sentences.append(
                f"{method}: tau {first.tau} is {first.value:.4f}, from {len(first.scores)} first steps of "
                f"{first.problems} problems; they cost {first.usage.generated_tokens:,} tokens for the whole run, "
                "which are not part of the averages here."
            )
    for method, sums in _statistics(rows).items():
        sentences += [f"{method}: {sentence}" for sentence in _sentences(sums)]
    return sentences


def _sentences(sums: Backtracking) -> list[str]:
    sentences = []
    if sums.backtracks:
        sentences.append(
            f"{sums.stepped_back} of {sums.problems} problems backtracked; on {sums.led} of them a correct path "
            f"followed, and {sums.right} of these were answered correctly."
        )
    rate = sums.pass_rate
    if rate is not None and not FEW <= rate <= MOST:
        extreme = "almost no" if rate < FEW else "almost every"
        sentences.append(f"{extreme} step passes ({rate:.1%}), so tau hardly discriminates. Type: --tau q0.5")
    return sentences


def _statistics(rows: Mapping[str, Sequence[Row]]) -> dict[str, Backtracking]:
    every = {method: sum_up(each) for method, each in rows.items()}
    return {method: each for method, each in every.items() if each.happened}
