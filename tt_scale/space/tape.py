"""What one search was given from outside: enough to run it again exactly, with no model and no clock.

A search is a function of its configuration, its seeds, and the answers that it gets from generator, PRM, clock and
answer classes. A tape holds those answers in the order in which they were asked for. `bench/replay` plays it back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from tt_scale.core.path import Key
from tt_scale.core.records import Scores, Step

__all__ = ["AnswerClasses", "Call", "Failure", "GeneratorCall", "PRMCall", "SampledRequest", "Tape", "TokenTexts"]


@dataclass(slots=True)
class SampledRequest:
    """One request to the generator, and its answer.

    Attributes:
        key: of the child that it was made for.
        seed: of the request.
        max_tokens: most tokens that it was allowed, at least 1.
        temperature: at which it was sampled.
        delimited: whether delimiters could end it.
        top_logprobs: how many of the likeliest tokens its confidences use; 0 asks for no log-probabilities.
        step: as the generator returned it; None before, and where the whole call failed.
    """

    key: Key
    seed: int
    max_tokens: int
    temperature: float
    delimited: bool
    top_logprobs: int = 0
    step: Step | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """An exception that ended a call.

    Attributes:
        kind: name of its class.
        message: its text.
    """

    kind: str
    message: str


UNANSWERED = Failure("Unanswered", "The search ended before the answer.")
"""Of a call that was in flight when its search ended: a method may overlap calls, and one of them fail."""


@dataclass(slots=True)
class GeneratorCall:
    """One call of `Generator.generate`.

    Attributes:
        requests: in their order [requests].
        failure: what was raised; None where the call was answered.
    """

    requests: list[SampledRequest]
    failure: Failure | None = None

    @property
    def in_flight(self) -> bool:
        """Whether there is neither an answer nor a failure yet."""
        return self.failure is None and any(request.step is None for request in self.requests)

    def given_up(self) -> GeneratorCall:
        """The same call as one that will not be answered."""
        return GeneratorCall(list(map(replace, self.requests)), UNANSWERED)


@dataclass(slots=True)
class PRMCall:
    """One call of `PRM.score`.

    Attributes:
        keys: of the paths, in their order [paths].
        scores: of each [paths]; empty where the call failed.
        failure: what was raised; None where the call was answered.
    """

    keys: list[Key]
    scores: list[Scores] = field(default_factory=list)
    failure: Failure | None = None

    @property
    def in_flight(self) -> bool:
        """Whether there is neither an answer nor a failure yet."""
        return self.failure is None and len(self.scores) < len(self.keys)

    def given_up(self) -> PRMCall:
        """The same call as one that will not be answered."""
        return PRMCall(list(self.keys), [], UNANSWERED)


@dataclass(frozen=True, slots=True)
class AnswerClasses:
    """Which of some answers are the same.

    Attributes:
        answers: as the space found them; None where a path states none [answers].
        classes: of each, from 0 in order of first appearance, or `selection.NO_ANSWER` [answers].
    """

    answers: tuple[str | None, ...]
    classes: tuple[int, ...]


Call = GeneratorCall | PRMCall

TokenTexts = tuple[str, ...]
"""The text that each token of a sequence adds [tokens]."""


@dataclass(slots=True)
class Tape:
    """Everything that crossed the border of one search, in order.

    Attributes:
        prompt_tokens: length of the prompt.
        prompt_end: text of its last tokens, which decides whether a reasoning block is open.
        context: most tokens of prompt and output together.
        parameters: of the generator.
        most_logprobs: the largest `top_logprobs` that the generator answers.
        reasoning_tags: opening and closing tags that its chat template names.
        prm: parameters and `top_logprobs` of the PRM; None where there is none.
        calls: of generator and PRM, in the order in which they were made.
        order: where calls overlapped, i for the start of call i and -1 - i for its answer, in the order in which they
            happened; empty where each call was answered before the next one was made. A call without an answer has a
            start alone.
        texts: token texts of every sequence of ids for which the search asked.
        lead_in: ids that make the model state its answer; None where nobody asked.
        groupings: answers whose classes a method asked for, in order.
        bars: (quantile, relaxed by) -> score that passes.
        timeout: which check of the clock, from 1, found `max_seconds` exceeded; 0 for none.
    """

    prompt_tokens: int = 0
    prompt_end: str = ""
    context: int = 0
    parameters: int = 0
    most_logprobs: int = 0
    reasoning_tags: tuple[tuple[str, str], ...] = ()
    prm: tuple[int, int] | None = None
    calls: list[Call] = field(default_factory=list)
    order: list[int] = field(default_factory=list)
    texts: dict[tuple[int, ...], TokenTexts] = field(default_factory=dict)
    lead_in: tuple[int, ...] | None = None
    groupings: list[AnswerClasses] = field(default_factory=list)
    bars: Mapping[tuple[str, float], float] = field(default_factory=dict)
    timeout: int = 0

    @property
    def requests(self) -> list[SampledRequest]:
        """All requests to the generator, in order."""
        return [request for call in self.calls if isinstance(call, GeneratorCall) for request in call.requests]
