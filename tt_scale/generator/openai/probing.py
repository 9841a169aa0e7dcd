"""Find out what a server can do, by a few short requests: nothing is taken from its name or version.

Completions are tried first where a tokenizer is at hand, with token ids, then with text; messages are what is left.
Each trial goes down from all fields to the standard ones, so that a server that refuses unknown fields is used, too.
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
"""Send a request to the server in question, with retries."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a trial gave.

    Attributes:
        dialect: with which it was asked.
        choice: of the answer.
        usage: of the answer; empty where there is none.
    """

    dialect: Dialect
    choice: Mapping[str, Any]
    usage: Mapping[str, Any]

    @property
    def text(self) -> str:
        """Of the choice."""
        return text_of(self.choice)

    @property
    def prompt_tokens(self) -> int | None:
        """As the server counts them."""
        return self.usage.get("prompt_tokens")


class Prober:
    """Asks one server.

    Args:
        endpoint: for streams.
        ask: for all other requests.
        served: the name of the model on the server.
        delimiters: that end a step.
    """

    def __init__(self, endpoint: Endpoint, ask: Ask, served: str, delimiters: Sequence[str]) -> None:
        self.endpoint = endpoint
        self.served = served
        self.delimiters = tuple(delimiters)
        self.refusals: list[RequestFault] = []
        self._ask = ask

    async def completions(self, tokens: Tokens) -> Abilities | None:
        """Try `/completions`; None where the server has no such route, or refuses what is asked there.

        Raises:
            GeneratorError: the tokenizer is another model's.
        """
        chat = [{"role": "user", "content": QUESTION}]
        ids = tokens.render(chat)
        text = render_chat(tokens.tokenizer, chat, tokens.name, generation_prompt=True)
        for prompt in (list(ids), text):
            answer = await self.tried("/completions", {"prompt": prompt, "return_token_ids": True})
            if answer is not None:
                return await self._found(tokens, prompt, len(ids), answer)
        return None

    async def tried(self, route: Route, body: Body, dialects: Sequence[Dialect] = DIALECTS) -> Answer | None:
        """Ask with all fields, then with fewer; None where the server refuses every time."""
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
        """Cut the same answer short by a stop string out of its middle, and see whether the server says so."""
        text = answer.text
        middle = text[len(text) // 2 :][:3]
        if len(text) < 6 or not middle.strip():
            return False
        again = await self.tried(route, {**body, "stop": [middle]}, [answer.dialect])
        return again is not None and end_of(again.choice, [middle]).ending == "stop"

    async def streams(self, route: Route, body: Body, dialect: Dialect) -> Dialect | None:
        """See whether an answer can be read as it is written; None where not."""
        request = StepRequest((), Sampling(0.0), (), PROBE_TOKENS, seed=1)
        for usage in (True, False):
            told = {"stream_options": {"include_usage": True}} if usage else {}
            try:
                whole = {"model": self.served, **body, **dialect.fields(request), **told}
                async with self.endpoint.stream(route, whole) as chunks:
                    pieces = [piece_of(choice) async for chunk in chunks for choice in chunk.get("choices") or ()]
            except RequestFault as fault:
                self.refusals.append(fault)
                continue
            if "".join(pieces):
                return replace(dialect, stream_usage=usage)
        return None

    async def _found(self, tokens: Tokens, prompt: list[int] | str, count: int, answer: Answer) -> Abilities | None:
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
            return replace(found, no_steps="it does not say why an answer ended, and does not stream answers")
        return replace(found, dialect=dialect)

    def _check_tokenizer(self, tokens: Tokens, answer: Answer) -> None:
        ours, theirs = "".join(tokens.pieces(ids_in(answer.choice))).strip(), answer.text.strip()
        if ours != theirs:
            raise GeneratorError(
                f"The tokenizer of {tokens.name!r} reads an answer of {self.served!r} at {self.endpoint.url} as "
                f"{ours[:40]!r}; the server reads it as {theirs[:40]!r}.",
                "Give the model's own tokenizer as --tokenizer, a folder or hub name.",
            )

    def _wraps(self, count: int, answer: Answer) -> bool:
        """Whether the server puts the prompt into a template of its own, as Ollama does: it counts far more tokens."""
        counted = answer.prompt_tokens
        if counted is None or counted <= count + 1:
            return False
        told = f"{self.endpoint.url} makes {counted} tokens of a text of {count}, as with a template of its own."
        self.refusals.append(RequestFault("refused", told, self.endpoint.url))
        return True

    def _adds_beginning(self, tokens: Tokens, text: str, count: int, answer: Answer) -> bool:
        """Whether the server counts one token more than the tokenizer, and the text begins with one that it adds."""
        beginning = getattr(tokens.tokenizer, "bos_token", None)
        counted = answer.prompt_tokens
        if beginning and text.startswith(beginning) and counted == count + 1:
            return True
        if counted is not None and counted != count:
            LOG.warning(
                "The server at %s counts %s tokens of a prompt that has %s by the tokenizer of %s. Check --tokenizer.",
                self.endpoint.url, counted, count, tokens.name,
            )  # fmt: skip
        return False


def _returns_ids(choice: Mapping[str, Any]) -> bool:
    try:
        return bool(ids_in(choice))
    except RequestFault:
        return False
