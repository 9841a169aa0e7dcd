"""Log-probabilities of given next tokens, from servers that accept token ids.

Newer vLLM returns them for several tokens in one request. Otherwise each token is appended to the prompt in its own
request; so it is once log-probabilities of samples are requested, too, since vLLM confuses the two within a step.
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
"""Length of the prompt prefix that determines the home server: enough to distinguish problems."""


class Chooser(Generic[Client]):
    """Requests log-probabilities of given next tokens.

    Args:
        served: name of the model on the servers.
        servers: the servers.
    """

    def __init__(self, served: str, servers: Servers[Client]) -> None:
        self._served = served
        self._servers = servers
        self._at_once = True
        self._under_way = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def choose(self, prompt: Sequence[int], choices: Sequence[int]) -> Choice:
        """Request the log-probabilities of the choices after one prompt.

        Raises:
            RequestFault: it failed.
        """
        home = hash(tuple(prompt[:HOME_TOKENS]))
        if self._at_once:
            self._under_way += 1
            self._idle.clear()
            try:
                return await self._servers.ask(lambda client: self._all(client, prompt, choices), home)
            except RequestFault as fault:
                if fault.kind not in ("missing", "refused"):
                    raise
                self._at_once = False  # these servers do not support it
            finally:
                self._under_way -= 1
                if not self._under_way:
                    self._idle.set()
        return await self._one_by_one(prompt, choices, home)

    async def separate(self) -> None:
        """Use one request per token from now on; return when no joint request is pending."""
        self._at_once = False
        await self._idle.wait()

    async def _one_by_one(self, prompt: Sequence[int], choices: Sequence[int], home: int) -> Choice:
        async def ask(token: int) -> tuple[float, int]:
            return await self._servers.ask(lambda client: self._last(client, [*prompt, token]), home)

        answers = await gather_or_cancel([ask(token) for token in choices])
        return Choice(tuple([logprob for logprob, _ in answers]), min([cached for _, cached in answers]))

    async def _all(self, client: Client, prompt: Sequence[int], choices: Sequence[int]) -> Choice:
        """Request all choices at once; the fault is "missing" if the server does not support it."""
        body = {"logprobs": 1, "logprob_token_ids": list(choices), "return_tokens_as_token_ids": True}
        answer = await client.ask(COMPLETIONS, self._greedy(prompt) | body)
        choice, found = choice_of(answer), dict[int, float]()
        with suppress(RequestFault):
            found = logprobs_by_id(logprobs_in(choice, "top_logprobs")[0])
        if not set(choices) <= set(found):
            raise RequestFault("missing", f"{client.url} returned no log-probabilities of given tokens.", client.url)
        return Choice(tuple([found[token] for token in choices]), counts_of(answer, "", 1).cached)

    async def _last(self, client: Client, prompt: Sequence[int]) -> tuple[float, int]:
        """Request the log-probability of the last token of a prompt, and the number of cached tokens."""
        answer = await client.ask(COMPLETIONS, self._greedy(prompt) | {"prompt_logprobs": 0})
        logprobs = choice_of(answer).get("prompt_logprobs")
        last = logprobs[-1] if isinstance(logprobs, list) and logprobs else None
        entry = last.get(str(prompt[-1])) if isinstance(last, dict) else None
        if not isinstance(entry, dict) or not isinstance(entry.get("logprob"), int | float):
            raise RequestFault("missing", f"{client.url} returned no log-probabilities of a prompt.", client.url)
        return float(entry["logprob"]), counts_of(answer, "", 1).cached

    def _greedy(self, prompt: Sequence[int]) -> dict[str, Any]:
        return {"model": self._served, "prompt": list(prompt), "max_tokens": 1, "temperature": 0.0}
