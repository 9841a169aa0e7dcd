"""DORA: REBASE in which a group of similar paths gets the width of a single direction of reasoning.

Source: Wang et al. 2025, "Every Rollout Counts" (arXiv 2506.15707). There similarity is the cosine of a text embedding
(BGE-M3); a searcher here has no second model, so it is the cosine of counts of words and word pairs, and a subclass
with an embedding model overrides `alike`. There the width stays N, each share is rounded separately, and the released
code drops paths that get no width from REBASE; here width and rounding are those of our REBASE, and no path is dropped
before its uniqueness is computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from tt_scale.core.path import Path
from tt_scale.errors import ConfigError
from tt_scale.searcher.parts.allocation import ceiling_split, dora_weights
from tt_scale.searcher.parts.similarity import similarities
from tt_scale.searcher.rebase import Rebase

__all__ = ["DORA"]


@dataclass(frozen=True)
class DORA(Rebase):
    """Allocate children to open paths by score and uniqueness.

    Attributes:
        N: the width: finished solutions at which the search ends, and children of the root.
        balance_temperature: temperature of the softmax over scores, above 0; None is 0.1.
        similarity_temperature: temperature of the softmax over similarities, above 0; a small value groups only near
            copies, infinity is REBASE.
        temperature: sampling temperature.
        max_steps: maximum number of steps of a path.
    """

    summary: ClassVar[str] = "like rebase, but a group of similar paths gets no more width than a single direction"
    source: ClassVar[str] = "Wang et al. 2025, arXiv 2506.15707"

    similarity_temperature: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.similarity_temperature > 0:
            raise ConfigError(
                f"similarity_temperature is {self.similarity_temperature}; it lies above 0.", "Usual: 0.01."
            )

    @property
    def balance(self) -> float:
        """`balance_temperature`, 0.1 where it is unset."""
        return 0.1 if self.balance_temperature is None else self.balance_temperature

    def alike(self, paths: Sequence[Path]) -> Sequence[Sequence[float]]:
        """Pairwise similarity of the paths' texts: at most 1, and 1 of a path with itself [paths][paths]."""
        return similarities([path.text for path in paths])

    def _split(self, opened: Sequence[Path], width: int) -> list[int]:
        scores = [path.score for path in opened]
        return ceiling_split(dora_weights(scores, self.alike(opened), self.balance, self.similarity_temperature), width)
