"""`--track`: what a tracker is told, that none holds a run up, and the real packages where they are installed."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from commands import BENCH, SIMULATED, Command

from tt_scale.report.tracking import tracker as tracking
from tt_scale.report.tracking.tracker import TRACKERS

FEW = ("--num-samples", "4")
TWO = ("--method", "best_of_n", "--method", "collective", "--temperature", "0.7", "--temp-origin", "0.7")
LABELS = ("simulated best_of_n", "simulated collective")


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.chdir(tmp_path)
    return Command(capsys)


class Noting:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.begun: dict[str, Mapping[str, Any]] = {}
        self.steps: dict[str, list[tuple[int, Mapping[str, float]]]] = {}
        self.ended: dict[str, bool] = {}

    def begin(self, run: str, folder: str, experiment: Mapping[str, Any]) -> None:
        self.begun[run] = {**experiment, "folder": folder}

    def log(self, run: str, metrics: Mapping[str, float], step: int) -> None:
        self.steps.setdefault(run, []).append((step, metrics))

    def end(self, run: str, finished: bool) -> None:
        self.ended[run] = finished


@pytest.fixture
def noting(monkeypatch: pytest.MonkeyPatch) -> Noting:
    """A tracker in the place of Weights & Biases."""
    found = Noting()
    monkeypatch.setattr(tracking, "TRACKERS", {"wandb": lambda: found})
    monkeypatch.setattr(tracking, "find_spec", lambda name: True)
    return found


def stored(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """The records of each run by its label."""
    return {
        f"simulated {json.loads((path.parent / 'manifest.json').read_text())['experiment']['method']}": [
            json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()
        ]
        for path in folder.rglob("problems.jsonl")
    }


def test_a_tracker_is_told_every_finished_search(command: Command, tmp_path: Path, noting: Noting) -> None:
    assert command(*BENCH, *TWO, *FEW, "--track", "wandb").status == 0
    assert noting.ended == dict.fromkeys(LABELS, True)
    for label, records in stored(tmp_path / "logs").items():
        assert noting.begun[label]["method"] == label.split()[1]
        assert (tmp_path / noting.begun[label]["folder"] / "problems.jsonl").exists()
        assert [step for step, _ in noting.steps[label]] == [1, 2, 3, 4]
        last = noting.steps[label][-1][1]
        assert last["accuracy"] == sum([each["grade"] == "correct" for each in records]) / 4
        assert last["tokens"] == sum([each["usage"]["generated_tokens"] for each in records]) / 4
        assert last["accuracy_low"] < last["accuracy_high"]


def test_interleaved_runs_are_tracked_apart(command: Command, noting: Noting) -> None:
    arguments = ("compare", *SIMULATED, "--dataset", "simulated", *TWO, "--budget", "2", *FEW, "--minutes", "5")
    assert command(*arguments, "--track", "wandb").status == 0
    assert set(noting.ended) == {f"{label}-budget=2" for label in LABELS}
    assert all([step for step, _ in steps] == [1, 2, 3, 4] for steps in noting.steps.values())


def test_a_resumed_run_goes_on_where_it_was(command: Command, noting: Noting) -> None:
    """Its steps are finished searches, not those of the command."""
    assert command(*BENCH, *FEW, "--run-tag", "t").status == 0
    records = Path("logs/t/simulated-collective/problems.jsonl")
    records.write_text("".join(records.read_text().splitlines(keepends=True)[:2]))
    assert command(*BENCH, *FEW, "--run-tag", "t", "--track", "wandb").status == 0
    assert [step for step, _ in noting.steps[LABELS[1]]] == [3, 4]


class Broken(Noting):
    def log(self, run: str, metrics: Mapping[str, float], step: int) -> None:
        raise ConnectionError("no route\nto the server")


def test_a_broken_tracker_ends_no_run(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said once."""
    monkeypatch.setattr(tracking, "TRACKERS", {"wandb": Broken})
    monkeypatch.setattr(tracking, "find_spec", lambda name: True)
    answer = command(*BENCH, *TWO, *FEW, "--track", "wandb")
    assert answer.status == 0
    told = "The tracker failed (no route to the server); the run goes on without it."
    assert (answer.out + answer.err).replace("\n", " ").count(told) == 1
    assert [len(records) for records in stored(tmp_path / "logs").values()] == [4, 4]


class Slow(Noting):
    def log(self, run: str, metrics: Mapping[str, float], step: int) -> None:
        time.sleep(60)


def test_a_tracker_that_hangs_holds_no_run_up(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracking, "TRACKERS", {"wandb": Slow})
    monkeypatch.setattr(tracking, "find_spec", lambda name: True)
    monkeypatch.setattr(tracking, "CLOSING_SECONDS", 0.2)
    answer = command(*BENCH, *FEW, "--track", "wandb")
    assert answer.status == 0
    assert "The tracker did not take everything within 0 s; the rest is left out." in answer.out.replace("\n", " ")
    assert [len(records) for records in stored(tmp_path / "logs").values()] == [4]


@pytest.mark.parametrize("name", TRACKERS)
def test_a_missing_package_is_told_before_the_run(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(tracking, "find_spec", lambda name: None)
    answer = command(*BENCH, *FEW, "--track", name)
    assert (answer.status, answer.out) == (2, "")
    assert answer.err == (
        f"tt-scale: --track {name} needs the package {name!r}, which is not installed. Type: pip install {name}\n"
    )
    assert not (tmp_path / "logs").exists()


@pytest.mark.skipif(find_spec("tensorboard") is None, reason="needs tensorboard")
@pytest.mark.filterwarnings("ignore")  # of other packages, which are none of ours
def test_tensorboard_reads_what_was_written(command: Command, tmp_path: Path) -> None:
    assert command(*BENCH, *TWO, *FEW, "--track", "tensorboard").status == 0
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for label, records in stored(tmp_path / "logs").items():
        [folder] = (tmp_path / "logs").glob(f"simulated-{label.split()[1]}-*")
        told = EventAccumulator(str(folder)).Reload()
        points = told.Tensors("accuracy")
        assert [point.step for point in points] == [1, 2, 3, 4]
        [value] = points[-1].tensor_proto.float_val
        assert value == pytest.approx(sum([each["grade"] == "correct" for each in records]) / 4)
    assert command("show", "logs").status == 0  # the file beside the records hurts no reader


@pytest.mark.skipif(find_spec("mlflow") is None, reason="needs mlflow")
@pytest.mark.filterwarnings("ignore")
def test_mlflow_reads_what_was_written(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    assert command(*BENCH, *TWO, *FEW, "--track", "mlflow").status == 0
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    experiment = client.get_experiment_by_name("tt-scale")
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    for label, records in stored(tmp_path / "logs").items():
        run = runs[label]
        assert run.info.status == "FINISHED"
        assert run.data.params["method"] == label.split()[1]
        assert run.data.metrics["accuracy"] == sum([each["grade"] == "correct" for each in records]) / 4
        assert [point.step for point in client.get_metric_history(run.info.run_id, "accuracy")] == [1, 2, 3, 4]


@pytest.mark.skipif(find_spec("wandb") is None, reason="needs wandb")
@pytest.mark.filterwarnings("ignore")
def test_wandb_keeps_runs_offline(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    answer = command(*BENCH, *TWO, *FEW, "--track", "wandb")
    assert answer.status == 0
    assert "tracker" not in answer.out + answer.err
    files = list((tmp_path / "wandb").glob("offline-run-*/*.wandb"))
    assert len(files) == 2
    for label in LABELS:
        assert any(label.split()[1].encode() in file.read_bytes() for file in files)
