"""What one problem may spend, what it has spent and on which path, and what it holds back for work under way."""

from __future__ import annotations

import time
from collections.abc import Callable

from tt_scale.core.budget import Budget, Usage
from tt_scale.core.path import Key
from tt_scale.core.records import Scores, Step, StepRequest
from tt_scale.space.candidate import Birth

__all__ = ["Clock", "Ledger"]


class Clock:
    """Wall time of one search against its limit; once the limit was found exceeded, it stays so.

    Args:
        limit: in seconds; None for none. Time runs from now on.

    Attributes:
        looks: how often the limit was looked at.
        timeout: which look found it exceeded, from 1; 0 for none yet.
        on_timeout: called when it is found exceeded.
    """

    def __init__(self, limit: float | None) -> None:
        self.limit = limit
        self.looks = 0
        self.timeout = 0
        self.on_timeout: Callable[[], None] = lambda: None
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        """Time since the search began."""
        return time.monotonic() - self._began

    def is_over(self) -> bool:
        """Look whether the limit is exceeded."""
        if self.limit is None:
            return False
        self.looks += 1
        if not self.timeout and self._exceeded():
            self.timeout = self.looks
            self.on_timeout()
        return self.timeout > 0

    def _exceeded(self) -> bool:
        return self.limit is not None and self.seconds >= self.limit


class Ledger:
    """The account of one problem.

    Args:
        budget: the most that may be spent.
        clock: of the problem.

    Attributes:
        usage: of the problem.
        costs: of single paths.
    """

    def __init__(self, budget: Budget, clock: Clock) -> None:
        self.usage = Usage()
        self.costs: dict[Key, Usage] = {}
        self._budget = budget
        self._held = 0
        self._clock = clock

    @property
    def exhausted(self) -> bool:
        """Whether the budget leaves nothing to spend."""
        budget, usage = self._budget, self.usage
        return (
            self.tokens_left <= 0
            or (budget.max_prm_tokens is not None and usage.prm_tokens >= budget.max_prm_tokens)
            or self._clock.is_over()
        )

    @property
    def tokens_left(self) -> float:
        """Tokens that may still be generated and are not held for requests under way; infinite without a limit."""
        most = self._budget.max_generated_tokens
        return float("inf") if most is None else most - self.usage.generated_tokens - self._held

    def hold(self, tokens: int) -> None:
        """Keep back what requests may need at most, so that nothing else spends it."""
        self._held += tokens

    def release(self, tokens: int) -> None:
        """Free what was held."""
        self._held -= tokens

    def charge_step(self, birth: Birth, request: StepRequest, step: Step, parameters: int) -> None:
        """Charge what a generator of so many parameters gave."""
        generated = len(step.ids)
        prompt = step.prompt_tokens or len(request.ids)
        birth.spent += generated
        spent = Usage(
            generated_tokens=generated,
            prompt_tokens=prompt,
            cached_prompt_tokens=step.cached,
            generator_calls=1,
            flops=2.0 * parameters * (prompt - step.cached + generated),
        )
        self._charge(birth.key, spent)

    def charge_scores(self, key: Key, scores: Scores, parameters: int) -> None:
        """Charge what a PRM of so many parameters read for a path, unless it says itself what it took."""
        computed = 2.0 * parameters * (scores.tokens - scores.cached)
        spent = Usage(
            prm_tokens=scores.tokens,
            cached_prm_tokens=scores.cached,
            prm_calls=1,
            flops=computed if scores.flops is None else scores.flops,
        )
        self._charge(key, spent)

    def stamp(self) -> None:
        """Note how much time has passed."""
        self.usage.seconds = self._clock.seconds

    def _charge(self, key: Key, spent: Usage) -> None:
        self.usage.charge(spent)
        if key in self.costs:
            self.costs[key].charge(spent)
        else:
            self.costs[key] = spent
