r"""Which tokens of a chat belong to which step, for PRMs whose reward is a sum over the tokens of a step.

The assistant's turn is `Step 1: ...`, a blank line, `Step 2: ...` and so on, tokenised as one text. The blank line
belongs to the step that it ends, and the end of the turn to the last step of a finished path, so that the tokens of a
step are the same whether it is read as the newest one or with others behind it. (The authors' script ends a step one
or two tokens later, inside the next one, which a search cannot know; the last step of a solution ends where theirs
does.)
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
from tt_scale.prm.adapters.chat import PLACE, rendered
from tt_scale.prm.adapters.plain_text import Part, PlainText

__all__ = ["SpanReading", "StepSpans", "numbered"]

SOLUTION = "{the solution}"


@dataclass(frozen=True, slots=True)
class SpanReading:
    """What is given to the models and which of it is judged.

    Attributes:
        ids: token ids, ending with the newest step [length].
        spans: first token and one past the last of each step that has no score yet [new steps].
    """

    ids: tuple[int, ...]
    spans: tuple[tuple[int, int], ...]


class StepSpans:
    """Lays out paths.

    Args:
        checkpoint: whose chat template it is.

    Raises:
        PRMError: there is no chat template, or it does not write what it is given.
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        messages = [{"role": "user", "content": PLACE}, {"role": "assistant", "content": SOLUTION}]
        text = rendered(checkpoint, messages, False)
        before, _, rest = text.partition(PLACE)
        between, found, after = rest.partition(SOLUTION)
        if not found:
            raise PRMError(f"The chat template of {checkpoint.name!r} does not write a question and its answer.")
        self._before, self._between, self._after = [Part(each, ours=True) for each in (before, between, after)]
        self._delimiters = checkpoint.delimiters
        self._text = PlainText(checkpoint.tokens)

    def read(self, problem: Problem, path: Path) -> SpanReading:
        """Say what must be read for the steps of a path that have no score yet."""
        steps = numbered(step_texts(path.steps, self._delimiters))
        parts = [self._before, Part(problem.question), self._between]
        said = [Part(f"{step}\n\n") for step in steps]
        if path.is_finished:
            said[-1] = Part(steps[-1])
        ids, places = self._text.encode_parts([*parts, *said, *([self._after] if path.is_finished else [])])
        begin = sum([len(part.text) for part in parts])
        edges = [begin + length for length in accumulate([len(part.text) for part in said], initial=0)]
        starts = [start for start, _ in places]
        firsts = [_first_from(starts, edge) for edge in edges]
        if path.is_finished and self._after.text:
            firsts[-1] += 1  # the token that ends the turn
        spans = list(pairwise(firsts))[len(path.scores) :]
        return SpanReading(tuple(ids[: firsts[-1]]), tuple(spans))


def _first_from(starts: Sequence[int], edge: int) -> int:
    """Give the number of the first token that begins at a character or behind it."""
    return next((number for number, start in enumerate(starts) if start >= edge), len(starts))


def numbered(steps: Sequence[str]) -> list[str]:
    """Put `Step 1: ` and so on before steps that do not begin so."""
    headings = [f"Step {number}: " for number in range(1, len(steps) + 1)]
    return [
        step if step.startswith(heading.rstrip()) else f"{heading}{step}"
        for step, heading in zip(steps, headings, strict=True)
    ]
