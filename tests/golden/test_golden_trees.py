"""Whole trees against stored ones."""

from __future__ import annotations

from difflib import unified_diff

import pytest
from regenerate import HERE, METHODS, draw, grow, stored


@pytest.mark.parametrize("method", METHODS)
def test_tree_is_the_golden_one(method: str) -> None:
    """A change that moves a seed, a tie, a score or a decision in a method without anyone noticing.

    Where the change is meant: `python tests/golden/regenerate.py`, and read the difference before it is committed.
    """
    golden, now = draw(stored(method)), draw(grow(method))
    difference = list(unified_diff(golden, now, f"{method}.json", "now", lineterm="", n=2))
    if difference:
        told = "\n".join(difference[:80])
        pytest.fail(f"{told}\nWhere this is meant, type: python tests/golden/regenerate.py {method}", pytrace=False)


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
