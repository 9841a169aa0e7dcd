"""The records that generators, PRMs and searches exchange."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from tt_scale.errors import PRMError

__all__ = ["Ended", "Message", "Problem", "Sampling", "Scores", "Step", "StepRequest", "Weights"]

Ended = Literal["stop", "eos", "length", "context", "error"]
"""Why a step ended: at a delimiter or after `step_tokens`, at the end of the sequence, at a token limit, because the
context is full, or because the request failed."""


@dataclass(frozen=True, slots=True)
class Message:
    """An earlier turn of a conversation.

    Attributes:
        role: "user" or "assistant", or another that the model's chat template takes.
        content: its text.
    """

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Problem:
    """One benchmark item.

    Attributes:
        id: stable across runs and subsets of the same problem set.
        question: text of the question.
        answer: gold answer; never passed to a search.
        level: difficulty level of the set (1 is easiest), if it has levels.
        subject: subject of the set, if it has subjects.
        source: name of the set.
        turns: earlier turns of the conversation, oldest first; a system message is not part of it.
        verbatim: whether the question is the whole prompt, without a chat template.
    """

    id: str
    question: str
    answer: str
    level: int | None = None
    subject: str | None = None
    source: str | None = None
    turns: tuple[Message, ...] = ()
    verbatim: bool = False


@dataclass(frozen=True, slots=True)
class Sampling:
    """Sampling parameters. All are explicit: a model's own `generation_config` is never applied.

    Attributes:
        temperature: 0 is greedy; at most 2.
        top_p: nucleus mass in (0, 1]; 1 disables it.
        top_k: number of tokens considered; 0 disables it.
        min_p: minimum probability relative to the most likely token, in [0, 1]; 0 disables it.
        repetition_penalty: above 0; 1 disables it.
    """

    temperature: float = 0.7
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    repetition_penalty: float = 1.0


@dataclass(frozen=True, slots=True)
class StepRequest:
    """One continuation to sample.

    Attributes:
        ids: token ids of the prompt and of all steps so far [length].
        sampling: sampling parameters.
        stop: delimiters; the step ends with the token that completes one. Empty: sample to the end of the solution.
        max_tokens: maximum number of new tokens, at least 1; already limited to the remaining context.
        seed: seed of this request alone.
        priority: scheduling priority for engines that have a queue; lower values first.
        top_logprobs: number of most likely tokens that `Step.confidences` averages; 0 requests no log-probabilities.
        number: number of the child among all that its parent ever had, from 0; selects a recorded sample.
        repeat: number of the search among several searches of the same problem, from 0.
    """

    ids: tuple[int, ...]
    sampling: Sampling
    stop: tuple[str, ...]
    max_tokens: int
    seed: int
    priority: int = 0
    top_logprobs: int = 0
    number: int = 0
    repeat: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """One reasoning step: the unit that a generator returns and a PRM scores.

    Attributes:
        text: the decoded ids, including the delimiter.
        ids: the sampled token ids [length]; the next request continues them, not the text.
        ended: why it ended.
        seed: seed of its request.
        temperature: temperature of its request.
        cached: number of prompt tokens of its request that the engine had in its prefix cache.
        error: description of the failure if `ended` is "error".
        logprobs: natural logarithm of the probability of each id, at temperature 1 and before any filter or penalty
            [length]; empty if not requested.
        confidences: mean of -ln p over the most likely tokens at each position, whichever was sampled; high where the
            model is sure [length]; empty if not requested. Source: Fu et al. 2025 (arXiv 2508.15260).
        prompt_tokens: number of prompt tokens that a server reported; 0 if it is the number of the request's ids.
        divided: texts of the steps of a whole solution, if its source states them [steps]; joined, they are `text`.
            Empty if the steps end at delimiters.
    """

    text: str
    ids: tuple[int, ...]
    ended: Ended
    seed: int = 0
    temperature: float = 0.0
    cached: int = 0
    error: str = ""
    logprobs: tuple[float, ...] = ()
    confidences: tuple[float, ...] = ()
    prompt_tokens: int = 0
    divided: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores of the steps of one path that had none yet, and their cost.

    Attributes:
        values: one number in [0, 1] for each new step, in order.
        tokens: number of tokens that the PRM read, and wrote if it is generative.
        cached: number of them that came from its prefix cache.
        too_long: whether the path exceeds the PRM's context; there are no values then.
        parts: values of each member of an ensemble by its name [new steps].
        flops: cost in FLOPs; None means 2 x `PRM.parameters` for each computed token.
    """

    values: tuple[float, ...]
    tokens: int = 0
    cached: int = 0
    too_long: bool = False
    parts: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    flops: float | None = None

    def check(self, new_steps: int, who: str = "The PRM", hint: str = "") -> None:
        """Check that there is one probability for each new step, or none if the path is too long.

        Args:
            new_steps: number of steps of the path that had no score.
            who: returned the scores, for the message.
            hint: what to do about a score outside [0, 1].

        Raises:
            PRMError: the number of scores is wrong, or one is not in [0, 1].
        """
        expected = 0 if self.too_long else new_steps
        if len(self.values) != expected:
            raise PRMError(f"{who} returned {len(self.values)} scores for {expected} new steps; expected one per step.")
        for value in self.values:
            if not 0.0 <= value <= 1.0:  # NaN fails here too
                raise PRMError(f"{who} returned the score {value}; a score must be between 0 and 1.", hint)


@dataclass(frozen=True, slots=True)
class Weights:
    """A model that a backend loads.

    Attributes:
        name: hub name, local folder, or one of the short names of tt_scale.
        revision: branch, tag or commit on the hub; None is the newest commit of the default branch.
        engine: engine that loads it: "vllm", "huggingface" or another value that `PRM.engine` allows; empty if it is
            none of the built-in ones.
    """

    name: str
    revision: str | None = None
    engine: str = ""
