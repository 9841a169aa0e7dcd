"""Particle Gibbs: sweeps of a particle filter, each of which competes with a solution of the sweep before.

Source: Puri et al. 2025 (arXiv 2502.01618), the variant with several iterations; Andrieu, Doucet and Holenstein 2010
for the conditional filter. A retained solution that is shorter than the sweep takes part with its last score. In the
published code its weight is looked up one step ahead; here it is the score at the same depth.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import ClassVar

from tt_scale.base_classes import Searcher
from tt_scale.errors import ConfigError
from tt_scale.path import Key, Outcome, Path, Stopped
from tt_scale.searcher.allocation import multinomial, softmax
from tt_scale.searcher.particle_filter import Particle, distinct, extended, log_weight
from tt_scale.space import SearchSpace

__all__ = ["ParticleGibbs"]


@dataclass(frozen=True)
class ParticleGibbs(Searcher):
    """Filter N particles again and again, with one solution of the last sweep held fixed among them.

    Attributes:
        N: particles of a sweep, the held one among them; at least 1.
        sweeps: at least 1; 1 is a particle filter with multinomial draws at every step.
        weight_temperature: divides the log-odds, above 0.
        temperature: of all samples.
        max_steps: most steps of a path.
    """

    summary: ClassVar[str] = "several particle filters in turn; each holds on to one solution of the last"
    source: ClassVar[str] = "Puri et al. 2025, arXiv 2502.01618"

    N: int = 4
    sweeps: int = 2
    weight_temperature: float = 1.0
    temperature: float = 0.8
    max_steps: int = 30

    def __post_init__(self) -> None:
        if self.sweeps < 1:
            raise ConfigError(f"sweeps is {self.sweeps}; at least 1 is made.")
        if not self.weight_temperature > 0:
            raise ConfigError(f"weight_temperature is {self.weight_temperature}; it lies above 0.", "Usual: 1.0.")

    def widths(self, budget: int) -> Mapping[str, int]:
        """All sweeps together grow as many particles as the budget has solutions, the held one counted once."""
        return {"N": (budget + self.sweeps - 1) // self.sweeps}

    async def search(self, space: SearchSpace) -> Outcome:
        """Sweep, hold one of the solutions by weight, sweep again; every solution goes to the pool."""
        random = space.random("resample")
        [root] = space.roots()
        pool: dict[Key, Path] = {}
        known: dict[Key, Path] = {root.key: root}
        held: list[Path] = []  # the held solution as it stood after 0, 1, 2, ... steps
        stopped: Stopped = "frontier"
        for _ in range(self.sweeps):
            particles, stopped = await self._sweep(space, root, held, known, random)
            solutions = [*distinct(particles), *held[-1:]]
            pool.update({path.key: path for path in solutions})
            if stopped == "budget":
                break
            held = _trail(self._one_of(solutions, random), known) if solutions else []
        return Outcome(tuple(pool.values()), stopped)

    async def _sweep(
        self, space: SearchSpace, root: Path, held: Sequence[Path], known: dict[Key, Path], random: Random
    ) -> tuple[list[Particle], Stopped]:
        """Filter the free particles; whoever draws the held solution goes on from where it stood at this depth."""
        particles = [Particle(root)] * (self.N - 1 if held else self.N)
        for depth in range(self.max_steps):
            if depth:
                rival = [Particle(held[min(depth, len(held) - 1)])] if held else []
                particles = self._drawn_anew([*particles, *rival], len(particles), random)
            particles = await extended(space, particles, self.temperature)
            known.update({particle.path.key: particle.path for particle in particles})
            if space.exhausted:
                return particles, "budget"
            if not any(particle.path.is_open for particle in particles):
                return particles, "enough" if held or distinct(particles) else "frontier"
        return particles, "steps"

    def _drawn_anew(self, everyone: Sequence[Particle], count: int, random: Random) -> list[Particle]:
        weights = softmax([log_weight(particle.path, self.weight_temperature) for particle in everyone])
        counts = multinomial(weights, count, random)
        return [particle for particle, copies in zip(everyone, counts, strict=True) for _ in range(copies)]

    def _one_of(self, solutions: Sequence[Path], random: Random) -> Path:
        weights = softmax([log_weight(path, self.weight_temperature) for path in solutions])
        return solutions[multinomial(weights, 1, random).index(1)]


def _trail(path: Path, known: dict[Key, Path]) -> list[Path]:
    """Give the path as it stood at each depth, the root first."""
    return [known[path.key[:length]] for length in range(1, len(path.key) + 1)]
