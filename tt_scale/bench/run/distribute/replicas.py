"""The driver: starts replicas on a Ray cluster, hands out searches one by one, and writes what comes back.

Nothing of a search depends on where it takes place: its seeds come from the run and its problem, and its record is
written here, by the same journal as in a local run. A replica that dies is replaced, and what it was searching goes to
whichever replica has room; a driver that dies takes its replicas with it, and the same command goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from tt_scale.backends import resolve
from tt_scale.bench.run.csv_logs import check_summary, summary_path
from tt_scale.bench.run.distribute.calls import ReplicaLostError, answer
from tt_scale.bench.run.distribute.cluster import connected, shares
from tt_scale.bench.run.distribute.replica import Expected, Replica, RunPart
from tt_scale.bench.run.distribute.requirements import Requirements, replica_config
from tt_scale.bench.run.distribute.slot import Slot
from tt_scale.bench.run.distribute.task_queue import ATTEMPTS, TaskQueue
from tt_scale.bench.run.events import Reporter, RunCounter, Warned, loading
from tt_scale.bench.run.executor import Work
from tt_scale.bench.run.manifest import versions
from tt_scale.bench.run.open_models import CLOSE_SECONDS, loaded_names
from tt_scale.bench.run.plan import Plan
from tt_scale.config import Config
from tt_scale.core.concurrency import gather_or_cancel
from tt_scale.engines.model_dtypes import dtype_keys
from tt_scale.errors import EngineDeadError, TTScaleError
from tt_scale.space.first_steps import FirstSteps

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Replicas"]

Result = TypeVar("Result")

LOOK_EVERY = 5.0
"""Seconds between two checks of a replica that waits for its place in the cluster."""

BESIDE_SEARCHES = 16
"""Calls of a replica that are open at a time beside its searches."""


@dataclass(frozen=True)
class _Searching:
    """Searches that are handed out.

    Attributes:
        work: as given.
        parts: what replicas know of the runs [runs].
        queue: what is left.
        counter: counts what is finished.
    """

    work: Work
    parts: Sequence[RunPart]
    queue: TaskQueue
    counter: RunCounter


class Replicas:
    """Searches on replicas; cluster and models are opened when they are first needed.

    Args:
        config: names the models, the number of replicas and the cluster.
        report: is told what happens.

    Attributes:
        at_once: searches that are in flight at a time, of all replicas.
    """

    def __init__(self, config: Config, report: Reporter) -> None:
        self._config = config
        self._report = report
        self._stack = ExitStack()
        self._slots: list[Slot] = []
        self._keepers: list[asyncio.Future[None]] = []
        self._some_ready = asyncio.Event()
        self._needs = Requirements(0.0, 0.0, None)
        self._start: Callable[[], Any] = lambda: None
        self.at_once = config.concurrency * config.replicas

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *ended: object) -> None:
        try:
            await self._close(orderly=ended[:1] == (None,))
        finally:
            self._stack.close()

    async def check(self, plans: Sequence[Plan]) -> None:
        """Load the models, and let a generator refuse what it cannot serve."""
        await self._open()
        parts = [self._part(plan, ()) for plan in plans]
        await self._while_kept(self._on_one(lambda actor: actor.check.remote(parts)))

    async def measure(self, plan: Plan) -> FirstSteps:
        """Draw the first steps whose quantile is the `tau` of a plan, on one replica."""
        await self._open()
        part, problems = self._part(plan, ()), list(plan.problems)
        found = await self._while_kept(self._on_one(lambda actor: actor.measure.remote(part, problems)))
        assert isinstance(found, FirstSteps)
        return found

    async def search(self, work: Work) -> None:
        """Carry out searches; each is in its journal as soon as its record has arrived."""
        await self._open()
        parts = [self._part(plan, scores) for plan, scores in zip(work.plans, work.first_scores, strict=True)]
        with work.counter() as counter:
            searching = _Searching(work, parts, TaskQueue(work.missing()), counter)
            await self._while_kept(self._handed_out(searching))
            for plan in work.plans:
                plan.journal.check_in_place()

    def _part(self, plan: Plan, scores: Sequence[float]) -> RunPart:
        return RunPart(replica_config(plan.config, self._needs), plan.searcher, scores)

    async def _open(self) -> None:
        """Connect, start all replicas, and wait for the first one."""
        if self._slots:
            return
        config = self._config
        check_summary(summary_path(config))
        count = f"{config.replicas} replica{'s' * (config.replicas > 1)}"
        with loading(self._report, f"{loaded_names(config) or config.model_name} on {count}"):
            self._stack.enter_context(connected(config.ray_address))
            self._place()
            self._slots = [Slot(number + 1) for number in range(config.replicas)]
            self._keepers = [asyncio.ensure_future(self._keep(slot)) for slot in self._slots]
            await self._while_kept(self._some_ready.wait())

    def _place(self) -> None:
        """Find out what a replica gets, and how one is started."""
        import ray

        self._needs, cpus = shares(self._config)
        options = ray.remote(Replica).options(
            num_cpus=cpus,
            num_gpus=self._needs.gpus,
            max_concurrency=self._config.concurrency + BESIDE_SEARCHES,
            scheduling_strategy="SPREAD",
        )
        own = replica_config(self._config, self._needs)
        expected = Expected(dtype_keys(resolve(self._config)), versions())
        self._start = lambda: options.remote(own, expected)

    async def _keep(self, slot: Slot) -> None:
        """Have a replica in a place, and another whenever one died, until it is closed."""
        while True:
            actor = self._start()
            try:
                await self._opened(slot, actor)
                slot.put(actor)
                self._some_ready.set()
                while (warning := await answer(actor.news.remote())) is not None:
                    self._report(Warned(f"Replica {slot.number}: {warning}"))
                return
            except ReplicaLostError as error:
                slot.drop(actor)
                self._count_death(slot, str(error))
            except BaseException:
                slot.drop(actor)
                raise

    async def _opened(self, slot: Slot, actor: Any) -> None:
        node = await self._placed(actor)
        try:
            await answer(actor.open.remote())
        except TTScaleError as error:
            error.message = f"Replica {slot.number} on node {node}: {error.message}"
            error.args = (error.message, error.hint)
            raise

    async def _placed(self, actor: Any) -> str:
        """Wait until a replica's process runs; for ever while others search, else as long as silence may last."""
        placing, waited = asyncio.ensure_future(answer(actor.node.remote())), 0.0
        limit = self._config.stall_timeout
        try:
            while not (await asyncio.wait([placing], timeout=LOOK_EVERY))[0]:
                waited = 0.0 if any(slot.actor for slot in self._slots) else waited + LOOK_EVERY
                if limit is not None and waited >= limit:
                    raise EngineDeadError(
                        f"No replica has been running for {waited:.0f} s, and the cluster starts no other.",
                        "Start nodes, or another cluster.",
                    )
            return str(placing.result())
        finally:
            placing.cancel()

    def _count_death(self, slot: Slot, reason: str) -> None:
        slot.deaths += 1
        if slot.deaths >= ATTEMPTS:
            raise EngineDeadError(
                f"Replica {slot.number} died {ATTEMPTS} times in a row without finishing a search: {reason}"
            )
        self._report(
            Warned(f"Replica {slot.number} died: {reason} It is replaced, and what it was searching is searched again.")
        )

    async def _while_kept(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Wait for work; raise what ends a keeper, since then a replica can be had no more."""
        task = asyncio.ensure_future(work)
        try:
            while not task.done():
                everything: list[asyncio.Future[Any]] = [task, *self._keepers]
                await asyncio.wait(everything, return_when=asyncio.FIRST_COMPLETED)
                for keeper in self._keepers:
                    if keeper.done():
                        keeper.result()
            return task.result()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _on_one(self, call: Callable[[Any], Any]) -> Any:
        """Call whichever replica is ready; another one where it dies."""
        while True:
            slot = next((slot for slot in self._slots if slot.actor is not None), None)
            if slot is None:
                self._some_ready.clear()
                await self._some_ready.wait()
                continue
            actor = slot.actor
            try:
                return await answer(call(actor))
            except ReplicaLostError:
                slot.drop(actor)

    async def _handed_out(self, searching: _Searching) -> None:
        """Let all replicas search until nothing is left."""
        finished = asyncio.ensure_future(searching.queue.finished.wait())
        waiting: set[asyncio.Future[Any]] = {
            asyncio.ensure_future(self._attend(slot, searching)) for slot in self._slots
        }
        everything = [finished, *waiting]
        waiting.add(finished)
        try:
            while not finished.done():
                ended, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for each in ended:
                    each.result()
        finally:
            await _cancelled(everything)

    async def _attend(self, slot: Slot, searching: _Searching) -> None:
        """Let whichever replica has a place search, as many problems at a time as a local run does."""
        while not searching.queue.finished.is_set():
            actor = await slot.ready()
            try:
                await answer(actor.prepare.remote(searching.parts))
            except ReplicaLostError:
                slot.drop(actor)
                continue
            await gather_or_cancel([self._feed(slot, actor, searching) for _ in range(self._config.concurrency)])

    async def _feed(self, slot: Slot, actor: Any, searching: _Searching) -> None:
        """Send one search after the other to a replica, until it dies or nothing is left."""
        queue = searching.queue
        while slot.actor is actor and (task := await queue.take()) is not None:
            if slot.actor is not actor:  # it died while there was nothing to do
                queue.give_back(task)
                return
            place, index, repeat = task
            plan = searching.work.plans[place]
            problem = plan.problems[index]
            if not queue.was_lost(task):  # it is reported as in flight already
                searching.counter.begin(problem.id, repeat, plan.label)
            try:
                line = await answer(actor.search.remote(place, index, repeat, problem))
            except ReplicaLostError as error:
                slot.drop(actor)
                queue.lost(task, str(error), f"The search of {problem.id!r}")
                return
            searching.counter.one_more(plan.journal.append_line(line, plan.journal.read(line)), plan.label)
            slot.deaths = 0
            queue.done()

    async def _close(self, *, orderly: bool) -> None:
        actors = [(slot, slot.actor) for slot in self._slots if slot.actor is not None]
        if orderly and actors:
            closing = [asyncio.ensure_future(answer(actor.close.remote())) for _, actor in actors]
            await asyncio.wait(closing, timeout=CLOSE_SECONDS)
            await _cancelled(closing)
        await _cancelled(self._keepers)
        for slot, actor in actors:
            slot.drop(actor)
        self._slots, self._keepers = [], []


async def _cancelled(futures: Sequence[asyncio.Future[Any]]) -> None:
    """Cancel all, and wait until they have ended."""
    for future in futures:
        future.cancel()
    await asyncio.gather(*futures, return_exceptions=True)
