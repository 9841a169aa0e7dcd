"""Runs in Weights & Biases; `WANDB_MODE=offline` keeps them on this machine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

__all__ = ["WandbTracker"]

PROJECT = "tt-scale"
"""Where `WANDB_PROJECT` names none."""

UNFINISHED = 1
"""Exit code of a run that did not finish."""


class WandbTracker:
    """Tracker that makes one run of Weights & Biases for each run."""

    def __init__(self) -> None:
        self._runs: dict[str, Any] = {}

    def begin(self, run: str, folder: str, experiment: Mapping[str, Any]) -> None:
        """Begin a run."""
        import wandb

        self._runs[run] = wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            name=run,
            config={**experiment, "folder": folder},
            reinit="create_new",
            settings=wandb.Settings(silent=True, console="off"),
        )

    def log(self, run: str, metrics: Mapping[str, float], step: int) -> None:
        """Log numbers."""
        self._runs[run].log(dict(metrics), step=step)

    def end(self, run: str, finished: bool) -> None:
        """End a run."""
        self._runs.pop(run).finish(exit_code=0 if finished else UNFINISHED)
