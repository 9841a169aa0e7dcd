"""A place for a replica: the actor that has it now, and how often the ones before died."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

__all__ = ["Slot"]


class Slot:
    """A place for a replica.

    Args:
        number: from 1.

    Attributes:
        number: from 1.
        actor: the replica, open; None while there is none.
        deaths: replicas that died in a row without having finished a search.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.actor: Any = None
        self.deaths = 0
        self._is_open = asyncio.Event()

    def put(self, actor: Any) -> None:
        """Put a replica there that is open."""
        self.actor = actor
        self._is_open.set()

    async def ready(self) -> Any:
        """Wait for a replica that is open."""
        while self.actor is None:
            await self._is_open.wait()
        return self.actor

    def drop(self, actor: Any) -> None:
        """Give up a replica, so that nobody calls it any more and its resources are free."""
        import ray

        if self.actor is actor:
            self.actor = None
            self._is_open.clear()
        with suppress(Exception):  # it is dead, or Ray is
            ray.kill(actor, no_restart=True)
