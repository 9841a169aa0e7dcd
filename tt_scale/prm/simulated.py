"""Simulated PRM: the true state of a path plus noise of adjustable strength."""

from __future__ import annotations

import math
from collections.abc import Sequence
from hashlib import blake2b
from statistics import NormalDist
from typing import TYPE_CHECKING, ClassVar

from tt_scale.base_classes import PRM, Generator
from tt_scale.core.concurrency import TimeSlice, in_parts
from tt_scale.core.path import Path
from tt_scale.core.records import Problem, Scores
from tt_scale.errors import ConfigError
from tt_scale.generator.simulated import SimulatedGenerator, path_is_right

if TYPE_CHECKING:
    from typing_extensions import Self

    from tt_scale.config import Config

__all__ = ["SimulatedPRM"]

NORMAL = NormalDist()


class SimulatedPRM(PRM):
    """Scores steps of the simulated generator.

    The log-odds of a score are normal with unit variance around +d for right and -d for wrong prefixes, where
    d = tan(quality * pi / 2) / 2. Its area under the ROC curve is therefore the normal distribution function at
    d * sqrt(2): 0.5 at quality 0, 0.83 at 0.6, 1 at 1, where scores are exactly 0 and 1.

    Args:
        quality: discrimination, in [0, 1]; 0 is random, 1 is perfect.
        seed: seed of the noise; the noise of a step depends on it and on the step's place in the tree, never on the
            order of calls.
        generator: generator whose prompt encodes the right answer.
    """

    summary: ClassVar[str] = (
        "truth plus noise, from useless (prm_quality 0) to perfect (1); for the simulated generator"
    )
    own_name: ClassVar[str] = "simulated"
    config_keys: ClassVar[frozenset[str]] = frozenset({"prm_quality"})
    reads_samples: ClassVar[bool] = True
    parameters = 0

    def __init__(self, quality: float = 0.6, seed: int = 0, generator: Generator | None = None) -> None:
        if not 0.0 <= quality <= 1.0:
            raise ConfigError(f"prm_quality is {quality}; it lies between 0 and 1.")
        self.quality = quality
        self._seed = seed
        self._slice = TimeSlice()
        self._generator = generator or SimulatedGenerator()
        self._distance = math.tan(quality * math.pi / 2) / 2 if quality < 1.0 else math.inf

    @classmethod
    def from_config(cls, config: Config, generator: Generator) -> Self:
        """Create the PRM with `prm_quality` and the seed of the run.

        Raises:
            ConfigError: the generator is not the simulated one.
        """
        if not isinstance(generator, SimulatedGenerator):
            raise ConfigError("The simulated PRM reads only the simulated generator.", "Type: --model-name simulated")
        return cls(config.prm_quality, config.seed, generator)

    @property
    def auc(self) -> float:
        """Area under the ROC curve of scores against the state of their prefix, in closed form."""
        return NORMAL.cdf(self._distance * math.sqrt(2.0)) if self.quality < 1.0 else 1.0

    async def score(self, problem: Problem, paths: Sequence[Path]) -> list[Scores]:
        """Score the new steps of each path from their true state and their place in the tree."""
        start = self._generator.prompt(problem, "")
        return await in_parts(lambda path: self._scores(problem, start, path), paths, self._slice.turn)

    def _scores(self, problem: Problem, start: tuple[int, ...], path: Path) -> Scores:
        known = len(path.scores)
        if known == len(path.steps) - 1:  # the ordinary case: one new step
            ids = start + path.ids
            return Scores((self._score(problem, path, known, path_is_right(ids)),), tokens=len(ids))
        ids, values = start, []
        for index, step in enumerate(path.steps):
            ids += step.ids
            if index >= known:
                values.append(self._score(problem, path, index, path_is_right(ids)))
        return Scores(tuple(values), tokens=len(ids))

    def _score(self, problem: Problem, path: Path, index: int, right: bool) -> float:
        if self.quality == 1.0:
            return 1.0 if right else 0.0
        where = f"{self._seed}/{problem.id}/{path.key}/{index}".encode()
        uniform = (int.from_bytes(blake2b(where, digest_size=6).digest(), "big") + 0.5) / 2**48
        odds = NORMAL.inv_cdf(uniform) + (self._distance if right else -self._distance)
        return 1.0 / (1.0 + math.exp(-odds))
