"""Who may search, who waits and who is refused."""

from __future__ import annotations

import asyncio
import time

import pytest

pytest.importorskip("fastapi")

from tt_scale.serve.admission import Admission
from tt_scale.serve.faults import RequestError


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


class Searches:
    """Requests that hold their place until they are told to end."""

    def __init__(self, admission: Admission) -> None:
        self.admission = admission
        self.begun: list[str] = []
        self.ends: dict[str, asyncio.Event] = {}

    def begin(self, name: str, deadline: float | None = None) -> asyncio.Task[None]:
        self.ends[name] = asyncio.Event()
        return asyncio.ensure_future(self._search(name, deadline))

    async def _search(self, name: str, deadline: float | None) -> None:
        async with self.admission.turn(deadline):
            self.begun.append(name)
            await self.ends[name].wait()

    async def end(self, name: str) -> None:
        self.ends[name].set()
        await settled()


async def test_requests_search_in_the_order_in_which_they_came() -> None:
    searches = Searches(Admission(2, 10))
    tasks = [searches.begin(name) for name in "abcd"]
    await settled()
    assert searches.begun == ["a", "b"]
    assert (searches.admission.searching, searches.admission.queued) == (2, 2)
    await searches.end("b")
    assert searches.begun == ["a", "b", "c"]
    for name in "acd":
        await searches.end(name)
    await asyncio.gather(*tasks)
    assert (searches.admission.searching, searches.admission.queued) == (0, 0)


async def test_a_full_queue_says_how_many_wait_and_for_how_long() -> None:
    searches = Searches(Admission(1, 1))
    tasks = [searches.begin(name) for name in "ab"]
    await settled()
    with pytest.raises(RequestError, match="1 requests are being searched and 1 wait") as refused:
        await searches.begin("c")
    assert (refused.value.status, refused.value.code) == (429, "overloaded")
    assert refused.value.headers["Retry-After"] == "2"
    for name in "ab":
        await searches.end(name)
    await asyncio.gather(*tasks)


async def test_a_deadline_counts_in_the_queue_and_not_where_a_place_is_free() -> None:
    searches, past = Searches(Admission(1, 5)), time.monotonic() - 1
    first = searches.begin("a", past)
    await settled()
    assert searches.begun == ["a"]
    with pytest.raises(RequestError, match="before its turn"):
        await searches.begin("b", past)
    assert searches.admission.queued == 0
    await searches.end("a")
    await first


async def test_who_leaves_the_queue_takes_no_place() -> None:
    searches = Searches(Admission(1, 5))
    first, gone, last = (searches.begin(name) for name in "abc")
    await settled()
    gone.cancel()
    await settled()
    assert searches.admission.queued == 1
    await searches.end("a")
    assert searches.begun == ["a", "c"]
    await searches.end("c")
    await asyncio.gather(first, last)
    assert searches.admission.searching == 0


async def test_a_place_given_to_someone_who_leaves_in_that_moment_goes_on() -> None:
    """It was lost: one search less at a time until the server ended."""
    searches = Searches(Admission(1, 5))
    first, gone, last = (searches.begin(name) for name in "abc")
    await settled()
    searches.ends["a"].set()
    await asyncio.sleep(0)
    gone.cancel()
    await settled()
    assert searches.begun == ["a", "c"]
    await searches.end("c")
    await asyncio.gather(first, last)
    assert searches.admission.searching == 0
