"""Token log-probabilities: the confidence computed from them, and checks that a generator returns them."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import nlargest
from math import fsum
from typing import Protocol

from tt_scale.core.records import Step, StepRequest
from tt_scale.errors import ConfigError, GeneratorError

__all__ = ["DIGITS", "TOP_LOGPROBS", "check_logprobs", "confidence", "require_logprobs"]

TOP_LOGPROBS = 20
"""Most likely tokens that a confidence averages: as in DeepConf, and the most that vLLM returns by default."""

DIGITS = 4
"""Decimals that log-probabilities from Transformers are rounded to: in float32 the sixth decimal depends on the batch.
About one in a hundred is so close to a rounding boundary that its fourth decimal changes too."""


def confidence(logprobs: Sequence[float], top_logprobs: int) -> float:
    """Compute the confidence of a model in its next token: the mean of -ln p over the most likely tokens.

    Args:
        logprobs: natural logarithms of probabilities, including the most likely tokens, in any order [tokens].
        top_logprobs: number of most likely tokens that count, at least 1; a sampled token outside of them does not.

    Returns:
        The confidence; at least the logarithm of the number of tokens that count, and equal to it if they share the
        whole probability evenly.

    Source: Fu et al. 2025, "Deep Think with Confidence" (arXiv 2508.15260).
    """
    likeliest = nlargest(top_logprobs, logprobs)
    return -fsum(likeliest) / len(likeliest)


class ReturnsLogprobs(Protocol):
    """The part of a generator that this module reads."""

    most_logprobs: int


def require_logprobs(generator: ReturnsLogprobs | type[ReturnsLogprobs], top_logprobs: int, who: str) -> None:
    """Reject a generator that does not return the log-probabilities that are needed.

    Args:
        generator: an instance or its class.
        top_logprobs: number of most likely tokens needed.
        who: needs them, for the message: `The PRM 'confidence'`.

    Raises:
        ConfigError: the generator returns no log-probabilities, or those of fewer tokens.
    """
    most = generator.most_logprobs
    if top_logprobs <= most:
        return
    name = generator.__name__ if isinstance(generator, type) else type(generator).__name__
    returned = f"returns only those of {most}" if most else "returns none"
    raise ConfigError(
        f"{who} needs the log-probabilities of the {top_logprobs} most likely tokens, but {name} {returned}.",
        "Type: --generator vllm, or huggingface",
    )


def check_logprobs(request: StepRequest, step: Step) -> None:
    """Check that a step has the log-probabilities that were requested.

    Raises:
        GeneratorError: there is not one log-probability and one confidence for each token.
    """
    for values in (step.logprobs, step.confidences):
        if request.top_logprobs and len(values) != len(step.ids):
            raise GeneratorError(
                f"The generator returned {len(values)} log-probabilities for {len(step.ids)} tokens; expected one per"
                " token."
            )
