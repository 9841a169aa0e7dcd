"""The grader against a table of rows, each of which a mathematician would sign."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tt_scale.grading import Grader, extract_answer

DATA = Path(__file__).parents[1] / "data"
ROWS, KINDS = DATA / "grader_rows.tsv", DATA / "grader_kinds.tsv"
PREFIX = "Final answer:"

# (today's grade, gold, answer, what a mathematician says and why the grader does not)
KNOWN_LIMITS = [
    ("correct", "0.5", r"0.5\%", "wrong; a percent sign that the gold leaves out counts as understood"),
    (
        "correct",
        "(1,2)",
        "1,2",
        "unclear; a list in the right order is taken for a pair, which helps more than it hurts",
    ),
    ("correct", "1,2", "1,2,2", "wrong where multiplicity counts; a gold answer without repeats says nothing of it"),
    ("correct", "10 \\text{ apples}", "10 oranges", "wrong; what is counted is no unit that the table knows"),
    ("wrong", r"\frac{x}{2}", "1/2x", "unclear; a slash takes the whole product behind it"),
    ("wrong", r"\ln 2", r"\log 2", "unclear; a logarithm without a base has base ten"),
    ("correct", "AB", "BA", "wrong for points; letters are a product"),
    ("wrong", r"1 \text{ m}", r"100 \text{ cm}", "correct; units are not converted"),
    ("wrong", r"90^\circ", r"\frac{\pi}{2}", "correct; degrees are a unit like any other"),
    ("wrong", "100,200,300", "100, 200, 300", "correct for a list; without spaces these are thousands"),
    ("wrong", r"\frac{3}{2}x", r"1\frac{1}{2}x", "correct; before a variable a mixed number is read as a product"),
    ("wrong", "-2", r"\sqrt[3]{-8}", "correct over the reals; sympy takes the principal root"),
    ("wrong", "12", "twelve", "correct; number words are not read"),
    ("wrong", r"\text{no real solutions}", r"\emptyset", "correct; words are not interpreted"),
    ("wrong", r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}", "(1,2)", "often accepted; a column is no pair here"),
    ("wrong", r"(-1)^n", r"\cos(n\pi)", "correct for integers n; sympy is not told that n is one"),
    ("wrong", r"\frac{3}{4}", r"\text{The probability is } \frac{3}{4}", "correct; prose inside a box is not cut away"),
]


def rows(table: Path = ROWS) -> list[list[str]]:
    lines = table.read_text(encoding="utf-8").splitlines()
    return [line.split("\t") for line in lines if not line.startswith("#")]


def kinds() -> dict[str, list[list[str]]]:
    """The rows of each kind of spelling: what real models and benchmarks write, and the neighbours that are wrong."""
    found: dict[str, list[list[str]]] = {}
    for row in rows(KINDS):
        found.setdefault(row[3], []).append(row[:3])
    return found


@pytest.fixture(scope="module")
def grader() -> Iterator[Grader]:
    with Grader(seconds=20.0) as opened:
        yield opened


@pytest.fixture(scope="module")
def hasty() -> Iterator[Grader]:
    with Grader(seconds=1.0, workers=1) as opened:
        yield opened


def test_the_table_is_complete() -> None:
    """A lost tab would drop a column, and a copied row would test nothing."""
    table = rows()
    assert len(table) >= 480
    assert {len(row) for row in table} == {4}
    assert len({tuple(row[:3]) for row in table}) == len(table)
    assert {row[0] for row in table} == {"correct", "wrong", "no_answer", "ungraded"}


@pytest.mark.parametrize(("expected", "gold", "answer", "topic"), rows())
async def test_row(grader: Grader, hasty: Grader, expected: str, gold: str, answer: str, topic: str) -> None:
    """Each row is a pair that some public grader gets wrong, or the neighbour that its repair would break."""
    extracted = extract_answer(answer, PREFIX) if topic == "completion" else answer
    chosen = hasty if topic == "tower" else grader
    assert await chosen.grade(gold, extracted) == expected


def test_every_kind_has_wrong_neighbours() -> None:
    """A rule that accepts is easy to write: each kind must also hold answers that look alike and are wrong."""
    table = rows(KINDS)
    assert len(table) >= 1400
    assert {len(row) for row in table} == {4}
    assert len({tuple(row[:3]) for row in (*table, *rows())}) == len(table) + len(rows())
    for kind, members in kinds().items():
        grades = [grade for grade, _, _ in members]
        assert kind == "unreadable side" or grades.count("wrong") >= len(grades) // 6 + 1, kind


@pytest.mark.parametrize("kind", kinds())
async def test_kind(grader: Grader, kind: str) -> None:
    """All rows of one kind at once; the message lists those that are graded otherwise."""
    table = kinds()[kind]
    grades = await asyncio.gather(*[grader.grade(gold, answer) for _, gold, answer in table])
    assert [(row, grade) for row, grade in zip(table, grades, strict=True) if row[0] != grade] == []


async def test_unparsable_sides_are_ungraded_in_either_order(grader: Grader) -> None:
    """What nobody can read is ungraded on either side, and a pair is ungraded whichever stands first."""
    table = [row for row in rows(KINDS) if row[3] == "unreadable side"]
    forth = await asyncio.gather(*[grader.grade(gold, answer) for _, gold, answer, _ in table])
    back = await asyncio.gather(*[grader.grade(answer, gold) for _, gold, answer, _ in table])
    assert forth == back


@pytest.mark.parametrize(("today", "gold", "answer", "truth"), KNOWN_LIMITS)
async def test_known_limit(grader: Grader, today: str, gold: str, answer: str, truth: str) -> None:
    """A limit that goes away, or a new one of this kind, must not pass unseen: it changes published numbers."""
    assert await grader.grade(gold, answer) == today, truth
