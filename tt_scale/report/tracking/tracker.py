"""Send metrics of runs to an experiment tracker, in a separate thread: a slow or broken tracker never delays a run."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path as FilePath
from queue import SimpleQueue
from threading import Thread
from types import MappingProxyType
from typing import Any, Protocol

from tt_scale.bench.run.events import Event, RunAdvanced, RunEnded, RunStarted
from tt_scale.core.printable import one_line
from tt_scale.errors import ConfigError
from tt_scale.report.run_counts import RunCounts, RunCountsByLabel

__all__ = ["TRACKERS", "Tracker", "TrackingReporter", "check_tracker"]

CLOSING_SECONDS = 60.0
"""Time limit for sending the remaining metrics when the command ends."""

Metrics = Mapping[str, float]


class Tracker(Protocol):
    """Interface of an experiment tracker; all calls come from one thread."""

    def begin(self, run: str, folder: str, experiment: Mapping[str, Any]) -> None:
        """Start tracking a run.

        Args:
            run: problem set and method.
            folder: folder of its records.
            experiment: configuration keys that can change results.
        """

    def log(self, run: str, metrics: Metrics, step: int) -> None:
        """Log metrics; `step` is the number of finished searches."""

    def end(self, run: str, finished: bool) -> None:
        """End a run; `finished` is False if an error or the user ended it early."""


def _wandb() -> Tracker:
    from tt_scale.report.tracking.wandb_tracker import WandbTracker

    return WandbTracker()


def _mlflow() -> Tracker:
    from tt_scale.report.tracking.mlflow_tracker import MLflowTracker

    return MLflowTracker()


def _tensorboard() -> Tracker:
    from tt_scale.report.tracking.tensorboard_tracker import TensorBoardTracker

    return TensorBoardTracker()


TRACKERS: Mapping[str, Callable[[], Tracker]] = MappingProxyType(
    {"wandb": _wandb, "mlflow": _mlflow, "tensorboard": _tensorboard}
)
"""Trackers by package name."""


def check_tracker(name: str) -> None:
    """Check before a run that the package of a tracker is installed.

    Raises:
        ConfigError: it is not installed.
    """
    if find_spec(name) is None:
        raise ConfigError(
            f"--track {name} needs the package {name!r}, which is not installed.", f"Type: pip install {name}"
        )


class TrackingReporter:
    """Reporter that passes metrics after each finished search to a tracker, in a separate thread.

    An error of the tracker does not end the run: it causes one warning, and nothing more is sent.

    Args:
        make: creates the tracker, in that thread.
        warn: callback for a warning, called from that thread.
    """

    def __init__(self, make: Callable[[], Tracker], warn: Callable[[str], None]) -> None:
        self._make = make
        self._warn = warn
        self._counts = RunCountsByLabel()
        self._begun: set[str] = set()
        self._waiting: SimpleQueue[Callable[[Tracker], None] | None] = SimpleQueue()
        self._thread = Thread(target=self._work, name="tracking", daemon=True)
        self._thread.start()

    def __call__(self, event: Event, /) -> None:
        """Queue the metrics of an event; returns at once."""
        ending = list(self._counts.current) if isinstance(event, RunEnded) else []
        self._counts(event)
        match event:
            case RunStarted():
                for counts in self._counts.current:
                    self._begin(counts)
            case RunAdvanced(row=row, label=label) if row is not None and label in self._begun:
                self._log(self._counts[label])
            case RunEnded():
                for counts in ending:
                    self._end(counts)

    def close(self) -> None:
        """Wait until all metrics are sent, at most `CLOSING_SECONDS`."""
        self._waiting.put(None)
        self._thread.join(CLOSING_SECONDS)
        if self._thread.is_alive():
            self._warn(f"The tracker did not take everything within {CLOSING_SECONDS:.0f} s; the rest is left out.")

    def _begin(self, counts: RunCounts) -> None:
        if counts.label not in self._begun:
            self._begun.add(counts.label)
            label, folder = counts.label, counts.folder
            self._put(lambda tracker: tracker.begin(label, folder, experiment_of(folder)))

    def _log(self, counts: RunCounts) -> None:
        label, metrics, step = counts.label, metrics_of(counts), counts.done
        self._put(lambda tracker: tracker.log(label, metrics, step))

    def _end(self, counts: RunCounts) -> None:
        if counts.label in self._begun:
            self._begun.discard(counts.label)
            label, finished = counts.label, counts.done == counts.total
            self._put(lambda tracker: tracker.end(label, finished))

    def _put(self, work: Callable[[Tracker], None]) -> None:
        self._waiting.put(work)

    def _work(self) -> None:
        try:
            tracker = self._make()
            while (work := self._waiting.get()) is not None:
                work(tracker)
        except Exception as error:  # noqa: BLE001 - whatever a tracker raises, the run goes on
            reason = one_line(str(error)) or type(error).__name__
            self._warn(f"The tracker failed ({reason}); the run goes on without it.")


def metrics_of(counts: RunCounts) -> Metrics:
    """Metrics of a run so far, without those that are unknown; tokens and seconds are means over this command."""
    low, high = counts.interval
    searches = max(counts.searched, 1)
    usage = counts.usage
    metrics = {
        "done": float(counts.done),
        "accuracy": counts.accuracy or 0.0,
        "accuracy_low": low,
        "accuracy_high": high,
        "seconds": usage.seconds / searches,
    }
    totals = {"tokens": usage.counted_tokens, "prm_tokens": usage.counted_prm_tokens}
    optional = {
        **{name: None if total is None else total / searches for name, total in totals.items()},
        "tokens_per_second": counts.speed,
        "cached_prompt": counts.cached,
    }
    return {**metrics, **{name: value for name, value in optional.items() if value is not None}}


def experiment_of(folder: str) -> Mapping[str, Any]:
    """Configuration keys that can change results, from the manifest of a run."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        text = FilePath(folder).joinpath("manifest.json").read_text(encoding="utf-8")
        return dict(json.loads(text)["experiment"])
    return {}
