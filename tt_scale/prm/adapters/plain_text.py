"""Tokenisation of data in which the spellings of special tokens are encoded as ordinary text.

A question that mentions `<|im_end|>` must not end a turn, and a step that contains a PRM's tag must not get a second
score. The text is split after the first character of each such spelling, so that the tokenizer does not recognise it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import NamedTuple

from tt_scale.errors import PRMError
from tt_scale.generator.tokens import Tokens

__all__ = ["Part", "PlainText"]


class Part(NamedTuple):
    """A part of a model's input.

    Attributes:
        text: the text.
        ours: whether the text comes from the input format, so that its special tokens are special tokens.
    """

    text: str
    ours: bool = False


class PlainText:
    """Tokenises text without interpreting special tokens in it.

    Args:
        tokens: tokenizer of the model.
        tags: further texts that must not be recognised in data, beside the tokenizer's added tokens.
    """

    def __init__(self, tokens: Tokens, tags: Iterable[str] = ()) -> None:
        self._tokens = tokens
        special = {token for token in [*tokens.tokenizer.get_added_vocab(), *tags] if len(token) > 1}
        self._special = re.compile("|".join([f"(?={re.escape(token)})" for token in sorted(special)]) or r"(?!)")
        self.encode = lru_cache(8192)(self._encode)

    def _encode(self, text: str) -> tuple[int, ...]:
        """Tokenise one text of data [length]."""
        cuts = [0, *self._cuts(text), len(text)]
        parts = [text[start:end] for start, end in pairwise(cuts)]
        return tuple([token for part in parts if part for token in self._tokens.encode(part)])

    def encode_parts(self, parts: Sequence[Part]) -> tuple[list[int], list[tuple[int, int]]]:
        """Tokenise the concatenation of some parts.

        Returns:
            Token ids [length], and the characters that each covers: first and one past the last [length].

        Raises:
            PRMError: the tokenizer returns no offsets.
        """
        starts = [0, *accumulate([len(part.text) for part in parts])]
        text = "".join([part.text for part in parts])
        cuts = [start + cut for part, start in zip(parts, starts, strict=False) if not part.ours
                for cut in self._cuts(part.text)]  # fmt: skip
        ids: list[int] = []
        spans: list[tuple[int, int]] = []
        for start, end in pairwise([0, *cuts, len(text)]):
            if start == end:
                continue
            try:
                encoding = self._tokens.tokenizer(
                    text[start:end], add_special_tokens=False, return_offsets_mapping=True, verbose=False
                )
            except NotImplementedError:
                raise PRMError(
                    f"The tokenizer of {self._tokens.name!r} returns no character offsets; this PRM needs a fast "
                    "tokenizer.",
                    "Use a folder with tokenizer.json.",
                ) from None
            ids += encoding["input_ids"]
            spans += [(start + first, start + last) for first, last in encoding["offset_mapping"]]
        return ids, spans

    def _cuts(self, text: str) -> list[int]:
        return [match.start() + 1 for match in self._special.finditer(text)]
