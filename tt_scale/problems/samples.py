r"""The samples of one problem, as files of recorded solutions hold them; this is the one reader of that form.

A row is a row of a problem set with a list of `samples`::

    {"question": "What is 2 + 3 * 4?", "answer": "14", "samples": [
        {"text": "3 * 4 = 12.\n\nIt is \\boxed{14}.", "tokens": 15, "correct": true,
         "scores": {"owner/prm": [0.98, 0.95]}}]}

`docs/recorded.md` describes every field. Scores, steps and token counts are taken as they are given: nothing is split
or counted again, so that a sample may have more or fewer scores than its text has paragraphs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tt_scale.core.logprobs import TOP_LOGPROBS, confidence
from tt_scale.core.printable import listed, shown
from tt_scale.errors import ProblemSetError
from tt_scale.problems.rows import Row, kind

__all__ = ["UNNAMED", "RecordedSample", "finite", "list_of", "read_samples"]

UNNAMED = "recorded"
"""The PRM's name where a sample has one list of scores, without a name."""

TOKENS = ("tokens", "n_tokens")
VERDICT = ("correct", "upstream_correct")


@dataclass(frozen=True, slots=True)
class RecordedSample:
    """One recorded solution.

    Attributes:
        text: the whole solution, its steps joined by blank lines; or its end where that is all that was kept.
        whole: whether `text` is the whole solution.
        steps: its steps, where the source gives them as texts; empty otherwise [steps].
        tokens: generated tokens; None if the source does not say.
        correct: verdict of the source on its final answer; None if it gives none.
        scores: PRM -> scores of the steps [steps].
        answer: its final answer as the source has it; None if it has none, or the source does not say.
        answered: whether the source says what its final answer is, or that it has none.
        finished: whether it ended by itself; otherwise a limit ended it.
        logprobs: log-probability of each token [tokens]; empty if they were not kept.
        confidences: as of `core.records.Step` [tokens]; empty if they were not kept.
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


def read_samples(row: Row) -> list[RecordedSample]:
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
        row: that it is in.
        number: of the sample, from 0.
        values: its fields.
    """

    row: Row
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
            return text, True  # the model said nothing
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
            raise self._wrong(name, value, "a whole number from 0 on")
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


def list_of(row: Row, values: Mapping[str, Any], name: str, allowed: Callable[[Any], bool], wanted: str) -> list[Any]:
    """Read a list that is not empty.

    Args:
        row: that the value is in, for the message.
        values: fields of the row, or of a part of it.
        name: of the field.
        allowed: whether an item is valid.
        wanted: what a valid item is, for the message.

    Raises:
        ProblemSetError: it is missing, no list, empty, or holds an invalid item.
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
