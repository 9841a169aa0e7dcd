"""Ids for text whose token ids nobody tells: as many as the server counted tokens, the same wherever they are made.

Searches, budgets and records count the ids of a path. A server that returns text and a number of tokens is given as
many ids: its text is cut into so many pieces, and the id of a piece of up to six bytes is these bytes, so that anybody
can read it back. The few longer pieces are hashed and known to the process that met them. Ids are above those of any
tokenizer and below 2**53, exact in JSON readers that know only doubles.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from itertools import accumulate, pairwise

from tt_scale.errors import GeneratorError

__all__ = ["FIRST_TEXT_ID", "TextIds", "cut_into"]

FIRST_TEXT_ID = 2**48
"""Every id of a text is at least this."""

SHORT_BYTES = 6
FIRST_MARK, FIRST_HASH = 2**51, 2**52


class TextIds:
    """Turns pieces of text into ids and back."""

    def __init__(self) -> None:
        self._hashed: dict[int, str] = {}

    def encode(self, pieces: Sequence[str]) -> tuple[int, ...]:
        """Give the id of each piece [pieces]."""
        return tuple([self._id_of(piece) for piece in pieces])

    def decode(self, token: int) -> str:
        """Give the piece of an id; a mark has no text.

        Raises:
            GeneratorError: it is the hash of a piece that another process met, or no id of a text.
        """
        if token >= FIRST_HASH:
            if token not in self._hashed:
                raise GeneratorError(f"The id {token} stands for text that this process has not met.")
            return self._hashed[token]
        length, value = divmod(token, FIRST_TEXT_ID)
        if not 1 <= length <= SHORT_BYTES + 2:
            raise GeneratorError(f"The id {token} is a tokenizer's, and the server's tokenizer is not known.")
        return value.to_bytes(length - 1, "big").decode() if token < FIRST_MARK else ""

    @staticmethod
    def mark(number: int) -> int:
        """Give an id without text that separates others, by its number (0 to 255)."""
        return FIRST_MARK + number

    def _id_of(self, piece: str) -> int:
        written = piece.encode()
        if len(written) <= SHORT_BYTES:
            return FIRST_TEXT_ID * (1 + len(written)) + int.from_bytes(written, "big")
        token = FIRST_HASH + int.from_bytes(blake2b(written, digest_size=SHORT_BYTES).digest(), "big")
        self._hashed[token] = piece
        return token


def cut_into(text: str, count: int, delimiters: Sequence[str]) -> list[str]:
    """Cut a text into pieces of about equal length, none of which goes on behind a delimiter.

    Args:
        text: of an answer.
        count: pieces, at least 1: as many as the server counted tokens.
        delimiters: that end a step.

    Returns:
        The pieces [count]; joined, they are the text. Some are empty where there are more tokens than characters.
        Where there are fewer pieces than steps, the last one holds several.
    """
    ends = _ends_of_steps(text, delimiters)
    ends = [*ends[: count - 1], len(text)] if len(ends) > count else ends
    counts = _shared_out(count, ends)
    return [
        piece
        for (begin, end), share in zip(pairwise([0, *ends]), counts, strict=True)
        for piece in _evenly(text[begin:end], share)
    ]


def _ends_of_steps(text: str, delimiters: Sequence[str]) -> list[int]:
    """Where steps end, ascending; the last is the end of the text."""
    ends: list[int] = []
    begin = 0
    while True:
        found = [place + len(each) for each in delimiters if (place := text.find(each, begin)) >= 0]
        begin = min(found, default=len(text))
        if begin >= len(text):
            return [*ends, len(text)]
        ends.append(begin)


def _shared_out(count: int, ends: Sequence[int]) -> list[int]:
    """Share pieces out over parts in proportion to their lengths, at least one each [parts]."""
    whole, parts = max(ends[-1], 1), len(ends)
    places = [round(count * end / whole) for end in ends[:-1]] + [count]
    least = accumulate(places, lambda before, place: max(before + 1, place), initial=0)
    upto = [min(place, count - parts + number) for number, place in enumerate(least)]
    return [end - begin for begin, end in pairwise(upto)]


def _evenly(text: str, count: int) -> list[str]:
    """Cut a text into pieces of equal length; what is short of characters begins with empty ones."""
    full = min(count, len(text))
    cuts = [len(text) * number // full for number in range(full + 1)] if full else [0]
    return [""] * (count - full) + [text[begin:end] for begin, end in pairwise(cuts)]
