"""Paths: totals over their steps, and their order."""

from __future__ import annotations

from itertools import permutations

from tt_scale.base_classes import Step
from tt_scale.core.path import Path, best, name


def test_best_does_not_depend_on_the_order_of_arrival() -> None:
    """Ties that break by arrival: the same tree would be searched differently at another concurrency."""
    paths = [
        Path((0, 10), score=0.5), Path((0, 9), score=0.5), Path((1, 0), score=0.5), Path((0, 2), score=0.4),
        Path((2, 0), score=0.9),
    ]  # fmt: skip
    for arrived in permutations(paths):
        assert [path.key for path in best(arrived, 3)] == [(2, 0), (0, 9), (0, 10)]  # by number, not by letter


def test_best_of_fewer_and_of_none() -> None:
    """A count of zero taken for all of them (`[-0:]`), or more asked for than there are."""
    path = Path((0,))
    assert best([path], 3) == [path]
    assert best([path], 0) == best([], 2) == []


def test_a_path_adds_up_its_steps() -> None:
    """Ids, text and tokens that disagree on what a path holds."""
    path = Path((0, 1), (Step("a b", (5, 6), "stop"), Step("", (), "error"), Step("c", (7,), "eos")))
    assert (path.ids, path.text, path.tokens) == ((5, 6, 7), "a bc", 3)
    assert (Path((0,)).ids, Path((0,)).text, Path((0,)).tokens) == ((), "", 0)


def test_is_open_and_is_finished() -> None:
    """Truncated or failed paths that are extended or vote."""
    states = {state: Path((0,), state=state) for state in ("open", "finished", "truncated", "failed")}  # type: ignore[arg-type]
    assert [state for state, path in states.items() if path.is_open] == ["open"]
    assert [state for state, path in states.items() if path.is_finished] == ["finished"]


def test_names() -> None:
    """Two keys with one name in a journal: 1.12 and 11.2."""
    assert [name(key) for key in [(0,), (1, 12), (11, 2)]] == ["0", "1.12", "11.2"]
