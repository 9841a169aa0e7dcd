"""Tracker for Weights & Biases; `WANDB_MODE=offline` keeps the runs on this machine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

__all__ = ["WandbTracker"]

PROJECT = "tt-scale"
"""Default of `WANDB_PROJECT`."""

UNFINISHED = 1
"""Exit code of an unfinished run."""


class WandbTracker:
    """Creates one Weights & Biases run per run."""

    def __init__(self) -> None:
        self._runs: dict[str, Any] = {}

    def begin(self, run: str, folder: str, experiment: Mapping[str, Any]) -> None:
        """Start a run."""
        import wandb

        self._runs[run] = wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            name=run,
            config={**experiment, "folder": folder},
            reinit="create_new",
            settings=wandb.Settings(silent=True, console="off"),
        )

    def log(self, run: str, metrics: Mapping[str, float], step: int) -> None:
        """Log metrics."""
        self._runs[run].log(dict(metrics), step=step)

    def end(self, run: str, finished: bool) -> None:
        """End a run."""
        self._runs.pop(run).finish(exit_code=0 if finished else UNFINISHED)
