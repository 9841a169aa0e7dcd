"""A chain of thought that is generated in several calls and ends in a one-token verdict."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tt_scale.core.records import Sampling, StepRequest
from tt_scale.core.seeds import derive_seed
from tt_scale.errors import PRMError
from tt_scale.generator.language_model import LanguageModel
from tt_scale.prm.adapters.plain_text import Part, PlainText

__all__ = ["VERDICT_ROOM", "Chain", "NoRoomError"]

VERDICT_ROOM = 64
"""Tokens of the context reserved behind a chain for the text that asks for the verdict."""


class NoRoomError(Exception):
    """The context has no room for the tokens to generate."""


class Chain:
    """A chain of thought under construction.

    Args:
        model: language model that writes it.
        text: tokeniser of its parts.
        parts: prompt.
        sampling: sampling parameters.
        about: text from which the seeds are derived.
        seed: seed of the run.
        sample: index of the chain among those with the same prompt, from 0.

    Attributes:
        tokens: prompt and generated tokens so far, summed over all calls.
        cached: how many of them came from a cache.
    """

    def __init__(
        self,
        model: LanguageModel,
        text: PlainText,
        parts: Sequence[Part],
        sampling: Sampling,
        *,
        about: str,
        seed: int,
        sample: int,
    ) -> None:
        self.tokens = 0
        self.cached = 0
        self._model = model
        self._text = text
        self._parts = list(parts)
        self._sampling = sampling
        self._about = about
        self._seed = seed
        self._sample = sample
        self._calls = 0

    def add(self, text: str) -> None:
        """Append text of the prompt format."""
        self._parts.append(Part(text))

    @property
    def ids(self) -> tuple[int, ...]:
        """Token ids of prompt and chain so far [length]."""
        return tuple(self._text.encode_parts(self._parts)[0])

    async def write(self, stop: Sequence[str], most: int) -> tuple[str, str]:
        """Generate a continuation and append it.

        Args:
            stop: strings at which generation ends.
            most: token limit, at least 1.

        Returns:
            The generated text before the first stop string, and that string; empty if generation ended otherwise.

        Raises:
            PRMError: the model failed.
            NoRoomError: the context has no room for that many tokens.
        """
        ids = self.ids
        if len(ids) + most + VERDICT_ROOM > self._model.context:
            raise NoRoomError
        seed = derive_seed(self._seed, self._about, (), self._sample, self._calls)
        self._calls += 1
        [step] = await self._model.generate([StepRequest(ids, self._sampling, tuple(stop), most, seed)])
        if step.ended == "error":
            raise PRMError(f"The PRM failed to generate: {step.error}")
        self.tokens += len(ids) + len(step.ids)
        self.cached += step.cached
        matches = [(start, string) for string in stop if (start := step.text.find(string)) >= 0]
        end, string = min(matches, default=(len(step.text), ""))
        self._parts.append(Part(step.text[:end]))
        return step.text[:end], string

    async def share(self, right: int, wrong: int) -> float:
        """Return the probability of one next token relative to another, in [0, 1].

        Raises:
            PRMError: both tokens have probability 0.
            NoRoomError: the chain does not fit into the context.
        """
        ids = self.ids
        if len(ids) + 2 > self._model.context:
            raise NoRoomError
        [choice] = await self._model.choose([ids], [right, wrong])
        self.tokens += len(ids)
        self.cached += choice.cached
        yes, no = choice.logprobs
        if not math.isfinite(max(yes, no)):
            raise PRMError(f"The PRM gives both verdicts probability 0: log-probabilities {yes}, {no}.")
        odds = math.exp(-abs(yes - no))
        return 1 / (1 + odds) if yes >= no else odds / (1 + odds)
