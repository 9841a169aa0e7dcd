r"""Simulated generator: a seeded Markov chain that takes microseconds and whose accuracy has a closed form.

A solution is a chain of steps, each right or wrong. After a right step the next one is wrong with a probability that
grows with level and temperature; after a wrong step it is right with a small probability; the last step states the
right answer or one of a few wrong ones. Token ids carry the state: a step ends with one of two tokens that both decode
to "\n\n", so the state of a path follows from its ids, but not from its text.

Log-probabilities are computed on request, from a separate random stream, so that requesting them changes no tree. At
each token the probabilities of the most likely token, the next one, and so on fall by a constant factor q, which is the
same for all tokens of a step and larger on average in wrong steps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import blake2b
from itertools import accumulate
from random import Random
from typing import TYPE_CHECKING, ClassVar

from tt_scale.base_classes import Generator
from tt_scale.core.concurrency import TimeSlice, in_parts
from tt_scale.core.logprobs import TOP_LOGPROBS
from tt_scale.core.records import Problem, Step, StepRequest
from tt_scale.errors import ConfigError, ProblemSetError
from tt_scale.problems.simulated import parse_question, simulated_answer

if TYPE_CHECKING:
    from typing_extensions import Self

    from tt_scale.config import Config

__all__ = ["SimulatedGenerator", "World", "path_is_right"]

DEFAULT_CONTEXT = 3072
"""Default length of prompt and solution together, in tokens."""

EOS, RIGHT_END, WRONG_END, BLANK_END, LEAD_IN = 0, 1, 2, 3, 4
WORDS = ("so", "then", "we", "take", "and", "get", "that", "gives")
FIRST_WORD, FIRST_ANSWER, FIRST_PROMPT = 10, 1_000, 1_000_000
WORD_IDS = tuple(FIRST_WORD + (7 * index) % len(WORDS) for index in range(512))


@dataclass(frozen=True)
class World:
    """Parameters of the simulated generator.

    Attributes:
        slip: probability that a right step is followed by a wrong one at temperature 0.7, by level 1..5 [5].
        repair: probability that a wrong step is followed by a right one.
        temperature_slope: increase of the log-odds of a slip per unit of temperature above 0.7.
        shortest: smallest length of a step in tokens, at least 2.
        longest: largest length of a step in tokens.
        wrong_answers: relative odds of the wrong answers [answers].
        blank: probability that a step is preceded by a blank one.
        doubt: mean ratio q of the probabilities of consecutive tokens by rank, in right and in wrong steps, each in
            (0, 0.5); the ratio of a step is uniform between 0 and twice the mean [2].
    """

    slip: tuple[float, ...] = (0.06, 0.10, 0.14, 0.18, 0.22)
    repair: float = 0.05
    temperature_slope: float = 1.0
    shortest: int = 8
    longest: int = 24
    wrong_answers: tuple[float, ...] = (4.0, 2.0, 1.0, 1.0)
    blank: float = 0.0
    doubt: tuple[float, float] = (0.05, 0.2)

    def slip_at(self, level: int, temperature: float) -> float:
        """Compute the probability of a slip at a level (1..5) and temperature."""
        if not 1 <= level <= len(self.slip):
            raise ProblemSetError(f"A simulated problem has the level {level}; levels are 1 to {len(self.slip)}.")
        base = self.slip[level - 1]
        if base in (0.0, 1.0):
            return base
        odds = base / (1.0 - base) * math.exp(self.temperature_slope * (temperature - 0.7))
        return odds / (1.0 + odds)

    def right_after(self, level: int, steps: int, temperature: float) -> float:
        """Compute in closed form the probability that a chain is right after a number of steps, from a right start."""
        slip = self.slip_at(level, temperature)
        right = 1.0
        for _ in range(steps):
            right = right * (1.0 - slip) + (1.0 - right) * self.repair
        return right

    @property
    def mean_step_tokens(self) -> float:
        """Expected length of a step that is not blank, in closed form, in tokens."""
        return (self.shortest + self.longest) / 2.0

    def wrong_answer(self, uniform: float) -> int:
        """Map a number in [0, 1) to a wrong answer: its difference from the right answer, from 1."""
        total = sum(self.wrong_answers)
        bounds = accumulate(self.wrong_answers)
        last = len(self.wrong_answers)
        return next((rank for rank, bound in enumerate(bounds, 1) if uniform * total < bound), last)


class SimulatedGenerator(Generator):
    """A simulated generator for problems of the set `simulated`.

    A step that is truncated by a limit or by `step_tokens` is sampled again from its start: if no step fits, a path
    makes no progress.

    Args:
        world: parameters.
        context: largest length of prompt and solution together, in tokens.
    """

    summary: ClassVar[str] = "a seeded world with exact odds; no model, microseconds a step"
    own_name: ClassVar[str] = "simulated"
    default_context: ClassVar[int | None] = DEFAULT_CONTEXT
    parameters = 0
    most_logprobs = TOP_LOGPROBS

    def __init__(self, world: World | None = None, context: int = DEFAULT_CONTEXT) -> None:
        self.world = world or World()
        self.context = context
        self._slice = TimeSlice()

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """Create the default generator; it has no weights to quantize or split."""
        if config.quantization:
            raise ConfigError(f"quantization is {config.quantization!r}, but the simulated generator has no weights.")
        return cls(context=config.max_model_len or DEFAULT_CONTEXT)

    @classmethod
    def check_problem(cls, problem: Problem) -> None:
        """Refuse a problem of another set.

        Raises:
            ProblemSetError: its question is not one of the set `simulated`.
        """
        parse_question(problem.question)

    def check_conversation(self, problem: Problem) -> None:
        """Refuse earlier turns; without a chat template all prompts are verbatim."""
        super().check_conversation(replace(problem, verbatim=False))

    def prompt(self, problem: Problem, system_prompt: str) -> tuple[int, ...]:
        """Encode number, level and number of steps of the question."""
        question = parse_question(problem.question)
        return (FIRST_PROMPT + question.number, FIRST_PROMPT + question.level, FIRST_PROMPT + question.steps)

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """Return the text of each id."""
        return [_token_text(token) for token in ids]

    def lead_in(self, final_answer_prefix: str) -> tuple[int, ...]:
        """Return one id after which the answer follows, as if all remaining steps were taken at once."""
        return (LEAD_IN,)

    async def generate(self, requests: Sequence[StepRequest]) -> list[Step]:
        """Sample each request from its seed."""
        return await in_parts(self._step, requests, self._slice.turn)

    def _step(self, request: StepRequest) -> Step:
        sampling = request.sampling
        seed = str(request.seed if sampling.temperature > 0 else request.ids)  # greedy: determined by the prompt
        ids: tuple[int, ...] = ()
        doubts: list[float] = []
        part = 0
        while len(ids) < request.max_tokens and not (ids and (request.stop or ids[-1] == EOS)):
            uniforms = blake2b(f"{seed}/{part}".encode(), digest_size=16).digest()
            ids += self._next(request.ids + ids if ids else request.ids, sampling.temperature, uniforms)
            part += 1
            if request.top_logprobs:
                doubts += [self._doubt(seed, part, request.ids + ids)] * (len(ids) - len(doubts))
        ended = "eos" if ids[-1] == EOS else "stop"
        if len(ids) > request.max_tokens or (ended == "stop" and not request.stop):
            ids, ended = ids[: request.max_tokens], "length"
        step = Step(_text(ids), ids, ended, request.seed, sampling.temperature)  # type: ignore[arg-type]
        return self._with_logprobs(step, doubts[: len(ids)], seed, request) if doubts else step

    def _doubt(self, seed: str, part: int, ids: tuple[int, ...]) -> float:
        """Draw the ratio q of a step's tokens; `ids` end with the step."""
        mean = self.world.doubt[0 if path_is_right(ids) else 1]
        return max(2.0 * mean * Random(f"{seed}/{part}/doubt").random(), 1e-9)

    def _with_logprobs(self, step: Step, doubts: Sequence[float], seed: str, request: StepRequest) -> Step:
        """Add the log-probabilities of the tokens: at each, rank r has the probability (1 - q) * q**(r - 1)."""
        stream = Random(f"{seed}/likelihood")
        temperature = request.sampling.temperature
        logprobs, confidences = [], []
        for doubt in doubts:
            first, log_ratio = math.log1p(-doubt), math.log(doubt)
            rank = int(temperature * math.log(1.0 - stream.random()) / log_ratio)  # from 0, by q**(1 / temperature)
            logprobs.append(first + rank * log_ratio)
            confidences.append(-first - (request.top_logprobs - 1) / 2 * log_ratio)
        return replace(step, logprobs=tuple(logprobs), confidences=tuple(confidences))

    def _next(self, ids: tuple[int, ...], temperature: float, uniforms: bytes) -> tuple[int, ...]:
        """Draw one step: right or wrong, its length, and the answer if it is the last one."""
        world = self.world
        if world.blank and uniforms[12] < world.blank * 256 and ids[-1] != BLANK_END:
            return (BLANK_END,)
        number, level, steps = (token - FIRST_PROMPT for token in ids[:3])
        chance = int.from_bytes(uniforms[:4], "big") / 2**32
        taken = ids.count(RIGHT_END) + ids.count(WRONG_END)
        slip = 1.0 - (1.0 - world.slip_at(level, temperature)) ** (steps - taken if LEAD_IN in ids else 1)
        right = chance >= slip if path_is_right(ids) else chance < world.repair
        spread = world.longest - world.shortest + 1
        shape = int.from_bytes(uniforms[4:8], "big")
        length, offset = world.shortest + shape % spread, shape % 389
        if LEAD_IN not in ids and taken + 1 < steps:
            return (*WORD_IDS[offset : offset + length - 1], RIGHT_END if right else WRONG_END)
        wrong = 0 if right else world.wrong_answer(int.from_bytes(uniforms[8:12], "big") / 2**32)
        answer = FIRST_ANSWER + simulated_answer(number) + wrong
        words = () if LEAD_IN in ids else WORD_IDS[offset : offset + length - 2]
        return (*words, answer, EOS)


def path_is_right(ids: Sequence[int]) -> bool:
    """Check whether a path, given as prompt and sampled ids, is right so far; for the simulated models only."""
    gold = FIRST_ANSWER + simulated_answer(ids[0] - FIRST_PROMPT) if ids[0] >= FIRST_PROMPT else -1
    for token in reversed(ids):
        if token == RIGHT_END or token >= FIRST_PROMPT:
            return True
        if token == WRONG_END:
            return False
        if token >= FIRST_ANSWER:
            return token == gold
    return True


def _token_text(token: int) -> str:
    if token in (RIGHT_END, WRONG_END, BLANK_END):
        return "\n\n"
    if token == EOS:
        return ""
    if token == LEAD_IN:
        return "\n\nThe final answer is "
    if token >= FIRST_ANSWER:
        return f"\\boxed{{{token - FIRST_ANSWER}}}."
    return WORDS[token - FIRST_WORD] + " "


@lru_cache(maxsize=8192)
def _text(ids: tuple[int, ...]) -> str:
    return "".join([_token_text(token) for token in ids])
