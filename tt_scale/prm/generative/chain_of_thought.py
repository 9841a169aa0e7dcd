"""A chain of thought, written part by part, at the end of which one token is a verdict."""

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
"""Tokens kept free behind a chain, for the words with which the verdict is asked."""


class NoRoomError(Exception):
    """The context has no room for what is to be written."""


class Chain:
    """A chain of thought that is being written.

    Args:
        model: that writes it.
        text: turns text into token ids.
        parts: what it is given first.
        sampling: how it writes.
        about: what the seeds come from.
        seed: of the run.
        sample: number of the chain among those about the same, from 0.

    Attributes:
        tokens: given and written so far, those of every call.
        cached: how many of them were not computed again.
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
        self._writings = 0

    def add(self, text: str) -> None:
        """Put words of the protocol behind what stands there."""
        self._parts.append(Part(text))

    @property
    def ids(self) -> tuple[int, ...]:
        """All that stands there, as token ids [length]."""
        return tuple(self._text.encode_parts(self._parts)[0])

    async def write(self, stop: Sequence[str], most: int) -> tuple[str, str]:
        """Let the model go on, and put what it wrote behind what stands there.

        Args:
            stop: texts at which it ends.
            most: tokens, at least 1.

        Returns:
            What it wrote up to the first of `stop`, and which that was; empty where it ended otherwise.

        Raises:
            PRMError: the model failed.
            NoRoomError: the context does not hold so many tokens more.
        """
        ids = self.ids
        if len(ids) + most + VERDICT_ROOM > self._model.context:
            raise NoRoomError
        seed = derive_seed(self._seed, self._about, (), self._sample, self._writings)
        self._writings += 1
        [step] = await self._model.generate([StepRequest(ids, self._sampling, tuple(stop), most, seed)])
        if step.ended == "error":
            raise PRMError(f"The PRM failed to write: {step.error}")
        self.tokens += len(ids) + len(step.ids)
        self.cached += step.cached
        ends = [(place, mark) for mark in stop if (place := step.text.find(mark)) >= 0]
        place, mark = min(ends, default=(len(step.text), ""))
        self._parts.append(Part(step.text[:place]))
        return step.text[:place], mark

    async def share(self, right: int, wrong: int) -> float:
        """Read how likely one token is to come next rather than another.

        Raises:
            PRMError: neither can be.
            NoRoomError: all that stands there does not fit into the context.
        """
        ids = self.ids
        if len(ids) + 2 > self._model.context:
            raise NoRoomError
        [choice] = await self._model.choose([ids], [right, wrong])
        self.tokens += len(ids)
        self.cached += choice.cached
        yes, no = choice.logprobs
        if not math.isfinite(max(yes, no)):
            raise PRMError(f"The PRM finds neither verdict possible: log-probabilities {yes}, {no}.")
        odds = math.exp(-abs(yes - no))
        return 1 / (1 + odds) if yes >= no else odds / (1 + odds)
