"""What `benchmarks/methods.py` says of itself."""

from __future__ import annotations

from argparse import Namespace
from types import ModuleType

import pytest
from hand_made import entry
from programs import program

from tt_scale.bench.stats.comparison import compare_entries
from tt_scale.registry import BUILT_IN


@pytest.fixture(scope="module")
def methods() -> ModuleType:
    return program("benchmarks/methods.py")


@pytest.mark.hf
def test_every_method_at_every_budget(methods: ModuleType) -> None:
    """A method that is added to the registry and not to the page; a recipe whose widths stand against the budget."""
    found = methods.variants_of(10, 2, [1, 4])
    assert sorted(methods.METHODS) == sorted(BUILT_IN["searchers"])
    assert {(each.label, each.budget) for each in found} == {("greedy", None)} | {
        (method, budget) for method in methods.METHODS if method != "greedy" for budget in (1, 4)
    }


def test_a_part_is_called_a_part(methods: ModuleType) -> None:
    """Four of five problems, one of two searches each; what was read off is not counted as searched."""
    entries = [entry("a", "++--", 100, 1), entry("b", "+---", 50, 1), entry("c", "+---", 900, 1, derived=True)]
    comparison = compare_entries("set", "model", entries, None)
    asked = Namespace(problems=5, repeats=2)
    told = methods.what_ran(comparison, asked)
    assert "the first 4 of 5 problems, 4 of 10 searches. 2 runs were searched, 0.0 million tokens in all" in told
    assert "the other 1 were derived" in told
    assert "These results are partial." in told
    assert "part" not in methods.what_ran(comparison, Namespace(problems=4, repeats=1))
