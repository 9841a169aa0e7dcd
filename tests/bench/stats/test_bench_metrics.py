"""Numbers of tables against numbers worked out elsewhere."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tt_scale.bench.record import Row
from tt_scale.bench.stats.metrics import by_level, common_pool, interval, mean_pass_at_k, selector_accuracy, summarise
from tt_scale.core.budget import Usage
from tt_scale.report.bench_report import remarks

ROW = Row(0, "p", 0, None, "wrong", "1", "2", Usage(generated_tokens=10), {}, {}, "enough", "")


def rows(right: int, total: int, repeats: int = 1) -> list[Row]:
    """So many problems, the first ones right in every repeat."""
    return [
        replace(ROW, id=str(index), repeat=repeat, grade="correct" if index < right else "wrong")
        for index in range(total)
        for repeat in range(repeats)
    ]


@pytest.mark.parametrize(("right", "total"), [(8, 10), (0, 10), (10, 10), (45, 100)])
def test_wilson(right: int, total: int) -> None:
    """The normal interval has no width at 0 % and leaves [0, 1]; SciPy's own Wilson interval is the judge."""
    from scipy.stats import binomtest

    known = binomtest(right, total).proportion_ci(method="wilson")
    assert interval(rows(right, total)) == pytest.approx((known.low, known.high))


def test_repeats_of_a_problem_are_not_independent() -> None:
    """Ten problems searched eight times each, always alike, tell no more than ten searched once."""
    assert interval(rows(8, 10, repeats=8)) == pytest.approx(interval(rows(8, 10)))


def test_repeats_that_differ_narrow_the_interval() -> None:
    """With eight coin flips for each problem the accuracy is known better than with one."""
    flips = [replace(row, grade="correct" if row.repeat % 2 else "wrong") for row in rows(0, 10, repeats=8)]
    once = interval(rows(5, 10))
    assert interval(flips)[0] >= once[0]
    assert interval(flips)[1] <= once[1]


def test_few_problems_with_repeats_use_student_s_quantile() -> None:
    """A variance that five problems show may be too small by far: 7, 6, 5, 4 and 3 of 8 right are no 40 searches."""
    found = [
        replace(row, grade="correct" if row.repeat < 7 - int(row.id) else "wrong") for row in rows(0, 5, repeats=8)
    ]
    low, high = interval(found)
    normal = 1.96 * (5 / 128 / 5) ** 0.5
    assert high - low > 1.1 * 2 * normal


def test_a_pool_that_is_too_small_counts_with_all_that_it_has() -> None:
    """One of four right: half of all pairs hold it; a pool of one right path is right, an empty one is not."""
    found = [replace(ROW, telemetry={"pool": pool}, right=right) for pool, right in ((4, 1), (1, 1), (0, 0))]
    assert mean_pass_at_k(found, 2) == pytest.approx((0.5 + 1 + 0) / 3)
    assert mean_pass_at_k([], 2) == 0.0


def test_the_common_k() -> None:
    """One search in ten may have fewer paths; a method without rows, or with empty pools, leaves pass@1."""
    nine = [replace(ROW, telemetry={"pool": 8})] * 9 + [replace(ROW, telemetry={"pool": 1})]
    assert common_pool([nine]) == 8
    assert common_pool([nine, nine[1:]]) == 1
    assert common_pool([nine, [replace(ROW, telemetry={"pool": 0})], []]) == 1
    assert common_pool([]) == 1


def test_no_rows_is_no_knowledge() -> None:
    """A division by zero in an empty table."""
    assert interval([]) == (0.0, 1.0)
    assert summarise("Overall", []).accuracy == 0.0
    assert selector_accuracy([]) == {}


def test_everything_that_is_not_correct_stays_in_the_denominator() -> None:
    """Failed, unanswered and ungraded problems left out make any method look better."""
    found = [
        replace(ROW, id="a", grade="correct"),
        replace(ROW, id="b", grade="no_answer", error="RuntimeError: x"),
        replace(ROW, id="c", grade="ungraded"),
        replace(ROW, id="d", grade="no_answer"),
    ]
    summary = summarise("Overall", found)
    assert (summary.samples, summary.correct, summary.accuracy, summary.tokens) == (4, 1, 0.25, 10.0)
    assert (summary.no_answer, summary.ungraded, summary.errors) == (2, 1, 1)
    told = remarks({"m": found})
    assert told[0] == "m: problems without an answer: 2."
    assert told[-1] == "m: the first failure, b: RuntimeError: x"


def test_levels_follow_the_overall_row() -> None:
    """Problems without a level are in the overall row only."""
    found = [replace(ROW, id=str(index), level=level) for index, level in enumerate((3, None, 1, 3))]
    assert [(each.name, each.samples) for each in by_level(found)] == [("Overall", 4), ("Level 1", 1), ("Level 3", 2)]


def test_a_small_pool_counts_with_what_it_has() -> None:
    """Columns with different denominators cannot be compared: a pool of one is still one of two problems at size 4."""
    large = replace(ROW, id="a", telemetry={"pool": 4}, selectors={"best": {1: False, 2: True, 4: True}})
    small = replace(ROW, id="b", telemetry={"pool": 1}, selectors={"best": {1: True}})
    none = replace(ROW, id="c", telemetry={"pool": 0})
    accuracy = selector_accuracy([large, small, none])["best"]
    assert accuracy == {
        1: pytest.approx(1 / 3),
        2: pytest.approx(2 / 3),
        4: pytest.approx(2 / 3),
        0: pytest.approx(2 / 3),
    }
