"""Which commands outlive their terminal."""

from __future__ import annotations

import pytest

from tt_scale.cli.main import _keeps_records


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("bench --config pocket", True),
        ("prm_eval x", True),
        ("solve questions.jsonl -o answers.jsonl", True),
        ("solve questions.jsonl --output=answers.jsonl", True),
        ("solve questions.jsonl", False),
        ("plot run -o a.svg", False),
        ("", False),
    ],
)
def test_a_command_with_a_journal_keeps_records(typed: str, kept: bool) -> None:
    assert _keeps_records(typed.split()) is kept
