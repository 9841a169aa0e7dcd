r"""Parsing of the recorded samples of a problem; all readers of files of recorded samples use it.

A row is a row of a problem set with a list of `samples`::

    {"question": "What is 2 + 3 * 4?", "answer": "14", "samples": [
        {"text": "3 * 4 = 12.\n\nIt is \\boxed{14}.", "tokens": 15, "correct": true,
         "scores": {"owner/prm": [0.98, 0.95]}}]}

`docs/recorded.md` describes every field. Scores, steps and token counts are used as given: nothing is split or counted
again, so that the number of scores may differ from the number of paragraphs of the text.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tt_scale.core.logprobs import TOP_LOGPROBS, confidence
from tt_scale.core.printable import listed, shown
from tt_scale.errors import ProblemSetError
from tt_scale.problems.rows import RawRow, kind

__all__ = ["UNNAMED", "RecordedSample", "finite", "list_of", "read_samples"]

UNNAMED = "recorded"
"""Name of the PRM if a sample has a single list of scores without a name."""

TOKENS = ("tokens", "n_tokens")
VERDICT = ("correct", "upstream_correct")


@dataclass(frozen=True, slots=True)
class RecordedSample:
    """One recorded solution.

    Attributes:
        text: the whole solution, its steps joined by blank lines; or its end, if only that was recorded.
        whole: whether `text` is the whole solution.
        steps: texts of its steps, if the source states them; otherwise empty [steps].
        tokens: number of generated tokens; None if unknown.
        correct: whether the source grades its final answer as correct; None if unknown.
        scores: scores of the steps by PRM [steps].
        answer: its final answer by the source; None if it has none, or if unknown.
        answered: whether the source states its final answer, or that it has none.
        finished: whether it ended by itself; otherwise a limit ended it.
        logprobs: log-probability of each token [tokens]; empty if not recorded.
        confidences: as in `core.records.Step` [tokens]; empty if not recorded.
    """

    text: str
    whole: bool
    steps: tuple[str, ...]
    tokens: int | None
    correct: bool | None
    scores: Mapping[str, tuple[float, ...]]
    answer: str | None = None
    answered: bool = False
    finished: bool = True
    logprobs: tuple[float, ...] = ()
    confidences: tuple[float, ...] = ()


def read_samples(row: RawRow) -> list[RecordedSample]:
    """Read the samples of a row.

    Raises:
        ProblemSetError: there are none, or a field of one is invalid.
    """
    samples = list_of(row, row.values, "samples", lambda value: isinstance(value, dict), "object")
    return [_Fields(row, number, values).sample() for number, values in enumerate(samples)]


@dataclass(frozen=True, slots=True)
class _Fields:
    """The fields of one sample.

    Attributes:
        row: row of the sample.
        number: index of the sample, from 0.
        values: its fields.
    """

    row: RawRow
    number: int
    values: Mapping[str, Any]

    def sample(self) -> RecordedSample:
        """Read all fields."""
        scores = self._scores()
        steps = self._steps()
        text, whole = self._text(steps, scores)
        tokens = self._tokens()
        logprobs, confidences = self._logprobs(tokens)
        return RecordedSample(
            text,
            whole,
            steps,
            tokens,
            self._verdict(),
            scores,
            self._answer(),
            "answer" in self.values,
            self._finished(),
            logprobs,
            confidences,
        )

    def _text(self, steps: Sequence[str], scores: Mapping[str, Sequence[float]]) -> tuple[str, bool]:
        """The solution, and whether it is whole."""
        if steps:
            return "\n\n".join(steps), True
        text = self.values.get("text")
        if isinstance(text, str) and text.strip():
            return text, True
        end = self.values.get("end")
        if isinstance(end, str) and any(scores.values()):
            return end, False
        if isinstance(text, str) and "text" in self.values and "end" not in self.values:
            return text, True  # an empty solution
        raise ProblemSetError(
            f"{self._place} has no steps; fields present: {listed(self.values) or 'none'}.",
            'Write "steps": ["...", "..."], or "text": "...".',
        )

    def _steps(self) -> tuple[str, ...]:
        if "steps" not in self.values:
            return ()
        return tuple(list_of(self.row, self.values, "steps", lambda value: isinstance(value, str), "text"))

    def _tokens(self) -> int | None:
        name, value = self._first(TOKENS)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 31):
            raise self._wrong(name, value, "an integer of at least 0")
        return value

    def _verdict(self) -> bool | None:
        name, value = self._first(VERDICT)
        if value is not None and not isinstance(value, bool):
            raise self._wrong(name, value, "true or false")
        return value

    def _answer(self) -> str | None:
        answer = self.values.get("answer")
        if answer is not None and not isinstance(answer, str):
            raise self._wrong("answer", answer, "text or null")
        return (answer or "").strip() or None

    def _finished(self) -> bool:
        reason = self.values.get("finish_reason")
        if reason is not None and not isinstance(reason, str):
            raise self._wrong("finish_reason", reason, "text or null")
        return reason != "length"

    def _scores(self) -> dict[str, tuple[float, ...]]:
        scores = self.values.get("scores")
        if scores is None:
            return {}
        by_name = scores if isinstance(scores, dict) else {UNNAMED: scores}
        return {name: self._numbers("scores", {"scores": own}) for name, own in by_name.items()}

    def _logprobs(self, tokens: int | None) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Log-probability and confidence of each token; both, or none."""
        if "logprobs" not in self.values:
            return (), ()
        logprobs = self._numbers("logprobs", self.values)
        if "confidences" in self.values:
            confidences = self._numbers("confidences", self.values)
        elif "top_logprobs" in self.values:
            lists = list_of(self.row, self.values, "top_logprobs", lambda value: isinstance(value, list), "list")
            confidences = tuple(
                [confidence(self._numbers("top_logprobs", {"top_logprobs": each}), TOP_LOGPROBS) for each in lists]
            )
        else:
            return (), ()
        if not len(logprobs) == len(confidences) == tokens:
            raise ProblemSetError(
                f"{self._place} has {len(logprobs)} logprobs and {len(confidences)} confidences for "
                f"{'an unknown number of' if tokens is None else tokens} tokens.",
                'Write one for each token, and "tokens": their number.',
            )
        return logprobs, confidences

    def _numbers(self, name: str, values: Mapping[str, Any]) -> tuple[float, ...]:
        return tuple(map(float, list_of(self.row, values, name, finite, "number")))

    def _first(self, names: Sequence[str]) -> tuple[str, Any]:
        return next(((name, self.values[name]) for name in names if name in self.values), (names[0], None))

    def _wrong(self, name: str, value: Any, allowed: str) -> ProblemSetError:
        return ProblemSetError(f"{self.row.place}: {name} of sample {self.number} is {shown(value)}, not {allowed}.")

    @property
    def _place(self) -> str:
        return f"{self.row.place}: sample {self.number}"


def list_of(
    row: RawRow, values: Mapping[str, Any], name: str, allowed: Callable[[Any], bool], wanted: str
) -> list[Any]:
    """Read a nonempty list.

    Args:
        row: row of the value, for the message.
        values: fields of the row, or of a part of it.
        name: name of the field.
        allowed: whether an item is valid.
        wanted: description of a valid item, for the message.

    Raises:
        ProblemSetError: it is missing, not a list or empty, or contains an invalid item.
    """
    items = values.get(name)
    if not isinstance(items, list) or not items:
        fault = f"a {kind(items)}" if items is not None else "missing"
        raise ProblemSetError(f"{row.place}: {name} is {fault}; a list that is not empty is needed.")
    wrong = next((value for value in items if not allowed(value)), ...)
    if wrong is not ...:
        hint = "Of PRM800K's ratings, 1 and 0 are true and -1 is false." if wrong == -1 and name == "labels" else ""
        raise ProblemSetError(f"{row.place}: {name} holds {shown(wrong)}; allowed: {wanted}.", hint)
    return items


def finite(value: Any) -> bool:
    """Whether a value is a number in the range of a float; JSON integers are unbounded."""
    return isinstance(value, int | float) and not isinstance(value, bool) and not 1e300 < abs(value) < math.inf
