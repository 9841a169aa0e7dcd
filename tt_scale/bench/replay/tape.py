"""A generator, a PRM and a clock that give what a tape holds, and refuse whatever was not asked in that place.

    generator = TapedGenerator(tape)
    space = taped_space(generator, problem, config, max_steps=searcher.longest_path, seconds=usage.seconds)
    outcome = await space.conclude(await searcher.search(space))
    generator.check_finished()

Every request to the generator is compared with the recorded one: seed (each node has its own), token limit,
temperature, delimiters, log-probabilities. Calls of the PRM are compared by their nodes, calls that group answers by
the answers. The first that differs ends the search with a `ReplayError` that names node or answers, and both values.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

from tt_scale.base_classes import PRM, Generator
from tt_scale.config import Config
from tt_scale.core.path import Path, name
from tt_scale.core.records import Problem, Scores, Step, StepRequest
from tt_scale.core.threshold import Bar
from tt_scale.errors import ReplayError
from tt_scale.space.search_space import SearchSpace
from tt_scale.space.spending import Clock
from tt_scale.space.tape import Call, Failure, GeneratorCall, PRMCall, SampledRequest, Tape

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Player", "TapedClock", "TapedGenerator", "TapedPRM", "taped_space"]

NO_TOKEN = -1
"""Stands for each token of the prompt, whose ids no tape holds."""

PATIENCE = 1_000
"""Turns of the event loop in which a search must make the call that a recorded answer waited for."""

CallT = TypeVar("CallT", bound=Call)


class RecordedError(Exception):
    """An exception that a tape holds; it is raised as a class of the recorded name."""


class Player:
    """Hands out the calls of a tape in their order.

    Args:
        tape: of one search.
    """

    def __init__(self, tape: Tape) -> None:
        self.tape = tape
        self.requests = 0
        self._next = 0
        self._groupings = 0
        self._happened = 0  # events of `tape.order`

    async def answered(self, kind: type[CallT], what: str) -> CallT:
        """Give the next call, once its answer's turn has come.

        Raises:
            ReplayError: the tape has another call, or none, in this place.
            RecordedError: the call failed then.
        """
        number, calls = self._next, self.tape.calls
        if number >= len(calls):
            raise ReplayError(f"The search asks for {what} after all {len(calls)} recorded calls.")
        call = calls[number]
        if not isinstance(call, kind):
            was = "the generator" if isinstance(call, GeneratorCall) else "the PRM"
            raise ReplayError(f"The search asks for {what} in call {number}; recorded was a call of {was}.")
        self._next += 1
        await self._turn_of(number)
        await self._turn_of(-1 - number)
        return call

    def grouped(self, answers: Sequence[str | None]) -> list[int]:
        """Give the recorded classes of answers.

        Raises:
            ReplayError: other answers were recorded, or none.
        """
        recorded = self.tape.groupings[self._groupings : self._groupings + 1]
        if not recorded or recorded[0].answers != tuple(answers):
            was = list(recorded[0].answers) if recorded else "none"
            raise ReplayError(f"The search asks which of the answers {list(answers)} are the same; recorded was {was}.")
        self._groupings += 1
        return list(recorded[0].classes)

    def check_finished(self) -> None:
        """See that the search has made every recorded call.

        Raises:
            ReplayError: it has not.
        """
        left = self.tape.calls[self._next :]
        if not left and self._groupings < len(self.tape.groupings):
            raise ReplayError(
                f"The search counted votes {self._groupings} times; recorded were {len(self.tape.groupings)}."
            )
        if not left:
            return
        keys = [request.key for request in left[0].requests] if isinstance(left[0], GeneratorCall) else left[0].keys
        first = f" for node {name(keys[0])}" if keys else ""
        raise ReplayError(f"The search ended before call {self._next} of {len(self.tape.calls)}{first} was made again.")

    async def _turn_of(self, event: int) -> None:
        """Wait until all that came before a call or an answer has happened, where calls overlapped."""
        order = self.tape.order
        for _ in range(PATIENCE if order else 0):
            if order[self._happened : self._happened + 1] == [event]:
                self._happened += 1
                return
            await asyncio.sleep(0)
        if order:
            raise ReplayError(f"Calls overlap otherwise than recorded, from event {self._happened} of their order on.")


class TapedGenerator(Generator):
    """Gives the recorded steps.

    Args:
        tape: of one search.

    Attributes:
        player: of the tape; shared with the PRM.
    """

    def __init__(self, tape: Tape) -> None:
        self.player = Player(tape)
        self.context = tape.context
        self.parameters = tape.parameters
        self.most_logprobs = tape.most_logprobs
        self.reasoning_tags = tape.reasoning_tags
        self._tape = tape

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """There is nothing to take from a configuration; make it from a tape."""
        raise TypeError("a TapedGenerator is made from a tape")

    def prm(self) -> TapedPRM | None:
        """Give the PRM of the same tape; None where the search had none."""
        return TapedPRM(self.player) if self._tape.prm else None

    def prompt(self, problem: Problem, system_prompt: str) -> tuple[int, ...]:
        """Give as many tokens as the prompt had."""
        return (NO_TOKEN,) * self._tape.prompt_tokens

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """Give the recorded texts of a sequence of tokens.

        Raises:
            ReplayError: nobody asked for this one.
        """
        known = self._tape.texts.get(tuple(ids))
        if known is not None:
            return list(known)
        if ids and set(ids) == {NO_TOKEN}:
            return [self._tape.prompt_end, *[""] * (len(ids) - 1)]
        first = ", ".join(map(str, ids[:8]))
        raise ReplayError(f"The search asks for the texts of {len(ids)} tokens ({first} ...); none were recorded.")

    def lead_in(self, final_answer_prefix: str) -> tuple[int, ...]:
        """Give the recorded ids.

        Raises:
            ReplayError: nobody asked for them.
        """
        if self._tape.lead_in is None:
            raise ReplayError("The search asks for a final answer; no such request was recorded.")
        return self._tape.lead_in

    async def generate(self, requests: Sequence[StepRequest]) -> list[Step]:
        """Give the recorded steps of the next call.

        Raises:
            ReplayError: the requests are not the recorded ones.
        """
        call = await self.player.answered(GeneratorCall, f"{len(requests)} steps")
        if len(call.requests) != len(requests):
            raise ReplayError(
                f"The search makes {len(requests)} requests at once; recorded were {len(call.requests)}, the first for "
                f"node {name(call.requests[0].key)}."
            )
        for asked, recorded in zip(requests, call.requests, strict=True):
            self._compare(asked, recorded)
            self.player.requests += 1
        _raise(call.failure)
        return [request.step for request in call.requests if request.step is not None]

    def check_finished(self) -> None:
        """See that the search has made every recorded call; errors as in `Player.check_finished`."""
        self.player.check_finished()

    def _compare(self, asked: StepRequest, recorded: SampledRequest) -> None:
        pairs = {
            "seed": (asked.seed, recorded.seed),
            "token limit": (asked.max_tokens, recorded.max_tokens),
            "temperature": (asked.sampling.temperature, recorded.temperature),
            "use of delimiters": (bool(asked.stop), recorded.delimited),
            "number of log-probabilities": (asked.top_logprobs, recorded.top_logprobs),
        }
        for what, (now, then) in pairs.items():
            if now != then:
                raise ReplayError(
                    f"Node {name(recorded.key)}, request {self.player.requests}: the {what} is {now}, recorded was "
                    f"{then}."
                )


class TapedPRM(PRM):
    """Gives the recorded scores.

    Args:
        player: of the tape, shared with the generator.
    """

    def __init__(self, player: Player) -> None:
        assert player.tape.prm is not None
        self.parameters, self.top_logprobs = player.tape.prm
        self._player = player

    @classmethod
    def from_config(cls, config: Config, generator: Generator) -> Self:
        """There is nothing to take from a configuration; a `TapedGenerator` makes it."""
        raise TypeError("a TapedPRM is made by a TapedGenerator")

    async def score(self, problem: Problem, paths: Sequence[Path]) -> list[Scores]:
        """Give the recorded scores of the next call.

        Raises:
            ReplayError: the paths are not the recorded ones.
        """
        call = await self._player.answered(PRMCall, f"the scores of {len(paths)} paths")
        keys = [path.key for path in paths]
        if keys != call.keys:
            now, then = (" ".join(map(name, each)) for each in (keys, call.keys))
            raise ReplayError(f"The PRM is asked for the nodes {now}; recorded were {then}.")
        _raise(call.failure)
        return list(call.scores)


class TapedClock(Clock):
    """Says that time is over at the look at which it was.

    Args:
        limit: `max_seconds` of the search.
        timeout: as of `Tape`.
        seconds: that the search took.
    """

    def __init__(self, limit: float | None, timeout: int, seconds: float = 0.0) -> None:
        super().__init__(limit)
        self._recorded = timeout
        self._seconds = seconds

    @property
    def seconds(self) -> float:
        """What the search took."""
        return self._seconds

    def _exceeded(self) -> bool:
        return 0 < self._recorded <= self.looks


def taped_space(
    generator: TapedGenerator,
    problem: Problem,
    config: Config,
    *,
    repeat: int = 0,
    max_steps: int | None = None,
    seconds: float = 0.0,
    first_scores: Sequence[float] = (),
) -> SearchSpace:
    """Make the space of a search that is run again.

    Args:
        generator: of its tape.
        problem: that was searched.
        config: of the run.
        repeat: as it was searched.
        max_steps: of the method, as in `SearchSpace`.
        seconds: that the search took, as recorded.
        first_scores: of the run's first steps, as in `SearchSpace`; quantiles are those of the tape where it is empty.
    """
    tape = generator.player.tape
    space = SearchSpace(
        problem,
        generator,
        generator.prm(),
        config,
        repeat=repeat,
        first_scores=first_scores,
        max_steps=max_steps,
        grouping=generator.player.grouped,
        clock=TapedClock(config.max_seconds, tape.timeout, seconds),
    )
    if not first_scores:
        space.bar = Bar(quantiles=tape.bars)
    return space


def _raise(failure: Failure | None) -> None:
    """Raise what a call raised then, as a class of the same name."""
    if failure is not None and failure.kind == "CancelledError":
        raise asyncio.CancelledError(failure.message)
    if failure is not None:
        raise type(failure.kind, (RecordedError,), {})(failure.message)
