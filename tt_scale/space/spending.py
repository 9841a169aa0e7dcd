"""Spending of one problem: budget, usage per path, and tokens reserved for requests in flight."""

from __future__ import annotations

import time
from collections.abc import Callable

from tt_scale.core.budget import Budget, Usage
from tt_scale.core.path import Key
from tt_scale.core.records import Scores, Step, StepRequest
from tt_scale.space.candidate import ChildCandidate

__all__ = ["Clock", "Spending"]


class Clock:
    """Wall clock of one search with a limit; once the limit was found exceeded, it stays exceeded.

    Args:
        limit: limit in seconds from now; None for no limit.

    Attributes:
        looks: number of checks so far.
        timeout: number of the check that found it exceeded, from 1; 0 for none yet.
        on_timeout: callback for the moment at which it is found exceeded.
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
        """Check whether the limit is exceeded."""
        if self.limit is None:
            return False
        self.looks += 1
        if not self.timeout and self._exceeded():
            self.timeout = self.looks
            self.on_timeout()
        return self.timeout > 0

    def _exceeded(self) -> bool:
        return self.limit is not None and self.seconds >= self.limit


class Spending:
    """Spending of one problem against its budget.

    Args:
        budget: limits.
        clock: clock of the search.

    Attributes:
        usage: usage of the whole problem.
        costs: usage of each path.
    """

    def __init__(self, budget: Budget, clock: Clock) -> None:
        self.usage = Usage()
        self.costs: dict[Key, Usage] = {}
        self._budget = budget
        self._reserved = 0
        self._clock = clock

    @property
    def exhausted(self) -> bool:
        """Whether the budget is exhausted."""
        budget, usage = self._budget, self.usage
        return (
            self.tokens_left <= 0
            or (budget.max_prm_tokens is not None and usage.prm_tokens >= budget.max_prm_tokens)
            or self._clock.is_over()
        )

    @property
    def tokens_left(self) -> float:
        """Tokens that may still be generated and are not reserved; infinite without a limit."""
        most = self._budget.max_generated_tokens
        return float("inf") if most is None else most - self.usage.generated_tokens - self._reserved

    def reserve(self, tokens: int) -> None:
        """Reserve the token limits of requests, so that nothing else spends them."""
        self._reserved += tokens

    def release(self, tokens: int) -> None:
        """Release a reservation."""
        self._reserved -= tokens

    def record_step(self, candidate: ChildCandidate, request: StepRequest, step: Step, parameters: int) -> None:
        """Record a step from a generator with this number of parameters."""
        generated = len(step.ids)
        prompt = step.prompt_tokens or len(request.ids)
        candidate.spent += generated
        spent = Usage(
            generated_tokens=generated,
            prompt_tokens=prompt,
            cached_prompt_tokens=step.cached,
            generator_calls=1,
            flops=2.0 * parameters * (prompt - step.cached + generated),
        )
        self._record(candidate.key, spent)

    def record_scores(self, key: Key, scores: Scores, parameters: int) -> None:
        """Record the tokens that a PRM read for a path; its FLOPs are estimated unless it returns them."""
        computed = 2.0 * parameters * (scores.tokens - scores.cached)
        spent = Usage(
            prm_tokens=scores.tokens,
            cached_prm_tokens=scores.cached,
            prm_calls=1,
            flops=computed if scores.flops is None else scores.flops,
        )
        self._record(key, spent)

    def record_elapsed(self) -> None:
        """Record the elapsed time."""
        self.usage.seconds = self._clock.seconds

    def _record(self, key: Key, spent: Usage) -> None:
        self.usage.charge(spent)
        if key in self.costs:
            self.costs[key].charge(spent)
        else:
            self.costs[key] = spent
