"""Reward models of whole answers: a chat of question and solution, one verdict at its last token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from tt_scale.core.path import Path
from tt_scale.core.records import Problem
from tt_scale.errors import ConfigError, PRMError
from tt_scale.prm.adapters.base import Adapter, Checkpoint, LayerHead, Reading
from tt_scale.prm.adapters.chat import PLACE, rendered
from tt_scale.prm.adapters.plain_text import Part, PlainText

__all__ = ["Outcome"]

SOLUTION_PLACE = "{the solution}"


class Outcome(Adapter):
    """Any `...ForSequenceClassification` on a causal model: it judges finished solutions and says nothing of others.

    One output alone goes through a sigmoid; of several, the softmax of one is taken.

    Args:
        checkpoint: the model.
        system: the system message; empty for what the template does without one.
        positive: index of the label that means "right", from 0; unset is the last one.
        layer: name of the classifying layer in the checkpoint.

    Raises:
        ConfigError: there is no label of that index.
        PRMError: there is no chat template, or it does not write what it is given.
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
                f"prm_args of {checkpoint.name!r}: positive is {positive}; its labels go from 0 to {labels - 1}."
            )
        self.head = LayerHead((layer,), column=column)
        messages = [{"role": "system", "content": system}] if system else []
        messages += [{"role": "user", "content": PLACE}, {"role": "assistant", "content": SOLUTION_PLACE}]
        text = rendered(checkpoint, messages, False)
        if text.count(PLACE) != 1 or text.count(SOLUTION_PLACE) != 1:
            raise PRMError(f"The chat template of {checkpoint.name!r} does not write a question and its answer once.")
        before, _, rest = text.partition(PLACE)
        between, _, after = rest.partition(SOLUTION_PLACE)
        self._around = Part(before, ours=True), Part(between, ours=True), Part(after, ours=True)
        self._text = PlainText(checkpoint.tokens)

    def layout(self, question: str, steps: Sequence[str]) -> tuple[list[int], list[int]]:
        """Lay the solution out as one answer; its one place is the last token."""
        before, between, after = self._around
        solution = Part("\n\n".join(steps))
        ids, _ = self._text.encode_parts([before, Part(question), between, solution, after])
        return ids, [len(ids) - 1]

    def read(self, problem: Problem, path: Path) -> Reading:
        """Read a finished path, as it was written; errors as in `Adapter.read`."""
        ids, positions = self.layout(problem.question, [path.text.strip()])
        return Reading(tuple(ids), tuple(positions))
