"""Keys that limit what one problem may spend."""

from __future__ import annotations

from typing import Literal

from tt_scale.config.declare import BUDGET, Keys, key, path_count

__all__ = ["BudgetKeys"]


class BudgetKeys(Keys):
    """Keys that limit what one problem may spend."""

    budget: int | None = path_count(
        BUDGET, "Compute in units of one sampled solution; a method derives its widths from it.", None
    )
    max_generated_tokens: int | None = key(
        BUDGET,
        "Most generated tokens per problem; unset is `budget` x `max_tokens`, or no limit without a budget.",
        None,
        ge=1,
    )
    max_prm_tokens: int | None = key(
        BUDGET, "Most tokens that the PRM reads per problem, checked before each expansion.", None, ge=1
    )
    max_seconds: float | None = key(BUDGET, "Most seconds per problem, checked before each expansion.", None, gt=0)

    last_resort: Literal["force", "none"] = key(
        BUDGET,
        "If no path has an answer and tokens are left: force makes the best open path state one within 32 tokens.",
        "none",
    )
