"""Protocols of servers that return text without token ids; the ids of a path are substitutes (`text_ids`).

A step ends exactly at its delimiter, also if a token extends beyond it: requests continue the text, and the server
tokenises all of it again. If a server does not report whether a stop string or the model ended a response, it is
streamed without stop strings and aborted here.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, ClassVar

from tt_scale.core.records import Ended, Problem, Step, StepRequest
from tt_scale.core.text_id import TextId
from tt_scale.engines.endpoints.openai_client import Endpoint, Route
from tt_scale.generator.chat_template import render_chat
from tt_scale.generator.language_model import LanguageModel, chats_of, rendered_first
from tt_scale.generator.openai.answers import Counts, choice_of, counts_of, damaged, end_of, failure, piece_of, text_of
from tt_scale.generator.openai.protocol import Dialect, Protocol, step_of
from tt_scale.generator.openai.text_ids import FIRST_TEXT_ID, cut_into, text_ids, text_of_id
from tt_scale.generator.tokens import UNKNOWN

__all__ = ["CompletionProtocol", "TextProtocol"]

CHARACTERS_OF_A_TOKEN = 4
"""Assumed length of a token if the server reports no counts."""


class TextProtocol(Protocol):
    """Base class of the protocols whose responses are text.

    Args:
        served: name of the model on the server.
        dialect: request fields that the server accepts.
        delimiters: strings that end a step.
        names_end: whether the server reports what ended a response.
    """

    def __init__(self, served: str, dialect: Dialect, delimiters: Sequence[str], *, names_end: bool) -> None:
        self._served = served
        self._dialect = dialect
        self._delimiters = tuple(delimiters)
        self._names_end = names_end

    @abstractmethod
    def body(self, request: StepRequest) -> dict[str, Any]:
        """Body of a request, without its sampling fields."""

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """Decode the ids to their pieces of text."""
        return [text_of_id(token) for token in ids]

    def encode(self, text: str) -> tuple[int, ...]:
        """Encode a text in pieces of the assumed length of a token."""
        return self._encoded(text, _usual_count(text))

    async def sample(self, endpoint: Endpoint, request: StepRequest) -> Step:
        """Send a request and convert the text of its response to a step."""
        if request.stop and not self._names_end:
            return await self._streamed(endpoint, request)
        answer = await endpoint.ask(self.route, self.body(request) | self._dialect.fields(request))
        choice = choice_of(answer)
        end, text = end_of(choice, request.stop), text_of(choice)
        if end.ending == "failed":
            raise failure(end.reason)
        ended: Ended = "eos" if end.ending == "unknown" else end.ending  # a stop string would have been reported
        if ended == "stop":
            whole = _end_of_step(text, request.stop)  # most servers remove the stop string, some keep a whole token
            text = text[:whole] if whole else text + (end.stop or request.stop[0])
        return self._step(request, text, ended, counts_of(answer, text, request.max_tokens))

    async def _streamed(self, endpoint: Endpoint, request: StepRequest) -> Step:
        """Stream a response up to the first delimiter."""
        text, reader = "", _StreamCounts(request.max_tokens)
        body = self.body(request) | self._dialect.fields(request, stop=False)
        body |= {"stream_options": {"include_usage": True}} if self._dialect.stream_usage else {}
        async with endpoint.stream(self.route, body) as chunks:
            async for added, reason in _texts_in(chunks, reader):
                text += added
                end = _end_of_step(text, request.stop)
                if end:
                    return self._step(request, text[:end], "stop", reader.counts)
                if reason and reader.complete:
                    break  # later chunks contain nothing new
        if not reader.reason:
            raise damaged("ended without a finish_reason")
        ending = end_of({"finish_reason": reader.reason}, ()).ending
        if ending not in ("eos", "length"):
            raise failure(reader.reason)
        return self._step(request, text, ending, reader.counts)

    def _step(self, request: StepRequest, text: str, ended: Ended, counts: Counts) -> Step:
        """Construct a step with as many ids as tokens were reported, at least one."""
        if ended == "length":
            text = text.rstrip(UNKNOWN)  # the next request continues after complete characters
        count = counts.generated if counts.generated is not None else min(_usual_count(text), request.max_tokens)
        ids = self._encoded(text, max(count, 1))
        return step_of(request, text, ids, ended, prompt=counts.prompt, cached=counts.cached)

    def _encoded(self, text: str, count: int) -> tuple[int, ...]:
        return text_ids(cut_into(text, count, self._delimiters))


class CompletionProtocol(TextProtocol):
    """Protocol of `/v1/completions` without token ids in responses; the client renders the chat template.

    Args:
        model: provides tokenizer and chat template.
        served: name of the model on the server.
        dialect: request fields that the server accepts.
        delimiters: strings that end a step.
        names_end: whether the server reports what ended a response.
        takes_ids: whether prompts are sent as token ids.
        adds_beginning: whether the server prepends a beginning-of-sequence token to a text.
    """

    route: ClassVar[Route] = "/completions"

    def __init__(
        self,
        model: LanguageModel,
        served: str,
        dialect: Dialect,
        delimiters: Sequence[str],
        *,
        names_end: bool,
        takes_ids: bool,
        adds_beginning: bool,
    ) -> None:
        super().__init__(served, dialect, delimiters, names_end=names_end)
        self._model = model
        self._takes_ids = takes_ids
        self._adds_beginning = adds_beginning

    def prompt(self, problem: Problem, system_prompt: str) -> tuple[int, ...]:
        """Render the chat template to ids of the tokenizer; where the server reads text, the last id carries it."""
        ids = LanguageModel.prompt(self._model, problem, system_prompt)
        if self._takes_ids or not ids:
            return ids
        return (*ids[:-1], TextId(ids[-1], self._rendered(problem, system_prompt)))

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """Decode the ids to text; those of the prompt belong to the tokenizer."""
        own = _own_ids(ids)
        return [*self._model.tokens.pieces(ids[:own]), *super().pieces(ids[own:])]

    def body(self, request: StepRequest) -> dict[str, Any]:
        """Append the path's text to the prompt."""
        own = _own_ids(request.ids)
        prompt, text = request.ids[:own], "".join(super().pieces(request.ids[own:]))
        if self._takes_ids:
            behind = self._model.tokens.encode_continuation(text) if text else ()
            return {"model": self._served, "prompt": [*prompt, *behind]}
        return {"model": self._served, "prompt": _carried_text(prompt) + text}

    def _rendered(self, problem: Problem, system_prompt: str) -> str:
        tokens = self._model.tokens
        if problem.verbatim:
            return problem.question
        text = rendered_first(
            chats_of(problem, system_prompt),
            lambda chat: render_chat(tokens.tokenizer, chat, tokens.name, generation_prompt=True),
        )
        beginning = getattr(tokens.tokenizer, "bos_token", None) or ""
        return text.removeprefix(beginning) if self._adds_beginning else text


class _StreamCounts:
    """Counts the tokens of a stream by the server's reports, or one for each chunk of text.

    Args:
        limit: `max_tokens` of the request.
    """

    def __init__(self, limit: int) -> None:
        self.reason = ""
        self._limit = limit
        self._pieces = 0
        self._reported: Counts | None = None

    @property
    def complete(self) -> bool:
        """Whether the counts of the whole response were reported."""
        return self._reported is not None

    @property
    def counts(self) -> Counts:
        """Counts so far."""
        return self._reported or Counts(None, min(max(self._pieces, 1), self._limit))

    def add(self, chunk: Mapping[str, Any], text: str, written: str) -> None:
        """Count one chunk; `text` is the whole text so far."""
        self._pieces += bool(written)
        timings = chunk.get("timings")
        if isinstance(timings, dict) and isinstance(timings.get("predicted_n"), int):
            self._pieces = timings["predicted_n"]
        if isinstance(chunk.get("usage"), dict):
            self._reported = counts_of(chunk, text, self._limit)


async def _texts_in(chunks: AsyncIterator[Mapping[str, Any]], reader: _StreamCounts) -> AsyncIterator[tuple[str, str]]:
    """Yield the text that each chunk of a stream adds, and the finish reason once it is known."""
    text = ""
    async for chunk in chunks:
        added = ""
        for choice in chunk.get("choices") or ():
            added += piece_of(choice)
            reader.reason = choice.get("finish_reason") or reader.reason
        text += added
        reader.add(chunk, text, added)
        yield added, reader.reason


def _end_of_step(text: str, delimiters: Sequence[str]) -> int:
    """Offset of the end of the first delimiter; 0 if there is none."""
    return min([start + len(each) for each in delimiters if (start := text.find(each)) >= 0], default=0)


def _own_ids(ids: Sequence[int]) -> int:
    """Number of leading ids that belong to the tokenizer."""
    return next((index for index, token in enumerate(ids) if token >= FIRST_TEXT_ID), len(ids))


def _carried_text(prompt: Sequence[int]) -> str:
    """Text of a prompt, which its last id carries; an empty prompt has none."""
    return "".join([token.text for token in prompt[-1:] if isinstance(token, TextId)])


def _usual_count(text: str) -> int:
    return max(1, -(-len(text) // CHARACTERS_OF_A_TOKEN))
