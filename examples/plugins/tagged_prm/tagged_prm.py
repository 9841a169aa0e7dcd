"""An adapter: how the PRMs whose names begin with `tagged-` are asked, on vLLM or Transformers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from tt_scale import Adapter
from tt_scale.prm.adapters.base import Checkpoint, LayerHead
from tt_scale.prm.adapters.plain_text import PlainText

__all__ = ["Tagged"]


class Tagged(Adapter):
    """Question, then steps, each ended by a tag; a layer `score` with the classes wrong and right answers there.

    Args:
        checkpoint: the model.
        tag: a token of its vocabulary.
    """

    summary: ClassVar[str] = "tagged PRMs: a tag after each step, two classes"
    source: ClassVar[str] = "examples/plugins/tagged_prm"
    names: ClassVar[tuple[str, ...]] = ("tagged-",)
    head = LayerHead(("score",), column=1)

    def __init__(self, checkpoint: Checkpoint, *, tag: str = "<extra_0>") -> None:
        super().__init__(checkpoint)
        self.tag = self.known_id(tag)
        self.text = PlainText(checkpoint.tokens, [tag])

    def layout(self, question: str, steps: Sequence[str]) -> tuple[list[int], list[int]]:
        """Give the token ids, and the place of each step's tag."""
        ids, positions = list(self.text.encode(question)), []
        for step in steps:
            ids += [*self.text.encode(step), self.tag]
            positions.append(len(ids) - 1)
        return ids, positions
