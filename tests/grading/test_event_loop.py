"""What a model says holds the event loop for a moment at most: other searches go on while answers are graded."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from effort import TRIES, moment, moments

from tt_scale.core.concurrency import TimeSlice
from tt_scale.core.final_answer import FinalAnswer
from tt_scale.core.records import Step
from tt_scale.core.segmentation import split_steps
from tt_scale.grading import Grader

MOST_MOMENTS = 5
"""Of about 10 ms: the 50 ms that are promised."""

PUMPS = ["\\sqrt", "\\frac1", "_8", "a_1,", "{1,2},", "(1,2),", "1,", "°", "**1", "\\text{a} ", "x=1,", " ", "cm/", "("]
HOSTILE = [(pump * 1000)[:size] + str(size) for pump in PUMPS for size in (300, 900, 1900, 100_000)]


async def longest_hold(work: Callable[[], Awaitable[Any]], most: float = MOST_MOMENTS) -> float:
    """Give the longest processor time between two turns of another task, in moments; the least of some tries."""
    least = float("inf")
    for _ in range(TRIES):
        whole, longest = moment(), 0.0
        task = asyncio.ensure_future(work())
        while not task.done():
            before = time.thread_time()
            await asyncio.sleep(0)
            longest = max(longest, time.thread_time() - before)
        await task
        least = min(least, longest / max(whole, moment()))
        if least < most:
            break
    return least


@pytest.fixture
def grader(monkeypatch: pytest.MonkeyPatch) -> Grader:
    """One whose workers cannot tell, at once."""

    async def no_verdict(*_: object) -> None:
        await asyncio.sleep(0)

    monkeypatch.setattr(Grader, "_compare", no_verdict)
    return Grader()


async def test_hostile_answers_are_graded_in_turns(grader: Grader) -> None:
    """A pool of 64 such answers held the loop for minutes."""
    assert await longest_hold(lambda: grader.grade_many("(1,2)", HOSTILE)) < MOST_MOMENTS
    assert await longest_hold(lambda: grader.grade_many(", ".join(map(str, range(90))), HOSTILE)) < MOST_MOMENTS


async def test_hostile_pools_are_grouped_in_turns(grader: Grader) -> None:
    """Each is compared with a representative of each class: the square of their number."""
    assert await longest_hold(lambda: grader.group(HOSTILE)) < MOST_MOMENTS


async def test_many_honest_answers_are_grouped_in_turns(grader: Grader) -> None:
    """A thousand distinct numbers are half a million comparisons."""
    assert await longest_hold(lambda: grader.group([str(number) for number in range(250)])) < MOST_MOMENTS


async def test_many_searches_are_graded_in_turns(grader: Grader) -> None:
    """Each task alone is short; all of them in one turn of the loop are not."""
    pools = [[f"{number}+{pool}" for number in range(20)] for pool in range(40)]
    assert await longest_hold(lambda: asyncio.gather(*[grader.grade_many("17", pool) for pool in pools])) < MOST_MOMENTS


@pytest.mark.parametrize(
    "unit", ["{", "\\boxed1", "\\boxed{", "\\boxed{1}, ", "Answer: \\boxed{1", "Answer: ", "<think></think>", "a "]
)
def test_answers_are_found_within_a_moment(unit: str) -> None:
    """It is asked after every step, in the loop; so many characters are those of 16,000 tokens."""
    answers, text = FinalAnswer("Answer:"), unit * (50_000 // len(unit))
    assert moments(lambda: answers.of(f"\\boxed{text}\\boxed1", cut=True), MOST_MOMENTS) < MOST_MOMENTS
    text = unit * (1_000_000 // len(unit))
    assert moments(lambda: answers.of(f"\\boxed{text}\\boxed1"), 2 * MOST_MOMENTS) < 2 * MOST_MOMENTS


@pytest.mark.parametrize(("piece", "count"), [("a", 130_000), ("\n\n", 16_000), ("a\n\n", 6_000), (" word", 130_000)])
def test_solutions_are_cut_into_steps_within_a_moment(piece: str, count: int) -> None:
    """Whole solutions are, in the loop; at the worst each token is a step."""
    pieces = [piece] * count
    step = Step("".join(pieces), tuple(range(len(pieces))), "length")
    assert moments(lambda: split_steps(step, pieces, ("\n\n", "## Step")), MOST_MOMENTS) < MOST_MOMENTS


async def test_a_slice_ends_for_all_tasks_together() -> None:
    """Tasks that each yield in time hold the loop together where each begins where the last one ended."""
    shared = TimeSlice(0.005)

    async def work() -> None:
        for _ in range(3):
            await shared.turn()
            end = time.thread_time() + 0.004
            while time.thread_time() < end:
                pass

    assert await longest_hold(lambda: asyncio.gather(*[work() for _ in range(20)])) < MOST_MOMENTS


def test_a_slice_survives_its_loop() -> None:
    """A grader belongs to no event loop."""
    shared = TimeSlice(0.0)

    async def turns() -> None:
        await asyncio.wait_for(asyncio.gather(*[shared.turn() for _ in range(5)]), 10)

    for _ in range(3):
        asyncio.run(turns())
