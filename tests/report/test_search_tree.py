"""A search laid out as a tree of steps."""

from __future__ import annotations

from run_folders import member, node, record, retried

from tt_scale.bench.reader.search_record import SearchRecord
from tt_scale.report.digest import digest_search
from tt_scale.report.search_tree import SearchTree, grow_tree


def tree_of(told: dict, method: str = "collective", tau: float | None = 0.6) -> SearchTree:  # type: ignore[type-arg]
    return grow_tree(SearchRecord.of(told), method, tau)


def test_what_became_of_each_step() -> None:
    """The tree of `run_folders.retried`."""
    steps = {step.id: step for step in tree_of(retried(1)).steps}
    assert {name: step.kind for name, step in steps.items()} == {
        "0.0": "continued",
        "1.0": "continued",
        "0.0.0": "rejected",
        "1.0.0": "rejected",
        "0.0.1": "rejected",
        "0.0.2": "rejected",
        "1.0.1": "answer",
        "1.0.2": "pool",
    }
    assert {name: step.marks for name, step in steps.items() if step.marks} == {
        "0.0": ("retried",),
        "1.0": ("retried",),
        "1.0.0": ("protected",),
    }
    assert [name for name, step in steps.items() if step.useful] == ["1.0", "1.0.1", "1.0.2"]
    assert [name for name, step in steps.items() if step.chosen] == ["1.0", "1.0.1"]
    assert {name: (step.parent, step.depth) for name, step in steps.items()}["0.0.1"] == ("0.0", 2)


def test_only_collective_search_protects() -> None:
    """Elsewhere a child that passes simply goes on."""
    assert all("protected" not in step.marks for step in tree_of(retried(1), "independent").steps)


def test_equal_siblings_are_folded() -> None:
    """The answer stands for its copies; what differs in its fate does not fold."""
    copies = {step.id: step.copies for step in tree_of(retried(1)).steps}
    assert copies == {"0.0": 1, "1.0": 1, "0.0.0": 1, "1.0.0": 1, "0.0.1": 2, "0.0.2": 0, "1.0.1": 2, "1.0.2": 0}


def test_siblings_with_unlike_children_do_not_fold() -> None:
    told = record(0, [node("0.0", "a"), node("1.0", "a"), node("0.0.0", "b"), node("1.0.0", "c")], [])
    assert [step.copies for step in tree_of(told).steps] == [1, 1, 1, 1]
    told = record(0, [node("0.0", "a"), node("1.0", "a"), node("0.0.0", "b"), node("1.0.0", "b")], [])
    assert [step.copies for step in tree_of(told).steps] == [2, 0, 1, 1]


def test_what_happened_in_order() -> None:
    frames = [(frame.kind, frame.ids, frame.created) for frame in tree_of(retried(1)).frames]
    assert frames == [
        ("grow", ("0.0", "1.0"), 2),
        ("grow", ("0.0.0", "1.0.0"), 4),
        ("backtrack", ("0.0", "1.0"), 4),
        ("retry", ("0.0", "1.0"), 4),
        ("grow", ("0.0.1", "0.0.2", "1.0.1", "1.0.2"), 8),
    ]


def test_whole_solutions_become_chains() -> None:
    """best_of_n draws a solution at once; its steps have scores of their own."""
    told = record(0, [node("0.0", "", steps=["a", "b", "c"], state="finished")], [member("0.0", "0", "correct")])
    steps = tree_of(told, "best_of_n", None).steps
    assert [(step.id, step.parent, step.kind) for step in steps] == [
        ("0.0/1", "", "continued"),
        ("0.0/2", "0.0/1", "continued"),
        ("0.0/3", "0.0/2", "answer"),
    ]
    assert steps[-1].member is not None
    assert steps[0].member is None


def test_a_child_that_drops_a_step_of_its_parent_hangs_above_it() -> None:
    """A blank last step is merged into the next one."""
    told = record(0, [node("0.0", "", steps=["a", " "]), {**node("0.0.0", "b"), "from": 1}], [])
    found = tree_of(told)
    assert [(step.id, step.parent) for step in found.steps] == [("0.0/1", ""), ("0.0/2", "0.0/1"), ("0.0.0", "0.0/1")]
    assert SearchRecord.of(told).path_scores["0.0.0"] == (0.5, 0.5)


def test_a_request_that_failed_has_no_step_and_is_shown() -> None:
    told = record(0, [{**node("0.0", ""), "steps": [], "scores": [], "state": "failed"}], [])
    [step] = tree_of(told).steps
    assert (step.id, step.kind, step.score) == ("0.0", "failed", None)


def test_an_unknown_selector_is_no_fault() -> None:
    """A third party's selector chose; its answer tells which path it was."""
    told = {**retried(1), "selector": "theirs"}
    assert [step.id for step in tree_of(told).steps if step.kind == "answer"] == ["1.0.1"]


def test_tokens_by_fate_add_up() -> None:
    """Nothing that was generated is lost between the bars of a chart."""
    digest = digest_search(SearchRecord.of(retried(1)))
    assert digest.tokens == {"in the pool": 12, "retried": 8, "cut by a limit": 0, "not continued": 12}
    assert sum(digest.tokens.values()) == digest.row.usage.generated_tokens
    assert digest.votes["min", "best"] is True
    assert [(path.score, path.steps, path.right) for path in digest.paths] == [(0.9, (0.8, 0.9), True)] * 2
