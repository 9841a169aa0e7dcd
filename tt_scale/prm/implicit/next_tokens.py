"""Log-probabilities of the tokens that follow, of two models that read the same.

The engines stand behind one contract, `TwoModels`; what they share is how hidden states become log-probabilities.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tt_scale.prm.adapters.base import Reading

__all__ = ["MOST_ROWS", "Following", "TwoModels", "log_probabilities"]

MOST_ROWS = 512
"""Rows of logits that are made at a time: those of a whole path over a whole vocabulary take gibibytes."""


@dataclass(frozen=True, slots=True)
class Following:
    """What one model said of a reading.

    Attributes:
        values: log-probability of the token behind each position [positions].
        tokens: that the model was given.
        computed: how many of them it read, and did not find in its cache.
    """

    values: tuple[float, ...]
    tokens: int
    computed: int


class TwoModels(ABC):
    """A model and its reference on one engine.

    Attributes:
        sizes: parameters of each [2]; there once `start` is done.
    """

    sizes: tuple[int, ...]

    @abstractmethod
    async def start(self) -> None:
        """Load both, one after the other.

        Raises:
            TTScaleError: one of them cannot be loaded.
        """

    @abstractmethod
    async def close(self) -> None:
        """Let go of both; a second call does nothing."""

    @abstractmethod
    async def read(self, readings: Sequence[Reading]) -> list[tuple[Following, Following]]:
        """Give what both say [readings].

        Raises:
            PRMError: a model failed.
            EngineDeadError: it is gone.
        """


def log_probabilities(head: Any, hidden: Any, following: Sequence[int]) -> Any:
    """Turn last hidden states into log-probabilities, in float32.

    Args:
        head: gives logits [rows, vocabulary] of states [rows, width].
        hidden: states [positions, width], where the head is.
        following: id of the token behind each [positions].

    Returns:
        A tensor [positions].
    """
    import torch

    ids = torch.tensor(following, dtype=torch.long, device=hidden.device)
    found = [
        head(states).float().log_softmax(-1).gather(-1, wanted[:, None])[:, 0]
        for states, wanted in zip(hidden.split(MOST_ROWS), ids.split(MOST_ROWS), strict=True)
    ]
    return torch.cat(found)
