"""Determine the features of a server by a few short requests, independent of its name or version.

With a tokenizer, completions are probed first, with token ids and then with text; otherwise chat completions are used.
Each probe starts with all request fields and falls back to the standard ones, for servers that reject unknown fields.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tt_scale.core.records import Sampling, StepRequest
from tt_scale.engines.endpoints.faults import RequestFault
from tt_scale.engines.endpoints.openai_client import Body, Endpoint, Route
from tt_scale.errors import GeneratorError
from tt_scale.generator.chat_template import render_chat
from tt_scale.generator.openai.abilities import Abilities
from tt_scale.generator.openai.answers import choice_of, end_of, ids_in, piece_of, text_of
from tt_scale.generator.openai.protocol import Dialect
from tt_scale.generator.tokens import Tokens

__all__ = ["PROBE_TOKENS", "QUESTION", "Answer", "Prober"]

LOG = logging.getLogger("tt_scale")

QUESTION = "Count from 1 to 30, separated by commas."
PROBE_TOKENS = 24

DIALECTS = (Dialect(), Dialect(extras=False), Dialect(extras=False, limit="max_completion_tokens"))

Ask = Callable[[Route, Body], Awaitable[Mapping[str, Any]]]
"""Sends a request to the probed server, with retries."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Response to a probe.

    Attributes:
        dialect: request fields that were sent.
        choice: choice of the response.
        usage: token counts of the response; empty if it has none.
    """

    dialect: Dialect
    choice: Mapping[str, Any]
    usage: Mapping[str, Any]

    @property
    def text(self) -> str:
        """Text of the choice."""
        return text_of(self.choice)

    @property
    def prompt_tokens(self) -> int | None:
        """Number of prompt tokens that the server reported."""
        return self.usage.get("prompt_tokens")


class Prober:
    """Probes one server.

    Args:
        endpoint: client for streams.
        ask: function for all other requests.
        served: name of the model on the server.
        delimiters: strings that end a step.
    """

    def __init__(self, endpoint: Endpoint, ask: Ask, served: str, delimiters: Sequence[str]) -> None:
        self.endpoint = endpoint
        self.served = served
        self.delimiters = tuple(delimiters)
        self.refusals: list[RequestFault] = []
        self._ask = ask

    async def completions(self, tokens: Tokens) -> Abilities | None:
        """Probe `/completions`; None if the server has no such route, or rejects the requests.

        Raises:
            GeneratorError: the tokenizer belongs to another model.
        """
        chat = [{"role": "user", "content": QUESTION}]
        ids = tokens.render(chat)
        text = render_chat(tokens.tokenizer, chat, tokens.name, generation_prompt=True)
        for prompt in (list(ids), text):
            answer = await self.tried("/completions", {"prompt": prompt, "return_token_ids": True})
            if answer is not None:
                return await self._abilities(tokens, prompt, len(ids), answer)
        return None

    async def tried(self, route: Route, body: Body, dialects: Sequence[Dialect] = DIALECTS) -> Answer | None:
        """Send a request with all fields, then with fewer; None if the server rejects all of them."""
        for dialect in dialects:
            fields = dialect.fields(StepRequest((), Sampling(0.0), (), PROBE_TOKENS, seed=1))
            given = {key: value for key, value in body.items() if dialect.extras or key != "return_token_ids"}
            try:
                answer = await self._ask(route, {"model": self.served, **fields, **given})
            except RequestFault as fault:
                if fault.kind not in ("refused", "missing", "server", "damaged"):
                    raise
                self.refusals.append(fault)
                if fault.kind == "missing":
                    return None
                continue
            usage = answer.get("usage")
            return Answer(dialect, choice_of(answer), usage if isinstance(usage, dict) else {})
        return None

    async def names_end(self, route: Route, body: Body, answer: Answer) -> bool:
        """Repeat the request with a stop string from the middle of its answer; return whether the server reports it."""
        text = answer.text
        middle = text[len(text) // 2 :][:3]
        if len(text) < 6 or not middle.strip():
            return False
        again = await self.tried(route, {**body, "stop": [middle]}, [answer.dialect])
        return again is not None and end_of(again.choice, [middle]).ending == "stop"

    async def streams(self, route: Route, body: Body, dialect: Dialect) -> Dialect | None:
        """Probe whether the server streams responses; None if it does not."""
        request = StepRequest((), Sampling(0.0), (), PROBE_TOKENS, seed=1)
        for usage in (True, False):
            options = {"stream_options": {"include_usage": True}} if usage else {}
            try:
                whole = {"model": self.served, **body, **dialect.fields(request), **options}
                async with self.endpoint.stream(route, whole) as chunks:
                    pieces = [piece_of(choice) async for chunk in chunks for choice in chunk.get("choices") or ()]
            except RequestFault as fault:
                self.refusals.append(fault)
                continue
            if "".join(pieces):
                return replace(dialect, stream_usage=usage)
        return None

    async def _abilities(self, tokens: Tokens, prompt: list[int] | str, count: int, answer: Answer) -> Abilities | None:
        takes_ids = isinstance(prompt, list)
        counts = isinstance(answer.usage.get("completion_tokens"), int)
        if takes_ids and _returns_ids(answer.choice):
            self._check_tokenizer(tokens, answer)
            return Abilities("/completions", answer.dialect, takes_ids=True, returns_ids=True, names_end=True)
        if not takes_ids and self._wraps(count, answer):
            return None
        adds_beginning = not takes_ids and self._adds_beginning(tokens, str(prompt), count, answer)
        body = {"prompt": prompt}
        found = Abilities("/completions", answer.dialect, takes_ids, adds_beginning=adds_beginning, counts=counts)
        if await self.names_end("/completions", body, answer):
            return replace(found, names_end=True)
        dialect = await self.streams("/completions", body, answer.dialect)
        if dialect is None:
            return replace(found, no_steps="it does not report why an answer ended, and does not stream answers")
        return replace(found, dialect=dialect)

    def _check_tokenizer(self, tokens: Tokens, answer: Answer) -> None:
        ours, theirs = "".join(tokens.pieces(ids_in(answer.choice))).strip(), answer.text.strip()
        if ours != theirs:
            raise GeneratorError(
                f"The tokenizer of {tokens.name!r} decodes an answer of {self.served!r} at {self.endpoint.url} to "
                f"{ours[:40]!r}; the server decodes it to {theirs[:40]!r}.",
                "Set --tokenizer to the model's own tokenizer, a folder or hub name.",
            )

    def _wraps(self, count: int, answer: Answer) -> bool:
        """Whether the server applies a template to the prompt, as Ollama does: it then reports many more tokens."""
        counted = answer.prompt_tokens
        if counted is None or counted <= count + 1:
            return False
        message = f"{self.endpoint.url} reports {counted} tokens for a text of {count}: it applies a template to it."
        self.refusals.append(RequestFault("refused", message, self.endpoint.url))
        return True

    def _adds_beginning(self, tokens: Tokens, text: str, count: int, answer: Answer) -> bool:
        """Whether the server prepends a beginning-of-sequence token: it reports one token more than the tokenizer."""
        beginning = getattr(tokens.tokenizer, "bos_token", None)
        counted = answer.prompt_tokens
        if beginning and text.startswith(beginning) and counted == count + 1:
            return True
        if counted is not None and counted != count:
            LOG.warning(
                "The server at %s reports %s tokens for a prompt of %s by the tokenizer of %s. Check --tokenizer.",
                self.endpoint.url, counted, count, tokens.name,
            )  # fmt: skip
        return False


def _returns_ids(choice: Mapping[str, Any]) -> bool:
    try:
        return bool(ids_in(choice))
    except RequestFault:
        return False
