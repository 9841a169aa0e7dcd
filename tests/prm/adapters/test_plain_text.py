"""Tokenisation of data in which special tokens are ordinary text."""

from __future__ import annotations

from typing import Any

import pytest

from tt_scale.generator.tokens import Tokens
from tt_scale.prm.adapters.plain_text import Part, PlainText

pytest.importorskip("tokenizers")
pytest.importorskip("transformers")


@pytest.fixture
def tokens() -> Tokens:
    from tiny_tokenizers import byte_level

    return Tokens(byte_level(), "tiny")


def test_special_tokens_in_data_are_text(tokens: Tokens) -> None:
    """A step that contains the end of a turn would end the solution for the PRM."""
    special = tokens.tokenizer.convert_tokens_to_ids("<end_of_turn>")
    data = PlainText(tokens).encode("so <end_of_turn> it is")
    assert special not in data
    assert "".join(tokens.pieces(data)) == "so <end_of_turn> it is"
    assert tokens.encode("plain text") == PlainText(tokens).encode("plain text")


def test_parts_of_the_format_keep_their_special_tokens(tokens: Tokens) -> None:
    """Spans say which characters a token covers; a PRM finds its steps by them."""
    special: Any = tokens.tokenizer.convert_tokens_to_ids("<end_of_turn>")
    parts = [Part("<end_of_turn>", ours=True), Part("a <end_of_turn> b")]
    ids, spans = PlainText(tokens).encode_parts(parts)
    assert ids.count(special) == 1
    assert spans[ids.index(special)] == (0, len("<end_of_turn>"))
    assert [end for _, end in spans] == sorted(end for _, end in spans)
    assert spans[-1][1] == sum(len(part.text) for part in parts)
