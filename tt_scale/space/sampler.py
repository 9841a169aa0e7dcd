"""Sample children: one request each if the budget suffices, else in rounds of chunks that it certainly covers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from math import inf

from tt_scale.base_classes import Generator
from tt_scale.config import Config
from tt_scale.core.concurrency import in_parts
from tt_scale.core.logprobs import check_logprobs
from tt_scale.core.path import Key, Path, State
from tt_scale.core.records import Sampling, Step, StepRequest
from tt_scale.core.seeds import derive_seed
from tt_scale.errors import GeneratorError
from tt_scale.space.candidate import ChildCandidate, Rules
from tt_scale.space.recorder import Recorder
from tt_scale.space.rounds import chunks
from tt_scale.space.spending import Spending

__all__ = ["Sampler", "GreedyDuplicates"]

Place = tuple[Key, bool, int]

LAST_RESORT_TOKENS = 32
"""Token limit of an answer that is prompted for as a last resort."""


class Sampler:
    """Sampler of the children of one problem.

    Args:
        generator: started generator.
        recorder: calls the generator.
        config: sampling and seed.
        rules: rules that decide whether a path continues.
        spending: records every request.
        seed_id: problem and repeat, from which seeds are derived.
        repeat: number of this search among several of the problem, from 0.
        turn: awaited between parts of long work, so that others have their turn; None for a search that may block.

    Attributes:
        top_logprobs: number of most likely tokens from which confidences are computed; 0 for none.
    """

    def __init__(
        self,
        generator: Generator,
        recorder: Recorder,
        config: Config,
        rules: Rules,
        spending: Spending,
        seed_id: str,
        repeat: int = 0,
        turn: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.top_logprobs = 0
        self._turn = turn
        self._generator = generator
        self._recorder = recorder
        self._config = config
        self._rules = rules
        self._spending = spending
        self._seed_id = seed_id
        self._repeat = repeat
        self._samplings: dict[float, Sampling] = {}
        self._longest = {True: 0, False: 0}  # tokens of whole solutions, and of steps, that are done

    async def children(self, candidates: Sequence[ChildCandidate], reserve: int) -> dict[ChildCandidate, Path]:
        """Sample children, in rounds if the budget does not cover their limits.

        Args:
            candidates: in order of priority.
            reserve: tokens of the budget that only the first candidate may use.

        Returns:
            The children in the order of the candidates, unscored, without those for which no tokens were left.
        """
        done: dict[ChildCandidate, Path] = {}
        waiting = list(candidates)
        while waiting and not self._spending.exhausted:
            given = self._shares(waiting, reserve, lead=not done)
            asked = [(candidate, tokens) for candidate, tokens in zip(waiting, given, strict=True) if tokens]
            if not asked:
                break
            unfinished = await self._round(asked)
            finished = [candidate for candidate, _ in asked if candidate not in unfinished]
            done.update(zip(finished, await in_parts(self._child, finished, self._turn), strict=True))
            for candidate in finished:
                self._longest[candidate.whole] = max(self._longest[candidate.whole], candidate.spent)
            waiting = [candidate for candidate in waiting if candidate not in done]
        for candidate in waiting:
            if candidate.drawn:
                candidate.cut(self._rules, self._recorder.pieces)
                done[candidate] = self._child(candidate)
        return {candidate: done[candidate] for candidate in candidates if candidate in done}

    async def forced(self, candidate: ChildCandidate, lead_in: tuple[int, ...]) -> Path | None:
        """Append the lead-in of a final answer to a path and sample the answer.

        Args:
            candidate: child of the path.
            lead_in: token ids, part of the child but not generated [length].

        Returns:
            The child, or None if budget or context leave no token for it.
        """
        candidate.ids += lead_in
        room = self._generator.context - len(candidate.ids)
        most = int(min(LAST_RESORT_TOKENS, room, self._spending.tokens_left))
        if most < 1:
            return None
        candidate.limit = most
        await self._round([(candidate, most)])
        said = candidate.drawn[0]
        ids = (*lead_in, *said.ids)
        text = "".join(self._recorder.pieces(ids))
        step = replace(said, ids=ids, text=text, logprobs=(), confidences=())
        parent = candidate.parent
        state: State = "failed" if said.ended == "error" else "finished"
        cut = said.ended != "eos"
        return Path(candidate.key, (*parent.steps, step), parent.scores, parent.score, state, cut=cut, forced=True)

    def _shares(self, candidates: Sequence[ChildCandidate], reserve: int, *, lead: bool) -> list[int]:
        """Token limit of the next request of each candidate; 0 for those that wait."""
        wanted = [candidate.limit - candidate.spent for candidate in candidates]
        left = self._spending.tokens_left
        if left != inf:
            longest = self._longest[candidates[0].whole]
            spent = [candidate.spent for candidate in candidates]
            wanted = chunks(wanted, spent, int(left), longest, lead=lead, reserve=reserve)
        return [
            min(candidate.most_tokens(self._rules), most) for candidate, most in zip(candidates, wanted, strict=True)
        ]

    async def _round(self, asked: Sequence[tuple[ChildCandidate, int]]) -> set[ChildCandidate]:
        """Send one request for each candidate; return those that need another one."""
        requests = await in_parts(self._request, asked, self._turn)
        held = sum([request.max_tokens for request in requests])
        self._spending.reserve(held)
        try:
            steps = await self._recorder.generate([candidate.key for candidate, _ in asked], requests)
        finally:
            self._spending.release(held)
        unfinished = set()
        for (candidate, tokens), request, step in zip(asked, requests, steps, strict=True):
            shortened = tokens < candidate.most_tokens(self._rules)
            self._charge(candidate, request, step)
            if candidate.take(step, shortened, self._rules, self._recorder.pieces):
                unfinished.add(candidate)
        return unfinished

    def _child(self, candidate: ChildCandidate) -> Path:
        return candidate.child(candidate.split(self._rules, self._recorder.pieces), self._rules)

    def _request(self, asked: tuple[ChildCandidate, int]) -> StepRequest:
        candidate, tokens = asked
        ids, part = candidate.ids, len(candidate.drawn)
        for step in candidate.drawn:
            ids += step.ids
        seed = derive_seed(self._config.seed, self._seed_id, candidate.parent.key, candidate.child_number, part)
        stop = () if candidate.whole else self._rules.delimiters
        return StepRequest(
            *(ids, self._sampling(candidate.temperature), stop, tokens, seed),
            top_logprobs=self.top_logprobs,
            number=candidate.child_number,
            repeat=self._repeat,
        )

    def _sampling(self, temperature: float) -> Sampling:
        sampling = self._samplings.get(temperature)
        if sampling is None:
            sampling = self._samplings[temperature] = self._config.sampling(temperature)
        return sampling

    def _charge(self, candidate: ChildCandidate, request: StepRequest, step: Step) -> None:
        self._spending.record_step(candidate, request, step, self._generator.parameters)
        if len(step.ids) > request.max_tokens:
            raise GeneratorError(f"The generator returned {len(step.ids)} tokens; {request.max_tokens} were allowed.")
        check_logprobs(request, step)


class GreedyDuplicates:
    """Children at temperature 0: siblings are equal by definition, so each is sampled once."""

    def __init__(self) -> None:
        self._drawn: dict[Place, Path] = {}

    def set_aside(
        self, candidates: Iterable[ChildCandidate]
    ) -> tuple[list[ChildCandidate], list[tuple[ChildCandidate, ChildCandidate]]]:
        """Separate candidates to sample from duplicates, each of these paired with the one that it equals.

        A duplicate of an earlier call is paired with itself; `known` returns its child.
        """
        unlike: list[ChildCandidate] = []
        twins: list[tuple[ChildCandidate, ChildCandidate]] = []
        seen: dict[Place, ChildCandidate] = {}
        for candidate in candidates:
            place = _place(candidate)
            if candidate.temperature == 0 and (place in seen or place in self._drawn):
                twins.append((candidate, seen.get(place, candidate)))
            else:
                unlike.append(candidate)
                seen[place] = candidate
        return unlike, twins

    def remember(self, children: Mapping[ChildCandidate, Path]) -> None:
        """Keep children for later calls, except those that a budget cut or that failed."""
        for candidate, child in children.items():
            if candidate.temperature == 0 and candidate.bound != "budget" and child.state != "failed":
                self._drawn[_place(candidate)] = child

    def known(self, candidate: ChildCandidate) -> Path | None:
        """Return the child of an equal candidate of an earlier call, or None."""
        return self._drawn.get(_place(candidate))


def _place(candidate: ChildCandidate) -> Place:
    """Key that equal children share: parent (all copies of the root count as one) and limits."""
    return candidate.parent.key if candidate.parent.steps else (), candidate.whole, candidate.limit
