"""Small worlds that the tests search in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tt_scale.base_classes import PRM, Generator, Problem, Scores, Searcher, Step, StepRequest
from tt_scale.config import Config
from tt_scale.core.path import Key, Outcome, Path, name
from tt_scale.generator.simulated import SimulatedGenerator, World
from tt_scale.grading import group_spellings
from tt_scale.prm.simulated import SimulatedPRM
from tt_scale.problems.simulated import simulated_answer, simulated_question
from tt_scale.space.search_space import SearchSpace


def sim_problem(number: int = 0, level: int = 3, steps: int = 5) -> Problem:
    """One problem of the simulated world."""
    question = simulated_question(number, level, steps)
    return Problem(f"sim-{number:05d}", question, str(simulated_answer(number)), level)


def sim_space(
    problem: Problem | None = None, *, world: World | None = None, quality: float = 0.6, repeat: int = 0, **keys: Any
) -> SearchSpace:
    """A space over the simulated world."""
    generator = SimulatedGenerator(world)
    config = Config(model_name="simulated", prm_name="simulated", **keys)
    prm = SimulatedPRM(quality, config.seed, generator)
    return SearchSpace(problem or sim_problem(), generator, prm, config, repeat=repeat, grouping=group_spellings)


def run(searcher: Searcher, space: SearchSpace) -> Outcome:
    """Search to the end, as a run does."""
    return asyncio.run(searched(searcher, space))


async def searched(searcher: Searcher, space: SearchSpace) -> Outcome:
    """Search and conclude."""
    if searcher.longest_path is not None:
        space._planner.max_steps = searcher.longest_path
    return await space.conclude(await searcher.search(space))


class ScriptedGenerator(Generator):
    """Draws what a table says: (key of the child) -> (text, why it ended).

    Prompt and paths are encoded such that the request tells which child is meant: each id is one character, and a
    child's key is found from how many children its parent was asked for before. Keys are therefore counted here
    once more, independently of the space.

    Args:
        script: texts by child key as in the docstring of a case; a missing key is a fault of the test.
    """

    context = 10_000

    def __init__(self, script: Mapping[Key, tuple[str, str]]) -> None:
        self.script = script
        self.rounds: list[list[StepRequest]] = []
        self._by_seed: dict[int, Key] = {}

    @classmethod
    def from_config(cls, config: Config) -> ScriptedGenerator:
        raise NotImplementedError

    def prompt(self, problem: Problem, system_prompt: str) -> tuple[int, ...]:
        from tt_scale.core.seeds import derive_seed

        for key in self.script:
            self._by_seed[derive_seed(Config().seed, problem.id, key[:-1], key[-1])] = key
        return (0,)

    def pieces(self, ids: Sequence[int]) -> list[str]:
        return [chr(token) for token in ids]

    async def generate(self, requests: Sequence[StepRequest]) -> list[Step]:
        self.rounds.append(list(requests))
        return [self._step(request) for request in requests]

    def key_of(self, request: StepRequest) -> Key:
        """Which child a request is meant for."""
        return self._by_seed[request.seed]

    def _step(self, request: StepRequest) -> Step:
        text, ended = self.script[self.key_of(request)]
        return Step(text, tuple(map(ord, text)), ended, request.seed, request.sampling.temperature)  # type: ignore[arg-type]


class ScriptedPRM(PRM):
    """Gives each path the score that a table says for its key."""

    def __init__(self, script: Mapping[Key, float]) -> None:
        self.script = script

    @classmethod
    def from_config(cls, config: Config, generator: Generator) -> ScriptedPRM:
        raise NotImplementedError

    async def score(self, problem: Problem, paths: Sequence[Path]) -> list[Scores]:
        return [
            Scores(tuple(self.script[path.key] for _ in path.steps[len(path.scores) :]), tokens=1) for path in paths
        ]


KINDS = {
    "step": ("think\n\n", "stop"),
    "end": ("\\boxed{%d}", "eos"),
    "boxed": ("\\boxed{%d}\n\n", "stop"),
    "long": ("one\n\ntwo\n\n\\boxed{%d}", "eos"),
    "cut": ("thi", "length"),
    "full": ("thi", "context"),
    "fail": ("", "error"),
}
"""What a drawn child can be: an ordinary step of 7 tokens, an answer that ends, an answer followed by a delimiter, a
whole solution of three steps, a step cut at its limit, one that filled the context, a failed request."""


def scripted_space(tree: Mapping[Key, tuple[float, str]], **keys: Any) -> SearchSpace:
    """A space over a hand-drawn tree: key -> (score, kind), kinds as in `KINDS`; answers are the child's number."""
    texts = {key: (_drawn(KINDS[kind][0], key), KINDS[kind][1]) for key, (_, kind) in tree.items()}
    scores = {key: score for key, (score, _) in tree.items()}
    config = Config(**keys)
    problem = Problem("drawn", "A drawn tree.", "0")
    return SearchSpace(problem, ScriptedGenerator(texts), ScriptedPRM(scores), config)


def _drawn(text: str, key: Key) -> str:
    return text % key[-1] if "%d" in text else text


def table(text: str) -> dict[Key, tuple[float, str]]:
    """Read a drawn tree: a line for each child, `0.1 .7` or `0.1 .7 end`; `0.1-3 .7` are three children alike.

    A child that is not in the table does not exist: a search that asks for it fails its test.
    """
    tree: dict[Key, tuple[float, str]] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        where, score, kind = (*line.split(), "step")[:3]
        *above, last = where.split(".")
        first, _, until = last.partition("-")
        for number in range(int(first), int(until or first) + 1):
            tree[(*map(int, above), number)] = (float(score), kind)
    return tree


def asked_in(space: SearchSpace) -> list[set[str]]:
    """What a search asked a scripted generator for, round by round: `0.1 @0.7` is a child and its temperature."""
    generator = space._generator
    assert isinstance(generator, ScriptedGenerator)
    return [
        {f"{name(generator.key_of(request))} @{round(request.sampling.temperature, 6)}" for request in requests}
        for requests in generator.rounds
    ]


def at(temperature: float, *keys: str) -> set[str]:
    """The same notation for children that share a temperature; `0.1-3` are three of them."""
    names: set[str] = set()
    for line in keys:
        names |= {f"{name(key)} @{temperature}" for key in table(f"{line} 0")}
    return names


class TapeGenerator(Generator):
    """Says the same words to whoever asks, in pieces of one token each, from wherever a path stands; then ends.

    A step ends with the piece that completes a delimiter in what the request has sampled, as engines do it.

    Args:
        pieces: the text of each token [length]; one more, empty, is the end of the sequence.
        context: most tokens of prompt and output together; the prompt has one token.
    """

    def __init__(self, pieces: Sequence[str], context: int = 10_000) -> None:
        self.tape = [*pieces, ""]
        self.context = context
        self.rounds: list[list[StepRequest]] = []

    @classmethod
    def from_config(cls, config: Config) -> TapeGenerator:
        raise NotImplementedError

    def prompt(self, problem: Problem, system_prompt: str) -> tuple[int, ...]:
        return (-1,)

    def pieces(self, ids: Sequence[int]) -> list[str]:
        return [self.tape[token] for token in ids]

    async def generate(self, requests: Sequence[StepRequest]) -> list[Step]:
        self.rounds.append(list(requests))
        await asyncio.sleep(0)  # others may run meanwhile, as with a real engine
        return [self._step(request) for request in requests]

    def _step(self, request: StepRequest) -> Step:
        begin = at = len(request.ids) - 1
        assert request.ids[1:] == tuple(range(begin)), "a path is continued from other ids than were sampled"
        ended, text = "length", ""
        while at - begin < request.max_tokens and ended == "length":
            text += self.tape[at]
            at += 1
            if at == len(self.tape):
                ended = "eos"
            elif any(delimiter in text for delimiter in request.stop):
                ended = "stop"
        ids = tuple(range(begin, at))
        return Step(text, ids, ended, request.seed, request.sampling.temperature)  # type: ignore[arg-type]


class TellingPRM(PRM):
    """Gives each new step what a function of its text says, and remembers the texts that it was shown."""

    def __init__(self, value: Callable[[str], float] = lambda text: 0.5) -> None:
        self.value = value
        self.shown: list[list[str]] = []

    @classmethod
    def from_config(cls, config: Config, generator: Generator) -> TellingPRM:
        raise NotImplementedError

    async def score(self, problem: Problem, paths: Sequence[Path]) -> list[Scores]:
        new = [[step.text for step in path.steps[len(path.scores) :]] for path in paths]
        self.shown += new
        return [Scores(tuple(map(self.value, texts)), tokens=1) for texts in new]


def tape_space(
    pieces: Sequence[str], *, prm: PRM | None = None, context: int = 10_000, **keys: Any
) -> tuple[SearchSpace, TapeGenerator]:
    """A space in which every path says the same, and its generator."""
    generator = TapeGenerator(pieces, context)
    problem = Problem("tape", "What is on the tape?", "0")
    return SearchSpace(problem, generator, prm or TellingPRM(), Config(**keys)), generator


def tree_of(space: SearchSpace) -> list[tuple[Key, float, str]]:
    """What a search drew, in order."""
    return [(node.key, round(node.score, 6), node.state) for node in space.nodes]


def reworded(step: Step, **changes: Any) -> Step:
    """A changed copy of a step."""
    return replace(step, **changes)
