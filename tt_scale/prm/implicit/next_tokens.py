"""Next-token log-probabilities of two models for the same input.

`ModelPair` is the interface of the engines; `token_logprobs`, which they share, turns hidden states into
log-probabilities.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tt_scale.prm.adapters.base import ScoringInput

__all__ = ["MAX_LOGIT_ROWS", "ModelPair", "TokenLogprobs", "token_logprobs"]

MAX_LOGIT_ROWS = 512
"""Rows of logits that are computed at a time; for a whole path they would take gibibytes."""


@dataclass(frozen=True, slots=True)
class TokenLogprobs:
    """Log-probabilities by one model for one input.

    Attributes:
        values: log-probability of the token after each position [positions].
        tokens: input tokens.
        computed: how many of them did not come from a cache.
    """

    values: tuple[float, ...]
    tokens: int
    computed: int


class ModelPair(ABC):
    """A model and its reference on one engine.

    Attributes:
        sizes: number of parameters of each [2]; set by `start`.
    """

    sizes: tuple[int, ...]

    @abstractmethod
    async def start(self) -> None:
        """Load both models, one after the other.

        Raises:
            TTScaleError: a model cannot be loaded.
        """

    @abstractmethod
    async def close(self) -> None:
        """Release both models; a second call does nothing."""

    @abstractmethod
    async def read(self, inputs: Sequence[ScoringInput]) -> list[tuple[TokenLogprobs, TokenLogprobs]]:
        """Compute the log-probabilities of both models [inputs].

        Raises:
            PRMError: a model failed.
            EngineDeadError: an engine has ended.
        """


def token_logprobs(head: Any, hidden: Any, targets: Sequence[int]) -> Any:
    """Turn last hidden states into log-probabilities of the next tokens, in float32.

    Args:
        head: maps states [rows, width] to logits [rows, vocabulary].
        hidden: states, on the device of the head [positions, width].
        targets: id of the token after each state [positions].

    Returns:
        A tensor [positions].
    """
    import torch

    ids = torch.tensor(targets, dtype=torch.long, device=hidden.device)
    logprobs = [
        head(states).float().log_softmax(-1).gather(-1, chunk[:, None])[:, 0]
        for states, chunk in zip(hidden.split(MAX_LOGIT_ROWS), ids.split(MAX_LOGIT_ROWS), strict=True)
    ]
    return torch.cat(logprobs)
