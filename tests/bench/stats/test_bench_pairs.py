"""Paired differences against numbers worked out elsewhere."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from tt_scale.bench.record import Row
from tt_scale.bench.stats.pairs import _holm, corrected, paired_differences, paired_test, with_majority
from tt_scale.core.budget import Usage
from tt_scale.report.bench_report import pair_sheet

ROW = Row(0, "p", 0, None, "wrong", "1", "2", Usage(generated_tokens=10), {}, {}, "enough", "")


def rows(verdicts: str, tokens: int = 10, repeats: int = 1) -> list[Row]:
    """One problem for each letter: `+` right, `-` wrong."""
    return [
        replace(
            ROW,
            id=str(index),
            repeat=repeat,
            grade="correct" if letter == "+" else "wrong",
            usage=Usage(generated_tokens=tokens),
        )
        for index, letter in enumerate(verdicts)
        for repeat in range(repeats)
    ]


def test_mcnemar() -> None:
    """Ten problems that one method alone solved and two that the other alone did: p = 0.0386 by the binomial table."""
    first = rows("+" * 10 + "--" + "+" * 30)
    second = rows("-" * 10 + "++" + "+" * 30, tokens=20)
    [pair] = paired_differences({"a": first, "b": second})
    assert pair.p_value == pytest.approx(158 / 4096, abs=1e-9)  # 2 * (1 + 12 + 66) / 2**12
    assert pair.difference == pytest.approx(8 / 42)
    assert pair.low < 8 / 42 < pair.high
    assert (pair.problems, pair.tokens) == (42, 0.5)


def test_the_interval_is_that_of_paired_problems() -> None:
    """Methods that agree on 40 problems may differ on the next: by less than 9 points, however wide their own are."""
    [pair] = paired_differences({"a": rows("+-" * 20), "b": rows("+-" * 20)})
    assert (pair.difference, pair.p_value) == (0.0, 1.0)
    assert (pair.low, pair.high) == pytest.approx((-0.08762, 0.08762), abs=1e-5)  # Wilson's upper end for 0 of 40


def test_the_interval_has_the_normal_width() -> None:
    """An interval over rows instead of problems, or of the wrong level, has another width."""
    first, second = rows("+" * 60 + "-" * 140), rows("-" * 20 + "+" * 60 + "-" * 120)
    [pair] = paired_differences({"a": first, "b": second})
    gaps = [(a.correct - b.correct) for a, b in zip(first, second, strict=True)]
    mean = sum(gaps) / 200
    error = (sum((gap - mean) ** 2 for gap in gaps) / 200 / 200) ** 0.5
    assert pair.high - pair.low == pytest.approx(2 * 1.96 * error, rel=0.08)


def test_repeats_are_averaged_over_a_problem() -> None:
    """Eight equal repeats of ten problems are no eighty problems."""
    once = paired_differences({"a": rows("+++++-----"), "b": rows("--------++")})[0]
    often = paired_differences({"a": rows("+++++-----", repeats=8), "b": rows("--------++", repeats=8)})[0]
    assert often.problems == 10
    assert (often.low, often.high) == (once.low, once.high)
    assert often.p_value == pytest.approx(once.p_value, abs=0.05)
    assert often.p_value > 0.2


@pytest.mark.parametrize(
    "gaps", [[1, 1, -1, 1, 1, 0, 1], [1 / 3, -2 / 3, 1, 1, 1 / 3, 0, 2 / 3], [1 / 2, 1 / 3, 1, -1 / 6]]
)
def test_all_flips_are_counted(gaps: list[float]) -> None:
    """Against every flip written out."""
    reached = [
        abs(sum(sign * gap for sign, gap in zip(signs, gaps, strict=True))) >= abs(sum(gaps)) - 1e-9
        for signs in product((-1, 1), repeat=len(gaps))
    ]
    assert paired_test("a", "b", gaps, 1.0).p_value == pytest.approx(sum(reached) / len(reached))


def test_repeats_do_not_cut_p_values_off() -> None:
    """With a share of 5,000 random flips, no difference among the 700 pairs of a large comparison could be shown."""
    [pair] = paired_differences({"a": rows("+" * 60, repeats=3), "b": rows("-" * 60, repeats=3)})
    assert pair.p_value == pytest.approx(2 * 0.5**60, rel=1e-6, abs=0)


def test_no_p_value_has_a_floor_that_holm_lifts() -> None:
    """Gaps on no grid were flipped 5,000 times: 251 corrections of 1/5,001 leave .05 of a certain difference."""
    gaps = [0.31 + 0.618 * (number * 0.618 % 1) for number in range(60)]
    pairs = corrected([paired_test(str(number), "b", gaps, 1.0) for number in range(720)])
    assert [pair.p_value for pair in pairs] == pytest.approx([720 * 2 * 0.5**60] * 720, rel=1e-6, abs=0)
    assert {pair.raw_p_value for pair in pairs} == {pairs[0].raw_p_value}
    assert pairs[0].raw_p_value == pytest.approx(2 * 0.5**60, rel=1e-6, abs=0)


def test_gaps_on_no_grid_are_flipped_too() -> None:
    """A vote between two sizes is right by a probability: its gaps lie on no grid, and the test is as good."""
    gaps = [0.31, 0.52, -0.17, 0.83, 0.44, -0.29, 0.61]
    flips = [abs(sum(s * g for s, g in zip(signs, gaps, strict=True))) for signs in product((-1, 1), repeat=7)]
    exact = sum(each >= abs(sum(gaps)) - 1e-9 for each in flips) / len(flips)
    assert paired_test("a", "b", gaps, 1.0).p_value == pytest.approx(exact)


def test_problems_that_only_one_searched_are_left_out() -> None:
    """A run that was stopped half-way must not look worse for it."""
    [pair] = paired_differences({"a": rows("+-+-"), "b": rows("+-+-++++")})
    assert (pair.problems, pair.difference) == (4, 0.0)
    assert paired_differences({"a": rows("+"), "b": []}) == []


def test_holm() -> None:
    """The worked example of the method: 0.01, 0.04, 0.03, 0.005 become 0.03, 0.06, 0.06, 0.02."""
    assert _holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_majority_votes_over_the_same_pools() -> None:
    """Self-consistency drawn anew would cost tokens that the vote over an existing pool does not."""
    verdicts = {"best": {1: True, 2: False}, "majority": {1: False, 2: True}}
    pool = [replace(ROW, selectors=verdicts), replace(ROW, id="q", grade="no_answer", selectors=verdicts)]
    found = with_majority({"best_of_n": pool, "collective": pool})
    assert list(found) == ["best_of_n", "majority of best_of_n", "collective"]
    assert [row.grade for row in found["majority of best_of_n"]] == ["correct", "no_answer"]
    assert list(with_majority({"best_of_n": pool, "self_consistency": pool})) == ["best_of_n", "self_consistency"]


def test_one_method_has_no_pairs() -> None:
    """An empty table under a single run puzzles people."""
    assert pair_sheet({"greedy": rows("+-")}) is None


def test_the_order_in_which_searches_end_changes_nothing() -> None:
    """Run again, the same searches end in another order; a table that then differs cannot be repeated."""
    gaps = [1.0, 0.0, -1.0, 1 / 3, 0.0, 1.0, 2 / 3, 0.0] * 9
    assert paired_test("a", "b", gaps, 1.0) == paired_test("a", "b", gaps[::-1], 1.0)


def test_a_last_digit_is_no_difference() -> None:
    """1/3 + 2/3 - 1 may be 1e-16, which is no multiple of anything."""
    dusty = [1e-17, -1.2e-16, 1 / 3, 2 / 3, -1 / 3]
    assert paired_test("a", "b", dusty, 1.0).p_value == paired_test("a", "b", [0, 0, *dusty[2:]], 1.0).p_value
