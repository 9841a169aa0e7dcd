"""How likely chosen tokens are to come next, asked of servers that answer with token ids.

Newer vLLM takes the chosen tokens in one request. Where it does not, each is read as the last token of a prompt; so it
is, too, once log-probabilities of samples are asked for, since vLLM mixes the two up where they share a step.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from tt_scale.core.concurrency import gather_or_cancel
from tt_scale.engines.endpoints.faults import RequestFault
from tt_scale.engines.endpoints.openai_client import Endpoint
from tt_scale.engines.endpoints.routing import Servers
from tt_scale.generator.language_model import Choice
from tt_scale.generator.openai.token_protocol import TokenProtocol

__all__ = ["Chooser"]


class Chooser:
    """Asks for the odds of chosen tokens.

    Args:
        protocol: of the servers.
        servers: to ask.
    """

    def __init__(self, protocol: TokenProtocol, servers: Servers[Endpoint]) -> None:
        self._protocol = protocol
        self._servers = servers
        self._at_once = True
        self._under_way = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def choose(self, prompt: tuple[int, ...], choices: tuple[int, ...]) -> Choice:
        """Ask about one prompt.

        Raises:
            RequestFault: it failed.
        """
        place = hash(prompt[:64])
        if self._at_once:
            self._under_way += 1
            self._idle.clear()
            try:
                return await self._servers.ask(lambda endpoint: self._protocol.choose(endpoint, prompt, choices), place)
            except RequestFault as fault:
                if fault.kind not in ("missing", "refused"):
                    raise
                self._at_once = False  # this server cannot be asked so
            finally:
                self._under_way -= 1
                if not self._under_way:
                    self._idle.set()
        return await self._one_by_one(prompt, choices, place)

    async def apart(self) -> None:
        """Ask one by one from now on; returns when no other request is under way."""
        self._at_once = False
        await self._idle.wait()

    async def _one_by_one(self, prompt: tuple[int, ...], choices: Sequence[int], place: int) -> Choice:
        async def ask(token: int) -> tuple[float, int]:
            return await self._servers.ask(lambda endpoint: self._protocol.choose_one(endpoint, prompt, token), place)

        found = await gather_or_cancel([ask(token) for token in choices])
        return Choice(tuple([logprob for logprob, _ in found]), min([cached for _, cached in found]))
