"""Particle Gibbs against the exact distribution of a world so small that every solution can be listed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from random import Random
from typing import Any

import pytest

from tt_scale.path import Key, Outcome, Path
from tt_scale.records import Step
from tt_scale.searcher.particle_filter import ParticleFilter
from tt_scale.searcher.particle_gibbs import ParticleGibbs

CHANCE = {"": 0.7, "a": 0.6, "b": 0.2}
"""Prefix -> probability that the next step is `a`; otherwise it is `b`."""

SCORES = {"a": 0.3, "b": 0.6, "aa": 0.8, "ab": 0.3, "ba": 0.9, "bb": 0.4}
"""Prefix -> what the PRM says of it; solutions have two steps."""


def odds(text: str) -> float:
    return SCORES[text] / (1 - SCORES[text])


def exact() -> dict[str, float]:
    """The distribution that a filter that resamples at every step aims at: chance times the odds at each step."""
    weights = {}
    for steps in map("".join, product("ab", repeat=2)):
        prefixes = [steps[:depth] for depth in range(2)]
        chances = [
            CHANCE[before] if step == "a" else 1 - CHANCE[before] for before, step in zip(prefixes, steps, strict=True)
        ]
        weights[steps] = prod(chances) * prod(odds(steps[: depth + 1]) for depth in range(2))
    total = sum(weights.values())
    return {steps: weight / total for steps, weight in weights.items()}


class TinySpace:
    """As much of a space as a filter looks at; two steps of one letter each."""

    exhausted = False

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._children: Counter[Key] = Counter()

    def roots(self, count: int = 1) -> list[Path]:
        return [Path((number,)) for number in range(count)]

    def random(self, name: str) -> Random:
        return Random(f"{name} {self._random.random()}")

    async def expand(self, paths: Sequence[Path], n: Sequence[int], *, temperature: float) -> list[list[Path]]:
        return [[self._child(path) for _ in range(count)] for path, count in zip(paths, n, strict=True)]

    def _child(self, path: Path) -> Path:
        letter = "a" if self._random.random() < CHANCE[path.text] else "b"
        steps = (*path.steps, Step(letter, (ord(letter),), "stop", 0, 1.0))
        text = path.text + letter
        number = self._children[path.key]
        self._children[path.key] += 1
        return Path((*path.key, number), steps, (), SCORES[text], "finished" if len(text) == 2 else "open")


@dataclass(frozen=True)
class Watched(ParticleGibbs):
    """Remembers what was held after each sweep."""

    def _held_next(self, solutions: Sequence[Path], known: Mapping[Key, Path], random: Random) -> list[Path]:
        trail = super()._held_next(solutions, known, random)
        HELD.append(trail[-1].text)
        return trail


HELD: list[str] = []


def searched(method: Any, space: Any) -> Outcome:
    """Drive a search that never waits."""
    task = method.search(space)
    try:
        task.send(None)
    except StopIteration as done:
        outcome: Outcome = done.value
        return outcome
    raise AssertionError("a space without an engine waited for something")


def total_variation(found: Counter[str]) -> float:
    count = sum(found.values())
    return sum(abs(found[steps] / count - share) for steps, share in exact().items()) / 2


@pytest.mark.parametrize("particles", [2, 3, 5])
def test_the_held_solution_has_the_exact_distribution(particles: int) -> None:
    """Copies counted once, or the held solution twice: the chain settles at another distribution, 0.2 away.

    200 chains of 100 sweeps, the first ten of each left out.
    """
    found: Counter[str] = Counter()
    for seed in range(200):
        HELD.clear()
        searched(Watched(N=particles, sweeps=100), TinySpace(seed))
        found.update(HELD[10:])
    assert total_variation(found) < 0.015


def test_plain_sampling_is_far_from_it() -> None:
    """A target that any sampler meets proves nothing."""
    found: Counter[str] = Counter()
    for seed in range(4_000):
        found.update([path.text for path in searched(ParticleFilter(N=1), TinySpace(seed)).pool])
    assert total_variation(found) > 0.3
