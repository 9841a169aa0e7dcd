"""Recorded PRM: gives the scores of recorded samples, as their file holds them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from tt_scale.base_classes import PRM, Generator
from tt_scale.core.path import Path
from tt_scale.core.records import Problem, Scores, Weights
from tt_scale.errors import ConfigError
from tt_scale.generator.recorded import RecordedGenerator

if TYPE_CHECKING:
    from typing_extensions import Self

    from tt_scale.config import Config

__all__ = ["RecordedPRM"]


class RecordedPRM(PRM):
    """Gives the scores of one PRM.

    Its tokens are not counted: files of samples do not say what a PRM read.

    Args:
        name: of the PRM in the file.
        generator: whose samples were scored.
    """

    summary: ClassVar[str] = "scores that a PRM gave earlier, from a file of recorded samples"
    config_keys: ClassVar[frozenset[str]] = frozenset()
    reads_samples: ClassVar[bool] = True
    parameters = 0

    def __init__(self, name: str, generator: RecordedGenerator) -> None:
        self._name = name
        self._generator = generator

    @classmethod
    def from_config(cls, config: Config, generator: Generator) -> Self:
        """Take the scores of `prm_name`.

        Raises:
            ConfigError: the generator is not the recorded one.
        """
        if not isinstance(generator, RecordedGenerator):
            raise ConfigError(
                f"prm is 'recorded', which reads scores from the file of recorded samples, but the generator is "
                f"{config.model_name!r}.",
                "Type: --generator recorded",
            )
        return cls(config.prm_name, generator)

    @classmethod
    def weights(cls, config: Config) -> Sequence[Weights]:
        """None: no model is loaded."""
        return ()

    async def score(self, problem: Problem, paths: Sequence[Path]) -> list[Scores]:
        """Look up the scores of the steps that have none yet."""
        samples = [self._generator.sample_of(problem, path) for path in paths]
        return [
            Scores(sample.scores[self._name][len(path.scores) :]) for sample, path in zip(samples, paths, strict=True)
        ]
