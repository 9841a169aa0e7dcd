"""Whole trees against stored ones."""

from __future__ import annotations

from difflib import unified_diff

import pytest
from regenerate import HERE, METHODS, ROUNDED, draw, grow, settled, stored


@pytest.mark.parametrize("method", METHODS)
def test_tree_is_the_golden_one(method: str) -> None:
    """A change that moves a seed, a tie, a score or a decision in a method without anyone noticing.

    Where the change is meant: `python tests/golden/regenerate.py`, and read the difference before it is committed.
    """
    golden, now = draw(stored(method)), draw(settled(grow(method), stored(method)))
    difference = list(unified_diff(golden, now, f"{method}.json", "now", lineterm="", n=2))
    if difference:
        told = "\n".join(difference[:80])
        pytest.fail(f"{told}\nWhere this is meant, type: python tests/golden/regenerate.py {method}", pytrace=False)


def test_last_digits_are_no_change() -> None:
    """Another C library rounds a score to the digit beside it: no tree is another one for that."""
    golden = {"a": {"tokens": 7, "pool": ["0"], "paths": [["0", "open", 0.5, [0.5, 1.0], 7, "aa"]]}}
    for change, same in ((0.9 * ROUNDED, True), (-0.9 * ROUNDED, True), (1.1 * ROUNDED, False)):
        now = {"a": {"tokens": 7, "pool": ["0"], "paths": [["0", "open", 0.5 + change, [0.5, 1.0 - change], 7, "aa"]]}}
        assert (settled(now, golden) == golden) is same
    for other in ({"a": {"tokens": 8}}, {"b": golden["a"]}, {"a": {**golden["a"], "paths": []}}, {}):
        assert settled(other, golden) == other
        assert settled(golden, other) == golden


def test_no_golden_file_is_left_behind() -> None:
    """A golden tree of a method that no longer exists, which nothing compares."""
    assert {file.stem for file in HERE.glob("*.json")} <= set(METHODS)


@pytest.mark.parametrize("method", ["beam_search", "best_of_n", "collective", "independent"])
def test_golden_trees_hold_what_matters(method: str) -> None:
    """Golden trees so tame that no rule of a method shows in them."""
    trees = stored(method)
    states = {path[1] for tree in trees.values() for path in tree["paths"]}
    events = {event.split()[0] for tree in trees.values() for event in tree["events"]}
    assert states == {"finished", "truncated"} if method == "best_of_n" else states == {"open", "finished", "truncated"}
    assert trees["blank"]["tokens"] == 200
    assert events - {"rescue"} == ({"retry", "backtrack", "jump"} if method in ("collective", "independent") else set())
