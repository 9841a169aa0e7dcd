"""Every figure of "Backtracking" on hand-drawn trees.

A child stands with its score; `*` passes, `!` finishes, and says the last number of its key: 0 is right. An ordinary
step has seven tokens, a last one nine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from worlds import run, scripted_space, sim_space, table

from tt_scale.base_classes import Searcher
from tt_scale.bench.record import Row, failure_record, search_record
from tt_scale.bench.stats.backtracking import sum_up
from tt_scale.core.budget import Usage
from tt_scale.grading import Grader
from tt_scale.report.backtracking import backtracking_remarks, backtracking_sheet
from tt_scale.searcher.best_of_n import BestOfN
from tt_scale.searcher.collective_backtrack import CollectiveBacktrack
from tt_scale.searcher.independent_backtrack import IndependentBacktrack
from tt_scale.searcher.subpool import Subpool


def row_of(searcher: Searcher, tree: str, **keys: Any) -> Row:
    """Search a drawn tree, and keep what a table needs."""
    space = scripted_space(table(tree), **keys)
    outcome = run(searcher, space)
    with Grader() as grader:
        return Row.of(asyncio.run(search_record(0, 0, space, outcome, searcher.selector, grader)))


RECOVERED = """0.0 .9 \n 1.0 .1 \n 2.0 .2
    0.1-3 .1 \n 1.1 .1 \n 1.2 .7 \n 1.3 .1 \n 2.1-2 .1 \n 2.3 .8
    0.0.0 .9 end \n 2.3.0 .7 end \n 1.2.0 .6 end"""
"""Of three roots' children only 0.0 passes; all step back, and of nine more 1.2 and 2.3 pass. All three answer."""


def told(row: Row, *keys: str) -> tuple[int, ...]:
    return tuple(row.telemetry[key] for key in keys)


FIGURES = ("judged", "passed", "retries", "backtracks", "recovered", "jumps", "wasted_tokens")


def test_a_backtrack_that_a_correct_path_followed() -> None:
    """Recovery counted by any correct answer, or never.

    judged 3 + 9 + 3, passed 1 + 2 + 3; three parents are tried again after one backtrack, which 1.2.0 and 2.3.0
    follow; of 12 * 7 + 3 * 9 = 111 tokens those of three ordinary and three last steps are on a path of the pool.
    """
    row = row_of(CollectiveBacktrack(N=3), RECOVERED)
    assert row.correct
    assert told(row, *FIGURES) == (15, 6, 3, 1, 1, 0, 111 - 3 * (7 + 9))
    assert row.usage.generated_tokens == 111


def test_a_correct_path_from_before_the_backtrack_is_no_recovery() -> None:
    """The right answer comes through 0.0, which had passed before; what the backtrack brought, 0.1, is wrong.

    0 -- 0.0 .9* -- 0.0.0 .9*!       round 1: one of two passes, all step back
      \\- 0.1 .8*!  0.2 .1           round 2: with 0.0 three pass: commit
    1 -- 1.0 .1                      round 3: 0.0.0 and 1.1.0 pass, N = 2
      \\- 1.1 .7* -- 1.1.0 .9*
    """
    method = CollectiveBacktrack(passing_minimum=2, max_total_branches=3, N=2)
    row = row_of(method, "0.0 .9 \n 1.0 .1 \n 0.1 .8 end \n 0.2 .1 \n 1.1 .7 \n 0.0.0 .9 end \n 1.1.0 .9")
    assert row.correct
    assert told(row, *FIGURES) == (7, 5, 2, 1, 0, 0, 4 * 7)


def test_a_search_that_ends_does_not_step_back() -> None:
    """A backtrack that no draw followed, counted as one that led nowhere.

    0 -- 0.0 .9* -- 0.0.0 .9*!       rounds 1 and 2 as above; round 3: one of two passes and would have all step
      \\- 0.1 .8*!  0.2 .1           back, but with it N = 2 are finished
    1 -- 1.0 .1
      \\- 1.1 .1
    """
    method = CollectiveBacktrack(passing_minimum=2, max_total_branches=3, N=2)
    row = row_of(method, "0.0 .9 \n 1.0 .1 \n 0.1 .8 end \n 0.2 .1 \n 1.1 .1 \n 0.0.0 .9 end")
    assert told(row, *FIGURES) == (6, 3, 2, 1, 0, 0, 3 * 7)


def test_what_passes_on_a_jump_was_not_judged() -> None:
    """A jump lets everything pass: counted as judged it would hide that tau is out of reach.

    0 -- 0.0 .1                      no retries: the next attempt is the jump
      \\- 0.1 .3!  0.2 .2!            both are accepted, and wrong
    """
    method = CollectiveBacktrack(passing_minimum=1, max_backtracks=0, max_total_branches=2, N=2)
    row = row_of(method, "0.0 .1 \n 0.1 .3 end \n 0.2 .2 end")
    assert not row.correct
    assert told(row, *FIGURES) == (1, 0, 0, 1, 0, 1, 7)


def test_what_was_cut_or_failed_was_not_judged() -> None:
    """A context that is too short is no verdict of the PRM.

    0 -- 0.0 .9* -- 0.0.0 full, 0.0.1 .9*!, 0.0.2 fail
    """
    method = CollectiveBacktrack(passing_minimum=1, max_total_branches=2, keeping_branches=1, N=1)
    row = row_of(method, "0.0 .9 \n 0.0.0 .9 full \n 0.0.1 .9 end \n 0.0.2 .9 fail")
    assert told(row, *FIGURES) == (2, 2, 1, 1, 0, 0, 3)


def test_a_relaxed_bar_judges_by_what_it_lets_through() -> None:
    """0.1 passes at the .55 of a first retry; judged by .6 again it would have failed.

    0 -- 0.0 .5                      fails at .6 and is tried again, by one copy
      \\- 0.1 .55* -- 0.1.0 .9*!
    """
    method = IndependentBacktrack(expansion_factor=1, max_finished_branches=1)
    row = row_of(method, "0.0 .5 \n 0.1 .55 \n 0.1.0 .9 end")
    assert row.correct
    assert told(row, *FIGURES) == (3, 2, 1, 1, 1, 0, 7)


def test_an_accepted_reject_is_a_jump() -> None:
    """The jump of independent judges nothing: 0.0 was judged once, failed, and is accepted after all.

    0 -- 0.0 .1!
    """
    row = row_of(IndependentBacktrack(max_backtracks=0, max_finished_branches=1), "0.0 .1 end")
    assert told(row, *FIGURES) == (1, 0, 0, 0, 0, 1, 0)


def test_each_backtrack_is_counted_by_itself() -> None:
    """Two backtracks of one path before one right answer are two that recovered.

    0 -- 0.0 .1, 0.1 .1, 0.2 .9*!                0.2 says 2, which is wrong
    0 -- 0.0 .1, 0.1 .1, 0.2 .9* -- 0.2.0 .9*!   0.2.0 is right
    """
    method = CollectiveBacktrack(passing_minimum=1, max_total_branches=1, keeping_branches=1, N=1)
    wrong = row_of(method, "0.0 .1 \n 0.1 .1 \n 0.2 .9 end")
    assert told(wrong, "backtracks", "recovered", "retries") == (2, 0, 2)
    right = row_of(method, "0.0 .1 \n 0.1 .1 \n 0.2 .9 \n 0.2.0 .9 end")
    assert told(right, "backtracks", "recovered", "retries") == (2, 2, 2)


def drawn() -> list[Row]:
    """A problem that recovered, one whose backtrack led nowhere, and one that failed after 40 tokens."""
    jump = CollectiveBacktrack(passing_minimum=1, max_backtracks=0, max_total_branches=2, N=2)
    space = sim_space()
    space.usage.generated_tokens = 40
    return [
        row_of(CollectiveBacktrack(N=3), RECOVERED),
        row_of(jump, "0.0 .1 \n 0.1 .3 end \n 0.2 .2 end"),
        Row.of(failure_record(2, 0, space.problem, space.usage, RuntimeError("no"))),
    ]


def test_rates_are_of_sums_and_a_failed_problem_wastes_all() -> None:
    """A mean of rates weighs a problem with one step like one with fifty.

    passed 6 + 0 of 15 + 1; recovered 1 + 0 of 1 + 1; wasted 63 + 7 + 40 of 111 + 25 + 40 tokens.
    """
    found = sum_up(drawn())
    assert (found.pass_rate, found.recovery_rate) == (6 / 16, 1 / 2)
    assert found.wasted_share == pytest.approx(110 / 176)
    assert (found.problems, found.stepped_back, found.led, found.right) == (3, 2, 1, 1)
    assert (found.retries, found.backtracks, found.jumps) == (3, 2, 1)


def test_nothing_judged_is_no_rate() -> None:
    """A division by zero, or a pass rate of 0 % for a method that judges nothing."""
    found = sum_up([])
    assert (found.happened, found.pass_rate, found.recovery_rate, found.wasted_share) == (False, None, None, None)


def cells(rows: dict[str, Sequence[Row]]) -> list[list[str]]:
    shown = backtracking_sheet(rows)
    assert shown is not None
    return [list(row) for row in shown.rows]


def test_the_table_shows_methods_that_judge_or_step_back() -> None:
    """best_of_n under a heading that asks whether its backtracking paid."""
    plain = row_of(BestOfN(N=1), "0.0 .9 long")
    back = row_of(Subpool(N=1, subpools=1), "0.0 .4 \n 0.0.0 .1 \n 0.1 .9 end")
    shown = cells({"collective": drawn(), "best_of_n": [plain], "subpool": [back]})
    assert shown == [
        ["collective", "38%", "1.0", "0.7", "50%", "0.3", "62%"],
        ["subpool", "-", "0.0", "1.0", "0%", "0.0", "61%"],
    ]
    assert backtracking_sheet({"best_of_n": [plain]}).rows == []


def test_the_sentence_counts_problems() -> None:
    """A rate of backtracks tells nobody on how many problems they helped."""
    assert backtracking_remarks({"collective": drawn()}, {}) == [
        "collective: 2 of 3 problems backtracked; on 1 of them a correct path followed, and 1 of these were answered "
        "correctly."
    ]


@pytest.mark.parametrize(("passed", "words"), [(96, "almost every"), (95, ""), (5, ""), (4, "almost no")])
def test_a_bar_that_decides_nothing_is_named(passed: int, words: str) -> None:
    """A user takes a method for bad whose tau was out of reach of the PRM."""
    row = replace(drawn()[0], telemetry={"judged": 100, "passed": passed}, usage=Usage(generated_tokens=9))
    sentence = f"m: {words} step passes ({passed / 100:.1%}), so tau hardly discriminates. Type: --tau q0.5"
    assert backtracking_remarks({"m": [row]}, {}) == ([sentence] if words else [])
