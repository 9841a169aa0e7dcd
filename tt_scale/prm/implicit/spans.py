r"""Token spans of the steps in a chat, for PRMs whose reward is a sum over the tokens of a step.

The assistant's turn is `Step 1: ...`, a blank line, `Step 2: ...` and so on, tokenised as one text. The blank line
belongs to the step that it ends, and the end of the turn to the last step of a finished path, so that a step has the
same tokens whether or not other steps follow. (The authors' script ends a step one or two tokens later, inside the next
step, which a search does not have yet; the last step of a solution ends as in their script.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from tt_scale.core.path import Path
from tt_scale.core.records import Problem
from tt_scale.core.segmentation import step_texts
from tt_scale.errors import PRMError
from tt_scale.prm.adapters.base import Checkpoint
from tt_scale.prm.adapters.chat import QUESTION_SLOT, rendered
from tt_scale.prm.adapters.plain_text import Part, PlainText

__all__ = ["SpanInput", "StepSpans", "numbered"]

SOLUTION_SLOT = "{the solution}"


@dataclass(frozen=True, slots=True)
class SpanInput:
    """Token ids of one path, and the token spans of its unscored steps.

    Attributes:
        ids: token ids, up to the end of the last step [length].
        spans: first token and one past the last of each unscored step [new steps].
    """

    ids: tuple[int, ...]
    spans: tuple[tuple[int, int], ...]


class StepSpans:
    """Encodes paths in a model's chat format, and locates the tokens of each step.

    Args:
        checkpoint: the model whose chat template is used.

    Raises:
        PRMError: there is no chat template, or it does not render question and solution.
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        messages = [{"role": "user", "content": QUESTION_SLOT}, {"role": "assistant", "content": SOLUTION_SLOT}]
        text = rendered(checkpoint, messages, False)
        before, _, rest = text.partition(QUESTION_SLOT)
        between, slot, after = rest.partition(SOLUTION_SLOT)
        if not slot:
            raise PRMError(f"The chat template of {checkpoint.name!r} does not write a question and its answer.")
        self._before, self._between, self._after = [Part(each, ours=True) for each in (before, between, after)]
        self._delimiters = checkpoint.delimiters
        self._text = PlainText(checkpoint.tokens)

    def read(self, problem: Problem, path: Path) -> SpanInput:
        """Build the model input that scores the unscored steps of a path."""
        steps = numbered(step_texts(path.steps, self._delimiters))
        prompt = [self._before, Part(problem.question), self._between]
        turn = [Part(f"{step}\n\n") for step in steps]
        if path.is_finished:
            turn[-1] = Part(steps[-1])
        ids, offsets = self._text.encode_parts([*prompt, *turn, *([self._after] if path.is_finished else [])])
        begin = sum([len(part.text) for part in prompt])
        edges = [begin + length for length in accumulate([len(part.text) for part in turn], initial=0)]
        starts = [start for start, _ in offsets]
        firsts = [_first_from(starts, edge) for edge in edges]
        if path.is_finished and self._after.text:
            firsts[-1] += 1  # the token that ends the turn
        spans = list(pairwise(firsts))[len(path.scores) :]
        return SpanInput(tuple(ids[: firsts[-1]]), tuple(spans))


def _first_from(starts: Sequence[int], edge: int) -> int:
    """Return the index of the first token that begins at or after a character offset."""
    return next((index for index, start in enumerate(starts) if start >= edge), len(starts))


def numbered(steps: Sequence[str]) -> list[str]:
    """Prefix steps with `Step 1: ` and so on, unless they already begin with it."""
    headings = [f"Step {number}: " for number in range(1, len(steps) + 1)]
    return [
        step if step.startswith(heading.rstrip()) else f"{heading}{step}"
        for step, heading in zip(steps, headings, strict=True)
    ]
