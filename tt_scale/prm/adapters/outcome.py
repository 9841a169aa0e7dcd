"""Adapter of outcome reward models: a chat of question and solution, scored once at its last token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from tt_scale.core.path import Path
from tt_scale.core.records import Problem
from tt_scale.errors import ConfigError, PRMError
from tt_scale.prm.adapters.base import Adapter, Checkpoint, LayerHead, ScoringInput
from tt_scale.prm.adapters.chat import QUESTION_SLOT, rendered
from tt_scale.prm.adapters.plain_text import Part, PlainText

__all__ = ["Outcome"]

SOLUTION_SLOT = "{the solution}"


class Outcome(Adapter):
    """Any `...ForSequenceClassification` on a causal model: it scores finished solutions only.

    A single output goes through a sigmoid; with several outputs, the score is the softmax probability of one.

    Args:
        checkpoint: the model.
        system: the system message; empty for the template's default.
        positive: index of the label that means "right", from 0; None is the last one.
        layer: name of the classification layer in the checkpoint.

    Raises:
        ConfigError: there is no label with that index.
        PRMError: there is no chat template, or it does not render question and solution once each.
    """

    summary: ClassVar[str] = "any sequence-classification reward model: a chat of question and whole solution"
    source: ClassVar[str] = "Transformers, AutoModelForSequenceClassification; Cobbe et al. 2021, arXiv 2110.14168"
    architectures: ClassVar[tuple[str, ...]] = tuple(
        [f"{family}ForSequenceClassification" for family in ("Gemma", "Gemma2", "Llama", "Mistral", "Qwen2", "Qwen3")]
    )
    finished_only: ClassVar[bool] = True

    def __init__(
        self, checkpoint: Checkpoint, *, system: str = "", positive: int | None = None, layer: str = "score"
    ) -> None:
        super().__init__(checkpoint)
        labels = len(checkpoint.settings.get("id2label") or {0: "", 1: ""})
        column = labels - 1 if positive is None else positive
        if not 0 <= column < labels:
            raise ConfigError(
                f"prm_args of {checkpoint.name!r}: positive is {positive}; the model's labels are 0 to {labels - 1}."
            )
        self.head = LayerHead((layer,), column=column)
        messages = [{"role": "system", "content": system}] if system else []
        messages += [{"role": "user", "content": QUESTION_SLOT}, {"role": "assistant", "content": SOLUTION_SLOT}]
        text = rendered(checkpoint, messages, False)
        if text.count(QUESTION_SLOT) != 1 or text.count(SOLUTION_SLOT) != 1:
            raise PRMError(f"The chat template of {checkpoint.name!r} does not write a question and its answer once.")
        before, _, rest = text.partition(QUESTION_SLOT)
        between, _, after = rest.partition(SOLUTION_SLOT)
        self._frame = Part(before, ours=True), Part(between, ours=True), Part(after, ours=True)
        self._text = PlainText(checkpoint.tokens)

    def layout(self, question: str, steps: Sequence[str]) -> tuple[list[int], list[int]]:
        """Encode the solution as one answer, scored at the last token."""
        before, between, after = self._frame
        solution = Part("\n\n".join(steps))
        ids, _ = self._text.encode_parts([before, Part(question), between, solution, after])
        return ids, [len(ids) - 1]

    def read(self, problem: Problem, path: Path) -> ScoringInput:
        """Build the model input of a finished path from its unchanged text; errors as in `Adapter.read`."""
        ids, positions = self.layout(problem.question, [path.text.strip()])
        return ScoringInput(tuple(ids), tuple(positions))
