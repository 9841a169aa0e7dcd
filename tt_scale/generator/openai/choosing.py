"""How likely chosen tokens are to come next, asked of servers that take token ids.

Newer vLLM takes the chosen tokens in one request. Where it does not, each is read as the last token of a prompt; so it
is, too, once log-probabilities of samples are asked for, since vLLM mixes the two up where they share a step.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Generic, TypeVar

from tt_scale.core.concurrency import gather_or_cancel
from tt_scale.engines.endpoints.faults import RequestFault
from tt_scale.engines.endpoints.openai_client import Asks, Route
from tt_scale.engines.endpoints.routing import Servers
from tt_scale.generator.language_model import Choice
from tt_scale.generator.openai.answers import choice_of, counts_of, logprobs_by_id, logprobs_in

__all__ = ["HOME_TOKENS", "Chooser"]

Client = TypeVar("Client", bound=Asks)

COMPLETIONS: Route = "/completions"

HOME_TOKENS = 64
"""Tokens at the beginning of a prompt by which its server is chosen: enough to tell problems apart."""


class Chooser(Generic[Client]):
    """Asks for the log-probabilities of chosen tokens.

    Args:
        served: the name of the model on the servers.
        servers: to ask.
    """

    def __init__(self, served: str, servers: Servers[Client]) -> None:
        self._served = served
        self._servers = servers
        self._at_once = True
        self._under_way = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def choose(self, prompt: Sequence[int], choices: Sequence[int]) -> Choice:
        """Ask about one prompt.

        Raises:
            RequestFault: it failed.
        """
        place = hash(tuple(prompt[:HOME_TOKENS]))
        if self._at_once:
            self._under_way += 1
            self._idle.clear()
            try:
                return await self._servers.ask(lambda client: self._all(client, prompt, choices), place)
            except RequestFault as fault:
                if fault.kind not in ("missing", "refused"):
                    raise
                self._at_once = False  # these servers cannot be asked so
            finally:
                self._under_way -= 1
                if not self._under_way:
                    self._idle.set()
        return await self._one_by_one(prompt, choices, place)

    async def apart(self) -> None:
        """Ask one by one from now on; returns when no other request is under way."""
        self._at_once = False
        await self._idle.wait()

    async def _one_by_one(self, prompt: Sequence[int], choices: Sequence[int], place: int) -> Choice:
        async def ask(token: int) -> tuple[float, int]:
            return await self._servers.ask(lambda client: self._last(client, [*prompt, token]), place)

        found = await gather_or_cancel([ask(token) for token in choices])
        return Choice(tuple([logprob for logprob, _ in found]), min([cached for _, cached in found]))

    async def _all(self, client: Client, prompt: Sequence[int], choices: Sequence[int]) -> Choice:
        """Ask about all choices in one request; "missing" where the server does not answer for chosen tokens."""
        body = {"logprobs": 1, "logprob_token_ids": list(choices), "return_tokens_as_token_ids": True}
        answer = await client.ask(COMPLETIONS, self._greedy(prompt) | body)
        choice, found = choice_of(answer), dict[int, float]()
        with suppress(RequestFault):
            found = logprobs_by_id(logprobs_in(choice, "top_logprobs")[0])
        if not set(choices) <= set(found):
            raise RequestFault("missing", f"{client.url} gave no log-probabilities of chosen tokens.", client.url)
        return Choice(tuple([found[token] for token in choices]), counts_of(answer, "", 1).cached)

    async def _last(self, client: Client, prompt: Sequence[int]) -> tuple[float, int]:
        """Ask how likely the last token of a prompt is, and how much of the prompt was cached."""
        answer = await client.ask(COMPLETIONS, self._greedy(prompt) | {"prompt_logprobs": 0})
        told = choice_of(answer).get("prompt_logprobs")
        last = told[-1] if isinstance(told, list) and told else None
        entry = last.get(str(prompt[-1])) if isinstance(last, dict) else None
        if not isinstance(entry, dict) or not isinstance(entry.get("logprob"), int | float):
            raise RequestFault("missing", f"{client.url} gave no log-probabilities of a prompt.", client.url)
        return float(entry["logprob"]), counts_of(answer, "", 1).cached

    def _greedy(self, prompt: Sequence[int]) -> dict[str, Any]:
        return {"model": self._served, "prompt": list(prompt), "max_tokens": 1, "temperature": 0.0}
