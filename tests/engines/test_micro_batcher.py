from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tt_scale.engines import micro_batcher as batching
from tt_scale.engines.micro_batcher import MicroBatcher, model_thread, share_thread
from tt_scale.errors import EngineDeadError, PRMError


@pytest.fixture
def thread() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(max_workers=1) as executor:
        yield executor


class Held:
    """What takes memory."""


class Recorder:
    """Doubles numbers, remembers the batches, and can be held until it is let go."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.threads: set[int] = set()
        self.open = threading.Event()
        self.open.set()

    def __call__(self, items: list[int]) -> list[int]:
        self.batches.append(items)
        self.threads.add(threading.get_ident())
        assert self.open.wait(10)
        if 1313 in items:
            raise ValueError("1313")
        return [2 * item for item in items]


def batcher(
    call: Callable[[list[int]], list[int]], thread: ThreadPoolExecutor, max_weight: int = 10**6, max_items: int = 10**6
) -> MicroBatcher[int, int]:
    return MicroBatcher(call, thread, weigh=lambda item: item, max_weight=max_weight, max_items=max_items)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10) if hasattr(asyncio, "timeout") else asyncio.Lock():
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.001)  # a thread sets it, no event of this loop


async def test_waiting_items_share_a_batch(thread: ThreadPoolExecutor) -> None:
    """Every caller would get a call of its own, and a batch of results would go to the wrong caller."""
    call = Recorder()
    batch = batcher(call, thread)
    answers = await asyncio.gather(*[batch.ask([n, n + 100]) for n in range(20)])
    assert answers == [[2 * n, 2 * n + 200] for n in range(20)]
    assert len(call.batches) == 1
    assert call.threads.isdisjoint({threading.get_ident()})


async def test_callers_of_one_batch_share_the_next_one(thread: ThreadPoolExecutor) -> None:
    """After each batch the first caller to wake would ride alone, halving throughput."""
    call = Recorder()
    batch = batcher(call, thread)

    async def problem(depth: int) -> None:
        for _ in range(5):
            for _ in range(depth):  # callers need several coroutine layers to come back
                await asyncio.sleep(0)
            await batch.ask([1])

    await asyncio.gather(*[problem(depth % 3) for depth in range(16)])
    assert [len(items) for items in call.batches] == [16] * 5


async def test_items_that_arrive_during_a_call_join_the_next_batch(thread: ThreadPoolExecutor) -> None:
    """Newcomers would wait for nothing, or calls would overlap on one model."""
    call = Recorder()
    batch = batcher(call, thread)
    call.open.clear()
    first = asyncio.create_task(batch.ask([1]))
    await until(lambda: bool(call.batches))
    others = [asyncio.create_task(batch.ask([n])) for n in (2, 3, 4)]
    await asyncio.sleep(0.02)
    assert call.batches == [[1]]
    call.open.set()
    assert await asyncio.gather(first, *others) == [[2], [4], [6], [8]]
    assert call.batches == [[1], [2, 3, 4]]


async def test_bounds_count_padding_and_items(thread: ThreadPoolExecutor) -> None:
    """A long item among short ones is padded memory: counting bare tokens would overfill the device."""
    call = Recorder()
    assert await batcher(call, thread, max_weight=20).ask([5, 5, 8, 4, 30, 1]) == [10, 10, 16, 8, 60, 2]
    assert call.batches == [[5, 5], [8, 4], [30], [1]]
    call = Recorder()
    await batcher(call, thread, max_items=2).ask([1, 1, 1, 1, 1])
    assert call.batches == [[1, 1], [1, 1], [1]]


async def test_failure_stays_in_its_batch(thread: ThreadPoolExecutor) -> None:
    """One bad batch would end every problem, or stop the worker for ever."""
    call = Recorder()
    batch = batcher(call, thread, max_items=1)
    good, bad, late = await asyncio.gather(
        batch.ask([1]), batch.ask([1313, 7, 8]), batch.ask([2]), return_exceptions=True
    )
    assert (good, late) == ([2], [4])
    assert isinstance(bad, ValueError)
    assert call.batches == [[1], [1313], [2]], "items of a caller that has failed already must not be computed"
    assert await batch.ask([5]) == [10]


async def test_one_that_fails_does_not_take_its_batch_with_it(thread: ThreadPoolExecutor) -> None:
    """A path that a model cannot read failed every problem that happened to ask at the same time."""
    call = Recorder()
    batch = batcher(call, thread)
    asked = [batch.ask([number]) for number in (1, 2, 1313, 4, 5)]
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert [found[place] for place in (0, 1, 3, 4)] == [[2], [4], [8], [10]]
    assert isinstance(found[2], ValueError)
    assert len(call.batches[0]) == 5
    assert [1313] in call.batches


async def test_what_a_failed_call_held_is_gone_when_its_halves_are_called(thread: ThreadPoolExecutor) -> None:
    """The tensors of a batch that ran out of memory would leave no room for the halves either."""
    held: list[weakref.ref[Held]] = []
    alive: list[int] = []

    def call(items: list[int]) -> list[int]:
        gc.collect()
        alive.append(sum([each() is not None for each in held]))
        tensors = Held()
        held.append(weakref.ref(tensors))
        try:
            raise RuntimeError(f"out of memory beside {tensors}")
        except RuntimeError as error:
            raise PRMError("no memory") from error

    batcher = MicroBatcher(call, thread, weigh=lambda item: 1, max_weight=100, max_items=8)
    with pytest.raises(PRMError):
        await batcher.ask([1, 2, 3, 4])
    assert len(alive) >= 3
    assert not any(alive)


async def test_a_dead_engine_is_asked_once(thread: ThreadPoolExecutor) -> None:
    """Halving a batch of 64 would ask a dead engine 127 times, and each caller must hear of it."""
    calls = []

    def dead(items: list[int]) -> list[int]:
        calls.append(items)
        raise EngineDeadError("The engine is gone.")

    batch = batcher(dead, thread)
    found = await asyncio.gather(*[batch.ask([number]) for number in range(4)], return_exceptions=True)
    assert [type(each) for each in found] == [EngineDeadError] * 4
    assert len(calls) == 1


async def test_wrong_number_of_results_is_an_error(thread: ThreadPoolExecutor) -> None:
    """Results would shift from one problem to the next."""
    batch = batcher(lambda items: items[1:], thread)
    with pytest.raises(RuntimeError, match="3 items came back with 2"):
        await batch.ask([1, 2, 3])


@pytest.mark.parametrize("under_way", [True, False])
async def test_cancelling_one_caller_leaves_the_others(thread: ThreadPoolExecutor, under_way: bool) -> None:
    """A problem that is given up would take the problems in its batch with it."""
    call = Recorder()
    batch = batcher(call, thread)
    call.open.clear()
    if not under_way:
        blocker = asyncio.create_task(batch.ask([0]))
        await until(lambda: bool(call.batches))
    leaver = asyncio.create_task(batch.ask([1]))
    stayer = asyncio.create_task(batch.ask([2]))
    if under_way:
        await until(lambda: bool(call.batches))
    else:
        await asyncio.sleep(0.01)
    leaver.cancel()
    await asyncio.sleep(0)
    call.open.set()
    assert await stayer == [4]
    with pytest.raises(asyncio.CancelledError):
        await leaver
    if not under_way:
        await blocker
        assert call.batches == [[0], [2]], "a cancelled item must not be computed"


async def test_an_empty_request_causes_no_call(thread: ThreadPoolExecutor) -> None:
    """An empty request would reach the model as a batch of zero rows."""
    call = Recorder()
    assert await batcher(call, thread).ask([]) == []
    assert call.batches == []


async def test_an_executor_that_was_shut_down_raises_an_error() -> None:
    """What was queued in it is cancelled, and those who asked would wait for ever."""
    call, gate = Recorder(), threading.Event()
    thread = ThreadPoolExecutor(max_workers=1)
    thread.submit(gate.wait, 10)
    batch = batcher(call, thread, max_items=2)
    asked = asyncio.ensure_future(asyncio.gather(batch.ask([1, 2]), batch.ask([3]), return_exceptions=True))
    await until(lambda: thread._work_queue.qsize() > 0)
    thread.shutdown(wait=False, cancel_futures=True)
    gate.set()
    answers = await asyncio.wait_for(asked, 10)
    assert [type(answer) for answer in answers] == [EngineDeadError, EngineDeadError]
    assert call.batches == []


async def test_a_process_with_one_core_needs_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same answers and the same failures, from the thread of the loop."""
    monkeypatch.setattr(batching, "_shared", False)
    assert isinstance(model_thread("x"), ThreadPoolExecutor)
    share_thread()
    call = Recorder()
    batch = batcher(call, model_thread("x"))  # type: ignore[arg-type]
    good, bad = await asyncio.gather(batch.ask([1, 2]), batch.ask([1313]), return_exceptions=True)
    assert good == [2, 4]
    assert isinstance(bad, ValueError)
    assert call.threads == {threading.get_ident()}
