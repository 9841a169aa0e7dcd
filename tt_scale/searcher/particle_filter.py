"""Particle filtering: a population of paths that grows step by step and is resampled by the odds of its scores.

Source: Puri et al. 2025, "A Probabilistic Inference Approach to Inference-Time Scaling of LLMs" (arXiv 2502.01618):
the population is resampled at every step, by independent draws in proportion to the odds of its scores. Other schemes,
resampling by effective sample size (Liu and Chen 1998) and incremental weights are knobs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from random import Random
from typing import ClassVar

from tt_scale.base_classes import Searcher
from tt_scale.core.path import Outcome, Path
from tt_scale.errors import ConfigError, nearest
from tt_scale.searcher.parts.allocation import RESAMPLERS, effective_sample_size, log_odds, softmax
from tt_scale.space.search_space import SearchSpace

__all__ = ["Particle", "ParticleFilter", "distinct", "extended", "log_weight"]

WEIGHTS = ("whole", "incremental")


@dataclass(frozen=True, slots=True)
class Particle:
    """One member of a population.

    Attributes:
        path: what it has sampled so far; several particles may share one path.
        paid: log-weight that the last draw already turned into copies; 0 unless weights are incremental.
    """

    path: Path
    paid: float = 0.0


@dataclass(frozen=True)
class ParticleFilter(Searcher):
    """Grow N particles step by step; the likely right ones multiply, the others die out.

    Attributes:
        N: particles, at least 1.
        resampling: "multinomial", as in the paper, "systematic", "stratified" or "residual".
        ess_threshold: resample when the effective sample size is under this share of N, in [0, 1]; 1 resamples at every
            step, as the paper does, 0 never, which leaves N independent chains.
        particle_weights: "whole" weighs a particle by the odds of its score at each draw, as the paper does;
            "incremental" by what these odds gained since the last draw.
        weight_temperature: divides the log-odds, above 0; small is greedy, large ignores the scores.
        temperature: of all samples.
        max_steps: most steps of a path.
    """

    summary: ClassVar[str] = "N particles, resampled at every step by the odds of their scores"
    source: ClassVar[str] = "Puri et al. 2025, arXiv 2502.01618"

    N: int = 4
    resampling: str = "multinomial"
    ess_threshold: float = 1.0
    particle_weights: str = "whole"
    weight_temperature: float = 1.0
    temperature: float = 0.8
    max_steps: int = 30

    def __post_init__(self) -> None:
        if self.resampling not in RESAMPLERS:
            raise ConfigError(f"resampling is {self.resampling!r}.", nearest(str(self.resampling), RESAMPLERS))
        if self.particle_weights not in WEIGHTS:
            raise ConfigError(
                f"particle_weights is {self.particle_weights!r}.", nearest(str(self.particle_weights), WEIGHTS)
            )
        if not 0 <= self.ess_threshold <= 1:
            raise ConfigError(f"ess_threshold is {self.ess_threshold}; it lies between 0 and 1.")
        if not self.weight_temperature > 0:
            raise ConfigError(f"weight_temperature is {self.weight_temperature}; it lies above 0.", "Usual: 1.0.")

    def widths(self, budget: int) -> Mapping[str, int]:
        """A particle for each solution of the budget."""
        return {"N": budget}

    async def search(self, space: SearchSpace) -> Outcome:
        """Resample, then grow all that are open; finished particles stay as they are, but may die or multiply."""
        random = space.random("resample")
        particles = [Particle(path) for path in space.roots()] * self.N
        for step in range(self.max_steps):
            if step:
                particles = self._resampled(particles, random)
            particles = await extended(space, particles, self.temperature)
            if space.exhausted:
                return Outcome(distinct(particles), "budget")
            if not any(particle.path.is_open for particle in particles):
                pool = distinct(particles)
                return Outcome(pool, "enough" if pool else "frontier")
        return Outcome(distinct(particles), "steps")

    def _resampled(self, particles: Sequence[Particle], random: Random) -> list[Particle]:
        """Copy each particle by its weight, unless the weight is spread well enough."""
        totals = [log_weight(particle.path, self.weight_temperature) for particle in particles]
        weights = softmax([total - particle.paid for total, particle in zip(totals, particles, strict=True)])
        if self.ess_threshold < 1 and effective_sample_size(weights) >= self.ess_threshold * self.N:
            return list(particles)
        counts = RESAMPLERS[self.resampling](weights, self.N, random)
        incremental = self.particle_weights == "incremental"
        return [
            Particle(particle.path, total if incremental else 0.0)
            for particle, total, count in zip(particles, totals, counts, strict=True)
            for _ in range(count)
        ]


def log_weight(path: Path, temperature: float) -> float:
    """log_odds(score) / temperature; minus infinity where a path was cut off or failed."""
    return log_odds(path.score) / temperature if path.is_open or path.is_finished else -inf


async def extended(space: SearchSpace, particles: Sequence[Particle], temperature: float) -> list[Particle]:
    """Grow each open particle by one step; particles at the same place get different children.

    Returns:
        The particles in order [particles]; one that the budget left no child for stays where it is.
    """
    growing = [particle.path for particle in particles if particle.path.is_open]
    if not growing:
        return list(particles)
    copies = Counter([path.key for path in growing])
    parents = {path.key: path for path in growing}
    families = await space.expand(list(parents.values()), [copies[key] for key in parents], temperature=temperature)
    children = {key: iter(family) for key, family in zip(parents, families, strict=True)}
    return [
        replace(particle, path=next(children[particle.path.key], particle.path)) if particle.path.is_open else particle
        for particle in particles
    ]


def distinct(particles: Sequence[Particle]) -> tuple[Path, ...]:
    """The finished paths of a population, each once: copies must not vote twice."""
    return tuple({particle.path.key: particle.path for particle in particles if particle.path.is_finished}.values())
