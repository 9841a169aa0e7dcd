"""Small worlds that the tests search in."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tt_scale.base_classes import PRM, Generator, Problem, Scores, Searcher, Step, StepRequest
from tt_scale.config import Config
from tt_scale.generator.simulated import SimulatedGenerator, World
from tt_scale.path import Key, Outcome, Path
from tt_scale.prm.simulated import SimulatedPRM
from tt_scale.problems.simulated import simulated_answer, simulated_question
from tt_scale.space import SearchSpace


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
    return SearchSpace(problem or sim_problem(), generator, prm, config, repeat=repeat)


def run(searcher: Searcher, space: SearchSpace) -> Outcome:
    """Search to the end."""
    return asyncio.run(searcher.search(space))


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
        self.asked: list[StepRequest] = []
        self._by_seed: dict[int, Key] = {}

    @classmethod
    def from_config(cls, config: Config) -> ScriptedGenerator:
        raise NotImplementedError

    def prompt(self, problem: Problem, system_prompt: str) -> tuple[int, ...]:
        from tt_scale.seeds import derive_seed

        for key in self.script:
            self._by_seed[derive_seed(Config().seed, problem.id, key[:-1], key[-1])] = key
        return (0,)

    def pieces(self, ids: Sequence[int]) -> list[str]:
        return [chr(token) for token in ids]

    async def generate(self, requests: Sequence[StepRequest]) -> list[Step]:
        self.asked += requests
        return [self._step(request) for request in requests]

    def _step(self, request: StepRequest) -> Step:
        key = self._by_seed[request.seed]
        text, ended = self.script[key]
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


def scripted_space(tree: Mapping[Key, tuple[float, str]], **keys: Any) -> SearchSpace:
    r"""A space over a hand-drawn tree: key -> (score, kind), kind "step", "end" (boxed answer and eos) or "cut"."""
    texts = {
        key: {"step": ("think\n\n", "stop"), "end": (f"\\boxed{{{key[-1]}}}", "eos"), "cut": ("thi", "length")}[kind]
        for key, (_, kind) in tree.items()
    }
    scores = {key: score for key, (score, _) in tree.items()}
    config = Config(**keys)
    problem = Problem("drawn", "A drawn tree.", "0")
    return SearchSpace(problem, ScriptedGenerator(texts), ScriptedPRM(scores), config)


def tree_of(space: SearchSpace) -> list[tuple[Key, float, str]]:
    """What a search drew, in order."""
    return [(node.key, round(node.score, 6), node.state) for node in space.nodes]


def reworded(step: Step, **changes: Any) -> Step:
    """A changed copy of a step."""
    return replace(step, **changes)
