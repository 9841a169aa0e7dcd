"""What of a text is sent while it grows."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("fastapi")
pytest.importorskip("prometheus_client")

from tt_scale.serve.event_stream import CertainPart


def sent(text: str, cuts: list[int], stop: tuple[str, ...]) -> list[str]:
    """The parts that are sent of a text which grows to the cuts, and then is whole."""
    part = CertainPart(stop)
    grown = [part.new(text[:cut]) for cut in sorted(min(cut, len(text)) for cut in cuts)]
    return [*grown, part.new(text, whole=True)]


@settings(max_examples=1000, derandomize=True)
@given(
    st.text("ab\n", max_size=12),
    st.lists(st.integers(0, 12), max_size=5),
    st.lists(st.text("ab\n", min_size=1, max_size=3), max_size=2).map(tuple),
)
def test_the_parts_are_the_text_up_to_the_first_stop(text: str, cuts: list[int], stop: tuple[str, ...]) -> None:
    """Whatever the pieces in which it becomes certain: nothing twice, nothing of a stop, nothing behind it."""
    ends = [text.find(each) for each in stop if each in text]
    assert "".join(sent(text, cuts, stop)) == (text[: min(ends)] if ends else text)


def test_what_may_become_a_stop_waits() -> None:
    assert sent("a\n\nb", [2, 3], ("\n\n",)) == ["a", "", ""]
    assert sent("a\nb", [2, 3], ("\n\n",)) == ["a", "\n", "b"]
    assert sent("ab", [1], ()) == ["a", "b"]
    assert sent("a\nbb", [3], ("b", "\nbb")) == ["a", ""]  # the longer stop begins first
