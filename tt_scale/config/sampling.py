"""How tokens are drawn."""

from __future__ import annotations

from tt_scale.config.declare import SAMPLING, Keys, key

__all__ = ["SamplingKeys"]


class SamplingKeys(Keys):
    """How tokens are drawn."""

    temperature: float = key(SAMPLING, "Of methods that sample at one temperature.", 0.8, ge=0, le=2)
    temp_origin: float = key(SAMPLING, "First temperature of backtracking methods.", 0.7, ge=0, le=2)
    temp_step: float = key(SAMPLING, "Added to it on each retry.", 0.1, ge=0, le=1)
    top_p: float = key(SAMPLING, "Nucleus mass; 1 is off.", 1.0, gt=0, le=1)
    top_k: int = key(SAMPLING, "Tokens considered; 0 is off.", 0, ge=0)
    min_p: float = key(SAMPLING, "Least probability relative to the likeliest token; 0 is off.", 0.0, ge=0, le=1)
    repetition_penalty: float = key(SAMPLING, "1 is off.", 1.0, gt=0, le=2)
    max_tokens: int = key(SAMPLING, "Most tokens of one solution, for every method alike.", 2048, ge=1)
    k_tokens: int = key(SAMPLING, "Most tokens of one step.", 256, ge=1)
    warmup: bool = key(SAMPLING, "Give the first step twice `k_tokens`.", False)
