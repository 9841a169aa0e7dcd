"""Parsing of untrusted JSON."""

from __future__ import annotations

import json

import pytest

from tt_scale.core.guarded_json import parse_json


def test_valid_json_is_parsed() -> None:
    """Text and bytes give the same value."""
    assert parse_json('{"a": [1, null]}') == parse_json(b'{"a": [1, null]}') == {"a": [1, None]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 100_000, "it is nested too deeply"),
        ("1" * 5000, "it contains an integer of more than 4,300 digits"),
        (b'"\xff"', "it is not valid UTF-8"),
    ],
)
def test_other_faults_are_named(text: str | bytes, message: str) -> None:
    """A RecursionError that ends the process, or advice to change the interpreter's settings."""
    with pytest.raises(ValueError, match=message):
        parse_json(text)


def test_a_syntax_error_keeps_its_position() -> None:
    """Callers report line and column."""
    with pytest.raises(json.JSONDecodeError) as raised:
        parse_json("[1,\n2,,]")
    assert raised.value.lineno == 2
