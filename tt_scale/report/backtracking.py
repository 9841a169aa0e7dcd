"""Did backtracking pay? One table, and a sentence for each method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tt_scale.bench.record import Row
from tt_scale.bench.stats.backtracking import Backtracking, sum_up
from tt_scale.report.tables import Sheet
from tt_scale.space.first_steps import FirstSteps

__all__ = ["backtracking_remarks", "backtracking_sheet"]

FEW, MOST = 0.05, 0.95
"""Pass rates outside of these say that tau decides nothing."""


def backtracking_sheet(rows: Mapping[str, Sequence[Row]]) -> Sheet | None:
    """Pass rate, recovery rate and waste of the methods that judge or step back; None where none does.

    Args:
        rows: method -> its rows.
    """
    found = _found(rows)
    if not found:
        return None
    numbers = ["Passed", "Retries", "Backtracks", "Recovered", "Jumps", "Wasted"]
    sheet = Sheet("Did backtracking pay?", ["Method"], numbers)
    for method, told in found.items():
        sheet.rows.append(
            [
                method,
                _percent(told.pass_rate),
                *(f"{count / told.problems:.1f}" for count in (told.retries, told.backtracks)),
                _percent(told.recovery_rate),
                f"{told.jumps / told.problems:.1f}",
                _percent(told.wasted_share),
            ]
        )
    return sheet


def backtracking_remarks(rows: Mapping[str, Sequence[Row]], measured: Mapping[str, FirstSteps | None]) -> list[str]:
    """Say what a quantile came to, and whether stepping back led anywhere.

    Args:
        rows: method -> its rows.
        measured: method -> what its quantile was measured on.
    """
    told = []
    for method, first in measured.items():
        if first is not None:
            told.append(
                f"{method}: tau {first.tau} is {first.value:.4f}, from {len(first.scores)} first steps of "
                f"{first.problems} problems; they cost {first.usage.generated_tokens:,} tokens for the whole run, "
                "which no average here holds."
            )
    for method, found in _found(rows).items():
        told += [f"{method}: {sentence}" for sentence in _sentences(found)]
    return told


def _sentences(found: Backtracking) -> list[str]:
    told = []
    if found.backtracks:
        told.append(
            f"{found.stepped_back} of {found.problems} problems backtracked; on {found.led} of them a correct path "
            f"followed, and {found.right} of these were answered right."
        )
    rate = found.pass_rate
    if rate is not None and not FEW <= rate <= MOST:
        extreme = "nearly no" if rate < FEW else "nearly every"
        told.append(f"{extreme} step passes ({rate:.1%}), so tau decides little. Type: --tau q0.5")
    return told


def _found(rows: Mapping[str, Sequence[Row]]) -> dict[str, Backtracking]:
    every = {method: sum_up(each) for method, each in rows.items()}
    return {method: each for method, each in every.items() if each.happened}


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%}"
