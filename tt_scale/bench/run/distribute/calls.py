"""Calls of a replica: what it raised as it was raised, and the loss of a replica told from all else."""

from __future__ import annotations

import re
from typing import Any

from tt_scale.errors import ConfigError, EngineDeadError, TTScaleError

__all__ = ["ReplicaLostError", "answer"]

BECAUSE = re.compile(r"(?:because|due to|reason:) (.+?)(?:\.\s|\.$|\n|$)", re.IGNORECASE)
NOT_INSTALLED = re.compile(r"No module named '([^']+)'")


class ReplicaLostError(Exception):
    """A replica that answers no more: its process, its node or its engine died."""


async def answer(reference: Any) -> Any:
    """Wait for what a replica answers.

    Args:
        reference: as a remote call gives it.

    Raises:
        ReplicaLostError: the replica is gone, or its models are.
        TTScaleError: it was raised in the replica.
    """
    from ray.exceptions import RayActorError, RayError, RayTaskError

    try:
        return await reference
    except RayTaskError as error:
        cause = getattr(error, "cause", None)
        if isinstance(cause, EngineDeadError):
            raise ReplicaLostError(str(cause)) from None
        if isinstance(cause, TTScaleError):
            raise cause from None
        raise
    except RayActorError as error:
        missing = NOT_INSTALLED.search(str(error))
        if missing:
            raise ConfigError(
                f"A node of the cluster lacks the package {missing[1]!r}.",
                "Install on every node what is installed here, tt-scale included.",
            ) from None
        raise ReplicaLostError(_reason(error)) from None
    except RayError as error:
        raise ReplicaLostError(_reason(error)) from None


def _reason(error: BaseException) -> str:
    """The reason in what Ray says of a death, which is a page, as one sentence."""
    found = BECAUSE.search(str(error))
    text = " ".join((found[1] if found else str(error).partition("\n")[0]).split())[:200].rstrip(".:")
    return f"{text}."
