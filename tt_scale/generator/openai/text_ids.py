"""Substitute ids for text whose token ids the server does not return: one per token that it reports, deterministic.

Searches, budgets and records count the ids of a path. The text of a response is split into as many pieces as the server
reports tokens. The id of a piece of up to six bytes encodes these bytes. That of a longer piece, which is rare, is its
hash and carries the piece (`TextId`), so that a server that runs for weeks keeps no text longer than the paths that
contain it. Ids are above those of any tokenizer and below 2**53, so that JSON readers that use doubles represent them
exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from itertools import accumulate, pairwise

from tt_scale.core.text_id import TextId
from tt_scale.errors import GeneratorError

__all__ = ["FIRST_TEXT_ID", "cut_into", "mark_id", "text_ids", "text_of_id"]

FIRST_TEXT_ID = 2**48
"""Smallest id of a text."""

SHORT_BYTES = 6
FIRST_MARK, FIRST_HASH = 2**51, 2**52


def text_ids(pieces: Sequence[str]) -> tuple[int, ...]:
    """Encode each piece as an id [pieces]."""
    return tuple([_id_of(piece) for piece in pieces])


def text_of_id(token: int) -> str:
    """Decode an id to its piece; a mark has no text.

    Raises:
        GeneratorError: it is a hash that was read from a file, without its piece, or not the id of a text.
    """
    if isinstance(token, TextId):
        return token.text
    if token >= FIRST_HASH:
        raise GeneratorError(f"The id {token} is the hash of a text, and was read without the text.")
    length, value = divmod(token, FIRST_TEXT_ID)
    if not 1 <= length <= SHORT_BYTES + 2:
        raise GeneratorError(f"The id {token} belongs to a tokenizer, but the server's tokenizer is unknown.")
    return value.to_bytes(length - 1, "big").decode() if token < FIRST_MARK else ""


def mark_id(number: int) -> int:
    """Return an id without text that separates others, by its number (0 to 255)."""
    return FIRST_MARK + number


def _id_of(piece: str) -> int:
    encoded = piece.encode()
    if len(encoded) <= SHORT_BYTES:
        return FIRST_TEXT_ID * (1 + len(encoded)) + int.from_bytes(encoded, "big")
    digest = blake2b(encoded, digest_size=SHORT_BYTES).digest()
    return TextId(FIRST_HASH + int.from_bytes(digest, "big"), piece)


def cut_into(text: str, count: int, delimiters: Sequence[str]) -> list[str]:
    """Split a text into pieces of about equal length, none of which extends beyond a delimiter.

    Args:
        text: text of a response.
        count: number of pieces, at least 1: the number of tokens that the server reported.
        delimiters: strings that end a step.

    Returns:
        The pieces [count]; joined, they are the text. Some are empty if there are more tokens than characters. If there
        are fewer pieces than steps, the last one contains several.
    """
    ends = _ends_of_steps(text, delimiters)
    ends = [*ends[: count - 1], len(text)] if len(ends) > count else ends
    counts = _allocate(count, ends)
    return [
        piece
        for (begin, end), share in zip(pairwise([0, *ends]), counts, strict=True)
        for piece in _evenly(text[begin:end], share)
    ]


def _ends_of_steps(text: str, delimiters: Sequence[str]) -> list[int]:
    """Offsets of the ends of steps, ascending; the last is the end of the text."""
    ends: list[int] = []
    begin = 0
    while True:
        next_ends = [start + len(each) for each in delimiters if (start := text.find(each, begin)) >= 0]
        begin = min(next_ends, default=len(text))
        if begin >= len(text):
            return [*ends, len(text)]
        ends.append(begin)


def _allocate(count: int, ends: Sequence[int]) -> list[int]:
    """Allocate pieces to parts in proportion to their lengths, at least one each [parts]."""
    whole, parts = max(ends[-1], 1), len(ends)
    targets = [round(count * end / whole) for end in ends[:-1]] + [count]
    least = accumulate(targets, lambda before, target: max(before + 1, target), initial=0)
    upto = [min(target, count - parts + number) for number, target in enumerate(least)]
    return [end - begin for begin, end in pairwise(upto)]


def _evenly(text: str, count: int) -> list[str]:
    """Split a text into pieces of equal length; if it has too few characters, the first pieces are empty."""
    full = min(count, len(text))
    cuts = [len(text) * number // full for number in range(full + 1)] if full else [0]
    return [""] * (count - full) + [text[begin:end] for begin, end in pairwise(cuts)]
