"""Particle Gibbs against exact distributions, in worlds so small that everything that can happen is listed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from random import Random

import pytest
from measuring import searched
from references.particles import Law, exact_sweep

from tt_scale.core.path import Key, Path
from tt_scale.core.records import Step
from tt_scale.searcher.particle_filter import ParticleFilter
from tt_scale.searcher.particle_gibbs import ParticleGibbs


@dataclass(frozen=True)
class Tiny:
    """Steps of one letter each: prefix -> probability of the next letter, and prefix -> score."""

    chances: Mapping[str, Law]
    scores: Mapping[str, float]

    def chance(self, text: str) -> Law:
        return self.chances.get(text, {})


EVEN = Tiny(
    {"": {"a": 0.7, "b": 0.3}, "a": {"a": 0.6, "b": 0.4}, "b": {"a": 0.2, "b": 0.8}},
    {"a": 0.3, "b": 0.6, "aa": 0.8, "ab": 0.3, "ba": 0.9, "bb": 0.4},
)
"""All solutions have two steps."""

UNEVEN = Tiny(
    {"": {"a": 0.5, "b": 0.5}, "b": {"a": 0.1, "b": 0.9}, "bb": {"a": 0.5, "b": 0.5}},
    {"a": 0.6, "b": 0.5, "ba": 0.7, "bb": 0.5, "bba": 0.7, "bbb": 0.8},
)
"""Solutions of one, two and three steps: those that end early wait, are copied and die."""

WORLDS = {"even": EVEN, "uneven": UNEVEN}


class TinySpace:
    """As much of a space as a filter looks at."""

    exhausted = False

    def __init__(self, tiny: Tiny, seed: int) -> None:
        self._tiny = tiny
        self._random = Random(seed)
        self._children: Counter[Key] = Counter()

    def commit(self, alive: Iterable[Path], pool: Iterable[Path] = ()) -> None:
        """Nobody follows."""

    def roots(self, count: int = 1) -> list[Path]:
        return [Path((number,)) for number in range(count)]

    def random(self, name: str) -> Random:
        return Random(f"{name} {self._random.random()}")

    async def expand(self, paths: Sequence[Path], n: Sequence[int], *, temperature: float) -> list[list[Path]]:
        return [[self._child(path) for _ in range(count)] for path, count in zip(paths, n, strict=True)]

    def _child(self, path: Path) -> Path:
        odds = self._tiny.chance(path.text)
        [letter] = self._random.choices(list(odds), list(odds.values()))
        text = path.text + letter
        number = self._children[path.key]
        self._children[path.key] += 1
        steps = (*path.steps, Step(letter, (ord(letter),), "stop", 0, 1.0))
        state = "open" if self._tiny.chance(text) else "finished"
        return Path((*path.key, number), steps, (), self._tiny.scores[text], state)


@dataclass(frozen=True)
class Watched(ParticleGibbs):
    """Remembers what was held after each sweep."""

    def _held_next(self, solutions: Sequence[Path], known: Mapping[Key, Path], random: Random) -> list[Path]:
        trail = super()._held_next(solutions, known, random)
        HELD.append(trail[-1].text)
        return trail


HELD: list[str] = []


def held_after(tiny: Tiny, particles: int, sweeps: int, seed: int) -> list[str]:
    """The solutions that one search held, sweep by sweep [sweeps]."""
    HELD.clear()
    searched(Watched(N=particles, sweeps=sweeps), TinySpace(tiny, seed))  # type: ignore[arg-type]
    return list(HELD)


def following(law: Law, tiny: Tiny, particles: int) -> Law:
    """What is held one sweep later, exactly."""
    after: Counter[str] = Counter()
    for held, share in law.items():
        for text, odds in exact_sweep(held, particles, tiny.chance, tiny.scores).items():
            after[text] += share * odds
    return after


def distance(one: Law, other: Law) -> float:
    """Total variation between two distributions, or counts."""
    totals = sum(one.values()), sum(other.values())
    return sum(abs(one.get(text, 0) / totals[0] - other.get(text, 0) / totals[1]) for text in {*one, *other}) / 2


def target() -> Law:
    """What filters that resample at every step aim at in the even world: chance times the odds at each step."""

    def weight(text: str) -> float:
        prefixes = [text[:depth] for depth in range(len(text) + 1)]
        chances = [EVEN.chance(before)[after[-1]] for before, after in pairwise(prefixes)]
        return prod(chances) * prod(EVEN.scores[each] / (1 - EVEN.scores[each]) for each in prefixes[1:])

    weights = {text: weight(text) for text in ("aa", "ab", "ba", "bb")}
    return {text: each / sum(weights.values()) for text, each in weights.items()}


@pytest.mark.parametrize("particles", [2, 3])
def test_a_sweep_leaves_the_target_as_it_is(particles: int) -> None:
    """Theory (Andrieu et al. 2010) against enumeration: were the enumeration wrong, it could prove nothing below."""
    assert distance(following(target(), EVEN, particles), target()) < 1e-12
    assert distance(following({"aa": 1.0}, EVEN, particles), target()) > 0.1


@pytest.mark.parametrize(("world", "particles"), [("even", 2), ("uneven", 2), ("uneven", 4)])
def test_what_is_held_has_the_exact_distribution(world: str, particles: int) -> None:
    """Copies that count once, or a held solution that counts twice, after one sweep and after two: 4,000 searches."""
    tiny = WORLDS[world]
    first = exact_sweep(None, particles, tiny.chance, tiny.scores)
    assert sum(first.values()) == pytest.approx(1.0)
    second = following(first, tiny, particles)
    held = [held_after(tiny, particles, 2, seed) for seed in range(4_000)]
    assert distance(Counter([each[0] for each in held]), first) < 0.025
    assert distance(Counter([each[1] for each in held]), second) < 0.025


@pytest.mark.parametrize("world", WORLDS)
def test_long_chains_settle_at_the_exact_distribution(world: str) -> None:
    """Small errors of a sweep add up: 100 chains of 100 sweeps, the first ten of each left out."""
    tiny, law = WORLDS[world], exact_sweep(None, 3, WORLDS[world].chance, WORLDS[world].scores)
    for _ in range(20):
        law = following(law, tiny, 3)
    found = Counter([text for seed in range(100) for text in held_after(tiny, 3, 100, seed)[10:]])
    assert distance(found, law) < 0.02
    assert world == "uneven" or distance(found, target()) < 0.02


def test_plain_sampling_is_far_from_it() -> None:
    """A target that any sampler meets proves nothing."""
    found = Counter(
        [path.text for seed in range(2_000) for path in searched(ParticleFilter(N=1), TinySpace(EVEN, seed)).pool]  # type: ignore[arg-type]
    )
    assert distance(found, target()) > 0.3
