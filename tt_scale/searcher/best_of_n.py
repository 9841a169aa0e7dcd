"""Best-of-N: sample complete solutions, score each once, return the best.

Source: Cobbe et al. 2021, "Training Verifiers to Solve Math Word Problems" (arXiv 2110.14168), section 4.2, with a
process reward model as the verifier (Lightman et al. 2023, arXiv 2305.20050, section 2.2).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from tt_scale.base_classes import Searcher
from tt_scale.core.path import Outcome
from tt_scale.space.search_space import SearchSpace

__all__ = ["BestOfN"]


@dataclass(frozen=True)
class BestOfN(Searcher):
    """Sample N complete solutions.

    Attributes:
        N: number of solutions, at least 1.
        temperature: sampling temperature.
    """

    summary: ClassVar[str] = "N complete solutions, each scored once; the best one is the answer"
    source: ClassVar[str] = "Cobbe et al. 2021, arXiv 2110.14168"
    whole_answers: ClassVar[bool] = True

    N: int = 4
    temperature: float = 0.8

    def widths(self, budget: int) -> Mapping[str, int]:
        """Set N to the budget."""
        return {"N": budget}

    @property
    def samples(self) -> int:
        """Number of independent solutions: N."""
        return self.N

    async def search(self, space: SearchSpace) -> Outcome:
        """Sample N solutions from the root; truncated ones are left out of the pool."""
        [solutions] = await space.complete(space.roots(), self.N, temperature=self.temperature)
        pool = tuple([path for path in solutions if path.is_finished])
        cut = len(solutions) < self.N or any(path.state == "truncated" for path in solutions)
        return Outcome(pool, "budget" if cut and space.exhausted else "enough")
