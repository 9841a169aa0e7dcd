"""Adapters of causal PRMs with a tag after each step: the score is the odds of two next tokens at the tag.

The tag is ordinary text, so the whole solution is tokenised as one text, as in training. The position of each tag
follows from its character offsets; it is not searched for among the token ids.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from tt_scale.errors import ConfigError, PRMError
from tt_scale.prm.adapters.base import Adapter, Checkpoint, TokenHead
from tt_scale.prm.adapters.plain_text import Part, PlainText

__all__ = ["BinaryTag", "MathPSA", "MathShepherd", "VersaPRM"]


class BinaryTag(Adapter):
    """Any causal PRM with a tag after each step and two answer tokens, for "right" and "wrong".

    Args:
        checkpoint: the model.
        tag: text that ends each step; the step is scored at its last token.
        positive: token for "right", as text or as spelled in the vocabulary.
        negative: token for "wrong".
        opening: text before the first step; contains `{question}`.
        between: text between a tag and the next step.
        number: heading of each step, with `{number}` in it; omitted if the step already begins with it. May be empty.
        read: "tag" uses the prediction after the tag, "before" the prediction of the tag's first token.

    Raises:
        PRMError: `positive` or `negative` is not a single token of this tokenizer.
        ConfigError: `opening` lacks `{question}`, `tag` is empty, or `read` is neither "tag" nor "before".
    """

    summary: ClassVar[str] = "any causal PRM with a tag after each step and two answer tokens"
    source: ClassVar[str] = "generic"

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        tag: str,
        positive: str = "+",
        negative: str = "-",
        opening: str = "{question} ",
        between: str = "\n",
        number: str = "",
        read: Literal["tag", "before"] = "tag",
    ) -> None:
        super().__init__(checkpoint)
        if not tag or "{question}" not in opening or read not in ("tag", "before"):
            raise ConfigError(
                f"prm_args of binary-tag: tag is {tag!r} (a non-empty text), opening is {opening!r} (must contain "
                f'{{question}}), read is {read!r} ("tag" or "before").'
            )
        self.head = TokenHead(self.known_id(positive), self.known_id(negative))
        self._tag, self._between, self._number, self._where = tag, between, number, read
        self._before, self._after = opening.split("{question}", 1)
        self._text = PlainText(checkpoint.tokens)
        self._start = _leading_ids(checkpoint)
        self._tag_id: int | None = None  # checked if a subclass sets it

    def layout(self, question: str, steps: Sequence[str]) -> tuple[list[int], list[int]]:
        """Tokenise the whole solution as one text, and locate the last token of each tag."""
        parts = [Part(self._before, ours=True), Part(question), Part(self._after, ours=True)]
        tags: list[tuple[int, int]] = []
        length = sum([len(part.text) for part in parts])
        for number, step in enumerate(steps, 1):
            heading = self._number.format(number=number)
            if heading and not step.startswith(heading.rstrip()):
                step = heading + step
            added = [Part(self._between if number > 1 else "", ours=True), Part(step), Part(self._tag, ours=True)]
            parts += added
            length += sum([len(part.text) for part in added])
            tags.append((length - len(self._tag), length))
        ids, spans = self._text.encode_parts(parts)
        positions = [self._position(ids, spans, begin, end) for begin, end in tags]
        return [*self._start, *ids], [len(self._start) + position for position in positions]

    def _position(self, ids: Sequence[int], spans: Sequence[tuple[int, int]], begin: int, end: int) -> int:
        """Return the index of the token with the tag's last character, or of the token before its first."""
        last = max([index for index, (first, past) in enumerate(spans) if first < end and past >= end])
        if self._tag_id is not None and ids[last] != self._tag_id:
            raise PRMError(
                f"A tag {self._tag!r} ends in the token {ids[last]}; the PRM was trained with {self._tag_id}.",
                "Use the tokenizer that came with the PRM.",
            )
        if self._where == "tag":
            return last
        return min([index for index, (first, past) in enumerate(spans) if past > begin and first < end]) - 1


class MathShepherd(BinaryTag):
    """math-shepherd-mistral-7b-prm: the tag `ки` ends each step.

    Args:
        checkpoint: the model.
    """

    summary: ClassVar[str] = "math-shepherd-mistral-7b-prm: the tag ки after each step, + against -"
    source: ClassVar[str] = "Wang et al. 2023, arXiv 2312.08935; model card of peiyi9979/math-shepherd-mistral-7b-prm"
    names: ClassVar[tuple[str, ...]] = ("math-shepherd",)

    def __init__(self, checkpoint: Checkpoint) -> None:
        super().__init__(checkpoint, tag=" ки", positive="▁+", negative="▁-", number="Step {number}: ")
        settings = checkpoint.settings
        if settings.get("model_type") == "mistral" and settings.get("vocab_size") == 32000:
            self.known_id("▁+", 648)
            self.known_id("▁-", 387)
            self._tag_id = 12902


class VersaPRM(BinaryTag):
    """VersaPRM and its variants on Llama 3.1; the ids of the variants on Qwen are looked up in their tokenizer.

    Args:
        checkpoint: the model.
    """

    summary: ClassVar[str] = "VersaPRM: four line breaks after each step, + against -"
    source: ClassVar[str] = "Zeng et al. 2025, arXiv 2502.06737; code of UW-Madison-Lee-Lab/VersaPRM"
    names: ClassVar[tuple[str, ...]] = ("versaprm", "llama-prm800k")

    def __init__(self, checkpoint: Checkpoint) -> None:
        super().__init__(checkpoint, tag=" \n\n\n\n", opening="{question} \n\n", between="")
        if checkpoint.settings.get("vocab_size") in (128256, 128257, 128264):
            self.known_id("+", 10)
            self.known_id("-", 12)
            self._tag_id = 23535


class MathPSA(BinaryTag):
    """Math-psa of OpenR, merged into its base model: five line breaks after each step.

    The format between question and steps follows OpenR's evaluation code from memory; verify it with `prm-check`.

    Args:
        checkpoint: the model.
    """

    summary: ClassVar[str] = "Math-psa (OpenR), merged: five line breaks after each step, + against -"
    source: ClassVar[str] = "Wang et al. 2024, arXiv 2410.09671; code of openreasoner/openr"
    names: ClassVar[tuple[str, ...]] = ("math-psa",)

    def __init__(self, checkpoint: Checkpoint) -> None:
        super().__init__(checkpoint, tag=" \n\n\n\n\n", positive=" +", negative=" -", between="")
        if checkpoint.tokens.tokenizer.get_vocab().get("<|im_start|>") == 151644:
            self.known_id(" +", 488)
            self.known_id(" -", 481)
            self._tag_id = 76325


def _leading_ids(checkpoint: Checkpoint) -> tuple[int, ...]:
    """Return the special tokens that the tokenizer puts before every text: beginning of sequence, or none."""
    plain = checkpoint.tokens.encode("a")
    whole = tuple(checkpoint.tokens.tokenizer.encode("a", add_special_tokens=True))
    starts = [index for index in range(len(whole)) if whole[index : index + len(plain)] == plain]
    return whole[: starts[0]] if starts else ()
