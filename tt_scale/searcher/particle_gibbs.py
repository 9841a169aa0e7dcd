"""Particle Gibbs: sweeps of a conditional particle filter, each of which retains one solution of the previous sweep.

Source: Puri et al. 2025 (arXiv 2502.01618), the variant with several iterations; Andrieu, Doucet and Holenstein 2010
for the conditional filter. Where all solutions have the same number of steps, a sweep with N of 2 or more leaves the
distribution p(steps) x product of the odds at every step unchanged. A retained solution that is shorter than the sweep
takes part with its last score. In the published code its weight is that of one step ahead, or the last one at every
depth; here it is the score at the same depth. A re-implementation resamples once more before it draws the solution to
retain, which counts the last score twice.
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
    """Run repeated particle filters, each conditioned on one retained solution of the previous sweep.

    Attributes:
        N: particles of a sweep, the retained one included; at least 1.
        sweeps: number of sweeps, at least 1; 1 is a particle filter with multinomial resampling at every step.
        weight_temperature: divides the log-odds, above 0.
        temperature: sampling temperature.
        max_steps: maximum number of steps of a path.
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
            raise ConfigError(f"sweeps is {self.sweeps}; it is at least 1.")
        if not self.weight_temperature > 0:
            raise ConfigError(f"weight_temperature is {self.weight_temperature}; it lies above 0.", "Usual: 1.0.")

    def widths(self, budget: int) -> Mapping[str, int]:
        """Derive N: all sweeps together extend one particle per solution of the budget, the retained one once."""
        return {"N": (budget + self.sweeps - 1) // self.sweeps}

    async def search(self, space: SearchSpace) -> Outcome:
        """Sweep, retain one solution drawn by weight, sweep again; every solution goes to the pool."""
        random = space.random("resample")
        [root] = space.roots()
        pool: dict[Key, Path] = {}
        known: dict[Key, Path] = {root.key: root}
        held: list[Path] = []  # prefixes of the retained solution after 0, 1, 2, ... steps
        stopped: Stopped = "frontier"
        for _ in range(self.sweeps):
            particles, stopped = await self._sweep(space, root, held, known, random)
            pool.update({path.key: path for path in distinct(particles)})
            if stopped == "budget":
                break
            paths = [*(particle.path for particle in particles), *held[-1:]]
            held = self._held_next([path for path in paths if path.is_finished], known, random)
        return Outcome(tuple(pool.values()), stopped)

    async def _sweep(
        self, space: SearchSpace, root: Path, held: Sequence[Path], known: dict[Key, Path], random: Random
    ) -> tuple[list[Particle], Stopped]:
        """Run one conditional filter; a copy of the retained solution continues from its prefix of this depth."""
        particles = [Particle(root)] * (self.N - 1 if held else self.N)
        for depth in range(self.max_steps):
            if depth:
                retained = [Particle(held[min(depth, len(held) - 1)])] if held else []
                particles = self._resampled([*particles, *retained], len(particles), random)
            particles = await extended(space, particles, self.temperature)
            known.update({particle.path.key: particle.path for particle in particles})
            if space.exhausted:
                return particles, "budget"
            if not any(particle.path.is_open for particle in particles):
                return particles, "enough" if held or distinct(particles) else "frontier"
        return particles, "steps"

    def _resampled(self, particles: Sequence[Particle], count: int, random: Random) -> list[Particle]:
        weights = softmax([log_weight(particle.path, self.weight_temperature) for particle in particles])
        counts = multinomial(weights, count, random)
        return [particle for particle, copies in zip(particles, counts, strict=True) for _ in range(copies)]

    def _held_next(self, solutions: Sequence[Path], known: Mapping[Key, Path], random: Random) -> list[Path]:
        """Draw the solution to retain by weight, with its prefix at each depth.

        Args:
            solutions: every finished particle with its copies, and the retained one once more: in conditional
                filtering it is a particle of its own [particles].
            known: all paths sampled so far, by key.
            random: random number generator.

        Returns:
            The paths from the root to the solution; empty where there is none.
        """
        if not solutions:
            return []
        weights = softmax([log_weight(path, self.weight_temperature) for path in solutions])
        return _trail(solutions[multinomial(weights, 1, random).index(1)], known)


def _trail(path: Path, known: Mapping[Key, Path]) -> list[Path]:
    """Prefixes of a path at each depth, from the root to the path itself."""
    return [known[path.key[:length]] for length in range(1, len(path.key) + 1)]
