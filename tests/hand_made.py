"""Lines of a comparison, made by hand."""

from __future__ import annotations

from dataclasses import replace

from tt_scale.bench.record import Row
from tt_scale.bench.stats.comparison import Entry
from tt_scale.core.budget import Usage

ROW = Row(0, "p", 0, None, "wrong", "1", "2", Usage(), {"pool": 4, "truncated": 1}, {}, "enough", "")


def entry(label: str, verdicts: str, tokens: int = 100, budget: int | None = None, **more: bool) -> Entry:
    """One problem for each letter: `+` right, `-` wrong, `0` without an answer; pools of four, one of them right."""
    grades = {"+": "correct", "-": "wrong", "0": "no_answer"}
    rows = [
        replace(
            ROW,
            id=str(index),
            grade=grades[letter],
            usage=Usage(generated_tokens=tokens, prm_tokens=2 * tokens, seconds=0.5),
            right=int(index % 4 != 3),
        )
        for index, letter in enumerate(verdicts)
    ]
    return Entry(label, budget, rows, **more)
