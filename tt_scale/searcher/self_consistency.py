"""Self-consistency: sample solutions without a PRM, return the most frequent answer, and stop when the vote is settled.

Sources: Wang et al. 2022 (arXiv 2203.11171) for the vote; Aggarwal et al. 2023, "Let's Sample Step by Step" (arXiv
2305.11860) for the Beta rule; Li et al. 2024, "Escape Sky-high Cost" (arXiv 2401.10480) for windows that agree.
Under both rules a solution without an answer does not vote; the Beta rule here also stops where the vote is certain.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import comb
from typing import ClassVar

from tt_scale.base_classes import Searcher
from tt_scale.core.path import Outcome, Path
from tt_scale.core.selection import NO_ANSWER
from tt_scale.errors import ConfigError, nearest
from tt_scale.space.search_space import SearchSpace

__all__ = ["SelfConsistency", "cannot_be_overtaken", "leader_risk"]

RULES = ("off", "beta", "early_stopping")


@dataclass(frozen=True)
class SelfConsistency(Searcher):
    """Sample up to N solutions and vote.

    Attributes:
        N: maximum number of solutions, at least 1.
        temperature: sampling temperature.
        adaptive: "off" samples all N; "beta" stops when the leading answer is the likelier one with `confidence`, or
            cannot be overtaken; "early_stopping" when all answers of a window agree. True is "beta", False is "off".
        confidence: confidence of the Beta rule, in [0, 1]; 1 stops only where the vote is certain.
        window: solutions sampled between two checks of the vote, at least 1; None is 1 for "beta", 5 for
            "early_stopping".
    """

    summary: ClassVar[str] = "up to N solutions without a PRM; the most frequent answer wins"
    source: ClassVar[str] = "Wang et al. 2022, arXiv 2203.11171; adaptive: arXiv 2305.11860, arXiv 2401.10480"
    selector: ClassVar[str] = "majority"
    uses_prm: ClassVar[bool] = False
    whole_answers: ClassVar[bool] = True

    N: int = 4
    temperature: float = 0.8
    adaptive: str | bool = "off"
    confidence: float = 0.95
    window: int | None = None

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise ConfigError(f"adaptive is {self.adaptive!r}.", nearest(self.rule, RULES))
        if not 0 <= self.confidence <= 1:
            raise ConfigError(f"confidence is {self.confidence}; it lies between 0 and 1.")
        if self.window is not None and self.window < 1:
            raise ConfigError(f"window is {self.window}; it is at least 1.")

    @property
    def rule(self) -> str:
        """The stopping rule, one of `RULES`."""
        if isinstance(self.adaptive, bool):
            return "beta" if self.adaptive else "off"
        return str(self.adaptive)

    @property
    def batch(self) -> int:
        """Solutions sampled between two checks of the vote."""
        return self.N if self.rule == "off" else self.window or (1 if self.rule == "beta" else 5)

    def widths(self, budget: int) -> Mapping[str, int]:
        """Set N to the budget."""
        return {"N": budget}

    @property
    def samples(self) -> int | None:
        """Number of independent solutions: N without a stopping rule, None with one."""
        return self.N if self.rule == "off" else None

    async def search(self, space: SearchSpace) -> Outcome:
        """Sample a batch, count the votes, stop or continue."""
        root = space.roots()
        pool: list[Path] = []
        answers: list[str | None] = []
        requested = 0
        while True:
            share = min(self.batch, self.N - requested)
            [drawn] = await space.complete(root, share, temperature=self.temperature)
            requested += share
            pool += [path for path in drawn if path.is_finished]
            answers += [space.answer(path) if path.is_finished else None for path in drawn]
            if len(drawn) < share:
                return Outcome(tuple(pool), "budget")
            if requested == self.N or self._settled(space.answer_classes(answers), len(drawn), self.N - requested):
                return Outcome(tuple(pool), "enough")
            if space.exhausted:
                return Outcome(tuple(pool), "budget")

    def _settled(self, classes: Sequence[int], newest: int, remaining: int) -> bool:
        """Whether the vote is decided.

        Args:
            classes: answer class of each solution so far [solutions].
            newest: number of solutions of the last batch, at least 1.
            remaining: number of solutions that may still be sampled.
        """
        if self.rule == "early_stopping":
            window = set(classes[-newest:])
            return len(window) == 1 and NO_ANSWER not in window
        votes = Counter([each for each in classes if each != NO_ANSWER])
        if self.rule == "off" or not votes:
            return False
        leader, second, *_ = [*sorted(votes.values(), reverse=True), 0]
        return cannot_be_overtaken(leader, second, remaining) or leader_risk(leader, second) <= 1 - self.confidence


def cannot_be_overtaken(leader: int, second: int, remaining: int) -> bool:
    """Whether the leading answer wins even if every remaining vote goes to the second."""
    return leader > second + remaining


def leader_risk(leader: int, second: int) -> float:
    """Posterior probability that the leading answer is not the likelier of the two.

    With p ~ Beta(leader + 1, second + 1) it is Pr[p < 1/2], which for integers is a binomial tail: that of at most
    `second` heads in leader + second + 1 tosses of a fair coin. Exact; falls with `leader`, rises with `second`.
    """
    tosses = leader + second + 1
    return sum([comb(tosses, heads) for heads in range(second + 1)]) / (1 << tosses)
