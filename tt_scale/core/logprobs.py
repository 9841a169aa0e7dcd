"""Token log-probabilities between those who ask for them and the generator that tells them."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import nlargest
from math import fsum
from typing import Protocol

from tt_scale.core.records import Step, StepRequest
from tt_scale.errors import ConfigError, GeneratorError

__all__ = ["DIGITS", "TOP_LOGPROBS", "check_logprobs", "confidence", "require_logprobs"]

TOP_LOGPROBS = 20
"""Likeliest tokens that a confidence looks at: as many as DeepConf does, and the most that vLLM tells unasked."""

DIGITS = 4
"""Decimals of log-probabilities from Transformers, where in float32 the sixth moves with what shares a batch. One in a
hundred lies so close to an edge that its fourth moves, too, which matters only where another lies next to it."""


def confidence(logprobs: Sequence[float], top_logprobs: int) -> float:
    """Say how sure a model is of its next token: the mean of -ln p over the likeliest tokens.

    Args:
        logprobs: natural logarithms of probabilities, those of the likeliest tokens among them, in any order [tokens].
        top_logprobs: how many of the likeliest count, at least 1; a drawn token that is none of them does not.

    Returns:
        The confidence, at least the logarithm of the number of tokens that counted; equal to it where these share all
        probability evenly.

    Source: Fu et al. 2025, "Deep Think with Confidence" (arXiv 2508.15260).
    """
    likeliest = nlargest(top_logprobs, logprobs)
    return -fsum(likeliest) / len(likeliest)


class ReturnsLogprobs(Protocol):
    """A generator, as far as its log-probabilities go."""

    most_logprobs: int


def require_logprobs(generator: ReturnsLogprobs | type[ReturnsLogprobs], top_logprobs: int, who: str) -> None:
    """Refuse a generator that does not return the log-probabilities that somebody needs.

    Args:
        generator: or its class.
        top_logprobs: the likeliest tokens wanted.
        who: wants them, for the message.

    Raises:
        ConfigError: the generator tells no log-probabilities, or those of fewer tokens.
    """
    most = generator.most_logprobs
    if top_logprobs <= most:
        return
    name = generator.__name__ if isinstance(generator, type) else type(generator).__name__
    told = f"tells those of {most}" if most else "tells none"
    raise ConfigError(
        f"{who} needs the log-probabilities of the {top_logprobs} likeliest tokens, and {name} {told}.",
        "Type: --generator vllm, or huggingface",
    )


def check_logprobs(request: StepRequest, step: Step) -> None:
    """See that a step came with what was asked for.

    Raises:
        GeneratorError: there is not one log-probability and one confidence for each token.
    """
    for told in (step.logprobs, step.confidences):
        if request.top_logprobs and len(told) != len(step.ids):
            raise GeneratorError(f"The generator told {len(told)} log-probabilities of {len(step.ids)} tokens.")
