"""A generator of the simulated world that can be slow, hang or die, for tests of what lives longer than one search."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import ClassVar

from tt_scale.base_classes import Step, StepRequest
from tt_scale.errors import EngineDeadError
from tt_scale.generator.simulated import SimulatedGenerator

__all__ = ["FragileGenerator"]


class FragileGenerator(SimulatedGenerator):
    """As the simulated one; the class says what happens to all instances.

    Attributes:
        opened: instances that were started.
        closed: instances that were closed.
        delay: seconds before each call answers.
        held: whether calls wait until it is False.
        running: calls that wait now.
        most: the largest number of them so far.
    """

    own_name: ClassVar[str] = "simulated"
    opened: ClassVar[int] = 0
    closed: ClassVar[int] = 0
    delay: ClassVar[float] = 0.0
    newest: ClassVar[FragileGenerator | None] = None
    gone: bool = False
    held: ClassVar[bool] = False
    running: ClassVar[int] = 0
    most: ClassVar[int] = 0

    @classmethod
    def reset(cls) -> None:
        cls.opened = cls.closed = cls.running = cls.most = 0
        cls.delay, cls.held = 0.0, False

    @classmethod
    def kill(cls) -> None:
        """Let the process of the newest instance be gone."""
        assert cls.newest is not None
        cls.newest.gone = True

    async def start(self) -> None:
        type(self).opened += 1
        type(self).newest = self

    async def close(self) -> None:
        type(self).closed += 1

    def died(self) -> str:
        return "its process ended with signal 9." if self.gone else ""

    async def generate(self, requests: Sequence[StepRequest]) -> list[Step]:
        cls = type(self)
        cls.running += 1
        cls.most = max(cls.most, cls.running)
        try:
            while self.held:  # noqa: ASYNC110  (set by another thread)
                await asyncio.sleep(0.005)
            if self.delay:
                await asyncio.sleep(self.delay)
            if self.gone:
                raise EngineDeadError("The engine died. Its process ended with signal 9.")
            return await super().generate(requests)
        finally:
            cls.running -= 1
