"""Runs as event files of TensorBoard, each in the folder of its records: `tensorboard --logdir logs` shows them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import Any

__all__ = ["TensorBoardTracker"]


class TensorBoardTracker:
    """Tracker that writes one event file for each run."""

    def __init__(self) -> None:
        self._writers: dict[str, Any] = {}

    def begin(self, run: str, folder: str, experiment: Mapping[str, Any]) -> None:
        """Begin a run; its configuration stands in the manifest beside the file."""
        from tensorboard.summary import Writer

        self._writers[run] = Writer(str(FilePath(folder)))

    def log(self, run: str, metrics: Mapping[str, float], step: int) -> None:
        """Log numbers."""
        for key, value in metrics.items():
            self._writers[run].add_scalar(key, value, step)

    def end(self, run: str, finished: bool) -> None:
        """End a run."""
        self._writers.pop(run).close()
