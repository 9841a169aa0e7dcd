"""Particle Gibbs: sweeps of a particle filter, each of which competes with a solution of the sweep before.

Source: Puri et al. 2025 (arXiv 2502.01618), the variant with several iterations; Andrieu, Doucet and Holenstein 2010
for the conditional filter. Where all solutions have the same number of steps, a sweep with N of 2 or more leaves the
distribution p(steps) x product of the odds at every step unchanged. A held solution that is shorter than the sweep
takes part with its last score. In the published code its weight is looked up one step ahead, or it is the last one at
every depth; here it is the score at the same depth. A re-implementation resamples once more before it draws the
solution to hold, which counts the last score twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import ClassVar

from tt_scale.base_classes import Searcher
from tt_scale.core.path import Key, Outcome, Path, Stopped
from tt_scale.errors import ConfigError
from tt_scale.searcher.particle_filter import Particle, distinct, extended, log_weight
from tt_scale.searcher.parts.allocation import multinomial, softmax
from tt_scale.space.search_space import SearchSpace

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

    summary: ClassVar[str] = "successive particle filters, each of which retains one solution of the previous one"
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
        held: list[Path] = []  # the held solution as it was after 0, 1, 2, ... steps
        stopped: Stopped = "frontier"
        for _ in range(self.sweeps):
            particles, stopped = await self._sweep(space, root, held, known, random)
            pool.update({path.key: path for path in distinct(particles)})
            if stopped == "budget":
                break
            everyone = [*(particle.path for particle in particles), *held[-1:]]
            held = self._held_next([path for path in everyone if path.is_finished], known, random)
        return Outcome(tuple(pool.values()), stopped)

    async def _sweep(
        self, space: SearchSpace, root: Path, held: Sequence[Path], known: dict[Key, Path], random: Random
    ) -> tuple[list[Particle], Stopped]:
        """Filter the free particles; a copy of the held solution continues from its prefix of this depth."""
        particles = [Particle(root)] * (self.N - 1 if held else self.N)
        for depth in range(self.max_steps):
            if depth:
                rival = [Particle(held[min(depth, len(held) - 1)])] if held else []
                particles = self._resampled([*particles, *rival], len(particles), random)
            particles = await extended(space, particles, self.temperature)
            known.update({particle.path.key: particle.path for particle in particles})
            if space.exhausted:
                return particles, "budget"
            if not any(particle.path.is_open for particle in particles):
                return particles, "enough" if held or distinct(particles) else "frontier"
        return particles, "steps"

    def _resampled(self, everyone: Sequence[Particle], count: int, random: Random) -> list[Particle]:
        weights = softmax([log_weight(particle.path, self.weight_temperature) for particle in everyone])
        counts = multinomial(weights, count, random)
        return [particle for particle, copies in zip(everyone, counts, strict=True) for _ in range(copies)]

    def _held_next(self, solutions: Sequence[Path], known: Mapping[Key, Path], random: Random) -> list[Path]:
        """Draw the solution to hold by weight, and give it as it was at each depth.

        Args:
            solutions: every finished particle as often as there are copies of it, and the held one once more, as
                conditional filtering needs it: it is a particle of its own [particles].
            known: every path that was grown, by key.
            random: source of chance.

        Returns:
            The paths from the root to it; empty where there is no solution.
        """
        if not solutions:
            return []
        weights = softmax([log_weight(path, self.weight_temperature) for path in solutions])
        return _trail(solutions[multinomial(weights, 1, random).index(1)], known)


def _trail(path: Path, known: Mapping[Key, Path]) -> list[Path]:
    """Give the path as it was at each depth, the root first."""
    return [known[path.key[:length]] for length in range(1, len(path.key) + 1)]
