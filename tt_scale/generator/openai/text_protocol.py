"""Text comes back, whatever goes out: the ids of a path are those of its text, as many as the server counted tokens.

A step ends exactly where its delimiter does, also where a token went on behind it: the text is what is continued, and
the server tokenises all of it again. Where a server does not say whether a stop string or the model ended an answer,
the answer is streamed without stop strings and ended here.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, ClassVar

from tt_scale.core.records import Ended, Problem, Step, StepRequest
from tt_scale.engines.endpoints.openai_client import Endpoint, Route
from tt_scale.generator.chat_template import render_chat
from tt_scale.generator.language_model import LanguageModel, chats_of, rendered_first
from tt_scale.generator.openai.answers import Counts, choice_of, counts_of, damaged, end_of, failure, piece_of, text_of
from tt_scale.generator.openai.protocol import Dialect, Protocol, step_of
from tt_scale.generator.openai.text_ids import FIRST_TEXT_ID, TextIds, cut_into
from tt_scale.generator.tokens import UNKNOWN

__all__ = ["CompletionProtocol", "TextProtocol"]

CHARACTERS_OF_A_TOKEN = 4
"""How long a token is taken to be where nobody counts."""


class TextProtocol(Protocol):
    """What the routes that return text share.

    Args:
        served: the name of the model on the server.
        dialect: of the server.
        delimiters: that end a step.
        names_end: whether the server says what ended an answer.
    """

    def __init__(self, served: str, dialect: Dialect, delimiters: Sequence[str], *, names_end: bool) -> None:
        self._served = served
        self._dialect = dialect
        self._delimiters = tuple(delimiters)
        self._names_end = names_end
        self._texts = TextIds()

    @abstractmethod
    def body(self, request: StepRequest) -> dict[str, Any]:
        """Say what is continued, without how to sample."""

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """Read the text back out of the ids."""
        return [self._texts.decode(token) for token in ids]

    def encode(self, text: str) -> tuple[int, ...]:
        """Cut a text into pieces of a usual length."""
        return self._encoded(text, _usual_count(text))

    async def sample(self, endpoint: Endpoint, request: StepRequest) -> Step:
        """Send what is continued, get text."""
        if request.stop and not self._names_end:
            return await self._streamed(endpoint, request)
        answer = await endpoint.ask(self.route, self.body(request) | self._dialect.fields(request))
        choice = choice_of(answer)
        end, text = end_of(choice, request.stop), text_of(choice)
        if end.ending == "failed":
            raise failure(end.reason)
        ended: Ended = "eos" if end.ending == "unknown" else end.ending  # a stop string would have been named
        if ended == "stop":
            whole = _end_of_step(text, request.stop)  # most servers cut the stop string off, some keep a whole token
            text = text[:whole] if whole else text + (end.stop or request.stop[0])
        return self._step(request, text, ended, counts_of(answer, text, request.max_tokens))

    async def _streamed(self, endpoint: Endpoint, request: StepRequest) -> Step:
        """Read an answer as it is written, up to the first delimiter."""
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
                    break  # what follows says nothing new
        if not reader.reason:
            raise damaged("ended without saying why")
        ending = end_of({"finish_reason": reader.reason}, ()).ending
        if ending not in ("eos", "length"):
            raise failure(reader.reason)
        return self._step(request, text, ending, reader.counts)

    def _step(self, request: StepRequest, text: str, ended: Ended, counts: Counts) -> Step:
        """Make a step of a text: as many ids as tokens were counted, at least one."""
        if ended == "length":
            text = text.rstrip(UNKNOWN)  # the next request goes on behind whole characters
        count = counts.generated if counts.generated is not None else min(_usual_count(text), request.max_tokens)
        ids = self._encoded(text, max(count, 1))
        return step_of(request, text, ids, ended, prompt=counts.prompt, cached=counts.cached)

    def _encoded(self, text: str, count: int) -> tuple[int, ...]:
        return self._texts.encode(cut_into(text, count, self._delimiters))


class CompletionProtocol(TextProtocol):
    """`/v1/completions` of a server that returns no token ids; the chat template is rendered here.

    Args:
        model: its tokenizer and chat template.
        served: the name of the model on the server.
        dialect: of the server.
        delimiters: that end a step.
        names_end: whether the server says what ended an answer.
        takes_ids: whether prompts go out as token ids.
        adds_beginning: whether the server puts a beginning-of-sequence token before a text.
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
        self._prompts: dict[tuple[int, ...], str] = {}

    def prompt(self, problem: Problem, system_prompt: str) -> tuple[int, ...]:
        """Render the chat template here; the ids are the tokenizer's."""
        ids = LanguageModel.prompt(self._model, problem, system_prompt)
        if not self._takes_ids and ids not in self._prompts:
            self._prompts[ids] = self._rendered(problem, system_prompt)
        return ids

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """Read the text back out of the ids; those of a prompt are the tokenizer's."""
        own = _own_ids(ids)
        return [*self._model.tokens.pieces(ids[:own]), *super().pieces(ids[own:])]

    def body(self, request: StepRequest) -> dict[str, Any]:
        """Put the path's text behind the prompt."""
        own = _own_ids(request.ids)
        prompt, text = request.ids[:own], "".join(super().pieces(request.ids[own:]))
        if self._takes_ids:
            behind = self._model.tokens.encode_continuation(text) if text else ()
            return {"model": self._served, "prompt": [*prompt, *behind]}
        return {"model": self._served, "prompt": self._prompts[prompt] + text}

    def _rendered(self, problem: Problem, system_prompt: str) -> str:
        tokens = self._model.tokens
        text = rendered_first(
            chats_of(problem, system_prompt),
            lambda chat: render_chat(tokens.tokenizer, chat, tokens.name, generation_prompt=True),
        )
        beginning = getattr(tokens.tokenizer, "bos_token", None) or ""
        return text.removeprefix(beginning) if self._adds_beginning else text


class _StreamCounts:
    """Counts the tokens of a stream: by what the server says on the way, else one for each piece of text.

    Args:
        limit: most tokens that were asked for.
    """

    def __init__(self, limit: int) -> None:
        self.reason = ""
        self._limit = limit
        self._pieces = 0
        self._told: Counts | None = None

    @property
    def complete(self) -> bool:
        """Whether the counts of the whole answer have come."""
        return self._told is not None

    @property
    def counts(self) -> Counts:
        """So far."""
        return self._told or Counts(None, min(max(self._pieces, 1), self._limit))

    def note(self, chunk: Mapping[str, Any], text: str, written: str) -> None:
        """Count one piece; `text` is all so far."""
        self._pieces += bool(written)
        timings = chunk.get("timings")
        if isinstance(timings, dict) and isinstance(timings.get("predicted_n"), int):
            self._pieces = timings["predicted_n"]
        if isinstance(chunk.get("usage"), dict):
            self._told = counts_of(chunk, text, self._limit)


async def _texts_in(chunks: AsyncIterator[Mapping[str, Any]], reader: _StreamCounts) -> AsyncIterator[tuple[str, str]]:
    """Give what each piece of a stream adds, and why the answer ended once that is known."""
    text = ""
    async for chunk in chunks:
        added = ""
        for choice in chunk.get("choices") or ():
            added += piece_of(choice)
            reader.reason = choice.get("finish_reason") or reader.reason
        text += added
        reader.note(chunk, text, added)
        yield added, reader.reason


def _end_of_step(text: str, delimiters: Sequence[str]) -> int:
    """Where the first delimiter ends; 0 where there is none."""
    return min([place + len(each) for each in delimiters if (place := text.find(each)) >= 0], default=0)


def _own_ids(ids: Sequence[int]) -> int:
    """How many ids at the beginning are the tokenizer's."""
    return next((place for place, token in enumerate(ids) if token >= FIRST_TEXT_ID), len(ids))


def _usual_count(text: str) -> int:
    return max(1, -(-len(text) // CHARACTERS_OF_A_TOKEN))
