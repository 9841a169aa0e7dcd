"""What docs/grading.md says of pairs of answers is what the grader decides."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tt_scale.grading.equivalence import settled, verdict

PAGE = Path(__file__).parents[2] / "docs" / "grading.md"
PAIR = re.compile(r"`([^`]+)` and `([^`]+)`")

pytestmark = pytest.mark.skipif(not PAGE.is_file(), reason="the documentation is part of a checkout, not of the wheel")


def pairs() -> list[tuple[str, str, bool]]:
    """Gold answer, answer and whether they are equal, of every row."""
    rows = [line.split("|") for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    cells = [(cell, equal) for row in rows for cell, equal in zip(row[2:4], (True, False), strict=True)]
    return [(gold, answer, equal) for cell, equal in cells for gold, answer in PAIR.findall(cell)]


def test_every_pair_of_the_page() -> None:
    found = pairs() if PAGE.is_file() else []
    assert len(found) > 20
    decided = [(gold, answer, settled(gold, answer)) for gold, answer, _ in found]
    given = [(gold, answer, verdict(gold, answer, 10) if equal is None else equal) for gold, answer, equal in decided]
    assert given == found
