"""Tables and words of comparisons that were made by hand."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hand_made import entry

from tt_scale.bench.stats.comparison import Comparison, Entry, against, compare_entries, frontier
from tt_scale.bench.stats.verdict import verdict
from tt_scale.bench.stats.vote_curve import VoteCurve
from tt_scale.report.comparison_files import write_files
from tt_scale.report.comparison_tables import sheets
from tt_scale.report.plots import plot_comparison
from tt_scale.report.tables import markdown


def compared(*entries: Entry, curve: VoteCurve | None = None) -> Comparison:
    return compare_entries("set", "model", entries, curve)


def flat(accuracies: str, *tokens: float) -> VoteCurve:
    """A vote that answers alike with any number of samples."""
    return VoteCurve(tokens, {str(i): [float(letter == "+")] * len(tokens) for i, letter in enumerate(accuracies)})


WIN, LOSE = "+" * 30 + "-" * 10, "-" * 20 + "+" * 10 + "-" * 10


def test_a_win() -> None:
    """Twenty problems that one alone solved, none that the other alone did."""
    [line, *_] = verdict(compared(entry("a", WIN, budget=4), entry("b", LOSE, budget=4)))
    assert line == "Budget 4: use a (75.0%, 100 tokens): better than every other method here (p < 0.001)."


def test_no_win() -> None:
    """Five more of forty are no evidence that one is better, and none that they are equal either."""
    [line, *_] = verdict(compared(entry("a", "+" * 25 + "-" * 15, 200), entry("b", "+" * 20 + "-" * 20, 150)))
    assert line == (
        "a (62.5%, 200 tokens) has the highest accuracy, "
        "but it is not shown to be better than b (p = 0.062; 0.75 x its tokens). "
        "The cheapest of these is b (150 tokens), but 12.5 points lower; more problems are needed to decide."
    )


def test_as_good_and_cheaper() -> None:
    """One more of forty: the cheaper is named as the one to use."""
    [line, *_] = verdict(compared(entry("a", "+" * 21 + "-" * 19, 200), entry("b", "+" * 20 + "-" * 20, 150)))
    assert line.endswith("b (p = 1.000; 0.75 x its tokens). The cheapest of these is b (150 tokens); use it.")


def test_some_wins() -> None:
    """The correction counts all three pairs, of which two are significant."""
    [line, *_] = verdict(compared(entry("a", WIN, 90), entry("b", LOSE), entry("c", "+" * 28 + "-" * 12)))
    assert line == (
        "a (75.0%, 90 tokens) has the highest accuracy, "
        "but it is not shown to be better than c (p = 0.500). It is better than b. "
        "None is substantially cheaper; use the leader."
    )


def test_other_numbers_of_tokens_are_stated() -> None:
    """What is won with three times the tokens is no win at equal cost; up to 10 % more or fewer are equal."""
    tokens = {"near": 91, "nearer": 109, "cheap": 40, "cheaper": 20, "dear": 300}
    losers = [entry(label, LOSE, each) for label, each in tokens.items()]
    [line, *_] = verdict(compared(entry("a", WIN), *losers))
    told = "use a (75.0%, 100 tokens): better than every other method here (p < 0.001; 0.20 to 3.00 x its tokens)."
    assert line == told
    [line, *_] = verdict(compared(entry("a", WIN), *losers, entry("same", WIN, 112)))
    assert line == (
        "a (75.0%, 100 tokens) has the highest accuracy, "
        "but it is not shown to be better than same (p = 1.000; 1.12 x its tokens). "
        "It is better than near and nearer at equal tokens; than cheap and cheaper (0.20 to 0.40 x its tokens); than "
        "dear (3.00 x its tokens). None is substantially cheaper; use the leader."
    )
    [line, *_] = verdict(compared(entry("a", WIN), losers[-1], entry("same", WIN)))
    assert "better than same (p = 1.000). It is better than dear (3.00 x its tokens)." in line


def test_runs_that_spent_nothing_are_compared() -> None:
    """Every search of a run may have failed before its first token: no division by its tokens."""
    found = compared(entry("a", "-" * 4, 0), entry("b", "-" * 4, 0), entry("c", "-" * 4, 10))
    assert verdict(found)[0].startswith("a (0.0%, 0 tokens) has the highest accuracy")
    assert any(sheet.title.startswith("Paired") for sheet in sheets(found))
    later = compared(entry("b", "+" * 4, 0), entry("a", "-" * 4, 10))
    assert all(sheet.rows for sheet in sheets(later, all_pairs=True, references=["a", "b"]))


def test_many_that_are_not_told_apart_are_counted() -> None:
    """Fifteen names and fifteen p-values in a sentence are read by nobody."""
    same = [entry(f"m{number}", WIN, 100 + number) for number in range(7)]
    [line, *_] = verdict(compared(*same))
    assert (
        "m0 (75.0%, 100 tokens) has the highest accuracy, but it is not shown to be better than any of the other 6 "
        "(p at" in line
    )
    [line, *_] = verdict(compared(*same, entry("worse", "-" * 40)))
    assert "not shown to be better than the other 6 (p at least 1.000). It is better than worse." in line


def test_a_tie() -> None:
    """Of two that answer alike the cheaper one leads."""
    [line, *_] = verdict(compared(entry("a", WIN, 200), entry("b", WIN, 100)))
    head = "b (75.0%, 100 tokens) has the highest accuracy, but it is not shown to be better than a (p = 1.000; 2.00 x "
    head += "its tokens)."
    assert line.startswith(head)
    assert line.endswith("None is substantially cheaper; use the leader.")


def test_one_difference_among_many_is_corrected() -> None:
    """p = 0.03 alone is 0.09 among three budgets of one pair each: no win."""
    better, worse = "+" * 6 + "-" * 20, "-" * 26
    alone = verdict(compared(entry("a", better, budget=1), entry("b", worse, budget=1)))
    assert alone[0] == "Budget 1: use a (23.1%, 100 tokens): better than every other method here (p at most 0.031)."
    pairs = [entry(label, text, budget=n) for n in (1, 2, 3) for label, text in (("a", better), ("b", worse))]
    for line in verdict(compared(*pairs))[:3]:
        assert "not shown to be better than b (p = 0.094)" in line


def test_the_vote_is_beaten() -> None:
    """Budgets of one method are told together; a vote is not held against itself."""
    entries = [entry("a", WIN, 100, 1), entry("a", WIN, 200, 2), entry("vote", LOSE, 100, 1, votes=True)]
    told = verdict(compared(*entries, curve=flat(LOSE, 100, 200)))
    assert told[-1].startswith("At equal tokens, majority voting is beaten by a at budgets 1 and 2 (+50.0 points, p ")
    assert len(told) == 2


def test_nothing_beats_the_vote() -> None:
    """Level, behind and out of reach are three things."""
    entries = [entry("level", WIN), entry("behind", LOSE), entry("dear", WIN, 500)]
    told = verdict(compared(*entries, curve=flat(WIN, 100, 200)))[1:]
    assert told[0] == "No method here is shown to beat majority voting at equal tokens."
    assert told[1] == "Not distinguished from it: level (+0.0 points, p = 1.000)."
    assert told[2].startswith("Worse than it: behind (-50.0 points, p ")
    assert told[3].startswith("Not compared with it: dear; the vote covers 100 to 200 tokens per problem.")
    assert told[3].endswith("More samples extend this range.")
    assert len(told) == 4


def test_without_a_vote_nothing_is_said_about_it() -> None:
    """Silence would read as a result."""
    assert verdict(compared(entry("a", WIN)))[-1].startswith("Majority voting is not part of this comparison")


def test_the_vote_is_compared_at_the_entry_s_own_tokens() -> None:
    """At 150 tokens, half of the way between a vote of 0 % and one of 100 %: 50 %."""
    curve = VoteCurve([100.0, 200.0], {str(index): [0.0, 1.0] for index in range(40)})
    [gap] = compared(entry("a", WIN, 150), curve=curve).votes
    assert gap.vote == pytest.approx(0.5)
    assert gap.pair is not None
    assert gap.pair.difference == pytest.approx(0.25)


def test_the_frontier() -> None:
    """What costs more and is no better is not on it; of equals the cheaper is."""
    places = [
        ("cheap", "+---", 10),
        ("dear", "+---", 30),
        ("better", "++--", 20),
        ("best", "+++-", 40),
        ("bad", "----", 5),
    ]
    found = frontier([entry(*place) for place in places])
    assert [each.label for each in found] == ["bad", "cheap", "better", "best"]


def test_a_table_by_hand() -> None:
    """Four problems, one without an answer, a pool of four; an entry without budget stands at each."""
    told = sheets(
        compared(entry("a", "++-0", 1000, 2), entry("b", "+---", 10, derived=True), entry("a", "++++", 2000, 4))
    )
    assert [sheet.title for sheet in told][:2] == ["Budget 2", "Budget 4"]
    assert [row[0] for row in told[1].rows] == ["b", "a"]
    assert told[0].numbers[5:] == ["pass@4", "Pool", "Cut", "Truncated", "None"]
    assert told[0].rows[0] == ["a", "50.0%", "15.0-85.0", "1,000", "2,000", "0.50", "75.0%", "4.0", "0.0", "1.0", "1"]
    assert told[0].rows[1][5] == ""
    assert "| b | 25.0% | 4.6-69.9 | 10 | 20 |  | 75.0% | 4.0 | 0.0 | 1.0 | 0 |" in markdown(told[0])


def test_pass_at_k_has_one_k_for_all_methods_of_a_table(tmp_path: Path) -> None:
    """Eight paths hold a right one more often than two: at different k the wider method would look better.

    Two of eight are right: of 28 pairs, 15 hold none of them. One of two searches of `narrow` has one path, which is
    less than nine in ten with two: k is 1, and 3 of 4 paths of a mean search are right.
    """
    wide = entry("wide", "++", budget=2)
    wide = replace(wide, rows=[replace(row, telemetry={"pool": 8}, right=2) for row in wide.rows])
    narrow = entry("narrow", "++", budget=2)
    narrow = replace(narrow, rows=[replace(row, telemetry={"pool": 2}, right=1) for row in narrow.rows])
    sheet = sheets(compared(wide, narrow))[0]
    assert [(sheet.numbers[5], row[6]) for row in sheet.rows] == [("pass@2", "46.4%"), ("pass@2", "100.0%")]
    one = replace(narrow, rows=[narrow.rows[0], replace(narrow.rows[1], telemetry={"pool": 1})])
    sheet = sheets(compared(wide, one))[0]
    assert [(sheet.numbers[5], row[6]) for row in sheet.rows] == [("pass@1", "25.0%"), ("pass@1", "75.0%")]
    [told, _] = json.loads(write_files(tmp_path, [compared(wide, narrow)])[0].read_text())["comparisons"][0]["entries"]
    assert (told["pass_at_k"], told["k"]) == (pytest.approx(13 / 28), 2)


def test_all_pairs_are_in_the_files() -> None:
    """The terminal shows those with the best; three methods have three pairs."""
    found = compared(entry("a", WIN), entry("b", LOSE), entry("c", LOSE))
    [shown] = [sheet for sheet in sheets(found) if sheet.title.startswith("Paired")]
    [whole] = [sheet for sheet in sheets(found, all_pairs=True) if sheet.title.startswith("Paired")]
    assert [row[2] for row in shown.rows] == ["b", "c"]
    assert len(whole.rows) == 3


def test_a_pair_is_turned_so_that_the_best_stands_first() -> None:
    """A sign or an interval that was not turned would say the opposite."""
    [sheet] = [each for each in sheets(compared(entry("b", LOSE, 50), entry("a", WIN))) if "Paired" in each.title]
    budget, best, against, points, interval, _, tokens = sheet.rows[0]
    assert (budget, best, against, points, tokens) == ("-", "a", "b", "+50.0", "x 2.00")
    low, high = map(float, interval.split(" to "))
    assert 0 < low < 50 < high


def test_an_end_at_zero_has_no_minus() -> None:
    """Nine wins and two losses are p = .065: the end that the test puts at 0 is -0.0 where the pair is turned."""
    lines = [entry("a", "+" * 9 + "-" * 2 + "+" * 29), entry("b", "-" * 9 + "+" * 2 + "+" * 29)]
    for order in (lines, lines[::-1]):
        [sheet] = [each for each in sheets(compared(*order)) if "Paired" in each.title]
        assert sheet.rows[0][3:6] == ["+17.5", "+0.0 to +32.6", "0.065"]


def test_all_against_one() -> None:
    """Two budgets of two others each are four planned pairs, not the six of all; at budget 4 there is no vote."""
    entries = [entry(*each) for each in (("a", WIN, 50, 1), ("vote", LOSE, 100, 1), ("b", LOSE, 80, 1))]
    entries += [entry("a", WIN, 90, 2), entry("vote", LOSE, 200, 2), entry("b", WIN, 80, 2), entry("a", WIN, 90, 4)]
    found = against(compared(*entries), "vote")
    assert {budget: [(pair.first, pair.second) for pair in pairs] for budget, pairs in found.items()} == {
        1: [("a", "vote"), ("b", "vote")],
        2: [("a", "vote"), ("b", "vote")],
    }
    assert [pair.difference for pair in found[1]] == [0.5, 0.0]
    assert found[1][0].p_value == pytest.approx(4 * 2 * 0.5**20)
    [sheet] = [
        each for each in sheets(compared(*entries), references=["vote"]) if each.title.startswith("Against vote")
    ]
    assert [row[:3] for row in sheet.rows] == [
        ["1", "a", "+50.0"], ["1", "b", "+0.0"], ["2", "a", "+50.0"], ["2", "b", "+50.0"]
    ]  # fmt: skip
    assert sheet.rows[0][-1] == "x 0.50"


def test_as_many_lines_as_there_are_methods_can_be_told_apart(tmp_path: Path) -> None:
    """Colours repeat after eight; with this many lines, intervals would hide them, and the legend gets more room."""
    pytest.importorskip("vl_convert")
    sizes = []
    for lines in (10, 17):
        file = tmp_path / f"{lines}.svg"
        plot_comparison(compared(*(entry(f"m{n}", WIN, 100 + n) for n in range(lines))), str(file))
        drawn = file.read_text()
        sizes.append(float(re.search(r'<svg[^>]* width="([\d.]+)"', drawn)[1]))  # type: ignore[index]
        assert "40 problems" in drawn
        assert ("up to ±" in drawn) == (lines > 10)
        assert all(f">m{n}<" in drawn for n in range(lines))
    assert sizes[0] < sizes[1] < 900
