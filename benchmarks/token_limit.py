"""What a token limit costs under several rules of who may draw first, in the simulated world.

    python benchmarks/token_limit.py [--problems 400] [--n 16] [--method best_of_n --method rebase ...]

For each method the need is what it spends without a limit, on average; then it is searched again with .5, .8, 1.0 and
1.2 of that under each rule:

    ours         `tt_scale/space/rounds.py`
    even         every child gets an equal share of what is left, in rounds
    whole limit  a child is drawn when its whole limit fits into what is left

A round is one call of the generator, whose requests an engine runs side by side. Engine steps are the tokens of the
longest request of each round, added up: what the rounds take on an engine whose step costs the same for few requests as
for many.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from tt_scale.base_classes import Problem, Step, StepRequest
from tt_scale.config import Config
from tt_scale.generator.simulated import SimulatedGenerator
from tt_scale.prm.simulated import SimulatedPRM
from tt_scale.problems.simulated import simulated_answer, simulated_question
from tt_scale.registry import searcher_class
from tt_scale.space import sampler
from tt_scale.space.rounds import LEAST_CHUNK, chunks
from tt_scale.space.search_space import SearchSpace

SHARES = (0.5, 0.8, 1.0, 1.2)


def even(
    wanted: Sequence[int], spent: Sequence[int], left: int, longest: int, *, lead: bool, reserve: int = 0
) -> list[int]:
    """Share what is left evenly; where that is less than the least chunk, the first children get one each."""
    share = max(LEAST_CHUNK, left // len(wanted))
    return first_ones([min(most, share) for most in wanted], left)


def whole_limit(
    wanted: Sequence[int], spent: Sequence[int], left: int, longest: int, *, lead: bool, reserve: int = 0
) -> list[int]:
    """Give the first children all that they may need."""
    return first_ones(wanted, left)


def first_ones(asked: Sequence[int], left: int) -> list[int]:
    """Grant requests in order while they fit; the first is cut to what is left."""
    given = [0] * len(asked)
    for index, tokens in enumerate(asked):
        if tokens > left and index:
            break
        given[index] = min(tokens, left)
        left -= given[index]
    return given


RULES: dict[str, Callable[..., list[int]]] = {"ours": chunks, "even": even, "whole limit": whole_limit}


@dataclass
class Counting(SimulatedGenerator):
    """The simulated generator, with a count of its rounds."""

    rounds: list[tuple[int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    async def generate(self, requests: Sequence[StepRequest]) -> list[Step]:
        steps = await super().generate(requests)
        self.rounds.append((len(requests), max(len(step.ids) for step in steps)))
        return steps


@dataclass(frozen=True)
class Measured:
    """Means over problems."""

    tokens: float
    rounds: float
    size: float
    engine_steps: float
    right: float
    none: int


def problem(number: int) -> Problem:
    """Levels 1 to 5 in turn, five steps each."""
    level = 1 + number % 5
    return Problem(f"sim-{number}", simulated_question(number, level, 5), str(simulated_answer(number)), level)


async def searched(config: Config, problems: int) -> Measured:
    """Search so many problems, one after another."""
    searcher = searcher_class(config.method).from_config(config)
    tokens, rounds, right, none = [], [], [], 0
    for number in range(problems):
        generator = Counting()
        space = SearchSpace(
            problem(number),
            generator,
            SimulatedPRM(0.6, config.seed, generator),
            config,
            max_steps=searcher.longest_path,
        )
        outcome = await space.conclude(await searcher.search(space))
        best = max(outcome.pool, key=lambda path: path.score, default=None)
        right.append(best is not None and space.answer(best) == space.problem.answer)
        none += not outcome.pool
        tokens.append(space.usage.generated_tokens)
        rounds.append(generator.rounds)
    return Measured(
        fmean(tokens),
        fmean(map(len, rounds)),
        fmean([size for each in rounds for size, _ in each]),
        fmean([sum(longest for _, longest in each) for each in rounds]),
        fmean(right),
        none,
    )


def line(method: str, rule: str, share: str, found: Measured) -> str:
    return (
        f"| {method} | {share} | {rule} | {found.tokens:,.0f} | {found.rounds:.1f} | {found.size:.1f} | "
        f"{found.engine_steps:,.0f} | {found.right:.1%} | {found.none} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=400)
    parser.add_argument("--n", type=int, default=16, help="solutions, or children of an expansion")
    parser.add_argument("--method", action="append")
    arguments = parser.parse_args()
    print("| method | limit | rule | tokens | rounds | requests a round | engine steps | best right | no answer |")
    print("|---|---:|---|---:|---:|---:|---:|---:|---:|")
    for method in arguments.method or ["best_of_n", "rebase", "beam_search"]:
        wide = {"N": arguments.n, "max_total_branches": arguments.n, "temperature": 0.7}
        free = asyncio.run(searched(Config(method=method, **wide), arguments.problems))
        print(line(method, "", "none", free), flush=True)
        for share in SHARES:
            config = Config(method=method, max_generated_tokens=int(share * free.tokens), **wide)
            for rule, draw in RULES.items():
                sampler.chunks = draw  # type: ignore[attr-defined]
                found = asyncio.run(searched(config, arguments.problems))
                print(line(method, rule, f"{share:g} x", found), flush=True)
            sampler.chunks = chunks  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()
