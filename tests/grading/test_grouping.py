"""Canonical classes, with a comparer of our own: what the algorithm guarantees whatever the grader says."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from tt_scale.grading.grouping import group

texts = st.one_of(st.none(), st.sampled_from(["", " ", "a", "aa", "aaa", "b", "bb", "b ", "c", "$a$"]))


async def first_letter(one: str, other: str) -> bool | None:
    return one.strip("$ ")[0] == other.strip("$ ")[0]


def partition(answers: list[str | None], classes: list[int]) -> set[frozenset[str]]:
    blocks: dict[int, set[str]] = {}
    for answer, number in zip(answers, classes, strict=True):
        if answer is not None and number >= 0:
            blocks.setdefault(number, set()).add(answer)
    return {frozenset(block) for block in blocks.values()}


@given(st.lists(texts, max_size=12))
def test_classes_are_numbered_by_appearance(answers: list[str | None]) -> None:
    """Selectors break ties by order of appearance: class numbers must follow it, and blanks must have none."""
    classes = asyncio.run(group(answers, first_letter))
    seen = list(dict.fromkeys(number for number in classes if number >= 0))
    assert seen == list(range(len(seen)))
    assert [number == -1 for number in classes] == [not (answer or "").strip() for answer in answers]
    expected = {(answer or "").strip("$ ")[:1] for answer in answers} - {""}
    assert len(seen) == len(expected)


@given(st.lists(texts, max_size=8), st.randoms(use_true_random=False))
def test_the_order_of_the_pool_does_not_matter(answers: list[str | None], random: object) -> None:
    """Equivalence is not transitive: comparing in pool order would give another vote for the same samples."""

    async def near(one: str, other: str) -> bool | None:
        return abs(len(one) - len(other)) <= 1

    shuffled = list(answers)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one = partition(answers, asyncio.run(group(answers, near)))
    other = partition(shuffled, asyncio.run(group(shuffled, near)))
    assert {frozenset(spelled(text) for text in block) for block in one} == {
        frozenset(spelled(text) for text in block) for block in other
    }


def spelled(text: str) -> str:
    return text.strip("$ ")


def test_equal_spellings_are_never_compared() -> None:
    """64 equal samples must cost no comparison at all."""
    asked: list[tuple[str, str]] = []

    async def ask(one: str, other: str) -> bool | None:
        asked.append((one, other))
        return False

    answers = ["x", "$x$", "x.", "y"]
    assert asyncio.run(group(answers, ask)) == [0, 0, 0, 1]
    assert len(asked) == 1


def test_failures_keep_answers_apart_and_are_bounded() -> None:
    """A comparison that failed has not shown equality; a poisonous answer must not be tried against every class."""
    asked: list[tuple[str, str]] = []

    async def poisoned(one: str, other: str) -> bool | None:
        asked.append((one, other))
        return None if "poison" in (one, other) else False

    answers = [*"abcdefgh", "poison"]
    assert asyncio.run(group(answers, poisoned)) == list(range(9))
    assert sum("poison" in pair for pair in asked) == 2
