"""HTTP event hooks that limit the size of responses, after decompression.

    client = httpx.AsyncClient(event_hooks=bounded_answers(LARGEST_ANSWER))

The client is httpx's, or that of a package with the same interface: OpenAI's client has used both.

Requests ask for uncompressed responses. A response that is compressed nevertheless, as by proxies, is decompressed here
in bounded chunks, and the limit applies to the decompressed size: a few kilobytes can expand to gigabytes.
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
"""Default limit in bytes: 32,000 tokens with the log-probabilities of twenty alternatives each take about 30 MB."""
MOST_BYTES = "most_bytes"
"""Extension of an httpx request: another limit for its response."""
GZIP_OR_ZLIB = 47
"""Value of zlib's `wbits` that detects either format."""

Hooks = dict[str, list[Callable[[Any], Awaitable[None]]]]


def bounded_answers(most: int = LARGEST_ANSWER) -> Hooks:
    """Create event hooks for a client; reading a response that is too large or damaged raises `RequestFault`.

    A response that is too large, or in an encoding that was not requested, is not retried.

    Args:
        most: maximum size of a response in bytes, after decompression.
    """

    async def ask_unpacked(request: Any) -> None:
        request.headers["Accept-Encoding"] = "identity"

    async def bound(answer: Any) -> None:
        url = str(answer.request.url.copy_with(query=None))
        packed = answer.headers.pop("Content-Encoding", "")  # httpx would decompress a chunk to any size
        limit = answer.request.extensions.get(MOST_BYTES, most)
        kind: Any = type(answer.stream)
        answer.stream = _stream_class(kind)(answer.stream, url, packed, limit)

    return {"request": [ask_unpacked], "response": [bound]}


@lru_cache(maxsize=8)
def _stream_class(kind: Any) -> Any:
    """Create a class of bounded streams that passes the client's type check."""
    base = next(each for each in kind.__mro__ if each.__name__ == "AsyncByteStream")
    return type("BoundedStream", (_BoundedStream, base), {})


class _BoundedStream:
    """Body of a response, decompressed and limited."""

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
            raise self._fault("refused", f"cannot be decompressed: {error}") from None
        except (EOFError, zlib.error) as error:
            raise self._fault("damaged", f"cannot be decompressed: {error}") from None

    async def aclose(self) -> None:
        await self._stream.aclose()

    def _fault(self, kind: Kind, what: str) -> RequestFault:
        return RequestFault(kind, f"The answer of {self._url} {what}.", self._url)


async def _unpacked(stream: AsyncIterable[bytes], packed: str, most: int) -> AsyncIterator[bytes]:
    """Yield a decompressed body in chunks of at most `most` bytes.

    Raises:
        ValueError: its encoding was not requested.
        EOFError, zlib.error: it is truncated or damaged.
    """
    names = [name for name in packed.lower().replace(" ", "").split(",") if name not in ("", "identity")]
    if names not in ([], ["gzip"], ["deflate"]):
        raise ValueError(f"its encoding is {shown(', '.join(names))}, which was not requested")
    unpacking = zlib.decompressobj(GZIP_OR_ZLIB) if names else None
    async for piece in stream:
        yield piece if unpacking is None else unpacking.decompress(piece, most)
    if unpacking is not None and not unpacking.eof:
        raise EOFError("it ends too early")
