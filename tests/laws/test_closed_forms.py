"""Methods in the simulated world against their closed forms: thousands of searches, three standard errors.

From a right step the next is right with probability 1 - slip, from a wrong one with probability `repair`; the answer
is right if the last step is: with probability p. Everything below follows from that alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import product
from math import comb, prod
from statistics import fmean

import pytest
from measuring import PROBLEMS, accuracy, assert_mean, assert_share, chosen, is_right, searches

from tt_scale.base_classes import Searcher
from tt_scale.generator.simulated import World
from tt_scale.searcher.beam_search import BeamSearch
from tt_scale.searcher.best_of_n import BestOfN

SLOW = pytest.mark.slow
"""For the wider ones of each law."""


@pytest.mark.parametrize(("level", "count"), [(2, 2), (5, 4), pytest.param(4, 8, marks=SLOW)])
def test_best_of_n_with_a_perfect_prm(level: int, count: int) -> None:
    """1 - (1 - p)^N: samples that are not independent, or a best that is not the best."""
    p = World().right_after(level, 5, 0.8)
    assert_share(accuracy("best", BestOfN(N=count), level, 5), 1 - (1 - p) ** count)


@pytest.mark.parametrize(("level", "count"), [(2, 2), pytest.param(5, 4, marks=SLOW)])
def test_best_of_n_with_a_useless_prm(level: int, count: int) -> None:
    """p, whatever N is: noise that leaks the truth would make a useless PRM look useful."""
    p = World().right_after(level, 5, 0.8)
    assert_share(accuracy("best", BestOfN(N=count), level, 5, quality=0.0), p)


def majority_accuracy(p: float, wrong: Sequence[float], count: int) -> float:
    """Exact, by enumeration: tied classes are equally likely to have come first."""
    chances = [p, *((1 - p) * weight / sum(wrong) for weight in wrong)]
    total = 0.0
    for answers in product(range(len(chances)), repeat=count):
        votes = Counter(answers)
        leading = [answer for answer, number in votes.items() if number == max(votes.values())]
        if 0 in leading:
            total += prod(chances[answer] for answer in answers) / len(leading)
    return total


@pytest.mark.parametrize(("level", "steps", "count"), [(3, 5, 2), (4, 6, 3), pytest.param(5, 7, 5, marks=SLOW)])
def test_majority_against_the_multinomial(level: int, steps: int, count: int) -> None:
    """Votes that are not counted by answer, or ties that favour one side."""
    world = World()
    expected = majority_accuracy(world.right_after(level, steps, 0.8), world.wrong_answers, count)
    assert_share(accuracy("majority", BestOfN(N=count), level, steps), expected)


def beam_accuracy(world: World, level: int, steps: int, beams: int, width: int, temperature: float) -> float:
    """Exact: with a perfect PRM the number of right beams is a Markov chain, whose steps are sums of binomials."""
    stays = 1 - world.slip_at(level, temperature)
    standing = {beams: 1.0}  # the first step draws beams x width children of a root that stands right
    for _ in range(steps - 1):
        after: Counter[int] = Counter()
        for right, chance in standing.items():
            for number, share in enumerate(right_children(right, beams, width, stays, world.repair)):
                after[min(beams, number)] += chance * share
        standing = after
    return 1 - sum(
        chance * right_children(right, beams, width, stays, world.repair)[0] for right, chance in standing.items()
    )


def right_children(right: int, beams: int, width: int, stays: float, repair: float) -> list[float]:
    """Distribution of the number of right children [beams * width + 1]."""
    one, other = binomial(right * width, stays), binomial((beams - right) * width, repair)
    total = [0.0] * (beams * width + 1)
    for (i, p), (j, q) in product(enumerate(one), enumerate(other)):
        total[i + j] += p * q
    return total


def binomial(trials: int, p: float) -> list[float]:
    return [comb(trials, k) * p**k * (1 - p) ** (trials - k) for k in range(trials + 1)]


@pytest.mark.parametrize(
    ("slip", "steps", "beams", "width"),
    [(0.22, 7, 1, 2), (0.5, 5, 2, 2), (0.5, 7, 2, 1), pytest.param(0.7, 4, 3, 3, marks=SLOW)],
)
def test_beam_search_with_a_perfect_prm(slip: float, steps: int, beams: int, width: int) -> None:
    """No pruning where n < width, pruning of the best, a first step with too few children."""
    world = World(slip=(slip,) * 5)
    expected = beam_accuracy(world, 5, steps, beams, width, 0.8)
    assert 0.05 < expected < 0.97, "says too little"
    searcher = BeamSearch(n_beams=beams, beam_width=width, N=1)
    found = searches(searcher, 5, steps, world=world)
    assert_share(fmean(is_right(problem, chosen("best", outcome.pool)) for problem, _, outcome in found), expected)


@pytest.mark.parametrize(
    ("searcher", "grown"),
    [
        (BestOfN(N=4), 4 * 5),
        (BeamSearch(n_beams=2, beam_width=3), 6 * 5),
        pytest.param(BeamSearch(), 9 * 5, marks=SLOW),
        (BeamSearch(n_beams=1, beam_width=3, lookahead=1), 3 * 5 + 3 * 4),  # the last step has nothing to look at
        pytest.param(BeamSearch(n_beams=2, beam_width=2, lookahead=2), 4 * 5 + 4 * (2 + 2 + 2 + 1), marks=SLOW),
    ],
    ids=["best_of_n", "beam_2x3", "beam_default", "lookahead_1", "lookahead_2"],
)
def test_tokens_of_a_problem(searcher: Searcher, grown: int) -> None:
    """Tokens of dropped candidates not counted: a method that looks three times as cheap as it is.

    A step has between `shortest` and `longest` tokens, all equally likely; `grown` steps are drawn for each problem.
    """
    world = World(shortest=3, longest=12)
    assert world.mean_step_tokens == 7.5
    found = searches(searcher, 3, 5, world=world, quality=0.6, count=PROBLEMS // 4)
    assert_mean([space.usage.generated_tokens for _, space, _ in found], grown * 7.5)
