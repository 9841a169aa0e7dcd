"""Answers of servers, read piece by piece and no further than allowed.

    client = httpx.AsyncClient(event_hooks=bounded_answers(LARGEST_ANSWER))

The client may be that of httpx or of a package with the same interface: OpenAI's has had both.

Requests ask for no compression. Where an answer is compressed all the same, as proxies do, it is unpacked here in
bounded pieces, and the limit counts what comes out: a few kilobytes can stand for gigabytes.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from functools import lru_cache
from typing import Any

from tt_scale.core.printable import shown
from tt_scale.engines.endpoints.faults import Kind, RequestFault

__all__ = ["LARGEST_ANSWER", "MOST_BYTES", "bounded_answers"]

LARGEST_ANSWER = 64 << 20
"""Bytes: 32,000 tokens with the log-probabilities of twenty alternatives each take some 30 MB."""
MOST_BYTES = "most_bytes"
"""Extension of a request of httpx: another limit for its answer."""
GZIP_OR_ZLIB = 47
"""Makes zlib find out which of both formats a body has."""

Hooks = dict[str, list[Callable[[Any], Awaitable[None]]]]


def bounded_answers(most: int = LARGEST_ANSWER) -> Hooks:
    """Give event hooks for a client; an answer that is too large or damaged raises `RequestFault` where it is read.

    What is too large, or packed as nobody asked, would be so again: such a request is not sent twice.

    Args:
        most: bytes of an answer, after decompression.
    """

    async def ask_unpacked(request: Any) -> None:
        request.headers["Accept-Encoding"] = "identity"

    async def bound(answer: Any) -> None:
        url = str(answer.request.url.copy_with(query=None))
        packed = answer.headers.pop("Content-Encoding", "")  # otherwise httpx unpacks a piece whatever its size
        limit = answer.request.extensions.get(MOST_BYTES, most)
        kind: Any = type(answer.stream)
        answer.stream = _stream_class(kind)(answer.stream, url, packed, limit)

    return {"request": [ask_unpacked], "response": [bound]}


@lru_cache(maxsize=8)
def _stream_class(kind: Any) -> Any:
    """Make a class of bounded streams that the client takes for one of its own."""
    base = next(each for each in kind.__mro__ if each.__name__ == "AsyncByteStream")
    return type("BoundedStream", (_BoundedStream, base), {})


class _BoundedStream:
    """The body of an answer, unpacked."""

    def __init__(self, stream: Any, url: str, packed: str, most: int) -> None:
        self._stream = stream
        self._url = url
        self._packed = packed
        self._most = most

    async def __aiter__(self) -> AsyncIterator[bytes]:
        read = 0
        try:
            async for piece in _unpacked(self._stream, self._packed, self._most + 1):
                read += len(piece)
                if read > self._most:
                    raise self._fault("refused", f"is larger than {self._most:,} bytes")
                yield piece
        except ValueError as error:
            raise self._fault("refused", f"cannot be unpacked: {error}") from None
        except (EOFError, zlib.error) as error:
            raise self._fault("damaged", f"cannot be unpacked: {error}") from None

    async def aclose(self) -> None:
        await self._stream.aclose()

    def _fault(self, kind: Kind, what: str) -> RequestFault:
        return RequestFault(kind, f"The answer of {self._url} {what}.", self._url)


async def _unpacked(stream: AsyncIterable[bytes], packed: str, most: int) -> AsyncIterator[bytes]:
    """Give a body in pieces of at most `most` bytes.

    Raises:
        ValueError: it is packed in a way that was not asked for.
        EOFError, zlib.error: it ends too early, or is damaged.
    """
    names = [name for name in packed.lower().replace(" ", "").split(",") if name not in ("", "identity")]
    if names not in ([], ["gzip"], ["deflate"]):
        raise ValueError(f"its encoding is {shown(', '.join(names))}, which was not asked for")
    unpacking = zlib.decompressobj(GZIP_OR_ZLIB) if names else None
    async for piece in stream:
        yield piece if unpacking is None else unpacking.decompress(piece, most)
    if unpacking is not None and not unpacking.eof:
        raise EOFError("it ends too early")
