"""Tracker for MLflow; `MLFLOW_TRACKING_URI` sets the store."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Any

__all__ = ["MLflowTracker"]

EXPERIMENT = "tt-scale"
"""Default of `MLFLOW_EXPERIMENT_NAME`."""

LONGEST_VALUE = 500
"""Maximum characters of a parameter; some stores of MLflow reject longer ones."""


class MLflowTracker:
    """Creates one MLflow run per run."""

    def __init__(self) -> None:
        from mlflow import MlflowClient

        logging.getLogger("mlflow").setLevel(logging.WARNING)  # it logs the creation of a database
        self._client = MlflowClient()
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", EXPERIMENT)
        known = self._client.get_experiment_by_name(name)
        self._experiment = self._client.create_experiment(name) if known is None else known.experiment_id
        self._runs: dict[str, str] = {}

    def begin(self, run: str, folder: str, experiment: Mapping[str, Any]) -> None:
        """Start a run."""
        made = self._client.create_run(self._experiment, run_name=run, tags={"folder": folder}).info.run_id
        self._runs[run] = made
        for key, value in experiment.items():
            self._client.log_param(made, key, str(value)[:LONGEST_VALUE])

    def log(self, run: str, metrics: Mapping[str, float], step: int) -> None:
        """Log metrics."""
        for key, value in metrics.items():
            self._client.log_metric(self._runs[run], key, value, step=step)

    def end(self, run: str, finished: bool) -> None:
        """End a run."""
        self._client.set_terminated(self._runs.pop(run), status="FINISHED" if finished else "KILLED")
