"""Search space of one problem: the only interface between a searcher and the rest of tt_scale.

A searcher calls `expand` and `complete`. Behind them the space renders the prompt, derives seeds, enforces the budget,
merges blank steps, calls the PRM, records usage and keeps the tree, in the same way for every method. It also ensures
that no search ends without an answer: paths that reach a limit of steps or tokens are extended to their end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from math import inf
from random import Random

from tt_scale.base_classes import PRM, Generator
from tt_scale.config import Config
from tt_scale.config.declare import MOST_PATHS
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
from tt_scale.space.candidate import ChildCandidate, Rules
from tt_scale.space.certainty import common_text
from tt_scale.space.pace import Pace, check_children
from tt_scale.space.planner import Planner, best_first
from tt_scale.space.recorder import Recorder
from tt_scale.space.rounds import LEAST_CHUNK
from tt_scale.space.sampler import GreedyDuplicates, Sampler
from tt_scale.space.spending import Clock, Spending
from tt_scale.space.tape import Tape

__all__ = ["Event", "SearchSpace"]

SPARE = -1
"""Family of a child that no method asked for."""

MOST_PLANNED = 4096
"""Children of one path that are planned before other work of the event loop has its turn."""

AMPLE = 3
"""Rest of a budget, as a multiple of the longest path, that is taken to suffice for another path."""


@dataclass(frozen=True, slots=True)
class Event:
    """Event of a search, recorded by the searcher.

    Attributes:
        kind: "retry", "backtrack", "jump", "left", "rescue" or "timeout"; third-party methods may add their own.
        keys: keys of the paths that it concerns.
        created: number of paths in the tree when it happened.
    """

    kind: str
    keys: tuple[Key, ...]
    created: int


class SearchSpace:
    """Search space of one problem, with its generator, PRM and budget.

    Args:
        problem: problem to solve.
        generator: started generator.
        prm: started PRM; None leaves paths without scores.
        config: sampling, limits, delimiters, aggregate and budget.
        repeat: number of this search among several of the same problem, from 0; each has its own seeds.
        first_scores: scores of the run's first steps, from which a quantile as `tau` is estimated; empty if `tau` is a
            number.
        max_steps: maximum number of steps of a path; None uses `max_steps` of the configuration.
        watch: callback that receives the children of every expansion, for live views.
        follow: callback that receives the certain beginning of the answer each time it becomes longer.
        grouping: function that groups equal answers for methods that count votes; by default by equal text.
        clock: clock with the time limit of the configuration; None starts one.
        pace: turns for other work of the event loop, a deadline and limits; None for a search that may block the loop.

    Attributes:
        answers: extracts the final answer from the text of a solution.

    Raises:
        PromptError: the prompt leaves no room in the context.
        ConfigError: the PRM needs log-probabilities that the generator does not return.
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
        pace: Pace | None = None,
    ) -> None:
        self.problem = problem
        self._clock = clock or Clock(config.max_seconds)
        self._clock.on_timeout = lambda: self.mark("timeout")
        self._spending = Spending(config.limits, self._clock)
        self.usage = self._spending.usage
        self.costs = self._spending.costs
        self.nodes: list[Path] = []
        self.events: list[Event] = []
        self.parts: dict[Key, Mapping[str, tuple[float, ...]]] = {}
        self.expansions = 0
        self.bar = Bar(first_scores)
        self._recorder = Recorder(generator, prm, grouping)
        self._generator = generator
        self._prm = prm
        self._config = config
        self._turn = None if pace is None else pace.turn
        self._most_children = MOST_PATHS if pace is None else pace.most_children
        self._watch = watch
        self._follow = follow
        self._certain = ""  # what `follow` received
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
        self._sampler = Sampler(
            *(generator, self._recorder, config, self._rules, self._spending, self._seed_id, repeat, self._turn)
        )
        self._duplicates = GreedyDuplicates()
        self.request_logprobs(prm.top_logprobs if prm else 0)
        self._completing = False  # whether the budget forced paths to their end

    def roots(self, count: int = 1) -> list[Path]:
        """Return empty paths with distinct keys, so that copies of the root sample different children."""
        check_children(count, self._most_children)
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
        """Extend each path by one scored step.

        A path of `max_steps` - 1 steps is extended to its end instead; so are all paths, the best first, if the budget
        could not pay for the step and the rest of a solution after it.

        Args:
            paths: open paths [paths].
            n: number of children of each path, one for all or one each [paths].
            temperature: sampling temperature, likewise; at 0, equal siblings are sampled once.
            kept: False for a lookahead, whose children are dropped: none is sampled if the budget may be needed to
                finish a path.

        Returns:
            The children of each path [paths][n], fewer if the budget ran out.
        """
        endless = not self._rules.delimiters and self._rules.step_tokens is None
        return await self._grow(paths, n, temperature, whole=endless, kept=kept)

    async def complete(
        self, paths: Sequence[Path], n: int | Sequence[int] = 1, *, temperature: float | Sequence[float]
    ) -> list[list[Path]]:
        """Extend each path to its end, then score all its new steps at once; arguments and result as in `expand`."""
        return await self._grow(paths, n, temperature, whole=True, kept=True)

    def request_logprobs(self, top_logprobs: int) -> None:
        """Request `logprobs` and `confidences` for all further steps.

        Args:
            top_logprobs: number of most likely tokens from which confidences are computed; never lowered.

        Raises:
            ConfigError: the generator does not return them.
        """
        require_logprobs(self._generator, top_logprobs, "The search")
        self._sampler.top_logprobs = max(self._sampler.top_logprobs, top_logprobs)

    def mark(self, kind: str, paths: Sequence[Path] = ()) -> None:
        """Record an event that concerns some paths; reports count the kinds."""
        self.events.append(Event(kind, tuple([path.key for path in paths]), len(self.nodes)))

    def commit(self, alive: Iterable[Path], pool: Iterable[Path] = ()) -> None:
        """Declare which paths can still become the answer, so that a stream can send the text that they share.

        A method that never calls it may still extend any path, and nothing is certain before its end.

        Args:
            alive: every path that enters the pool from now on is one of these or a descendant of one.
            pool: paths that stay in the pool.
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
        """Return the pool and the best path of a search that was interrupted.

        Only paths count that begin with what `follow` received.
        """
        finished = [node for node in self.nodes if node.is_finished and self.answer(node)]
        answered = [path for path in self._pool if self.answer(path)] or finished
        pool = tuple([path for path in answered if path.text.startswith(self._certain)])
        return Outcome(pool, "timeout"), self.best_path()

    def best_path(self) -> Path | None:
        """Best path of the tree that begins with what `follow` received: a finished one, else an open one."""
        paths = [node for node in self.nodes if node.text.startswith(self._certain)]
        states = ("finished", "open")
        by_state = [[path for path in paths if path.state == state] for state in states]
        return next((best(each, 1)[0] for each in [*by_state, paths] if each), None)

    def random(self, name: str) -> Random:
        """Return a random generator for the search itself; its seed depends on run seed, problem, repeat and name only.

        Args:
            name: purpose of the stream; the same name returns the same stream again.
        """
        where = f"{self._config.seed}\x1f{self._seed_id}\x1f{name}".encode()
        return Random(int.from_bytes(blake2b(where, digest_size=16).digest(), "big"))

    @property
    def exhausted(self) -> bool:
        """Whether the budget is exhausted."""
        return self._spending.exhausted

    @property
    def max_steps(self) -> int:
        """Maximum number of steps of a path."""
        return self._planner.max_steps

    async def conclude(self, outcome: Outcome) -> Outcome:
        """Complete the outcome of a search, so that no answer is lost.

        A search without an answer returns the finished paths that it had rejected; if there are none either and
        `last_resort` is "force", the best open path is prompted for an answer. If the budget forced paths to their
        end, it is given as the reason why the search stopped.
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
        """Return the final answer of a path, or None."""
        return self.answers.of(path.text, cut=path.cut)

    def answer_classes(self, answers: Sequence[str | None]) -> list[int]:
        """Assign equal answers to the same class.

        Args:
            answers: final answers, None where there is none [answers].

        Returns:
            Class of each answer, from 0 in order of first appearance, or `selection.NO_ANSWER` [answers].
        """
        return self._recorder.answer_classes(answers)

    @property
    def call_seconds(self) -> dict[str, float]:
        """Wall time in which at least one call of generator or PRM was in flight, as a record names both."""
        found = {"generator_seconds": self._recorder.generator_time.seconds}
        return found if self._prm is None else {**found, "prm_seconds": self._recorder.prm_time.seconds}

    @property
    def tape(self) -> Tape:
        """All inputs that the search has received so far; calls in flight are failures."""
        tape = self._recorder.ended_tape()
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
        check_children(sum(counts), self._most_children)
        candidates = await self._planned(list(zip(paths, counts, temperatures, strict=True)), whole=whole)
        self.expansions += 1
        children = await self._within_budget(candidates, kept)
        families: list[list[Path]] = [[] for _ in paths]
        for candidate, child in children:
            if candidate.family != SPARE:
                families[candidate.family].append(child)
        self.nodes += [child for _, child in children]
        self._spending.record_elapsed()
        if self._watch is not None:
            self._watch([child for _, child in children])
        return families

    async def _planned(self, families: Sequence[tuple[Path, int, float]], *, whole: bool) -> list[ChildCandidate]:
        """Plan the children of each family: a path, their number, and their temperature."""
        if self._turn is not None:
            await self._turn()
        candidates: list[ChildCandidate] = []
        for family, (path, count, temperature) in enumerate(families):
            for start in range(0, count, MOST_PLANNED):
                planned = min(MOST_PLANNED, count - start)
                candidates += self._planner.candidates(family, path, planned, temperature, whole=whole)
                if self._turn is not None:
                    await self._turn()
        return candidates

    async def _within_budget(self, candidates: list[ChildCandidate], kept: bool) -> list[tuple[ChildCandidate, Path]]:
        """Sample children as the budget allows: as planned, in rounds, or, if little is left, as whole solutions.

        The tokens of one solution are reserved until one has been sampled to its end.
        """
        left = self._spending.tokens_left
        if left == inf:
            return await self._drawn(candidates)
        candidates = best_first(candidates)
        if all(candidate.whole for candidate in candidates):
            return await self._drawn([*self._spare(candidates[0]), *candidates])
        reserve = max(map(self._planner.tokens_to_end, candidates)) if kept else self._rules.most_tokens
        others = candidates[1:] if kept else candidates
        if sum([candidate.limit for candidate in others]) <= left - reserve:
            return await self._drawn(candidates)
        if not kept:
            return []
        children: list[tuple[ChildCandidate, Path]] = []
        if others and left - reserve >= LEAST_CHUNK * len(others):
            children = await self._drawn(candidates, reserve)
            if any(child.is_open or child.is_finished for _, child in children):
                return children
            candidates = [self._planner.replacement(candidate) for candidate in candidates]  # every step was cut short
        self._completing = True
        self._planner.extend_to_end(candidates)
        return children + await self._drawn([*self._spare(candidates[0]), *candidates])

    def _spare(self, candidate: ChildCandidate) -> list[ChildCandidate]:
        """Plan the end of a longer path than that of a candidate, for which the rest of the budget may not suffice.

        A method may return to a shorter path when the rest covers only what the longest path may need. As long as there
        is no answer, that path is extended to its end first, unless the rest is `AMPLE` times as long as it already is.
        So a solution is missed only where it needs more than `AMPLE` / (`AMPLE` + 1) of `max_tokens`.
        """
        left = self._spending.tokens_left
        longer = [node for node in self.nodes if node.is_open and node.tokens > candidate.parent.tokens]
        if candidate.limit <= left or not longer:
            return []
        path = max(longer, key=lambda node: (node.tokens, node.score, node.key))
        if left >= AMPLE * path.tokens or any(node.is_finished and self.answer(node) for node in self.nodes):
            return []
        return self._planner.candidates(SPARE, path, 1, candidate.temperature, whole=True)

    async def _drawn(self, candidates: list[ChildCandidate], reserve: int = 0) -> list[tuple[ChildCandidate, Path]]:
        """Sample and score children; those that greedy decoding makes equal are sampled once.

        Args:
            candidates: in order of priority.
            reserve: tokens of the budget that only the first candidate may use.

        Returns:
            Each candidate with its child, by family and number, without those for which the budget did not suffice.
        """
        unlike, twins = self._duplicates.set_aside(candidates)
        drawn = await self._sampler.children(unlike, reserve)
        scored = await self._scored(list(drawn.values()))
        children = dict(zip(drawn, scored, strict=True))
        self._duplicates.remember(children)
        for candidate, twin in twins:
            if (same := self._duplicates.known(candidate) or children.get(twin)) is not None:
                children[candidate] = self._copied(candidate, same)
        return sorted(children.items(), key=lambda pair: (pair[0].family, pair[0].child_number))

    def _copied(self, candidate: ChildCandidate, same: Path) -> Path:
        """Copy the child that was sampled for an equal candidate; the copy costs nothing."""
        key = candidate.key
        self.costs[key] = Usage()
        if same.key in self.parts:
            self.parts[key] = self.parts[same.key]
        return replace(same, key=key)

    async def _forced(self) -> Path | None:
        """Prompt the best open path for its final answer; None if that is not possible or gives none."""
        parent = self._best_open(self.roots())
        [candidate] = self._planner.candidates(0, parent, 1, 0.0, whole=True)
        lead_in = self._recorder.lead_in(self._config.final_answer_prefix)
        child = None if self.exhausted else await self._sampler.forced(candidate, lead_in)
        if child is None:
            return None
        self.nodes.append(child)
        self._spending.record_elapsed()
        return child if child.is_finished and self.answer(child) else None

    def _best_open(self, roots: Sequence[Path]) -> Path:
        """Open path that is prompted for an answer as a last resort; a root if there is no other."""
        open_paths = [path for path in [*self.nodes, *roots] if path.is_open]
        return min(open_paths, key=lambda path: (not path.steps, -path.score, -len(path.key), path.key))

    def _last_resorts(self) -> list[Path]:
        """Paths from which `conclude` would take an answer, or which it would prompt for one, if the pool had none.

        As long as there is no answer, a limit may also have the space finish any open path (`_spare`).
        """
        if any(self.answer(path) for path in self._pool):
            return []
        found = [node for node in self.nodes if node.is_finished and self.answer(node)]
        if not found and self._spending.tokens_left != inf:
            found = [node for node in self.nodes if node.is_open]
        return found if self._config.last_resort == "none" else [*found, self._best_open([Path(())])]

    def _answers_of(self, config: Config) -> FinalAnswer:
        """Build the extractor of final answers from configuration, chat template and prompt."""
        own = tuple(zip(config.reasoning_tags[::2], config.reasoning_tags[1::2], strict=True))
        tags = tuple(dict.fromkeys([THINK, *self._generator.reasoning_tags, *own]))
        end = self._recorder.end_of(self._prompt).rstrip()
        opened = any(end.endswith(opening) for opening, _ in tags)
        return FinalAnswer(config.final_answer_prefix, tags, opened, config.answer_rule or "boxed")

    async def _scored(self, children: list[Path]) -> list[Path]:
        """Score the new steps of open and finished paths, and aggregate."""
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
            self._spending.record_scores(child.key, verdict, self._prm.parameters)
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
