"""Text to token ids and back, for a model's own tokenizer.

A chat template already writes the beginning-of-sequence token, so nothing here lets the tokenizer add another.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from tt_scale.engines.model_names import at_revision, resolve_model
from tt_scale.errors import GeneratorError, MissingExtraError
from tt_scale.generator.chat_template import SpecialTokenCuts, no_chat_template, refuse_changing, render_chat

__all__ = ["UNKNOWN", "Tokens"]

ANCHORS = ("a", "(", "1", "\n")
"""Characters behind which a piece of text is tokenised as the continuation that it is."""

UNKNOWN = "\N{REPLACEMENT CHARACTER}"
"""How a decoder shows bytes that are no character yet."""


class Tokens:
    """A Hugging Face tokenizer, reduced to what search needs.

    Args:
        tokenizer: of the model.
        name: of the model, for messages.
        eos_ids: ids that end a sequence, beside the tokenizer's own.

    Attributes:
        tokenizer: the wrapped one.
        name: of the model.
        eos_ids: every id that ends a sequence; Llama 3 has several.
    """

    def __init__(self, tokenizer: Any, name: str, eos_ids: Sequence[int] = ()) -> None:
        self.tokenizer = tokenizer
        self.name = name
        own = () if tokenizer.eos_token_id is None else (int(tokenizer.eos_token_id),)
        self.eos_ids: frozenset[int] = frozenset([*own, *eos_ids])
        # Decoders drop the space that opens a text; behind an anchor they keep it, as a continuation must.
        self._anchor = list(self.encode("a"))
        self._anchor_length = len(self._decode(self._anchor))
        self._alone: dict[int, str] = {}
        self._puts_a_space_first = self._continuation(self.encode("(")) != "("
        self._cuts = SpecialTokenCuts(tokenizer)

    @classmethod
    def load(cls, model: str, *, trust_remote_code: bool = False, revision: str | None = None) -> Tokens:
        """Load the tokenizer of a model.

        Args:
            model: hub name, local folder, `pocket-gen`, or `smollm2`.
            trust_remote_code: run tokenizer code that comes with the model.
            revision: branch, tag or commit on the hub; None is the newest.

        Raises:
            GeneratorError: there is no such model or it has no tokenizer.
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
        except Exception as error:  # its many loaders raise whatever they like
            raise _not_loaded(model, source, error) from error
        return cls(tokenizer, model, _generation_eos(source, revision))

    def render(self, messages: Sequence[Mapping[str, str]]) -> tuple[int, ...]:
        """Apply the chat template once, generation prompt included.

        Control tokens that the template writes are control tokens; the same spelling inside a message is text.

        Args:
            messages: with the keys `role` and `content`.

        Returns:
            Token ids [length].

        Raises:
            GeneratorError: the model has no chat template, or the template refuses the messages.
        """
        if not getattr(self.tokenizer, "chat_template", None):
            raise no_chat_template(self.name)
        marked, mark = self._cuts.marked(messages)
        first, *rest = render_chat(self.tokenizer, marked, self.name, generation_prompt=True).split(mark)
        return (*self.encode(first), *(token for piece in rest for token in self.encode_behind(piece)))

    def check_template(self) -> None:
        """Refuse a model without a chat template, and a template that says something else at each rendering.

        Raises:
            GeneratorError: there is none, or it uses what changes.
        """
        if not getattr(self.tokenizer, "chat_template", None):
            raise no_chat_template(self.name)
        refuse_changing(self.tokenizer, self.name)

    def encode(self, text: str) -> tuple[int, ...]:
        """Tokenise a text as it stands, no special token added [length]."""
        return tuple(self.tokenizer.encode(text, add_special_tokens=False, verbose=False))

    def encode_behind(self, piece: str) -> tuple[int, ...]:
        """Tokenise what follows other text [length]: SentencePiece puts a space before whatever it is given."""
        for anchor in ANCHORS if self._puts_a_space_first else ():
            before, whole = self.encode(anchor), self.encode(anchor + piece)
            if whole[: len(before)] == before:
                return whole[len(before) :]
        return self.encode(piece)

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """Give the text that each id adds to a continuation [length].

        A character of several tokens belongs to the one that completes it; special tokens add nothing.

        Returns:
            The pieces; joined, they are the text of the whole, opening space included.
        """
        found = list(self._local_pieces(ids))
        whole = self._continuation(ids)
        if "".join(found) == whole:
            return found
        return self._exact_pieces(ids, whole)

    def id_of(self, token: str) -> int:
        """Find the one token that a text is.

        Args:
            token: as text (`+`, `<extra_0>`), or as the vocabulary spells it (`▁+`).

        Raises:
            GeneratorError: the tokenizer makes several tokens of it, or none.
        """
        ids = self.encode(token)
        if len(ids) == 1:
            return ids[0]
        spelled = self.tokenizer.get_vocab().get(token)
        if spelled is None:
            raise GeneratorError(f"{token!r} is {len(ids)} tokens for the tokenizer of {self.name!r}; it must be one.")
        return int(spelled)

    def _local_pieces(self, ids: Sequence[int]) -> Iterator[str]:
        """Look at whole characters one id at a time and at split ones run by run: linear, and right for valid text."""
        for broken, group in groupby(ids, key=lambda token: UNKNOWN in self._piece_alone(token)):
            run = list(group)
            if broken:
                yield from self._exact_pieces(run, self._continuation(run))
            else:
                yield from map(self._piece_alone, run)

    def _exact_pieces(self, ids: Sequence[int], whole: str) -> list[str]:
        """Give each id what its prefix has, for the first time, in common with the whole; quadratic."""
        pieces: list[str] = []
        known = 0
        for end in range(1, len(ids)):
            upto = max(known, _common(self._continuation(ids[:end]), whole))
            pieces.append(whole[known:upto])
            known = upto
        return [*pieces, whole[known:]] if ids else []

    def _piece_alone(self, token: int) -> str:
        if token not in self._alone:
            self._alone[token] = self._continuation([token])
        return self._alone[token]

    def _continuation(self, ids: Sequence[int]) -> str:
        return self._decode([*self._anchor, *ids])[self._anchor_length :]

    def _decode(self, ids: Sequence[int]) -> str:
        text = self.tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return str(text)


def _common(left: str, right: str) -> int:
    """Length of the common beginning."""
    for index, (one, other) in enumerate(zip(left, right, strict=False)):
        if one != other:
            return index
    return min(len(left), len(right))


def _is_generic(source: str, revision: str | None) -> bool:
    """Whether a model says that its tokenizer is just what `tokenizer.json` says.

    Transformers 5 goes by the type of the model instead and gives every "qwen2" the rules of Qwen's own tokenizer.
    """
    from transformers.utils import cached_file

    try:
        file = cached_file(source, "tokenizer_config.json", **at_revision(revision))
        settings = json.loads(Path(file).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return settings.get("tokenizer_class") in ("PreTrainedTokenizerFast", "TokenizersBackend")


def _generation_eos(source: str, revision: str | None) -> list[int]:
    """Read the ids that end a sequence from `generation_config.json`, where the model has one."""
    from transformers.utils import cached_file

    try:
        file = cached_file(source, "generation_config.json", **at_revision(revision))
        values = json.loads(Path(file).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    eos = values.get("eos_token_id")
    return [int(eos)] if isinstance(eos, int) else [int(token) for token in eos or ()]


def _not_loaded(model: str, source: str, error: Exception) -> GeneratorError:
    """Say why there is no tokenizer, as far as it can be known."""
    if Path(source).is_dir():
        return GeneratorError(
            f"The folder {model!r} holds no tokenizer that can be read: {_first_line(error)}",
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
