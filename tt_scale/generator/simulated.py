r"""A seeded world that answers in microseconds and whose accuracy has a closed form.

A solution is a chain of steps, each right or wrong. From a right step the next one slips with a probability that
grows with level and temperature; from a wrong one it is repaired now and then; the last step states the right answer
or one of a few wrong ones. Token ids carry the state: a step ends with one of two tokens that both read "\n\n", so
everything that continues a path knows how the path stands, and no text does.

How likely tokens are is told on demand, from a stream of its own, so that asking changes no tree. At each token the
probabilities of the likeliest, the next one, and so on fall by a constant factor q, the same for all tokens of a step
and on average larger in steps that stand wrong.
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
from tt_scale.core.logprobs import TOP_LOGPROBS
from tt_scale.core.records import Problem, Step, StepRequest
from tt_scale.errors import ConfigError, ProblemSetError
from tt_scale.problems.simulated import parse_question, simulated_answer

if TYPE_CHECKING:
    from typing_extensions import Self

    from tt_scale.config import Config

__all__ = ["SimulatedGenerator", "World", "stands_right"]

DEFAULT_CONTEXT = 3072
"""Tokens of prompt and solution together, where nobody says how many."""

EOS, RIGHT_END, WRONG_END, BLANK_END, LEAD_IN = 0, 1, 2, 3, 4
WORDS = ("so", "then", "we", "take", "and", "get", "that", "gives")
FIRST_WORD, FIRST_ANSWER, FIRST_PROMPT = 10, 1_000, 1_000_000
WORD_IDS = tuple(FIRST_WORD + (7 * index) % len(WORDS) for index in range(512))


@dataclass(frozen=True)
class World:
    """The odds of the simulated world.

    Attributes:
        slip: probability that a right step is followed by a wrong one at temperature 0.7, by level 1..5 [5].
        repair: probability that a wrong step is followed by a right one.
        heat: added to the log-odds of a slip per unit of temperature above 0.7.
        shortest: fewest tokens of a step, at least 2.
        longest: most tokens of a step.
        wrong_answers: relative odds of the wrong answers [answers].
        blank: probability that a step is preceded by a blank one.
        doubt: mean of the factor q between the probabilities of a token and of the next likely one, in steps that stand
            right and in those that stand wrong, each in (0, 0.5); in a step it is uniform between 0 and twice that [2].
    """

    slip: tuple[float, ...] = (0.06, 0.10, 0.14, 0.18, 0.22)
    repair: float = 0.05
    heat: float = 1.0
    shortest: int = 8
    longest: int = 24
    wrong_answers: tuple[float, ...] = (4.0, 2.0, 1.0, 1.0)
    blank: float = 0.0
    doubt: tuple[float, float] = (0.05, 0.2)

    def slip_at(self, level: int, temperature: float) -> float:
        """Probability of a slip at a level (1..5) and temperature."""
        if not 1 <= level <= len(self.slip):
            raise ProblemSetError(f"A simulated problem has the level {level}; levels are 1 to {len(self.slip)}.")
        base = self.slip[level - 1]
        if base in (0.0, 1.0):
            return base
        odds = base / (1.0 - base) * math.exp(self.heat * (temperature - 0.7))
        return odds / (1.0 + odds)

    def right_after(self, level: int, steps: int, temperature: float) -> float:
        """Closed form: probability that a chain stands right after so many steps, from a right start."""
        slip = self.slip_at(level, temperature)
        right = 1.0
        for _ in range(steps):
            right = right * (1.0 - slip) + (1.0 - right) * self.repair
        return right

    @property
    def mean_step_tokens(self) -> float:
        """Closed form: expected tokens of a step that is not blank."""
        return (self.shortest + self.longest) / 2.0

    def wrong_answer(self, uniform: float) -> int:
        """Which wrong answer a number in [0, 1) stands for: its distance from the right one, from 1."""
        total = sum(self.wrong_answers)
        bounds = accumulate(self.wrong_answers)
        last = len(self.wrong_answers)
        return next((rank for rank, bound in enumerate(bounds, 1) if uniform * total < bound), last)


class SimulatedGenerator(Generator):
    """The simulated world as a generator, for problems of the set `simulated`.

    A step that a limit or `step_tokens` cuts short is begun anew: where no step fits, a path never gets on.

    Args:
        world: its odds.
        context: most tokens of prompt and solution together.
    """

    summary: ClassVar[str] = "a seeded world with exact odds; no model, microseconds a step"
    own_name: ClassVar[str] = "simulated"
    default_context: ClassVar[int | None] = DEFAULT_CONTEXT
    parameters = 0
    most_logprobs = TOP_LOGPROBS

    def __init__(self, world: World | None = None, context: int = DEFAULT_CONTEXT) -> None:
        self.world = world or World()
        self.context = context

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """Make the default world; it has no weights to quantize or split."""
        if config.quantization:
            raise ConfigError(f"quantization is {config.quantization!r}, but the simulated generator has no weights.")
        return cls(context=config.max_model_len or DEFAULT_CONTEXT)

    @classmethod
    def check_problem(cls, problem: Problem) -> None:
        """Refuse a problem of another set.

        Raises:
            ProblemSetError: its question says nothing to this world.
        """
        parse_question(problem.question)

    def prompt(self, problem: Problem, system_prompt: str) -> tuple[int, ...]:
        """Read number, level and steps out of the question; it is all that the world knows."""
        asked = parse_question(problem.question)
        return (FIRST_PROMPT + asked.number, FIRST_PROMPT + asked.level, FIRST_PROMPT + asked.steps)

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """Give each id's text."""
        return [_piece(token) for token in ids]

    def lead_in(self, final_answer_prefix: str) -> tuple[int, ...]:
        """One id, behind which the world answers at once, as if it took all steps that are left in one."""
        return (LEAD_IN,)

    async def generate(self, requests: Sequence[StepRequest]) -> list[Step]:
        """Sample each request from its own seed alone."""
        return [self._step(request) for request in requests]

    def _step(self, request: StepRequest) -> Step:
        sampling = request.sampling
        seed = str(request.seed if sampling.temperature > 0 else request.ids)  # greedy: the prompt decides alone
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
        return self._told(step, doubts[: len(ids)], seed, request) if doubts else step

    def _doubt(self, seed: str, part: int, ids: tuple[int, ...]) -> float:
        """Draw the factor q of a step's tokens; `ids` end with the step."""
        mean = self.world.doubt[0 if stands_right(ids) else 1]
        return max(2.0 * mean * Random(f"{seed}/{part}/doubt").random(), 1e-9)

    def _told(self, step: Step, doubts: Sequence[float], seed: str, request: StepRequest) -> Step:
        """Say how likely the tokens were: at each, rank r has the probability (1 - q) * q**(r - 1)."""
        stream = Random(f"{seed}/likelihood")
        heat = request.sampling.temperature
        logprobs, confidences = [], []
        for doubt in doubts:
            first, fall = math.log1p(-doubt), math.log(doubt)
            behind = int(heat * math.log(1.0 - stream.random()) / fall)  # ranks; heat draws by q**(1 / heat)
            logprobs.append(first + behind * fall)
            confidences.append(-first - (request.top_logprobs - 1) / 2 * fall)
        return replace(step, logprobs=tuple(logprobs), confidences=tuple(confidences))

    def _next(self, ids: tuple[int, ...], temperature: float, uniforms: bytes) -> tuple[int, ...]:
        """Draw one step: slip or repair, how long, and the answer where it is the last one."""
        world = self.world
        if world.blank and uniforms[12] < world.blank * 256 and ids[-1] != BLANK_END:
            return (BLANK_END,)
        number, level, steps = (token - FIRST_PROMPT for token in ids[:3])
        chance = int.from_bytes(uniforms[:4], "big") / 2**32
        taken = ids.count(RIGHT_END) + ids.count(WRONG_END)
        slip = 1.0 - (1.0 - world.slip_at(level, temperature)) ** (steps - taken if LEAD_IN in ids else 1)
        right = chance >= slip if stands_right(ids) else chance < world.repair
        spread = world.longest - world.shortest + 1
        shape = int.from_bytes(uniforms[4:8], "big")
        length, offset = world.shortest + shape % spread, shape % 389
        if LEAD_IN not in ids and taken + 1 < steps:
            return (*WORD_IDS[offset : offset + length - 1], RIGHT_END if right else WRONG_END)
        wrong = 0 if right else world.wrong_answer(int.from_bytes(uniforms[8:12], "big") / 2**32)
        answer = FIRST_ANSWER + simulated_answer(number) + wrong
        words = () if LEAD_IN in ids else WORD_IDS[offset : offset + length - 2]
        return (*words, answer, EOS)


def stands_right(ids: Sequence[int]) -> bool:
    """Whether a path, given as prompt and sampled ids, has gone right so far; only for the world and its PRM."""
    gold = FIRST_ANSWER + simulated_answer(ids[0] - FIRST_PROMPT) if ids[0] >= FIRST_PROMPT else -1
    for token in reversed(ids):
        if token == RIGHT_END or token >= FIRST_PROMPT:
            return True
        if token == WRONG_END:
            return False
        if token >= FIRST_ANSWER:
            return token == gold
    return True


def _piece(token: int) -> str:
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
    return "".join([_piece(token) for token in ids])
