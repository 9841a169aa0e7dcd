"""Text to token ids, where special tokens that stand in the text are text.

A question that mentions `<|im_end|>` must not end a turn, and a step that talks about a PRM's tag must not get a second
score. Each such token is cut after its first character, so that the tokenizer never sees it whole.
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
    """A stretch of what a model reads.

    Attributes:
        text: as it stands.
        ours: whether the protocol wrote it, so that its special tokens are meant.
    """

    text: str
    ours: bool = False


class PlainText:
    """Tokenises without obeying the text.

    Args:
        tokens: of the model.
        tags: what else must not be recognised in data, beside the tokenizer's own added tokens.
    """

    def __init__(self, tokens: Tokens, tags: Iterable[str] = ()) -> None:
        self._tokens = tokens
        special = {token for token in [*tokens.tokenizer.get_added_vocab(), *tags] if len(token) > 1}
        self._special = re.compile("|".join([f"(?={re.escape(token)})" for token in sorted(special)]) or r"(?!)")
        self.encode = lru_cache(8192)(self._encode)

    def _encode(self, text: str) -> tuple[int, ...]:
        """Tokenise data on its own [length]."""
        cuts = [0, *self._cuts(text), len(text)]
        parts = [text[start:end] for start, end in pairwise(cuts)]
        return tuple([token for part in parts if part for token in self._tokens.encode(part)])

    def encode_parts(self, parts: Sequence[Part]) -> tuple[list[int], list[tuple[int, int]]]:
        """Tokenise parts as the one text that they are.

        Returns:
            Token ids [length], and the characters that each covers: first and one past the last [length].

        Raises:
            PRMError: the tokenizer cannot say where its tokens stand.
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
                found = self._tokens.tokenizer(
                    text[start:end], add_special_tokens=False, return_offsets_mapping=True, verbose=False
                )
            except NotImplementedError:
                raise PRMError(
                    f"The tokenizer of {self._tokens.name!r} does not say where its tokens stand; this PRM needs a "
                    "fast one.",
                    "Use a folder with tokenizer.json.",
                ) from None
            ids += found["input_ids"]
            spans += [(start + first, start + last) for first, last in found["offset_mapping"]]
        return ids, spans

    def _cuts(self, text: str) -> list[int]:
        return [found.start() + 1 for found in self._special.finditer(text)]
