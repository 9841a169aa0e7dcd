"""A PRM without weights: the fewer words a step has, the better it scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from tt_scale import PRM, Config, ConfigError, Path, Problem, Scores

if TYPE_CHECKING:
    from typing_extensions import Self

    from tt_scale import Generator

__all__ = ["BriefPRM"]


class BriefPRM(PRM):
    """Scores a step of up to `words` words 1, one of twice as many 0.5, and so on.

    Args:
        words: that a good step has at most, at least 1.
    """

    summary: ClassVar[str] = "short steps score high; no model"
    own_name: ClassVar[str] = "brief"  # `--prm-name brief` is enough
    config_keys: ClassVar[frozenset[str]] = frozenset({"prm_args"})  # others are warned about
    uses_generator: ClassVar[bool] = False  # prm-eval scores given solutions without starting one
    knobs: ClassVar[tuple[str, ...]] = ("words",)

    def __init__(self, words: int = 12) -> None:
        if words < 1:
            raise ConfigError(f"prm_args: words is {words}; it is at least 1.")
        self.words = words

    @classmethod
    def from_config(cls, config: Config, generator: Generator) -> Self:
        """Take the knobs in `prm_args`."""
        try:
            return cls(**config.prm_args)
        except TypeError as error:
            raise ConfigError(f"prm_args do not fit the PRM 'brief': {error}.") from None

    async def score(self, problem: Problem, paths: Sequence[Path]) -> list[Scores]:
        """Count words; no tokens are read."""
        return [Scores(tuple(self._score(step.text) for step in path.steps[len(path.scores) :])) for path in paths]

    def _score(self, text: str) -> float:
        return min(1.0, self.words / max(len(text.split()), 1))
