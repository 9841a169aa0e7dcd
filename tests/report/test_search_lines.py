"""A search in the terminal, line by line: branches, figures, width, and the walk through its events."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console
from run_folders import node, record, retried, write_run

from tt_scale.report.search_tree import SearchTree, grow_tree
from tt_scale.report.show.run_view import manifest_sheet, named_sheets
from tt_scale.report.show.tree_lines import HEADING, shown_lines, tree_lines
from tt_scale.report.show.walk import frame_words, walk
from tt_scale.report.side_by_side import side_by_side


@pytest.fixture
def tree(tmp_path: Path) -> SearchTree:
    run = side_by_side([write_run(tmp_path / "run", [retried(1)])]).runs[0]
    return grow_tree(run.search(("p-1", 0)), "collective", 0.6)


def test_only_branching_steps_are_indented(tree: SearchTree) -> None:
    """A path without branches would leave the window otherwise."""
    assert [(line.step.id, line.branches) for line in tree_lines(tree)] == [
        ("0.0", "├ "),
        ("0.0.0", "│ ├ "),
        ("0.0.1", "│ └ "),
        ("1.0", "└ "),
        ("1.0.0", "  ├ "),
        ("1.0.1", "  └ "),
    ]


def test_figures_stand_under_their_headings(tree: SearchTree) -> None:
    first = next(shown_lines(list(tree_lines(tree)), 80)).plain
    assert first.startswith("   1  0.90    4 stop    ├ ○ One.")
    assert HEADING.index("ended") == first.index("stop")


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_no_line_is_wider_than_the_terminal(tree: SearchTree, width: int) -> None:
    assert all(len(text.plain) <= width for text in shown_lines(list(tree_lines(tree)), width))


def test_deep_branches_hang_from_one_column(tmp_path: Path) -> None:
    """Thirty levels of branches leave room for the text."""
    nodes, key = [], "0"
    for depth in range(30):
        nodes += [node(f"{key}.0", f"Step {depth}."), node(f"{key}.1", "Dead.")]
        key = f"{key}.0"
    run = side_by_side([write_run(tmp_path / "run", [record(0, nodes, [])])]).runs[0]
    deep = grow_tree(run.search(("p-0", 0)), "beam_search", None)
    lines = [text.plain for text in shown_lines(list(tree_lines(deep)), 80)]
    assert any("…" in line and "Step 29." in line for line in lines)
    assert max(map(len, lines)) <= 80


def test_whole_texts_stand_below_their_lines(tree: SearchTree) -> None:
    texts = [text.plain for text in shown_lines(list(tree_lines(tree)), 80, full=True)]
    assert texts[1].strip() == "One."
    assert len(texts) > 6


def test_a_walk_ends_where_it_is_asked_to(tree: SearchTree) -> None:
    told = io.StringIO()
    walk(tree, Console(file=told, width=100), lambda: False)
    assert told.getvalue().startswith("1/5  Expanded the question by 2 steps at temperature 0.7\n")
    assert "2/5" not in told.getvalue()
    asked: list[int] = []
    walk(tree, Console(file=told, width=100), lambda: not asked.append(1))
    assert len(asked) == len(tree.frames) - 1


def test_events_are_described(tree: SearchTree) -> None:
    """Many paths are counted; an event of a third-party method is named."""
    frame = tree.frames[2]
    assert frame_words(tree, frame) == "Backtracked to 0.0, 1.0"
    many = type(frame)("jump", ("0.0", "1.0", "0.0.0", "0.0.1", "1.0.0", ""), 8)
    told = "Jump: continues with 0.0, 1.0, 0.0.0, 0.0.1 and 2 more regardless of their scores"
    assert frame_words(tree, many) == told
    assert frame_words(tree, type(frame)("pruned", (), 8)) == "pruned: nothing"


def test_a_manifest_states_what_runs_share_once(tmp_path: Path) -> None:
    write_run(tmp_path / "runs" / "one", [retried(0)])
    write_run(tmp_path / "runs" / "two", [retried(0)], method="independent", tau=0.7)
    found = side_by_side([tmp_path / "runs"])
    rows = [tuple(row) for row in manifest_sheet(found.runs).rows]
    assert ("dataset", "all", "made-by-hand") in rows
    assert [row for row in rows if row[0] == "tau"] == [("tau", "collective", "0.6"), ("tau", "independent", "0.7")]
    alone = manifest_sheet(found.runs[:1])
    assert list(alone.words) == ["Key", "Value"]
    assert ["tau", "0.6"] in alone.rows


def test_tables_without_rows_are_left_out(tmp_path: Path) -> None:
    found = side_by_side([write_run(tmp_path / "run", [retried(0)])])
    titles = [sheet.title for sheet in named_sheets(found, ["pairs", "seconds", "problems", "manifest"], ())]
    assert titles == ["Problems", "Configuration"]
