"""One problem's world: the only door between a searcher and everything else.

A searcher calls two verbs, `expand` and `complete`. Behind them the space renders the prompt, derives seeds, keeps
within the budget, merges blank steps, asks the PRM, charges usage and records the tree, for every method alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from random import Random

from tt_scale.aggregate import AGGREGATES
from tt_scale.base_classes import PRM, Generator, Problem, Sampling, Step, StepRequest
from tt_scale.birth import Birth, Bound, Rules
from tt_scale.config import Config
from tt_scale.errors import GeneratorError, PRMError
from tt_scale.ledger import Ledger
from tt_scale.likelihood import check_told, refuse_untold
from tt_scale.path import Key, Path
from tt_scale.seeds import derive_seed
from tt_scale.segmentation import is_blank
from tt_scale.threshold import Bar

__all__ = ["Event", "SearchSpace"]


@dataclass(frozen=True, slots=True)
class Event:
    """Something a searcher wants to be remembered.

    Attributes:
        kind: "retry", "backtrack", "jump" or "left"; third-party methods may add their own.
        keys: the paths that it concerns.
        created: how many paths the tree had when it happened.
    """

    kind: str
    keys: tuple[Key, ...]
    created: int


class SearchSpace:
    """One problem, one generator, one PRM, one budget.

    Args:
        problem: what is searched.
        generator: started.
        prm: started; None leaves paths without scores.
        config: sampling, limits, delimiters, aggregate and budget are taken from it.
        repeat: which of several searches of the same problem this is, from 0; each has seeds of its own.
        first_scores: of the run's first steps, of which a quantile as `tau` is taken; empty where it is a number.
        watch: called with the children of every growth, for live views.

    Raises:
        GeneratorError: the prompt leaves no room in the context.
        ConfigError: the PRM reads log-probabilities and the generator tells none.
    """

    def __init__(
        self,
        problem: Problem,
        generator: Generator,
        prm: PRM | None,
        config: Config,
        *,
        repeat: int = 0,
        first_scores: Sequence[float] = (),
        watch: Callable[[Sequence[Path]], None] | None = None,
    ) -> None:
        self.problem = problem
        self._ledger = Ledger(config.limits)
        self.usage = self._ledger.usage
        self.costs = self._ledger.costs
        self.nodes: list[Path] = []
        self.events: list[Event] = []
        self.parts: dict[Key, Mapping[str, tuple[float, ...]]] = {}
        self.expansions = 0
        self.bar = Bar(first_scores)
        self._generator = generator
        self._prm = prm
        self._config = config
        self._watch = watch
        self._aggregate = AGGREGATES[config.agg]
        self._seed_id = f"{problem.id}\x1e{repeat}" if repeat else problem.id  # no id holds a control character
        self._children: dict[Key, int] = {}
        self._roots = 0
        self._samplings: dict[float, Sampling] = {}
        self._top_logprobs = 0
        self.tell_logprobs(prm.top_logprobs if prm else 0)
        self._prompt = generator.prompt(problem, config.system_prompt)
        if len(self._prompt) >= generator.context:
            raise GeneratorError(
                f"The prompt of problem {problem.id!r} has {len(self._prompt)} tokens, the context holds "
                f"{generator.context}.",
                "Raise max_model_len or leave the problem out.",
            )
        room = generator.context - len(self._prompt)
        most = min(config.max_tokens, room)
        self._rules = Rules(config.stop_tokens, config.step_tokens, config.final_answer_prefix, most)

    def roots(self, count: int = 1) -> list[Path]:
        """Give empty paths with distinct keys, so that copies of the root draw different children."""
        self._roots += count
        return [Path(key=(number,)) for number in range(self._roots - count, self._roots)]

    async def expand(
        self, paths: Sequence[Path], n: int | Sequence[int] = 1, *, temperature: float | Sequence[float]
    ) -> list[list[Path]]:
        """Grow each path by one scored step.

        Args:
            paths: open ones [paths].
            n: children for each path, one number or one for each [paths].
            temperature: likewise.

        Returns:
            The children of each path [paths][n], fewer where the budget ran out.
        """
        endless = not self._rules.delimiters and self._rules.step_tokens is None
        return await self._grow(paths, n, temperature, whole=endless)

    async def complete(
        self, paths: Sequence[Path], n: int | Sequence[int] = 1, *, temperature: float | Sequence[float]
    ) -> list[list[Path]]:
        """Grow each path to its end, then score all its new steps at once; arguments and result as in `expand`."""
        return await self._grow(paths, n, temperature, whole=True)

    def tell_logprobs(self, top_logprobs: int) -> None:
        """Let all steps from now on have `logprobs` and `confidences`.

        Args:
            top_logprobs: how many of the likeliest tokens the confidences look at; no less than was asked before.

        Raises:
            ConfigError: the generator does not tell them.
        """
        refuse_untold(self._generator, top_logprobs, "The search")
        self._top_logprobs = max(self._top_logprobs, top_logprobs)

    def mark(self, kind: str, paths: Sequence[Path] = ()) -> None:
        """Remember that something happened to paths; the report counts the kinds."""
        self.events.append(Event(kind, tuple([path.key for path in paths]), len(self.nodes)))

    def random(self, name: str) -> Random:
        """Give a source of chance for the search itself, which depends on run seed, problem, repeat and name alone.

        Args:
            name: what is decided by it; the same name gives the same stream again.
        """
        where = f"{self._config.seed}\x1f{self._seed_id}\x1f{name}".encode()
        return Random(int.from_bytes(blake2b(where, digest_size=16).digest(), "big"))

    @property
    def exhausted(self) -> bool:
        """Whether the budget leaves nothing to spend."""
        return self._ledger.exhausted

    async def _grow(
        self,
        paths: Sequence[Path],
        n: int | Sequence[int],
        temperature: float | Sequence[float],
        *,
        whole: bool,
    ) -> list[list[Path]]:
        counts = [n] * len(paths) if isinstance(n, int) else n
        heats = [temperature] * len(paths) if isinstance(temperature, int | float) else temperature
        families: list[list[Path]] = [[] for _ in paths]
        births = [
            birth
            for family, (path, count, heat) in enumerate(zip(paths, counts, heats, strict=True))
            for birth in self._births(family, path, count, heat, whole=whole)
        ]
        self.expansions += 1
        children: list[Path] = []
        done = 0
        while done < len(births) and not self.exhausted:
            wave = self._ledger.affordable(births[done:])
            children += await self._draw(wave)
            done += len(wave)
        children = await self._scored(children)
        self.nodes += children
        for birth, child in zip(births, children, strict=False):  # births beyond the budget have no child
            families[birth.family].append(child)
        self._ledger.stamp()
        if self._watch is not None:
            self._watch(children)
        return families

    def _births(self, family: int, path: Path, count: int, temperature: float, *, whole: bool) -> list[Birth]:
        """Plan `count` children of a path: their numbers, what they continue, and how far they may grow."""
        if not path.is_open:
            raise ValueError(f"path {path.key} is {path.state} and cannot grow")
        config = self._config
        ids = self._prompt + path.ids
        grown = len(ids) - len(self._prompt)
        limit = config.max_tokens - grown
        if not whole:
            limit = min(limit, self._step_limit(path))
        room = self._generator.context - len(ids)
        bound: Bound = "length" if limit <= room else "context"
        first = self._children.get(path.key, 0)
        self._children[path.key] = first + count
        return [
            Birth(family, path, first + number, ids, temperature, min(limit, room), bound, whole)
            for number in range(count)
        ]

    def _step_limit(self, path: Path) -> int:
        """Most tokens of the next step, blank ones that are merged into it included: whole ones of fixed length."""
        config = self._config
        limit = config.k_tokens * (2 if config.warmup and not path.steps else 1)
        return limit - limit % (config.step_tokens or 1)

    async def _draw(self, births: list[Birth]) -> list[Path]:
        """Sample all births of a wave; blank steps are drawn on until they say something."""
        self._ledger.hold(births)
        try:
            drawn: dict[int, Path] = {}
            pending = list(enumerate(births))
            while pending:
                requests = [self._request(birth) for _, birth in pending]
                steps = await self._generator.generate(requests)
                if len(steps) != len(requests):
                    raise GeneratorError(f"The generator gave {len(steps)} steps for {len(requests)} requests.")
                again: list[tuple[int, Birth]] = []
                for (index, birth), request, step in zip(pending, requests, steps, strict=True):
                    self._charge(birth, request, step)
                    step = birth.settled(step, self._rules, self._generator.pieces)
                    if birth.goes_on(step, self._rules):
                        birth.blank.append(step)
                        again.append((index, birth))
                    else:
                        parts = birth.split(step, self._rules, self._generator.pieces)
                        drawn[index] = birth.child(parts, self._rules)
                pending = again
            return [drawn[index] for index in range(len(births))]
        finally:
            self._ledger.release(births)

    def _request(self, birth: Birth) -> StepRequest:
        ids, part = birth.ids, len(birth.blank)
        for step in birth.blank:
            ids += step.ids
        heat = birth.temperature
        sampling = self._samplings.get(heat)
        if sampling is None:
            sampling = self._samplings[heat] = self._config.sampling(heat)
        seed = derive_seed(self._config.seed, self._seed_id, birth.parent.key, birth.child_number, part)
        stop = () if birth.whole else self._rules.delimiters
        most = birth.most_tokens(self._rules)
        return StepRequest(ids, sampling, stop, most, seed, top_logprobs=self._top_logprobs)

    def _charge(self, birth: Birth, request: StepRequest, step: Step) -> None:
        self._ledger.charge_step(birth, request, step, self._generator.parameters)
        if len(step.ids) > request.max_tokens:
            raise GeneratorError(f"The generator gave {len(step.ids)} tokens where {request.max_tokens} were allowed.")
        check_told(request, step)

    async def _scored(self, children: list[Path]) -> list[Path]:
        """Ask the PRM for the new steps of paths that can still matter, and aggregate."""
        if self._prm is None:
            return children
        wanted = [
            index
            for index, child in enumerate(children)
            if child.state in ("open", "finished") and self._unscored(child)
        ]
        for index, child in enumerate(children):
            if child.is_finished and child.scores and not self._unscored(child):  # ended by a blank step
                total = self._aggregate(child.scores, True)
                children[index] = Path(child.key, child.steps, child.scores, total, child.state)
        if not wanted:
            return children
        verdicts = await self._prm.score(self.problem, [children[index] for index in wanted])
        if len(verdicts) != len(wanted):
            raise PRMError(f"The PRM gave {len(verdicts)} records for {len(wanted)} paths; one each is needed.")
        for index, verdict in zip(wanted, verdicts, strict=True):
            child = children[index]
            self._ledger.charge_scores(child.key, verdict, self._prm.parameters)
            verdict.check(len(child.steps) - len(child.scores))
            if verdict.too_long:  # past its context a PRM is silently wrong: the path neither grows nor votes
                children[index] = replace(child, state="unreadable")
                continue
            if verdict.parts:
                self.parts[child.key] = verdict.parts
            scores = child.scores + verdict.values
            total = self._aggregate(scores, child.is_finished)
            children[index] = Path(child.key, child.steps, scores, total, child.state)
        return children

    def _unscored(self, child: Path) -> bool:
        new = child.steps[len(child.scores) :]
        return bool(new) and not is_blank(new[-1].text, self._config.stop_tokens)
