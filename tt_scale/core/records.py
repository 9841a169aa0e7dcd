"""The records that generators, PRMs and searches exchange."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from tt_scale.errors import PRMError

__all__ = ["Ended", "Problem", "Sampling", "Scores", "Step", "StepRequest", "Weights"]

Ended = Literal["stop", "eos", "length", "context", "error"]
"""Why a step ended: as steps end (at a delimiter, or with its last of `step_tokens`), end of sequence, cut by a token
limit, no room left in the context, or a failed request."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One benchmark item.

    Attributes:
        id: stable across runs and samples of the same set.
        question: what the model is asked.
        answer: the gold answer; never shown to a search.
        level: difficulty as the set states it (1 is easiest), if it does.
        subject: the set's own subject, if it has one.
        source: the name of the set.
    """

    id: str
    question: str
    answer: str
    level: int | None = None
    subject: str | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are drawn. Everything is explicit: a model's own `generation_config` is never inherited.

    Attributes:
        temperature: 0 is greedy; at most 2.
        top_p: nucleus mass in (0, 1]; 1 is off.
        top_k: tokens considered; 0 is off.
        min_p: least probability relative to the most likely token, in [0, 1]; 0 is off.
        repetition_penalty: above 0; 1 is off.
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
        ids: the prompt and everything sampled so far, as token ids [length].
        sampling: how to draw.
        stop: delimiters; the step ends with the token that completes one. Empty: grow to the end.
        max_tokens: at least 1; already cut to the room that the context leaves.
        seed: of this request alone.
        priority: lower goes first where the engine has a queue.
        top_logprobs: how many of the likeliest tokens `Step.confidences` looks at; 0 asks for no log-probabilities.
        number: of the child among all that its parent ever had, from 0; samples that were recorded are drawn by it.
        repeat: which of several searches of the same problem asks, from 0.
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
    """One unit of reasoning: what a generator returns and a PRM scores.

    Attributes:
        text: the decoded ids, delimiter included.
        ids: the sampled token ids [length]. They, not the text, are continued.
        ended: why it ended.
        seed: of the request that drew it.
        temperature: at which it was drawn.
        cached: how many prompt tokens of that request the engine did not compute again.
        error: what went wrong where `ended` is "error".
        logprobs: natural logarithm of the probability of each id, at temperature 1 and before any filter or penalty
            [length]; empty where nobody asked.
        confidences: at each id the mean of -ln p over the likeliest tokens there, whichever was drawn: high where the
            model is sure [length]; empty where nobody asked. Source: Fu et al. 2025 (arXiv 2508.15260).
        prompt_tokens: of the request, as a server counted them; 0 where they are the request's ids.
        divided: texts of the steps of a whole solution, where its source says what they are; empty where they end at
            delimiters [steps]. Joined, they are `text`.
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
    """What a PRM says of the steps of one path that had no score yet.

    Attributes:
        values: one number in [0, 1] for each new step, in order.
        tokens: that the PRM was given for it, and those that it wrote itself where it argues before it judges.
        cached: how many of them it did not compute again.
        too_long: the path does not fit into what the PRM can read; there are no values then.
        parts: where several PRMs scored, each one's own values by its name [new steps].
        flops: of it; None means 2 x `PRM.parameters` for each token that was computed.
    """

    values: tuple[float, ...]
    tokens: int = 0
    cached: int = 0
    too_long: bool = False
    parts: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    flops: float | None = None

    def check(self, new_steps: int, who: str = "The PRM", hint: str = "") -> None:
        """Make sure that there is one probability for each new step; none where the path is too long.

        Args:
            new_steps: how many of the path had no score.
            who: gave the scores.
            hint: what to do about a number that is no probability.

        Raises:
            PRMError: there are more or fewer, or one is no probability.
        """
        wanted = 0 if self.too_long else new_steps
        if len(self.values) != wanted:
            raise PRMError(f"{who} gave {len(self.values)} scores for {wanted} new steps; one each is needed.")
        for value in self.values:
            if not 0.0 <= value <= 1.0:  # a number that is none fails here too
                raise PRMError(f"{who} gave the score {value}; a score lies between 0 and 1.", hint)


@dataclass(frozen=True, slots=True)
class Weights:
    """A model that a backend loads.

    Attributes:
        name: hub name, local folder, or a short name that comes with tt_scale.
        revision: branch, tag or commit on the hub; None is the newest.
        engine: what loads it: "vllm", "huggingface", or what else `PRM.engine` allows; empty where none of ours does.
    """

    name: str
    revision: str | None = None
    engine: str = ""
