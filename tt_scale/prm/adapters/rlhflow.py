"""Adapter of RLHFlow's PRMs: a chat with a turn for each step, which the assistant answers with `+`.

Attention is causal and every earlier answer is `+`, so a single forward pass over the conversation scores all steps.
The score is the odds of `+` against `-` at the token before each answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from tt_scale.errors import PRMError
from tt_scale.prm.adapters.base import Adapter, Checkpoint, TokenHead
from tt_scale.prm.adapters.chat import QUESTION_SLOT, chat_frame, rendered
from tt_scale.prm.adapters.plain_text import PlainText

__all__ = ["RLHFlow"]

ANSWER = "+"


class RLHFlow(Adapter):
    """Llama3.1-8B-PRM-Mistral-Data and -Deepseek-Data, and models trained on the same format.

    Question and first step share the first turn, separated by a space. The date in the header of Llama's template is
    fixed.

    Args:
        checkpoint: the model.

    Raises:
        PRMError: there is no chat template, `+` or `-` is not a single token, or the template does not append turns.
    """

    summary: ClassVar[str] = "Llama3.1-8B-PRM-Mistral-Data, -Deepseek-Data: a turn for each step, + against -"
    source: ClassVar[str] = "Xiong et al. 2024, code of RLHFlow/RLHF-Reward-Modeling"
    names: ClassVar[tuple[str, ...]] = ("llama3.1-8b-prm-", "dream_prm")

    def __init__(self, checkpoint: Checkpoint) -> None:
        super().__init__(checkpoint)
        llama = checkpoint.tokens.tokenizer.get_vocab().get("<|eot_id|>") == 128009
        self.head = TokenHead(self.known_id("+", 10 if llama else None), self.known_id("-", 12 if llama else None))
        self._text = PlainText(checkpoint.tokens)
        one = [{"role": "user", "content": QUESTION_SLOT}]
        first = rendered(checkpoint, one, True)
        answered = rendered(checkpoint, [*one, {"role": "assistant", "content": ANSWER}], False)
        second = rendered(checkpoint, [*one, {"role": "assistant", "content": ANSWER}, *one], True)
        if not (answered.startswith(first + ANSWER) and second.startswith(answered)):
            raise PRMError(f"The chat template of {checkpoint.name!r} does not append turns; this PRM's must.")
        self._first = chat_frame(checkpoint, first)
        self._later = chat_frame(checkpoint, second[len(first) :])

    def layout(self, question: str, steps: Sequence[str]) -> tuple[list[int], list[int]]:
        """Encode one turn for each step, scored where the assistant's answer would begin."""
        ids: list[int] = []
        positions = []
        for number, step in enumerate(steps):
            frame = self._later if number else self._first
            text = step if number else f"{question} {step}"
            ids += frame.opening
            ids += self._text.encode(f"{frame.before}{text}{frame.after}")
            ids += frame.closing
            positions.append(len(ids) - 1)
        return ids, positions
