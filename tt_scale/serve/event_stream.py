"""Server-sent events: the text of an answer as it becomes certain, with signs of life before."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from typing import Any

from tt_scale.core.solution import Solution
from tt_scale.serve.answers import choices, details, usage
from tt_scale.serve.faults import RequestError
from tt_scale.serve.service import NO_TEXT_YET, Search

__all__ = ["CertainPart", "events"]

KEEP_ALIVE = ": search in progress\n\n"
DONE = "data: [DONE]\n\n"


class CertainPart:
    """How much of a growing text can be sent, where it may turn out to end before a stop text.

    Args:
        stop: texts before which the whole ends.
    """

    def __init__(self, stop: Sequence[str]) -> None:
        self._stop = stop
        self._held = max(map(len, stop), default=1) - 1
        self._sent = 0

    def new(self, text: str, *, whole: bool = False) -> str:
        """Give what may be sent of a text now and was not sent before.

        Args:
            text: from its beginning; it goes on with what it had before.
            whole: whether nothing follows.
        """
        ends = [place for each in self._stop if (place := text.find(each)) >= 0]
        # behind the held part another stop may begin, also before one that is complete
        end = min([*ends, len(text) if whole else max(0, len(text) - self._held)])
        part = text[self._sent : end]
        self._sent = max(self._sent, end)
        return part


async def events(
    stream: AsyncGenerator[str | Solution, None], search: Search, head: dict[str, Any], *, chat: bool, with_usage: bool
) -> AsyncGenerator[str, None]:
    """Write a search as events.

    Args:
        stream: of the service.
        search: what is searched.
        head: fields of every chunk.
        chat: whether the chunks are those of a conversation.
        with_usage: whether the client asked for a last chunk with the usage.

    Raises:
        RequestError: the search failed before the first event; later it is an event.
    """
    part, sent, begun = CertainPart(search.wanted.stop), False, False
    try:
        async with aclosing(stream):
            async for item in stream:
                sent = True
                if isinstance(item, Solution):
                    yield "".join(_last(item, part, search, head, chat=chat, begun=begun, with_usage=with_usage))
                elif item == NO_TEXT_YET:
                    yield KEEP_ALIVE
                elif text := part.new(item):
                    yield _chunk(head, _text(0, text, chat=chat, first=not begun))
                    begun = True
    except RequestError as error:
        if not sent:
            raise
        yield _data(error.body)
    yield DONE


def _last(
    solution: Solution,
    part: CertainPart,
    search: Search,
    head: dict[str, Any],
    *,
    chat: bool,
    begun: bool,
    with_usage: bool,
) -> Iterator[str]:
    wanted = search.wanted
    shown = choices(solution, wanted.count, wanted.stop)
    told = details(solution, search.asked.config.method, wanted.not_followed)
    for index, choice in enumerate(shown):
        text = part.new(choice.text, whole=True) if index == 0 else choice.text
        yield _chunk(head, _text(index, text, chat=chat, first=index > 0 or not begun))
        end = {"index": index, "finish_reason": choice.finish_reason, "tt_scale": choice.extension}
        yield _chunk({**head, "tt_scale": told}, {**end, "delta": {}} if chat else {**end, "text": ""})
    if with_usage:
        yield _data({**head, "choices": [], "usage": usage(solution), "tt_scale": told})


def _text(index: int, text: str, *, chat: bool, first: bool) -> dict[str, Any]:
    if not chat:
        return {"index": index, "text": text, "finish_reason": None}
    role = {"role": "assistant"} if first else {}
    return {"index": index, "delta": {**role, "content": text}, "finish_reason": None}


def _chunk(head: dict[str, Any], choice: dict[str, Any]) -> str:
    return _data({**head, "choices": [choice]})


def _data(body: dict[str, Any]) -> str:
    return f"data: {json.dumps(body, ensure_ascii=False)}\n\n"
