"""Our methods against loops that do what the published codes do, path by path, in hundreds of hashed worlds.

A method and its reference walk the same world: each key has its score and its end, whoever asks. What is compared is
every path that was drawn, and the solutions.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest
from measuring import searched
from references import beams, halving, mcts, particles, rebase
from references.world import KeyWorld

from tt_scale.core.path import Key, Outcome, Path
from tt_scale.searcher.beam_search import BeamSearch
from tt_scale.searcher.dvts import DVTS
from tt_scale.searcher.gumbel import Gumbel
from tt_scale.searcher.mcts import MCTS
from tt_scale.searcher.particle_filter import ParticleFilter
from tt_scale.searcher.particle_gibbs import ParticleGibbs
from tt_scale.searcher.parts.allocation import multinomial, rebase_split, softmax
from tt_scale.searcher.parts.halving import considered_visits
from tt_scale.searcher.rebase import Rebase

WORLDS = range(60)


def keys(outcome: Outcome) -> list[Key]:
    return [path.key for path in outcome.pool]


@pytest.mark.parametrize("temperature", [0.05, 0.2, 1.0])
@pytest.mark.parametrize("width", [1, 2, 5, 16])
def test_rebase(width: int, temperature: float) -> None:
    """Another rounding, a width that does not shrink with solutions, an order that is not that of the scores."""
    for seed in WORLDS:
        world, ours = KeyWorld(seed), KeyWorld(seed)
        solutions = rebase.rebase(world, width, temperature, 25)
        outcome = searched(Rebase(N=width, balance_temperature=temperature), ours)
        assert sorted(ours.drawn) == sorted(world.drawn)
        assert sorted(keys(outcome)) == sorted(solutions)


def test_the_split_of_rebase() -> None:
    """The split alone, over wider scores and widths than a small world has."""
    random = Random(5)
    for _ in range(3_000):
        scores = [random.random() for _ in range(random.randint(1, 12))]
        width, temperature = random.randint(0, 70), random.choice([0.05, 0.1, 0.2, 1.0, 10.0])
        assert rebase_split(scores, width, temperature) == rebase.select_softmax(scores, width, temperature)


@pytest.mark.parametrize(("n_beams", "width"), [(1, 4), (2, 2), (2, 4), (4, 4), (5, 1)])
@pytest.mark.parametrize("lengths", [(4, 4), (3, 6)])
def test_beam_search(n_beams: int, width: int, lengths: tuple[int, int]) -> None:
    """Pruning before the solutions are set aside, a first step of the wrong width, survivors that are not the best.

    Where too few beams are left the published code makes copies up to the full width, and ours does not.
    """
    for seed in WORLDS:
        ours = KeyWorld(seed, *lengths)
        outcome = searched(BeamSearch(n_beams=n_beams, beam_width=width, N=10**6), ours)
        for refill in (False, True):
            world = KeyWorld(seed, *lengths)
            solutions, few = beams.beam_search(world, n_beams * width, width, 40, refill=refill)
            if refill and few:
                continue
            assert sorted(ours.drawn) == sorted(world.drawn)
            assert sorted(keys(outcome)) == sorted(solutions)


@pytest.mark.parametrize(("n_beams", "width"), [(1, 1), (1, 4), (4, 4), (3, 2)])
def test_dvts(n_beams: int, width: int) -> None:
    """A tree that does not follow its best child, or goes on behind a solution, or looks at its neighbours."""
    for seed in WORLDS:
        world, ours = KeyWorld(seed), KeyWorld(seed)
        solutions = beams.dvts(world, n_beams, width, 40)
        outcome = searched(DVTS(n_beams=n_beams, beam_width=width), ours)
        assert sorted(ours.drawn) == sorted(world.drawn)
        assert set(solutions) <= set(keys(outcome))
        assert set(keys(outcome)) == {key for key in world.drawn if world.ends(key)}  # ours: any finished child


@pytest.mark.parametrize(("walks", "width"), [(1, 3), (6, 2), (12, 3), (40, 2)])
def test_mcts(walks: int, width: int) -> None:
    """Another exploration term, a value that is not backed up to the root, unvisited children that are worth 0."""
    for seed in WORLDS:
        world, ours = KeyWorld(seed), KeyWorld(seed)
        ends = [end for end, _ in mcts.vanilla_mcts(world, walks, width, close=True)]
        outcome = searched(MCTS(N=walks, beam_width=width), ours)
        assert keys(outcome) == ends
        assert ours.drawn == world.drawn


def test_mcts_differs_from_the_published_walk_only_behind_a_repeated_end() -> None:
    """Up to the first walk that the source makes twice, closing what is done must change nothing."""
    compared = Counter[int]()
    for seed in WORLDS:
        published = [end for end, _ in mcts.vanilla_mcts(KeyWorld(seed), 12, 3, close=False)]
        first = next((place for place, end in enumerate(published) if end in published[:place]), len(published))
        ours = keys(searched(MCTS(N=12, beam_width=3), KeyWorld(seed)))
        assert ours[:first] == published[:first]
        compared[first] += 1
    assert max(compared) > 2


@pytest.mark.parametrize("most", range(1, 18))
def test_the_schedule_of_halving(most: int) -> None:
    """A phase too many or too few, and where what is left over goes."""
    for simulations in range(1, 120):
        assert considered_visits(most, simulations) == halving.considered_visits(most, simulations)


class Arms(KeyWorld):
    """What a first step leads to is worth what it is worth itself, so that the values of a root never change."""

    def score(self, key: Key) -> float:
        return super().score(key[:2])


@dataclass(frozen=True)
class Played(Gumbel):
    """Ends with its first move, and remembers it."""

    async def search(self, space: Any) -> Outcome:
        [path] = space.roots()
        played = await self._move(space, path, {}, space.random("gumbel"))
        assert played is not None
        return Outcome((played,), "enough")


@pytest.mark.parametrize(("considered", "simulations"), [(4, 8), (4, 32), (2, 6), (8, 24), (16, 50)])
def test_a_move_by_halving(considered: int, simulations: int) -> None:
    """Noise that is drawn anew, values on another scale, a move that is not the best of the most visited."""
    for seed in WORLDS:
        ours = Arms(seed, 9, 9)
        method = Played(beam_width=8, considered=considered, simulations=simulations)
        [played] = searched(method, ours).pool
        random = ours.random("gumbel")
        noise = [-math.log(-math.log(random.random())) for _ in range(8)]
        values = [ours.score((0, child)) for child in range(8)]
        move, visits = halving.gumbel_root(noise, values, considered, simulations)
        assert played.key == (0, move)
        expanded = {key[1] for key in ours.drawn if len(key) == 3}
        assert expanded == {child for child, count in enumerate(visits) if count > 1}  # first visits only read


@pytest.mark.parametrize("count", [1, 2, 4, 9])
def test_particle_filter(count: int) -> None:
    """Weights that are not the odds, a step without resampling, finished particles that are set aside."""
    for seed in WORLDS:
        world, ours = KeyWorld(seed), KeyWorld(seed)
        [population] = particles.particle_gibbs(world, count, 1, world.random("resample"))
        outcome = searched(ParticleFilter(N=count), ours)
        assert sorted(ours.drawn) == sorted(world.drawn)
        assert keys(outcome) == list(dict.fromkeys(population))


@pytest.mark.parametrize(("count", "sweeps"), [(1, 3), (2, 6), (4, 2), (4, 5), (7, 3)])
def test_particle_gibbs(count: int, sweeps: int) -> None:
    """A held solution with another weight than it had at that step, that is overwritten, or that is drawn unfairly."""
    for seed in WORLDS:
        world, ours = KeyWorld(seed), KeyWorld(seed)
        populations = particles.particle_gibbs(world, count, sweeps, world.random("resample"))
        outcome = searched(ParticleGibbs(N=count, sweeps=sweeps), ours)
        assert sorted(ours.drawn) == sorted(world.drawn)
        assert keys(outcome) == list(dict.fromkeys([key for population in populations for key in population]))


def test_weights_of_particles() -> None:
    """Scores of exactly 0 and 1 must be clipped alike, or one particle takes everything."""
    random, other = Random(3), Random(3)
    for scores in ([0.0, 1.0, 0.5], [1.0, 1.0], [0.3, 0.31, 0.9999999999]):
        published = particles.probabilities(scores)
        logits = [math.log(min(max(score, 1e-7), 1 - 1e-7) / (1 - min(max(score, 1e-7), 1 - 1e-7))) for score in scores]
        assert softmax(logits) == pytest.approx(published)
        drawn = Counter(random.choices(range(len(scores)), published, k=50))
        assert multinomial(softmax(logits), 50, other) == [drawn[place] for place in range(len(scores))]


def test_the_world_is_one_that_tells_methods_apart() -> None:
    """References that agree because nothing ever ends, or everything at once, prove nothing."""
    worlds = [KeyWorld(seed) for seed in WORLDS]
    lengths = Counter([len(key) for world in worlds for key in keys(searched(ParticleFilter(N=9), world))])
    assert {3, 4, 5, 6} == set(lengths)
    assert min(lengths.values()) > 20
    assert all(isinstance(world.roots()[0], Path) for world in worlds)
