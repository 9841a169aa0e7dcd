r"""Adapter of Qwen2.5-Math-PRM: a chat, then each step followed by the token `<extra_0>`.

A head with two classes gives the probability that a step is right at its tag.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from tt_scale.prm.adapters.base import Adapter, Checkpoint, LayerHead
from tt_scale.prm.adapters.chat import question_frame
from tt_scale.prm.adapters.plain_text import PlainText

__all__ = ["ARCHITECTURE", "QwenMath"]

ARCHITECTURE = "Qwen2ForProcessRewardModel"
TAG = "<extra_0>"
SYSTEM = r"Please reason step by step, and put your final answer within \boxed{}."
QWEN_TURN, QWEN_TAG = 151644, 151651
"""Ids of `<|im_start|>` and of the tag in Qwen's own vocabulary."""


class QwenMath(Adapter):
    """Qwen2.5-Math-PRM-7B and -72B, Qwen2.5-Math-7B-PRM800K, ReasonFlux-PRM-7B, pocket-prm.

    Args:
        checkpoint: the model.
        system: the system message; empty for the template's default, which is what ReasonFlux was trained with.

    Raises:
        PRMError: the tokenizer has no tag token or no chat template, so it does not belong to such a PRM.
    """

    summary: ClassVar[str] = "Qwen2.5-Math-PRM and its like: the tag <extra_0> after each step, two classes"
    source: ClassVar[str] = "Zhang et al. 2025, arXiv 2501.07301; model card of Qwen/Qwen2.5-Math-PRM-7B"
    names: ClassVar[tuple[str, ...]] = ("qwen2.5-math-prm", "qwen2.5-math-7b-prm800k", "reasonflux-prm")
    architectures: ClassVar[tuple[str, ...]] = (ARCHITECTURE,)
    head = LayerHead(("score.0", "score.2"), column=1)

    def __init__(self, checkpoint: Checkpoint, *, system: str = SYSTEM) -> None:
        super().__init__(checkpoint)
        qwen_vocabulary = checkpoint.tokens.tokenizer.get_vocab().get("<|im_start|>") == QWEN_TURN
        self.tag = self.known_id(TAG, QWEN_TAG if qwen_vocabulary else None)
        self._text = PlainText(checkpoint.tokens, [TAG])
        self._chat = question_frame(checkpoint, system)

    def layout(self, question: str, steps: Sequence[str]) -> tuple[list[int], list[int]]:
        """Encode the chat, and append the tag to each step."""
        opening, before, after, closing = self._chat
        ids = [*opening, *self._text.encode(f"{before}{question}{after}"), *closing]
        positions = []
        for step in steps:
            ids += [*self._text.encode(step), self.tag]
            positions.append(len(ids) - 1)
        return ids, positions
