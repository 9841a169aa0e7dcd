"""The models of a solver: opened once, shared by all calls, watched, and opened again after they died."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from tt_scale.base_classes import PRM, Generator
from tt_scale.bench.run.events import Reporter, Warned
from tt_scale.bench.run.open_models import Models
from tt_scale.bench.run.watch import watched
from tt_scale.config import Config
from tt_scale.errors import EngineDeadError

__all__ = ["Engines"]

Result = TypeVar("Result")


class Engines:
    """Generator and PRM for many concurrent calls, in one event loop.

    When a model dies or stalls, every call in flight ends with an EngineDeadError, and the next call opens the models
    again.

    Args:
        config: names them.
        report: is told that they load, and of long silences.
    """

    def __init__(self, config: Config, report: Reporter) -> None:
        self._config = config
        self._report = report
        self._opening: asyncio.Task[Models] | None = None
        self._closing: asyncio.Task[None] | None = None
        self.restarts = 0

    @property
    def loading(self) -> bool:
        """Whether a call would wait for the models, also where they died and nobody has asked since."""
        opened = self._opened()
        return opened is None or opened.died

    async def use(self, work: Callable[[Generator, PRM | None], Awaitable[Result]]) -> Result:
        """Wait for work that needs the models, while they are watched.

        Raises:
            EngineDeadError: a model died or stalled.
            TTScaleError: the models cannot be opened, or what the work raises.
        """
        models = await self.get()
        generator, prm = await models.get()
        try:
            return await watched(work(generator, prm), (generator, prm), self._config.stall_timeout, self._warn)
        except EngineDeadError:
            self._retire(models)
            raise

    async def get(self) -> Models:
        """Open the models where they are not open; several calls share one opening, which none of them cancels."""
        self._retire_dead()
        if self._opening is None:
            self._opening = asyncio.create_task(self._open())
        opening = self._opening
        try:
            return await asyncio.shield(opening)
        finally:
            failed = opening.done() and (opening.cancelled() or opening.exception() is not None)
            if failed and self._opening is opening:
                self._opening = None

    async def close(self) -> None:
        """Close the models; a second call does nothing."""
        opening, self._opening = self._opening, None
        try:
            if opening is not None:
                if not opening.done():
                    opening.cancel()
                [models] = await asyncio.gather(opening, return_exceptions=True)
                if isinstance(models, Models):
                    await models.close()
        finally:
            await self._closed()

    async def _open(self) -> Models:
        if self._closing is not None:
            await self._closed()  # its memory is needed
            self.restarts += 1
        models = Models(self._config, self._report, summary=False)
        await models.get()
        return models

    async def _closed(self) -> None:
        """Wait until the models that died are closed; a failure is a warning, since they are gone in any case.

        Cancelling the wait lets them close on.
        """
        closing = self._closing
        if closing is None:
            return
        await asyncio.wait([closing])
        if self._closing is closing:
            self._closing = None
            if not closing.cancelled() and (error := closing.exception()) is not None:
                self._warn(f"The models that died could not be closed: {type(error).__name__}: {error}")

    def _opened(self) -> Models | None:
        """The models, where they are open."""
        opening = self._opening
        if opening is None or not opening.done() or opening.cancelled() or opening.exception() is not None:
            return None
        return opening.result()

    def _retire_dead(self) -> None:
        """Drop models whose process ended while nobody called."""
        models = self._opened()
        if models is not None and models.died:
            self._retire(models)

    def _retire(self, models: Models) -> None:
        """Close models that died, once, whoever noticed it first."""
        if self._opened() is not models:
            return
        self._opening = None
        self._warn("The models died; they are opened again when they are needed next.")
        self._closing = asyncio.create_task(models.close())

    def _warn(self, text: str) -> None:
        self._report(Warned(text))
