"""One problem's world: the only door between a searcher and everything else.

A searcher calls two verbs, `expand` and `complete`. Behind them the space renders the prompt, derives seeds, keeps
within the budget, merges blank steps, asks the PRM, charges usage and records the tree, for every method alike. It also
sees to it that no search ends without an answer: paths that reach a limit of steps or tokens are grown to their end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from math import inf
from random import Random

from tt_scale.base_classes import PRM, Generator
from tt_scale.config import Config
from tt_scale.core.aggregate import AGGREGATES
from tt_scale.core.answer_classes import Grouping, equal_texts
from tt_scale.core.budget import Usage
from tt_scale.core.conversation import told_as_question
from tt_scale.core.final_answer import THINK, FinalAnswer
from tt_scale.core.logprobs import require_logprobs
from tt_scale.core.path import Key, Outcome, Path, best
from tt_scale.core.records import Problem
from tt_scale.core.segmentation import is_blank
from tt_scale.core.threshold import Bar
from tt_scale.errors import PromptError
from tt_scale.space.candidate import Birth, Rules
from tt_scale.space.certainty import common_text
from tt_scale.space.planner import Planner, best_first
from tt_scale.space.recorder import Recorder
from tt_scale.space.rounds import LEAST_CHUNK
from tt_scale.space.sampler import Sampler, Twins
from tt_scale.space.spending import Clock, Ledger
from tt_scale.space.tape import Tape

__all__ = ["Event", "SearchSpace"]


@dataclass(frozen=True, slots=True)
class Event:
    """Something a searcher wants to be remembered.

    Attributes:
        kind: "retry", "backtrack", "jump", "left", "rescue" or "timeout"; third-party methods may add their own.
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
        max_steps: most steps of a path; None means `max_steps` of the configuration.
        watch: called with the children of every growth, for live views.
        follow: called with the text with which the answer begins for certain, each time that it has grown.
        grouping: says which answers are the same to a method that counts votes; by default those of equal text.
        clock: of the search, with the limit of the configuration; None starts one.

    Attributes:
        answers: finds the final answer in the text of this problem's solutions.

    Raises:
        PromptError: the prompt leaves no room in the context.
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
        max_steps: int | None = None,
        watch: Callable[[Sequence[Path]], None] | None = None,
        follow: Callable[[str], None] | None = None,
        grouping: Grouping = equal_texts,
        clock: Clock | None = None,
    ) -> None:
        self.problem = problem
        self._clock = clock or Clock(config.max_seconds)
        self._clock.on_timeout = lambda: self.mark("timeout")
        self._ledger = Ledger(config.limits, self._clock)
        self.usage = self._ledger.usage
        self.costs = self._ledger.costs
        self.nodes: list[Path] = []
        self.events: list[Event] = []
        self.parts: dict[Key, Mapping[str, tuple[float, ...]]] = {}
        self.expansions = 0
        self.bar = Bar(first_scores)
        self._recorder = Recorder(generator, prm, grouping)
        self._generator = generator
        self._prm = prm
        self._config = config
        self._watch = watch
        self._follow = follow
        self._certain = ""  # what `follow` was told
        self._pool: tuple[Path, ...] = ()  # as the method committed to it
        self._aggregate = AGGREGATES[config.agg]
        self._seed_id = f"{problem.id}\x1e{repeat}" if repeat else problem.id  # no id holds a control character
        self._roots = 0
        generator.check_conversation(problem)
        self._scored_problem = told_as_question(problem)
        self._prompt = self._recorder.prompt(problem, config.system_prompt)
        if len(self._prompt) >= generator.context:
            raise PromptError(
                f"The prompt of problem {problem.id!r} has {len(self._prompt)} tokens, the context holds "
                f"{generator.context}.",
                "Raise max_model_len or leave the problem out.",
            )
        self._planner = Planner(config, self._prompt, generator.context, max_steps or config.max_steps)
        self.answers = self._answers_of(config)
        self._rules = Rules(
            config.stop_tokens, config.step_tokens, self.answers, self._planner.most_tokens, config.path_end
        )
        self._sampler = Sampler(generator, self._recorder, config, self._rules, self._ledger, self._seed_id, repeat)
        self._twins = Twins()
        self.tell_logprobs(prm.top_logprobs if prm else 0)
        self._completing = False  # whether the budget made paths grow to their end

    def roots(self, count: int = 1) -> list[Path]:
        """Give empty paths with distinct keys, so that copies of the root draw different children."""
        self._roots += count
        return [Path(key=(number,)) for number in range(self._roots - count, self._roots)]

    async def expand(
        self,
        paths: Sequence[Path],
        n: int | Sequence[int] = 1,
        *,
        temperature: float | Sequence[float],
        kept: bool = True,
    ) -> list[list[Path]]:
        """Grow each path by one scored step.

        A path of `max_steps` - 1 steps grows to its end instead; so do all, the best first, where the budget could not
        afford the step and the rest of a solution after it.

        Args:
            paths: open ones [paths].
            n: children for each path, one number or one for each [paths].
            temperature: likewise; at 0 equal siblings are drawn once.
            kept: False for a look ahead, whose children are dropped: none is drawn where the budget may be needed
                to finish a path.

        Returns:
            The children of each path [paths][n], fewer where the budget ran out.
        """
        endless = not self._rules.delimiters and self._rules.step_tokens is None
        return await self._grow(paths, n, temperature, whole=endless, kept=kept)

    async def complete(
        self, paths: Sequence[Path], n: int | Sequence[int] = 1, *, temperature: float | Sequence[float]
    ) -> list[list[Path]]:
        """Grow each path to its end, then score all its new steps at once; arguments and result as in `expand`."""
        return await self._grow(paths, n, temperature, whole=True, kept=True)

    def tell_logprobs(self, top_logprobs: int) -> None:
        """Let all steps from now on have `logprobs` and `confidences`.

        Args:
            top_logprobs: how many of the likeliest tokens the confidences look at; no less than was asked before.

        Raises:
            ConfigError: the generator does not tell them.
        """
        require_logprobs(self._generator, top_logprobs, "The search")
        self._sampler.top_logprobs = max(self._sampler.top_logprobs, top_logprobs)

    def mark(self, kind: str, paths: Sequence[Path] = ()) -> None:
        """Remember that something happened to paths; the report counts the kinds."""
        self.events.append(Event(kind, tuple([path.key for path in paths]), len(self.nodes)))

    def commit(self, alive: Iterable[Path], pool: Iterable[Path] = ()) -> None:
        """Say what the method can still bring home, so that whoever follows it can be told what is certain.

        A method that never calls it may still grow any path, and nothing is certain before its end.

        Args:
            alive: whatever comes into the pool from now on is one of these paths, or grows from one.
            pool: the paths that are in the pool to stay.
        """
        self._pool = tuple(pool)
        if self._follow is None:
            return
        paths = [*alive, *self._pool]
        if len(common_text(paths)) <= len(self._certain):  # the usual case; below every finished path is looked at
            return
        text = common_text([*paths, *self._last_resorts()])
        if len(text) > len(self._certain):
            self._certain = text
            self._follow(text)

    def best_so_far(self) -> tuple[Outcome, Path | None]:
        """What a search that is broken off has: its pool, and its best path.

        Only paths count that begin with what `follow` was told.
        """
        finished = [node for node in self.nodes if node.is_finished and self.answer(node)]
        answered = [path for path in self._pool if self.answer(path)] or finished
        pool = tuple([path for path in answered if path.text.startswith(self._certain)])
        return Outcome(pool, "timeout"), self.best_path()

    def best_path(self) -> Path | None:
        """The best path of the tree that begins with what `follow` was told: a finished one, else one that can grow."""
        paths = [node for node in self.nodes if node.text.startswith(self._certain)]
        states = ("finished", "open")
        by_state = [[path for path in paths if path.state == state] for state in states]
        return next((best(each, 1)[0] for each in [*by_state, paths] if each), None)

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

    @property
    def max_steps(self) -> int:
        """Most steps of a path."""
        return self._planner.max_steps

    async def conclude(self, outcome: Outcome) -> Outcome:
        """Close a search, so that no answer is thrown away.

        A search that brings no answer gets the finished paths that it had rejected, and after that, where
        `last_resort` says so, an answer that the best open path is asked for. Where the budget made paths grow to
        their end it is named as what stopped the search.
        """
        if self._completing and outcome.stopped in ("frontier", "steps"):
            outcome = replace(outcome, stopped="budget")
        if any(self.answer(path) for path in outcome.pool):
            return outcome
        pooled = {path.key for path in outcome.pool}
        rejected = [node for node in self.nodes if node.is_finished and node.key not in pooled and self.answer(node)]
        if rejected:
            self.mark("rescue", rejected)
            weights = outcome.weights and (*outcome.weights, *[path.score for path in rejected])
            return Outcome((*outcome.pool, *rejected), outcome.stopped, weights)
        if self._config.last_resort == "none":
            return outcome
        forced = await self._forced()
        return outcome if forced is None else Outcome((*outcome.pool, forced), outcome.stopped)

    def answer(self, path: Path) -> str | None:
        """Give the final answer that a path states, or None."""
        return self.answers.of(path.text, cut=path.cut)

    def answer_classes(self, answers: Sequence[str | None]) -> list[int]:
        """Number the classes of answers that are the same.

        Args:
            answers: as `answer` gives them; None where there is none [answers].

        Returns:
            The class of each, numbered from 0 in order of first appearance, or `selection.NO_ANSWER` [answers].
        """
        return self._recorder.answer_classes(answers)

    @property
    def tape(self) -> Tape:
        """What the search was given from outside so far."""
        tape = self._recorder.tape
        tape.bars, tape.timeout = self.bar.quantiles, self._clock.timeout
        return tape

    async def _grow(
        self,
        paths: Sequence[Path],
        n: int | Sequence[int],
        temperature: float | Sequence[float],
        *,
        whole: bool,
        kept: bool,
    ) -> list[list[Path]]:
        counts = [n] * len(paths) if isinstance(n, int) else n
        temperatures = [temperature] * len(paths) if isinstance(temperature, int | float) else temperature
        births = [
            birth
            for family, planned in enumerate(zip(paths, counts, temperatures, strict=True))
            for birth in self._planner.births(family, *planned, whole=whole)
        ]
        self.expansions += 1
        children = await self._within_budget(births, kept)
        families: list[list[Path]] = [[] for _ in paths]
        for birth, child in children:
            families[birth.family].append(child)
        self.nodes += [child for _, child in children]
        self._ledger.stamp()
        if self._watch is not None:
            self._watch([child for _, child in children])
        return families

    async def _within_budget(self, births: list[Birth], kept: bool) -> list[tuple[Birth, Path]]:
        """Draw children as the budget allows: as planned, in rounds, or, where little is left, as whole solutions.

        The tokens of one solution are kept back until one is drawn to its end.
        """
        left = self._ledger.tokens_left
        if left == inf:
            return await self._drawn(births)
        births = best_first(births)
        if all(birth.whole for birth in births):
            return await self._drawn(births)
        reserve = max(map(self._planner.to_the_end, births)) if kept else self._rules.most_tokens
        others = births[1:] if kept else births
        if sum([birth.limit for birth in others]) <= left - reserve:
            return await self._drawn(births)
        if not kept:
            return []
        children: list[tuple[Birth, Path]] = []
        if others and left - reserve >= LEAST_CHUNK * len(others):
            children = await self._drawn(births, reserve)
            if any(child.is_open or child.is_finished for _, child in children):
                return children
            births = [self._planner.again(birth) for birth in births]  # every step was cut short
        self._completing = True
        self._planner.complete(births)
        return children + await self._drawn(births)

    async def _drawn(self, births: list[Birth], reserve: int = 0) -> list[tuple[Birth, Path]]:
        """Draw children and score them; those that greedy decoding must make equal are drawn once.

        Args:
            births: in the order in which they go first where not all can.
            reserve: tokens of the budget that all but the first of them leave alone.

        Returns:
            Each birth with its child, in the order of families and numbers, without those that the budget left out.
        """
        unlike, twins = self._twins.set_aside(births)
        drawn = await self._sampler.children(unlike, reserve)
        scored = await self._scored(list(drawn.values()))
        children = dict(zip(drawn, scored, strict=True))
        self._twins.remember(children)
        for birth, twin in twins:
            if (same := self._twins.known(birth) or children.get(twin)) is not None:
                children[birth] = self._copied(birth, same)
        return sorted(children.items(), key=lambda pair: (pair[0].family, pair[0].child_number))

    def _copied(self, birth: Birth, same: Path) -> Path:
        """Give a birth the child that was drawn for an equal one; it costs nothing."""
        key = birth.key
        self.costs[key] = Usage()
        if same.key in self.parts:
            self.parts[key] = self.parts[same.key]
        return replace(same, key=key)

    async def _forced(self) -> Path | None:
        """Ask the best open path for its final answer; None where that is not possible or gives none."""
        parent = self._best_open(self.roots())
        [birth] = self._planner.births(0, parent, 1, 0.0, whole=True)
        lead_in = self._recorder.lead_in(self._config.final_answer_prefix)
        child = None if self.exhausted else await self._sampler.forced(birth, lead_in)
        if child is None:
            return None
        self.nodes.append(child)
        self._ledger.stamp()
        return child if child.is_finished and self.answer(child) else None

    def _best_open(self, roots: Sequence[Path]) -> Path:
        """The open path that is asked for an answer as a last resort; a root where there is no other."""
        open_paths = [path for path in [*self.nodes, *roots] if path.is_open]
        return min(open_paths, key=lambda path: (not path.steps, -path.score, -len(path.key), path.key))

    def _last_resorts(self) -> list[Path]:
        """The paths from which `conclude` would take an answer, or ask for one, if no path of the pool had any."""
        if any(self.answer(path) for path in self._pool):
            return []
        rejected = [node for node in self.nodes if node.is_finished and self.answer(node)]
        return rejected if self._config.last_resort == "none" else [*rejected, self._best_open([Path(())])]

    def _answers_of(self, config: Config) -> FinalAnswer:
        """Learn from configuration, chat template and prompt where this problem's solutions state their answer."""
        own = tuple(zip(config.reasoning_tags[::2], config.reasoning_tags[1::2], strict=True))
        tags = tuple(dict.fromkeys([THINK, *self._generator.reasoning_tags, *own]))
        end = self._recorder.end_of(self._prompt).rstrip()
        opened = any(end.endswith(opening) for opening, _ in tags)
        return FinalAnswer(config.final_answer_prefix, tags, opened, config.answer_rule or "boxed")

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
                children[index] = replace(child, score=self._aggregate(child.scores, True))
        if not wanted:
            return children
        verdicts = await self._recorder.score(self._scored_problem, [children[index] for index in wanted])
        for index, verdict in zip(wanted, verdicts, strict=True):
            child = children[index]
            self._ledger.charge_scores(child.key, verdict, self._prm.parameters)
            verdict.check(len(child.steps) - len(child.scores))
            if verdict.too_long:  # past its context a PRM is silently wrong: the path neither grows nor votes
                children[index] = replace(child, state="unreadable", score=0.0)
                continue
            if verdict.parts:
                self.parts[child.key] = verdict.parts
            scores = child.scores + verdict.values
            children[index] = replace(child, scores=scores, score=self._aggregate(scores, child.is_finished))
        return children

    def _unscored(self, child: Path) -> bool:
        new = child.steps[len(child.scores) :]
        return bool(new) and not is_blank(new[-1].text, self._config.stop_tokens)
