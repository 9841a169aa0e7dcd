"""Record every call of one search to generator, PRM and answer grouping, with its result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tt_scale.base_classes import PRM, Generator
from tt_scale.core.answer_classes import Grouping
from tt_scale.core.path import Key, Path
from tt_scale.core.records import Problem, Scores, Step, StepRequest
from tt_scale.core.text import escaped, message_of
from tt_scale.core.waiting import waiting_for
from tt_scale.errors import GeneratorError, PRMError
from tt_scale.space.call_time import CallTime
from tt_scale.space.coercion import plain_scores, plain_step, plain_texts
from tt_scale.space.tape import AnswerClasses, Call, Failure, GeneratorCall, PRMCall, SampledRequest, Tape

__all__ = ["Recorder"]

PROMPT_END = 32
"""Number of tokens at the end of a prompt that are searched for an opening reasoning tag."""


class Recorder:
    """Calls the backends of one search and records the results, converted to plain Python values.

    Args:
        generator: started generator.
        prm: started PRM, or None.
        grouping: function that groups equal answers.

    Attributes:
        tape: calls and results so far.
        generator_time: time in which calls of the generator were in flight.
        prm_time: time in which calls of the PRM were in flight.
    """

    def __init__(self, generator: Generator, prm: PRM | None, grouping: Grouping) -> None:
        self.tape = Tape(
            context=generator.context,
            parameters=generator.parameters,
            most_logprobs=generator.most_logprobs,
            reasoning_tags=generator.reasoning_tags,
            prm=(prm.parameters, prm.top_logprobs) if prm else None,
        )
        self.generator_time = CallTime()
        self.prm_time = CallTime()
        self._generator = generator
        self._prm = prm
        self._grouping = grouping
        self._events: list[int] = []

    def ended_tape(self) -> Tape:
        """The tape as that of a search that ends now: calls in flight are failures, whatever becomes of them later."""
        if not any(call.in_flight for call in self.tape.calls):
            return self.tape
        calls = [call.given_up() if call.in_flight else call for call in self.tape.calls]
        return replace(self.tape, calls=calls, order=list(self._events))

    def prompt(self, problem: Problem, system_prompt: str) -> tuple[int, ...]:
        """Render the prompt, and record its length."""
        ids = self._generator.prompt(problem, system_prompt)
        self.tape.prompt_tokens = len(ids)
        return ids

    def end_of(self, prompt: tuple[int, ...]) -> str:
        """Return the text of a prompt's last tokens."""
        self.tape.prompt_end = "".join(plain_texts(self._generator.pieces(prompt[-PROMPT_END:])))
        return self.tape.prompt_end

    def pieces(self, ids: Sequence[int]) -> Sequence[str]:
        """Return the text that each id adds [length]."""
        whole = tuple(ids)
        known = self.tape.texts.get(whole)
        if known is None:
            known = self.tape.texts[whole] = tuple(plain_texts(self._generator.pieces(whole)))
        return known

    def lead_in(self, final_answer_prefix: str) -> tuple[int, ...]:
        """Return the ids that prompt the model to state its final answer."""
        self.tape.lead_in = tuple(self._generator.lead_in(final_answer_prefix))
        return self.tape.lead_in

    def answer_classes(self, answers: Sequence[str | None]) -> list[int]:
        """Assign equal answers to the same class [answers]."""
        found = self._grouping(answers)
        self.tape.groupings.append(AnswerClasses(tuple(answers), tuple(found)))
        return found

    async def generate(self, keys: Sequence[Key], requests: Sequence[StepRequest]) -> list[Step]:
        """Call the generator.

        Args:
            keys: keys of the children for which the requests are made [requests].
            requests: at least one.

        Raises:
            GeneratorError: the generator returned a wrong number of steps, or something else than a step.
        """
        asked = [
            SampledRequest(
                *(key, request.seed, request.max_tokens, float(request.sampling.temperature), bool(request.stop)),
                request.top_logprobs,
            )
            for key, request in zip(keys, requests, strict=True)
        ]
        call = GeneratorCall(asked)
        number = self._begun(call)
        try:
            with waiting_for(self._generator), self.generator_time.measured():
                answers = await self._generator.generate(requests)
            steps = [plain_step(step) for step in answers]
            if len(steps) != len(requests):
                raise GeneratorError(f"The generator gave {len(steps)} steps for {len(requests)} requests.")
        except BaseException as error:
            call.failure = _failure(error)
            raise
        finally:
            self._ended(number)
        for kept, step in zip(asked, steps, strict=True):
            kept.step = step
        return steps

    async def score(self, problem: Problem, paths: Sequence[Path]) -> list[Scores]:
        """Call the PRM.

        Raises:
            PRMError: the PRM returned a wrong number of records, or something else than scores.
        """
        assert self._prm is not None
        call = PRMCall([path.key for path in paths])
        number = self._begun(call)
        try:
            with waiting_for(self._prm), self.prm_time.measured():
                answers = await self._prm.score(problem, paths)
            scores = [plain_scores(each) for each in answers]
            if len(scores) != len(paths):
                raise PRMError(f"The PRM gave {len(scores)} records for {len(paths)} paths; one each is needed.")
        except BaseException as error:
            call.failure = _failure(error)
            raise
        finally:
            self._ended(number)
        call.scores = scores
        return scores

    def _begun(self, call: Call) -> int:
        self.tape.calls.append(call)
        self._events.append(len(self.tape.calls) - 1)
        return self._events[-1]

    def _ended(self, number: int) -> None:
        """Record the end of a call; the order is kept once calls have overlapped."""
        self._events.append(-1 - number)
        if self.tape.order or self._events[-2] != number:
            self.tape.order = self._events


def _failure(error: BaseException) -> Failure:
    return Failure(escaped(type(error).__name__), message_of(error))
