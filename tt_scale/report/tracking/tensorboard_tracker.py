"""Tracker for TensorBoard: one event file per run, in its run folder; `tensorboard --logdir logs` shows them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import Any

__all__ = ["TensorBoardTracker"]


class TensorBoardTracker:
    """Writes one TensorBoard event file per run."""

    def __init__(self) -> None:
        self._writers: dict[str, Any] = {}

    def begin(self, run: str, folder: str, experiment: Mapping[str, Any]) -> None:
        """Start a run; its configuration is in the manifest beside the file."""
        from tensorboard.summary import Writer

        self._writers[run] = Writer(str(FilePath(folder)))

    def log(self, run: str, metrics: Mapping[str, float], step: int) -> None:
        """Log metrics."""
        for key, value in metrics.items():
            self._writers[run].add_scalar(key, value, step)

    def end(self, run: str, finished: bool) -> None:
        """End a run."""
        self._writers.pop(run).close()
