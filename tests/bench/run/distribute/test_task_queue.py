"""What is left to search: every task is finished once, whoever dies."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from tt_scale.bench.run.distribute.task_queue import ATTEMPTS, TaskQueue
from tt_scale.bench.run.runner import Task
from tt_scale.errors import EngineDeadError

TASKS: list[Task] = [(0, number, 0) for number in range(40)]


@pytest.mark.parametrize("seed", range(5))
async def test_each_task_is_finished_once_though_workers_die(seed: int) -> None:
    """Replicas of two workers die in the middle of a task, and others take their places."""
    random, queue, finished = Random(seed), TaskQueue(TASKS), []
    deaths = dict.fromkeys(random.sample(TASKS, 10), ATTEMPTS - 1)

    async def work() -> None:
        while (task := await queue.take()) is not None:
            for _ in range(random.randrange(3)):
                await asyncio.sleep(0)
            if deaths.get(task):
                deaths[task] -= 1
                queue.lost(task, "it died.", "it")
            else:
                finished.append(task)
                queue.done()

    await asyncio.wait_for(asyncio.gather(*[work() for _ in range(4)]), 10)
    assert sorted(finished) == TASKS
    assert queue.finished.is_set()


async def test_what_comes_back_is_taken_before_what_is_new() -> None:
    """Else a search that was lost early would be the last of the run."""
    queue = TaskQueue(TASKS)
    first, second = await queue.take(), await queue.take()
    assert (first, second) == (TASKS[0], TASKS[1])
    queue.give_back(TASKS[0])
    assert await queue.take() == TASKS[0]
    assert await queue.take() == TASKS[2]


async def test_nobody_leaves_while_a_task_may_come_back() -> None:
    """A worker that left at an empty queue would be missing when another one dies with the last task."""
    queue = TaskQueue(TASKS[:1])
    task = await queue.take()
    assert task is not None
    waiting = asyncio.ensure_future(queue.take())
    await asyncio.sleep(0)
    assert not waiting.done()
    queue.lost(task, "it died.", "it")
    assert await waiting == task
    queue.done()
    assert await queue.take() is None
    assert await queue.take() is None


async def test_a_task_that_kills_every_replica_ends_the_run() -> None:
    """It would kill replicas for ever."""
    queue = TaskQueue(TASKS[:1])
    for _ in range(ATTEMPTS - 1):
        task = await queue.take()
        assert task is not None
        queue.lost(task, "it was killed.", "The search of 'p'")
    assert await queue.take() == TASKS[0]
    with pytest.raises(EngineDeadError, match=r"The search of 'p' was begun 3 times, .* died: it was killed\."):
        queue.lost(TASKS[0], "it was killed.", "The search of 'p'")


async def test_giving_back_is_no_loss() -> None:
    queue = TaskQueue(TASKS[:1])
    for _ in range(2 * ATTEMPTS):
        assert await queue.take() == TASKS[0]
        queue.give_back(TASKS[0])


async def test_nothing_to_do_is_finished_at_once() -> None:
    queue = TaskQueue([])
    assert await asyncio.wait_for(queue.take(), 5) is None
    assert queue.finished.is_set()
