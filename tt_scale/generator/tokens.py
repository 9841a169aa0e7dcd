"""Encoding and decoding with a model's tokenizer.

The chat template already contains the beginning-of-sequence token, so the tokenizer is never allowed to add another.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from tt_scale.engines.model_names import at_revision, resolve_model
from tt_scale.errors import GeneratorError, MissingExtraError
from tt_scale.generator.chat_template import SpecialTokenCuts, no_chat_template, refuse_changing, render_chat

__all__ = ["UNKNOWN", "Tokens"]

ANCHORS = ("a", "(", "1", "\n")
"""Prefixes with which a text is tokenised as a continuation of other text."""

UNKNOWN = "\N{REPLACEMENT CHARACTER}"
"""Decoder output for bytes that do not form a complete character."""


class Tokens:
    """A Hugging Face tokenizer with the operations that search needs.

    Args:
        tokenizer: tokenizer of the model.
        name: name of the model, for messages.
        eos_ids: ids that end a sequence, in addition to the tokenizer's.

    Attributes:
        tokenizer: the wrapped tokenizer.
        name: name of the model.
        eos_ids: all ids that end a sequence; Llama 3 has several.
    """

    def __init__(self, tokenizer: Any, name: str, eos_ids: Sequence[int] = ()) -> None:
        self.tokenizer = tokenizer
        self.name = name
        own = () if tokenizer.eos_token_id is None else (int(tokenizer.eos_token_id),)
        self.eos_ids: frozenset[int] = frozenset([*own, *eos_ids])
        # Decoders drop a leading space; behind an anchor they keep it, as a continuation needs.
        self._anchor = list(self.encode("a"))
        self._anchor_length = len(self._decode(self._anchor))
        self._texts: dict[int, str] = {}
        self._adds_leading_space = self._continuation(self.encode("(")) != "("
        self._cuts = SpecialTokenCuts(tokenizer)

    @classmethod
    def load(cls, model: str, *, trust_remote_code: bool = False, revision: str | None = None) -> Tokens:
        """Load the tokenizer of a model.

        Args:
            model: hub name, local folder, `pocket-gen`, or `smollm2`.
            trust_remote_code: run tokenizer code that comes with the model.
            revision: branch, tag or commit on the hub; None is the newest.

        Raises:
            GeneratorError: there is no such model, or it has no tokenizer.
            MissingExtraError: transformers is not installed.
        """
        try:
            from transformers import AutoTokenizer, PreTrainedTokenizerFast
        except ImportError:
            raise MissingExtraError("transformers", "hf", "Reading a tokenizer") from None
        source = resolve_model(model)
        try:
            kind = PreTrainedTokenizerFast if _is_generic(source, revision) else AutoTokenizer
            tokenizer = kind.from_pretrained(source, trust_remote_code=trust_remote_code, **at_revision(revision))
        except Exception as error:  # the loaders raise many types
            raise _not_loaded(model, source, error) from error
        return cls(tokenizer, model, _generation_eos(source, revision))

    def render(self, messages: Sequence[Mapping[str, str]]) -> tuple[int, ...]:
        """Apply the chat template once, generation prompt included.

        Control tokens of the template are encoded as such; the same spelling inside a message is encoded as text.

        Args:
            messages: with the keys `role` and `content`.

        Returns:
            Token ids [length].

        Raises:
            GeneratorError: the model has no chat template, or the template rejects the messages.
        """
        if not getattr(self.tokenizer, "chat_template", None):
            raise no_chat_template(self.name)
        marked, mark = self._cuts.marked(messages)
        first, *rest = render_chat(self.tokenizer, marked, self.name, generation_prompt=True).split(mark)
        return (*self.encode(first), *(token for text in rest for token in self.encode_continuation(text)))

    def check_template(self) -> None:
        """Refuse a model without a chat template, and a template whose output changes between renderings.

        Raises:
            GeneratorError: there is no template, or it uses a value that changes.
        """
        if not getattr(self.tokenizer, "chat_template", None):
            raise no_chat_template(self.name)
        refuse_changing(self.tokenizer, self.name)

    def encode_continuation(self, text: str) -> tuple[int, ...]:
        """Tokenise text that follows other text [length]; SentencePiece puts a space before a whole text."""
        for anchor in ANCHORS if self._adds_leading_space else ():
            before, whole = self.encode(anchor), self.encode(anchor + text)
            if whole[: len(before)] == before:
                return whole[len(before) :]
        return self.encode(text)

    def encode_prompt(self, text: str) -> tuple[int, ...]:
        """Tokenise a whole prompt, with the special tokens that the tokenizer adds [length]."""
        return tuple(self.tokenizer.encode(text, verbose=False))

    def encode(self, text: str) -> tuple[int, ...]:
        """Tokenise a text without adding special tokens [length]."""
        return tuple(self.tokenizer.encode(text, add_special_tokens=False, verbose=False))

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """Decode each id separately, as part of a continuation [length].

        A character of several tokens belongs to the last of them; special tokens have no text.

        Returns:
            The texts of the tokens; joined, they are the text of the whole, leading space included.
        """
        token_texts = list(self._local_texts(ids))
        whole = self._continuation(ids)
        if "".join(token_texts) == whole:
            return token_texts
        return self._exact_texts(ids, whole)

    def id_of(self, token: str) -> int:
        """Return the id of a text that is a single token.

        Args:
            token: the token, as text (`+`, `<extra_0>`) or as spelled in the vocabulary (`▁+`).

        Raises:
            GeneratorError: the text is not a single token.
        """
        ids = self.encode(token)
        if len(ids) == 1:
            return ids[0]
        spelled = self.tokenizer.get_vocab().get(token)
        if spelled is None:
            raise GeneratorError(f"{token!r} is {len(ids)} tokens for the tokenizer of {self.name!r}; it must be one.")
        return int(spelled)

    def _local_texts(self, ids: Sequence[int]) -> Iterator[str]:
        """Decode ids of whole characters one by one, and runs of partial characters together: linear time."""
        for partial, group in groupby(ids, key=lambda token: UNKNOWN in self._text_of(token)):
            run = list(group)
            if partial:
                yield from self._exact_texts(run, self._continuation(run))
            else:
                yield from map(self._text_of, run)

    def _exact_texts(self, ids: Sequence[int], whole: str) -> list[str]:
        """Assign to each id the part of the text that its prefix adds; quadratic time."""
        token_texts: list[str] = []
        start = 0
        for end in range(1, len(ids)):
            stop = max(start, _common(self._continuation(ids[:end]), whole))
            token_texts.append(whole[start:stop])
            start = stop
        return [*token_texts, whole[start:]] if ids else []

    def _text_of(self, token: int) -> str:
        if token not in self._texts:
            self._texts[token] = self._continuation([token])
        return self._texts[token]

    def _continuation(self, ids: Sequence[int]) -> str:
        return self._decode([*self._anchor, *ids])[self._anchor_length :]

    def _decode(self, ids: Sequence[int]) -> str:
        text = self.tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return str(text)


def _common(left: str, right: str) -> int:
    """Return the length of the common prefix of two texts."""
    for index, (one, other) in enumerate(zip(left, right, strict=False)):
        if one != other:
            return index
    return min(len(left), len(right))


def _is_generic(source: str, revision: str | None) -> bool:
    """Check whether a model declares its tokenizer to be exactly what `tokenizer.json` defines.

    Transformers 5 selects by model type instead, and gives every "qwen2" model the rules of Qwen's tokenizer.
    """
    from transformers.utils import cached_file

    try:
        file = cached_file(source, "tokenizer_config.json", **at_revision(revision))
        settings = json.loads(Path(file).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return settings.get("tokenizer_class") in ("PreTrainedTokenizerFast", "TokenizersBackend")


def _generation_eos(source: str, revision: str | None) -> list[int]:
    """Read the ids that end a sequence from `generation_config.json`, if the model has one."""
    from transformers.utils import cached_file

    try:
        file = cached_file(source, "generation_config.json", **at_revision(revision))
        values = json.loads(Path(file).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    eos = values.get("eos_token_id")
    return [int(eos)] if isinstance(eos, int) else [int(token) for token in eos or ()]


def _not_loaded(model: str, source: str, error: Exception) -> GeneratorError:
    """Create the error for a tokenizer that cannot be loaded."""
    if os.path.isdir(source):
        return GeneratorError(
            f"The folder {model!r} contains no readable tokenizer: {_first_line(error)}",
            "Copy tokenizer.json and tokenizer_config.json of the model into it.",
        )
    if "trust_remote_code" in str(error):
        return GeneratorError(f"The tokenizer of {model!r} comes with its own code.", "Type: --trust-remote-code")
    return GeneratorError(
        f"The tokenizer of {model!r} is not on this machine and cannot be fetched: {_first_line(error)}",
        "Check the name and the network, or give a local folder as --model-name.",
    )


def _first_line(error: Exception) -> str:
    line = next(iter(str(error).strip().splitlines()), type(error).__name__)
    return line if line.endswith(".") else f"{line}."
