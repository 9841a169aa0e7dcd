"""Particle filtering: extend a population of paths step by step and resample it by the odds of its scores.

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
        path: its path so far; several particles may share one.
        base_log_weight: log-weight at the last resampling, already expressed in copies; 0 unless weights are
            incremental.
    """

    path: Path
    base_log_weight: float = 0.0


@dataclass(frozen=True)
class ParticleFilter(Searcher):
    """Extend N particles step by step; resampling duplicates high-scoring ones and drops the others.

    Attributes:
        N: number of particles, at least 1.
        resampling: "multinomial", as in the paper, "systematic", "stratified" or "residual".
        ess_threshold: resample when the effective sample size is under this share of N, in [0, 1]; 1 resamples at every
            step, as the paper does; 0 never resamples, which leaves N independent chains.
        particle_weights: "whole" weighs a particle by the odds of its score, as the paper does; "incremental" by the
            ratio of these odds to those at the last resampling.
        weight_temperature: divides the log-odds, above 0; a small value is greedy, a large one ignores the scores.
        temperature: sampling temperature.
        max_steps: maximum number of steps of a path.
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
        """Set N to the budget."""
        return {"N": budget}

    async def search(self, space: SearchSpace) -> Outcome:
        """Resample, then extend the open particles; finished particles take part in resampling only."""
        random = space.random("resample")
        particles = [Particle(path) for path in space.roots()] * self.N
        for step in range(self.max_steps):
            if step:
                particles = self._resampled(particles, random)
                space.commit([particle.path for particle in particles])
            particles = await extended(space, particles, self.temperature)
            if space.exhausted:
                return Outcome(distinct(particles), "budget")
            if not any(particle.path.is_open for particle in particles):
                pool = distinct(particles)
                return Outcome(pool, "enough" if pool else "frontier")
        return Outcome(distinct(particles), "steps")

    def _resampled(self, particles: Sequence[Particle], random: Random) -> list[Particle]:
        """Resample particles by weight, unless the effective sample size is large enough."""
        totals = [log_weight(particle.path, self.weight_temperature) for particle in particles]
        weights = softmax([total - each.base_log_weight for total, each in zip(totals, particles, strict=True)])
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
    """log_odds(score) / temperature; minus infinity for a truncated or failed path."""
    return log_odds(path.score) / temperature if path.is_open or path.is_finished else -inf


async def extended(space: SearchSpace, particles: Sequence[Particle], temperature: float) -> list[Particle]:
    """Extend each open particle by one step; particles that share a path get different children.

    Returns:
        The particles in order [particles]; one without a child, because the budget ran out, is unchanged.
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
    """The distinct finished paths of a population: copies must not vote twice."""
    return tuple({particle.path.key: particle.path for particle in particles if particle.path.is_finished}.values())
