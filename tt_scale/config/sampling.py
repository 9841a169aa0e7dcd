"""Keys of token sampling."""

from __future__ import annotations

from tt_scale.config.declare import SAMPLING, Keys, key

__all__ = ["SamplingKeys"]


class SamplingKeys(Keys):
    """Keys of token sampling."""

    temperature: float = key(SAMPLING, "Sampling temperature of methods that use a single one.", 0.8, ge=0, le=2)
    temp_origin: float = key(
        SAMPLING, "Sampling temperature of first attempts in backtracking methods.", 0.7, ge=0, le=2
    )
    temp_step: float = key(SAMPLING, "Increase of the temperature on each retry.", 0.1, ge=0, le=1)
    top_p: float = key(SAMPLING, "Nucleus sampling: probability mass to sample from; 1 disables it.", 1.0, gt=0, le=1)
    top_k: int = key(SAMPLING, "Number of most likely tokens to sample from; 0 disables it.", 0, ge=0)
    min_p: float = key(
        SAMPLING, "Least probability of a token relative to the most likely one; 0 disables it.", 0.0, ge=0, le=1
    )
    repetition_penalty: float = key(SAMPLING, "Penalty on repeated tokens; 1 disables it.", 1.0, gt=0, le=2)
    max_tokens: int = key(SAMPLING, "Most tokens of one solution, for all methods.", 2048, ge=1)
    k_tokens: int = key(SAMPLING, "Most tokens of one step.", 256, ge=1)
    warmup: bool = key(SAMPLING, "Allow the first step twice `k_tokens`.", False)
