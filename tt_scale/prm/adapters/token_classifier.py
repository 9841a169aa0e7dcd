"""Adapters of PRMs trained as token classifiers: each step is scored at the separator that follows it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from tt_scale.errors import ConfigError
from tt_scale.prm.adapters.base import Adapter, Checkpoint, LayerHead
from tt_scale.prm.adapters.plain_text import PlainText

__all__ = ["Pure", "TokenClassifier"]


class TokenClassifier(Adapter):
    r"""Models trained with TRL's PRMTrainer, and any `...ForTokenClassification` that scores separators.

    Args:
        checkpoint: the model.
        separator: text after each step, as in training.
        positive: index of the label that means "right", from 0.
        layer: name of the classification layer in the checkpoint.

    Raises:
        ConfigError: the separator is empty, or there is no label with that index.
    """

    summary: ClassVar[str] = "token classifiers (TRL's PRMTrainer): a separator after each step, the class there"
    source: ClassVar[str] = "TRL, PRMTrainer"
    architectures: ClassVar[tuple[str, ...]] = (
        "Qwen2ForTokenClassification",
        "Qwen3ForTokenClassification",
        "LlamaForTokenClassification",
        "MistralForTokenClassification",
    )

    def __init__(
        self, checkpoint: Checkpoint, *, separator: str = "\n", positive: int = 1, layer: str = "score"
    ) -> None:
        super().__init__(checkpoint)
        labels = len(checkpoint.settings.get("id2label") or {0: "", 1: ""})
        if not separator or not 0 <= positive < labels:
            raise ConfigError(
                f"prm_args of {checkpoint.name!r}: separator is {separator!r} (a non-empty text), positive is "
                f"{positive} (a label from 0 to {labels - 1})."
            )
        self.head = LayerHead((layer,), column=positive)
        self._text = PlainText(checkpoint.tokens)
        self._separator = checkpoint.tokens.encode(separator)
        begin = checkpoint.tokens.tokenizer.bos_token_id
        self._begin = () if begin is None else (int(begin),)

    def layout(self, question: str, steps: Sequence[str]) -> tuple[list[int], list[int]]:
        """Tokenise question, steps and separators separately, as the trainer does."""
        ids = [*self._begin, *self._text.encode(question)]
        positions = []
        for step in steps:
            ids += [*self._text.encode(step), *self._separator]
            positions.append(len(ids) - 1)
        return ids, positions


class Pure(TokenClassifier):
    r"""PURE-PRM-7B: its reward is p(right) - p(wrong), in [-1, 1]; the score here is p(right), which ranks alike.

    Args:
        checkpoint: the model.
    """

    summary: ClassVar[str] = "PURE-PRM-7B: a blank line after each step, two classes"
    source: ClassVar[str] = "Cheng et al. 2025, arXiv 2504.15275; code of jinachris/PURE-PRM-7B"
    names: ClassVar[tuple[str, ...]] = ("pure-prm",)

    def __init__(self, checkpoint: Checkpoint) -> None:
        super().__init__(checkpoint, separator="\n\n", positive=1)
