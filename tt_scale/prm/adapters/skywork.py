"""Adapter of Skywork-o1-Open-PRM: a scalar head scores the line break that ends each line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from tt_scale.errors import PRMError
from tt_scale.prm.adapters.base import Adapter, Checkpoint, LayerHead
from tt_scale.prm.adapters.plain_text import PlainText

__all__ = ["Skywork"]


class Skywork(Adapter):
    """Skywork-o1-Open-PRM-Qwen-2.5-1.5B and -7B.

    The authors' code scores every line. Here a step of several lines is scored at its last line; blank lines, which the
    authors' code scores as steps, are removed.

    Args:
        checkpoint: the model.

    Raises:
        PRMError: a line break is not a single token, or there is no beginning-of-sequence token.
    """

    summary: ClassVar[str] = "Skywork-o1-Open-PRM: a line break after each step, one output"
    source: ClassVar[str] = "code of SkyworkAI/skywork-o1-prm-inference"
    names: ClassVar[tuple[str, ...]] = ("skywork-o1-open-prm",)
    architectures: ClassVar[tuple[str, ...]] = ("Qwen2ForPrmModel",)
    head = LayerHead(("v_head.summary",), column=0)

    def __init__(self, checkpoint: Checkpoint) -> None:
        super().__init__(checkpoint)
        self._text = PlainText(checkpoint.tokens)
        self._line_break = self.known_id("\n")
        begin = checkpoint.tokens.tokenizer.bos_token_id
        begin = checkpoint.settings.get("bos_token_id") if begin is None else begin
        if begin is None:
            raise PRMError(
                f"Neither tokenizer nor config.json of {checkpoint.name!r} names a beginning-of-sequence token.",
                "Use the files that came with the PRM.",
            )
        self._begin = int(begin)

    def layout(self, question: str, steps: Sequence[str]) -> tuple[list[int], list[int]]:
        """Tokenise line by line, as the authors' code does."""
        ids = [self._begin, *self._text.encode(f"{question}\n")]
        positions = []
        for step in steps:
            for line in [line for line in step.split("\n") if line.strip()] or [""]:
                ids += [*self._text.encode(line), self._line_break]
            positions.append(len(ids) - 1)
        return ids, positions
