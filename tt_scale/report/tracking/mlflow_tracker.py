"""Runs in MLflow; `MLFLOW_TRACKING_URI` says where to, a file of this folder otherwise."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Any

__all__ = ["MLflowTracker"]

EXPERIMENT = "tt-scale"
"""Where `MLFLOW_EXPERIMENT_NAME` names none."""

LONGEST_VALUE = 500
"""Characters of a parameter; MLflow refuses longer ones on some stores."""


class MLflowTracker:
    """Tracker that makes one run of MLflow for each run."""

    def __init__(self) -> None:
        from mlflow import MlflowClient

        logging.getLogger("mlflow").setLevel(logging.WARNING)  # it tells of each table of a new database
        self._client = MlflowClient()
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", EXPERIMENT)
        known = self._client.get_experiment_by_name(name)
        self._experiment = self._client.create_experiment(name) if known is None else known.experiment_id
        self._runs: dict[str, str] = {}

    def begin(self, run: str, folder: str, experiment: Mapping[str, Any]) -> None:
        """Begin a run."""
        made = self._client.create_run(self._experiment, run_name=run, tags={"folder": folder}).info.run_id
        self._runs[run] = made
        for key, value in experiment.items():
            self._client.log_param(made, key, str(value)[:LONGEST_VALUE])

    def log(self, run: str, metrics: Mapping[str, float], step: int) -> None:
        """Log numbers."""
        for key, value in metrics.items():
            self._client.log_metric(self._runs[run], key, value, step=step)

    def end(self, run: str, finished: bool) -> None:
        """End a run."""
        self._client.set_terminated(self._runs.pop(run), status="FINISHED" if finished else "KILLED")
