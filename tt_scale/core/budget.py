"""Budgets and usage: the limits of one problem, and its cost."""

from __future__ import annotations

from dataclasses import dataclass, fields

__all__ = ["Budget", "Usage"]


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits of one problem; None means no limit.

    Attributes:
        max_generated_tokens: a hard limit: no request is sent that could exceed it.
        max_prm_tokens: no expansion starts once the PRM has read this many tokens.
        max_seconds: no expansion starts after this much wall time.
    """

    max_generated_tokens: int | None = None
    max_prm_tokens: int | None = None
    max_seconds: float | None = None


@dataclass(slots=True)
class Usage:
    """Cost of one problem, counted before anything is filtered, retried or dropped.

    Attributes:
        generated_tokens: all sampled tokens, including those of dropped paths; "tokens" in tables.
        prompt_tokens: tokens of all generator prompts.
        cached_prompt_tokens: those of them that the engine had in its prefix cache.
        generator_calls: requests to the generator.
        prm_tokens: tokens of all PRM prompts.
        cached_prm_tokens: those of them that the PRM had in its prefix cache.
        prm_calls: paths passed to the PRM.
        seconds: wall time of the search.
        flops: estimate, 2 x parameters x tokens computed, for generator and PRM together.
    """

    generated_tokens: int = 0
    prompt_tokens: int = 0
    cached_prompt_tokens: int = 0
    generator_calls: int = 0
    prm_tokens: int = 0
    cached_prm_tokens: int = 0
    prm_calls: int = 0
    seconds: float = 0.0
    flops: float = 0.0

    @property
    def counted_tokens(self) -> int | None:
        """Generated tokens; None if requests were made and none counted, as of recorded samples without counts."""
        return self.generated_tokens if self.generated_tokens or not self.generator_calls else None

    @property
    def counted_prm_tokens(self) -> int | None:
        """Tokens of PRM prompts; None if paths were scored and none counted, as of recorded scores."""
        return self.prm_tokens if self.prm_tokens or not self.prm_calls else None

    def charge(self, spent: Usage) -> None:
        """Add another record to this one in place."""
        self.generated_tokens += spent.generated_tokens  # written out, since every request and every score comes here
        self.prompt_tokens += spent.prompt_tokens
        self.cached_prompt_tokens += spent.cached_prompt_tokens
        self.generator_calls += spent.generator_calls
        self.prm_tokens += spent.prm_tokens
        self.cached_prm_tokens += spent.cached_prm_tokens
        self.prm_calls += spent.prm_calls
        self.seconds += spent.seconds
        self.flops += spent.flops

    def spent(self) -> dict[str, int | float]:
        """Nonzero counts by name."""
        return {name: count for name in _NAMES if (count := getattr(self, name))}

    def __add__(self, other: Usage) -> Usage:
        return Usage(*[getattr(self, name) + getattr(other, name) for name in _NAMES])


_NAMES = tuple([field.name for field in fields(Usage)])
