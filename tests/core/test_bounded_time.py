"""Texts that a model could write to hold up a run: each is read in time that its length bounds."""

from __future__ import annotations

from functools import partial

import pytest
from effort import LINEAR, growth, moments

from tt_scale.core.boxes import last_boxes
from tt_scale.core.extraction import extract_answer
from tt_scale.core.final_answer import THINK, FinalAnswer, outside_reasoning
from tt_scale.core.records import Step
from tt_scale.core.segmentation import split_steps, step_texts
from tt_scale.grading.equivalence import settled
from tt_scale.grading.normal import clean, key
from tt_scale.grading.quantity import quantity
from tt_scale.grading.structure import structure

UNFINISHED = "\N{REPLACEMENT CHARACTER}"


def pumped(unit: str, size: int, prefix: str = "") -> str:
    return (prefix + unit * (size // len(unit) + 1))[:size]


@pytest.mark.parametrize("cut", [False, True])
@pytest.mark.parametrize(
    "unit",
    [
        "\\boxed1",
        "\\boxed 1 ",
        "\\boxed{",
        "\\boxed{1}, ",
        "{",
        "}{",
        "\\",
        "\\{",
        "Answer:",
        "Answer: ",
        '"Answer:"',
        "\n",
        "<think>",
        "</think>",
        "<think></think>",
        "\nAnswer: ?",
        "Answer: \\boxed{1",
        "\\fbox{}",
        " ",
        "**Answer**: .",
    ],
)
def test_answers_are_found_in_bounded_time(unit: str, cut: bool) -> None:
    r"""`\boxed1` 4,000 times took 7.5 seconds: each unfinished answer at the end was dropped by reading all again."""
    answers = FinalAnswer("Answer:")
    assert growth(lambda size: answers.of(pumped(unit, size), cut=cut), 8_000) < LINEAR


def test_unfinished_answers_are_dropped_a_few_times() -> None:
    """What was cut may hide one complete answer or two, not thousands."""
    answers = FinalAnswer("Answer:")
    assert answers.of("Answer: 5 \\boxed{5", cut=True) is None
    assert answers.of("\\boxed{4} Answer: 5 \\boxed{5", cut=True) == "4"
    assert answers.of("\\boxed{4}\\boxed5\\boxed5\\boxed5", cut=True) == "4"
    assert answers.of("\\boxed{4}\\boxed5\\boxed5\\boxed5\\boxed5", cut=True) is None
    assert answers.of("\\boxed{4}\\boxed5\\boxed5\\boxed5\\boxed5") == "5"


def test_which_part_of_a_text_is_read() -> None:
    """The rule is stated; an answer that is followed by a book was given up."""
    assert extract_answer("\\boxed{4}" + "." * 99_991) == "4"
    assert extract_answer("\\boxed{4}" + "." * 99_992) is None
    assert extract_answer("\\boxed{4}" + "{}" * 11_000) is None
    assert extract_answer("\\boxed{4}" + "{}" * 9_000) == "4"
    assert extract_answer("\\boxed{4}" + "\\fbox {}  " * 2_000) is None
    assert extract_answer("\\boxed{4}" + "\\fbox {}  " * 1_999) == "4"
    assert extract_answer("\\boxed{4}" + "Answer: ?\n" * 2_000, "Answer:") is None
    assert extract_answer("\\boxed{4}" + "Answer: ?\n" * 1_999, "Answer:") == "4"


def test_blocks_before_the_part_that_is_read() -> None:
    """A block that is left open a megabyte before the end still is."""
    long = "x" * (1 << 20)
    assert outside_reasoning(f"<think>{long}\\boxed{{4}}", [THINK]) == ""
    assert outside_reasoning(f"<think>a</think>{long}4", [THINK]).endswith("x4")
    assert outside_reasoning(f"{long}4", [THINK], opened=True) == ""
    assert outside_reasoning(f"a</think>{long}</think>4", [THINK]) == "4"


@pytest.mark.parametrize("piece", ["a", "\n", UNFINISHED, "\n\n", "a\n"])
def test_steps_are_cut_in_linear_time(piece: str) -> None:
    """A step of 130,000 tokens without a delimiter was searched anew with each of them."""

    def cut(delimiters: tuple[str, ...], unit: int | None, size: int) -> object:
        pieces = [piece] * size
        return split_steps(Step(piece * size, tuple(range(size)), "length"), pieces, delimiters, unit)

    def read(delimiters: tuple[str, ...], size: int) -> object:
        return step_texts([Step(piece, (1,), "stop")] * size, delimiters)

    assert growth(partial(cut, ("\n\n", "## Step"), None), 4_000) < LINEAR
    assert growth(partial(cut, (), 1), 4_000) < LINEAR
    assert growth(partial(read, ()), 4_000) < LINEAR
    assert growth(partial(read, ("\n\n",)), 4_000) < LINEAR


def test_a_delimiter_in_several_pieces_ends_a_step() -> None:
    """Only the end of a step is searched, and a delimiter may begin in the piece before the last."""
    pieces = ["ab", "#", "#", " S", "tep", "x", "\n", "", "\n", "y"]
    step = Step("".join(pieces), tuple(range(len(pieces))), "eos")
    assert [each.text for each in split_steps(step, pieces, ["\n\n", "## Step"])] == ["ab## Step", "x\n\n", "y"]


MOST_MOMENTS = 60
"""For 18 comparisons of texts of up to 990 characters; a worker compares what is longer than 1,000."""

PUMPS = [
    "\\frac{", "\\frac", "\\sqrt", "\\frac1", "\\root ", "\\root{", "{a\\over", "{\\rm ", "$a ", "\\\\ ", "^", "_{",
    "_8", "1", "1,", "(1,2),", "{1,2},", "x=1,", "x=a_1,", "\\pm1,", "(", "((", "[", "\\{", "\\text{a} ",
    "\\text{a}^2 ", "cm/", "cm^2 ", "1/1", "a ", "a,", " ", "\n", "²", "°", "√", "if ", "for x,", "and ", "\\in ",
    "\\begin{matrix}", "\\boxed{", "sin x", "\\sin", "**", "\"", "1:", "A. ", "\\left(", "&", "\\cup", "<", "=", "x=",
    "1 000", "0.", "\\overline{", "e1",
]  # fmt: skip


@pytest.mark.parametrize("pump", PUMPS)
def test_answers_are_compared_in_bounded_time(pump: str) -> None:
    r"""In the main process: 40 nested `\frac{` without second arguments, or 40 units in a row, never came to an end."""
    texts = [pumped(pump, size, prefix) for size in (60, 400, 990) for prefix in ("", "1 ", "(")]

    def compared() -> None:
        for text in texts:
            settled(text, f"{text}1")
            settled("7", text)

    assert moments(compared, MOST_MOMENTS) < MOST_MOMENTS
    for work in (clean, key):
        assert growth(lambda size, work=work: work(pumped(pump, size)), 5_000) < LINEAR  # type: ignore[misc]


def test_long_answers_are_settled_by_spelling_alone() -> None:
    """The rule is stated: a worker, which can be killed, compares what is longer."""
    long = f"({','.join(['1'] * 1000)})"
    assert settled(long, long.replace(",", ", ")) is True
    assert settled(long, f"{long[:-1]},2)") is None
    assert settled(" " * 3000, " " * 3000) is None
    many = ", ".join(map(str, range(30)))
    assert settled(many, ", ".join(map(str, reversed(range(30))))) is True
    many = ", ".join(map(str, range(100)))
    assert settled(many, ", ".join(map(str, reversed(range(100))))) is None
    assert settled(many, many + ", 101") is False
    assert settled(many, many + ", 101, 102, 102") is False


def test_deep_answers_are_no_fault() -> None:
    """Four hundred parentheses ended the event loop's process in a RecursionError."""
    for count in (10, 19, 50, 400):
        text = "(" * count + "1,2" + ")" * count
        assert structure(text).kind in ("tuple", "atom")
        settled(text, "(1,2)")
    assert settled("((((1,2))))", "(1,2)") is True
    assert quantity("1" * 300) is not None
    assert growth(lambda size: quantity("1" * size), 300) < LINEAR


def test_boxes_with_any_gap() -> None:
    """What may stand between two boxes of a list is matched in one way only."""
    assert last_boxes("\\boxed{1}" + " " * 58 + ",\\boxed{2}") is not None
    assert growth(lambda size: last_boxes(("\\boxed{1}" + " " * 59 + "!") * size), 250) < LINEAR
