"""A generator without a model: it thinks for one step and guesses a digit. Its tokens are characters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from tt_scale import Generator, Problem, Step, StepRequest
from tt_scale.base_classes import Ended

if TYPE_CHECKING:
    from typing_extensions import Self

    from tt_scale import Config

__all__ = ["GuessGenerator"]

PROMPT_END = "\x02"
THOUGHT, ANSWER = "Let me think.\n\n", "So it is \\boxed{"


class GuessGenerator(Generator):
    """Guesses; every path has two steps, and its digit is that of a request's seed.

    Args:
        context: most tokens of prompt and solution together.
    """

    summary: ClassVar[str] = "guesses a digit; no model"
    own_name: ClassVar[str] = "guess"  # `--model-name guess` is enough
    default_context: ClassVar[int | None] = 4096  # where `max_model_len` is null

    def __init__(self, context: int) -> None:
        self.context = context

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """Take the context."""
        return cls(config.context)

    def prompt(self, problem: Problem, system_prompt: str) -> tuple[int, ...]:
        """Give the characters of the question."""
        return tuple(map(ord, problem.question + PROMPT_END))

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """Give each character."""
        return list(map(chr, ids))

    def lead_in(self, final_answer_prefix: str) -> tuple[int, ...]:
        """Give the characters before a digit."""
        return tuple(map(ord, ANSWER))

    async def generate(self, requests: Sequence[StepRequest]) -> list[Step]:
        """Write on from what is there, to the end of the step or of the solution."""
        return [self._step(request) for request in requests]

    def _step(self, request: StepRequest) -> Step:
        written = "".join(map(chr, request.ids)).partition(PROMPT_END)[2]
        rest = _rest(written, request.seed % 10)
        stops_early = THOUGHT.endswith(request.stop) and len(written) < len(THOUGHT)
        wanted = rest[: len(THOUGHT) - len(written)] if stops_early else rest
        text = wanted[: request.max_tokens]
        ended: Ended = "length" if text != wanted else "stop" if stops_early else "eos"
        return Step(text, tuple(map(ord, text)), ended, request.seed, request.sampling.temperature)


def _rest(written: str, digit: int) -> str:
    """What is still to be written of a solution."""
    if written.endswith(ANSWER):
        return f"{digit}}}."
    return f"{THOUGHT}{ANSWER}{digit}}}."[len(written) :]
