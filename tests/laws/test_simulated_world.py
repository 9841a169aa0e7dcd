"""The simulated world does what it says: odds, lengths, heat, and the dial of its PRM. Three standard errors."""

from __future__ import annotations

from collections import Counter
from math import exp, log, pi, sqrt, tan
from statistics import NormalDist, fmean

import pytest
from measuring import PROBLEMS, accuracy, assert_mean, assert_share, is_right, searches

from tt_scale.generator.simulated import World, path_is_right
from tt_scale.prm.simulated import SimulatedPRM
from tt_scale.searcher.best_of_n import BestOfN


def right_after(slip: float, repair: float, steps: int) -> float:
    """The two-state chain, solved: it forgets at the rate 1 - slip - repair."""
    rest = repair / (slip + repair)
    return rest + (1 - rest) * (1 - slip - repair) ** steps


@pytest.mark.parametrize(("level", "steps"), [(1, 3), (3, 5), (5, 7), (5, 1)])
def test_right_after_is_the_share_of_right_chains(level: int, steps: int) -> None:
    """A world whose accuracy is not what it says makes every table of the simulated benchmark wrong."""
    world = World()
    expected = right_after(world.slip_at(level, 0.7), world.repair, steps)
    assert world.right_after(level, steps, 0.7) == pytest.approx(expected)
    assert_share(accuracy("first", BestOfN(N=1, temperature=0.7), level, steps), expected)


@pytest.mark.parametrize("temperature", [0.3, 1.0, 1.4])
def test_temperature_changes_the_odds_of_a_slip(temperature: float) -> None:
    """Heat that is ignored, or that adds to the probability instead of the log-odds."""
    world = World(repair=0.0, temperature_slope=2.0)
    base = world.slip[3]
    slip = 1 / (1 + exp(-(log(base / (1 - base)) + 2.0 * (temperature - 0.7))))
    assert world.slip_at(4, temperature) == pytest.approx(slip)
    found = searches(BestOfN(N=1, temperature=temperature), 4, 1, world=world)
    assert_share(fmean(is_right(problem, outcome.pool[0]) for problem, _, outcome in found), 1 - slip)


def test_lengths_of_steps_are_uniform() -> None:
    """Step lengths that never reach their bounds, or prefer one of them."""
    world = World(shortest=4, longest=8)
    lengths: Counter[int] = Counter()
    for _, _, outcome in searches(BestOfN(N=1), 3, 3, world=world):
        lengths.update(len(step.ids) for step in outcome.pool[0].steps)
    assert set(lengths) == {4, 5, 6, 7, 8}
    for length in lengths:
        assert_share(lengths[length] / (3 * PROBLEMS), 1 / 5, 3 * PROBLEMS)


@pytest.mark.parametrize("quality", [0.0, 0.3, 0.6, 0.9])
def test_auc_of_the_simulated_prm(quality: float) -> None:
    """A dial that does not do what its scale says: a PRM called useless that is not, or good that is perfect."""
    world = World(slip=(0.5,) * 5)
    scores: dict[bool, list[float]] = {True: [], False: []}
    for problem, space, outcome in searches(BestOfN(N=1), 3, 1, world=world, quality=quality):
        [path] = outcome.pool
        scores[is_right(problem, path)].append(path.score)
        assert path_is_right(space._prompt + path.ids) == is_right(problem, path)
    right, wrong = scores[True], scores[False]
    ranked = sorted([(score, True) for score in right] + [(score, False) for score in wrong])
    ranks = sum(rank for rank, (_, truth) in enumerate(ranked, 1) if truth)
    measured = (ranks - len(right) * (len(right) + 1) / 2) / (len(right) * len(wrong))  # Mann-Whitney
    distance = tan(quality * pi / 2) / 2  # of right and wrong log-odds from zero, both of unit variance
    expected = NormalDist().cdf(distance * sqrt(2))
    assert SimulatedPRM(quality).auc == pytest.approx(expected)
    variance = auc_variance(expected, len(right), len(wrong))
    assert abs(measured - expected) <= 3 * sqrt(variance)


def auc_variance(auc: float, positives: int, negatives: int) -> float:
    """Hanley and McNeil 1982, "The meaning and use of the area under a ROC curve", equation 2."""
    one, two = auc / (2 - auc), 2 * auc * auc / (1 + auc)
    spread = auc * (1 - auc) + (positives - 1) * (one - auc * auc) + (negatives - 1) * (two - auc * auc)
    return spread / (positives * negatives)


def test_a_perfect_prm_says_zero_and_one() -> None:
    """An infinite distance that overflows instead of being certain."""
    for problem, _, outcome in searches(BestOfN(N=1), 5, 4, count=200):
        assert outcome.pool[0].score == float(is_right(problem, outcome.pool[0]))
    assert SimulatedPRM(1.0).auc == 1.0


def test_greedy_siblings_are_equal_and_others_are_not() -> None:
    """Temperature 0 that still depends on the seed: lookahead and greedy decoding would be sampled."""
    for temperature, different in [(0.0, 1), (0.7, 5)]:
        for _, _, outcome in searches(BestOfN(N=5, temperature=temperature), 3, 5, count=50):
            assert len({path.text for path in outcome.pool}) == different


@pytest.mark.parametrize("blank", [0.25, 0.5])
def test_blank_steps_cost_a_token_each_and_change_nothing_else(blank: float) -> None:
    """Blank steps counted as steps: the solution would end before its answer."""
    world = World(shortest=6, longest=6, blank=blank)
    tokens = []
    right = []
    for problem, space, outcome in searches(BestOfN(N=1, temperature=0.7), 3, 5, world=world):
        tokens.append(space.usage.generated_tokens)
        right.append(is_right(problem, outcome.pool[0]))
    assert_share(fmean(right), world.right_after(3, 5, 0.7))
    assert_mean(tokens, 5 * (6 + blank))
