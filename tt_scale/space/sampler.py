"""Samples children: one request for each where the budget allows, else in rounds of chunks that it surely covers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from math import inf

from tt_scale.base_classes import Generator
from tt_scale.config import Config
from tt_scale.core.logprobs import check_logprobs
from tt_scale.core.path import Key, Path, State
from tt_scale.core.records import Sampling, Step, StepRequest
from tt_scale.core.seeds import derive_seed
from tt_scale.errors import GeneratorError
from tt_scale.space.candidate import Birth, Rules
from tt_scale.space.recorder import Recorder
from tt_scale.space.rounds import chunks
from tt_scale.space.spending import Ledger

__all__ = ["Sampler", "Twins"]

Place = tuple[Key, bool, int]

LAST_RESORT_TOKENS = 32
"""Most tokens of an answer that is asked for as a last resort."""


class Sampler:
    """Draws children of one problem.

    Args:
        generator: started.
        recorder: asks it.
        config: sampling and seed are taken from it.
        rules: what decides whether a path goes on.
        ledger: of the problem; every request is charged to it.
        seed_id: the problem and its repeat, as seeds are hashed from.
        repeat: which of several searches of the problem this is, from 0.

    Attributes:
        top_logprobs: how many of the likeliest tokens the confidences of all steps look at; 0 for none.
    """

    def __init__(
        self,
        generator: Generator,
        recorder: Recorder,
        config: Config,
        rules: Rules,
        ledger: Ledger,
        seed_id: str,
        repeat: int = 0,
    ) -> None:
        self.top_logprobs = 0
        self._generator = generator
        self._recorder = recorder
        self._config = config
        self._rules = rules
        self._ledger = ledger
        self._seed_id = seed_id
        self._repeat = repeat
        self._samplings: dict[float, Sampling] = {}
        self._longest = {True: 0, False: 0}  # tokens of whole solutions, and of steps, that are done

    async def children(self, births: Sequence[Birth], reserve: int) -> dict[Birth, Path]:
        """Draw children, in rounds where the budget does not cover all that they may need.

        Args:
            births: in the order in which they go first where not all can.
            reserve: tokens of the budget that all but the first of them leave alone.

        Returns:
            The children in the order of the births, unscored, without those that the budget left nothing for.
        """
        done: dict[Birth, Path] = {}
        waiting = list(births)
        while waiting and not self._ledger.exhausted:
            given = self._shares(waiting, reserve, lead=not done)
            asked = [(birth, tokens) for birth, tokens in zip(waiting, given, strict=True) if tokens]
            if not asked:
                break
            unfinished = await self._round(asked)
            for birth, _ in asked:
                if birth not in unfinished:
                    done[birth] = self._child(birth)
                    self._longest[birth.whole] = max(self._longest[birth.whole], birth.spent)
            waiting = [birth for birth in waiting if birth not in done]
        for birth in waiting:
            if birth.drawn:
                birth.cut_here(self._rules, self._recorder.pieces)
                done[birth] = self._child(birth)
        return {birth: done[birth] for birth in births if birth in done}

    async def forced(self, birth: Birth, lead_in: tuple[int, ...]) -> Path | None:
        """Put the lead-in of a final answer behind a path and draw the answer.

        Args:
            birth: a child of the path.
            lead_in: token ids; they are part of the child, but nobody generated them [length].

        Returns:
            The child, or None where budget or context leave no token for it.
        """
        birth.ids += lead_in
        room = self._generator.context - len(birth.ids)
        most = int(min(LAST_RESORT_TOKENS, room, self._ledger.tokens_left))
        if most < 1:
            return None
        birth.limit = most
        await self._round([(birth, most)])
        said = birth.drawn[0]
        ids = (*lead_in, *said.ids)
        text = "".join(self._recorder.pieces(ids))
        step = replace(said, ids=ids, text=text, logprobs=(), confidences=())
        parent = birth.parent
        state: State = "failed" if said.ended == "error" else "finished"
        cut = said.ended != "eos"
        return Path(birth.key, (*parent.steps, step), parent.scores, parent.score, state, cut=cut, forced=True)

    def _shares(self, births: Sequence[Birth], reserve: int, *, lead: bool) -> list[int]:
        """Say how many tokens the next request of each birth may have; 0 for those that wait."""
        wanted = [birth.limit - birth.spent for birth in births]
        left = self._ledger.tokens_left
        if left != inf:
            longest = self._longest[births[0].whole]
            spent = [birth.spent for birth in births]
            wanted = chunks(wanted, spent, int(left), longest, lead=lead, reserve=reserve)
        return [min(birth.most_tokens(self._rules), most) for birth, most in zip(births, wanted, strict=True)]

    async def _round(self, asked: Sequence[tuple[Birth, int]]) -> set[Birth]:
        """Send one request for each birth; those that need another come back."""
        requests = [self._request(birth, tokens) for birth, tokens in asked]
        held = sum([request.max_tokens for request in requests])
        self._ledger.hold(held)
        try:
            steps = await self._recorder.generate([birth.key for birth, _ in asked], requests)
        finally:
            self._ledger.release(held)
        unfinished = set()
        for (birth, tokens), request, step in zip(asked, requests, steps, strict=True):
            shortened = tokens < birth.most_tokens(self._rules)
            self._charge(birth, request, step)
            if birth.take(step, shortened, self._rules, self._recorder.pieces):
                unfinished.add(birth)
        return unfinished

    def _child(self, birth: Birth) -> Path:
        return birth.child(birth.split(self._rules, self._recorder.pieces), self._rules)

    def _request(self, birth: Birth, tokens: int) -> StepRequest:
        ids, part = birth.ids, len(birth.drawn)
        for step in birth.drawn:
            ids += step.ids
        seed = derive_seed(self._config.seed, self._seed_id, birth.parent.key, birth.child_number, part)
        stop = () if birth.whole else self._rules.delimiters
        return StepRequest(
            *(ids, self._sampling(birth.temperature), stop, tokens, seed),
            top_logprobs=self.top_logprobs,
            number=birth.child_number,
            repeat=self._repeat,
        )

    def _sampling(self, temperature: float) -> Sampling:
        sampling = self._samplings.get(temperature)
        if sampling is None:
            sampling = self._samplings[temperature] = self._config.sampling(temperature)
        return sampling

    def _charge(self, birth: Birth, request: StepRequest, step: Step) -> None:
        self._ledger.charge_step(birth, request, step, self._generator.parameters)
        if len(step.ids) > request.max_tokens:
            raise GeneratorError(f"The generator gave {len(step.ids)} tokens where {request.max_tokens} were allowed.")
        check_logprobs(request, step)


class Twins:
    """Children at temperature 0, which must be equal where they have one parent: each is drawn once."""

    def __init__(self) -> None:
        self._drawn: dict[Place, Path] = {}

    def set_aside(self, births: Iterable[Birth]) -> tuple[list[Birth], list[tuple[Birth, Birth]]]:
        """Separate births that need drawing from those equal to one before, each of these with that one.

        A birth that equals one of an earlier call stands beside itself; `known` has its child.
        """
        unlike: list[Birth] = []
        twins: list[tuple[Birth, Birth]] = []
        seen: dict[Place, Birth] = {}
        for birth in births:
            place = _place(birth)
            if birth.temperature == 0 and (place in seen or place in self._drawn):
                twins.append((birth, seen.get(place, birth)))
            else:
                unlike.append(birth)
                seen[place] = birth
        return unlike, twins

    def remember(self, children: Mapping[Birth, Path]) -> None:
        """Keep children for births of later calls; not those whose end is an accident."""
        for birth, child in children.items():
            if birth.temperature == 0 and birth.bound != "budget" and child.state != "failed":
                self._drawn[_place(birth)] = child

    def known(self, birth: Birth) -> Path | None:
        """Give the child of an equal birth."""
        return self._drawn.get(_place(birth))


def _place(birth: Birth) -> Place:
    """What equal children have in common: their parent, all copies of the root being one, and how far they may grow."""
    return birth.parent.key if birth.parent.steps else (), birth.whole, birth.limit
