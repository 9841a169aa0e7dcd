"""What each tracker asks of its package: by stand-ins, as the packages are rarely installed."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from tt_scale.report.tracking.mlflow_tracker import LONGEST_VALUE, MLflowTracker
from tt_scale.report.tracking.tensorboard_tracker import TensorBoardTracker
from tt_scale.report.tracking.wandb_tracker import WandbTracker


def stand_in(monkeypatch: pytest.MonkeyPatch, name: str, **members: Any) -> None:
    module = ModuleType(name)
    vars(module).update(members)
    monkeypatch.setitem(sys.modules, name, module)


class Calls(list[tuple[Any, ...]]):
    """Notes calls by name."""

    def noting(self, name: str, result: Any = None) -> Any:
        def note(*arguments: Any, **named: Any) -> Any:
            self.append((name, *arguments, named))
            return result

        return note


def test_tensorboard_writes_into_the_folder_of_the_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls = Calls()
    writer = SimpleNamespace(add_scalar=calls.noting("scalar"), close=calls.noting("close"))
    stand_in(monkeypatch, "tensorboard")
    stand_in(monkeypatch, "tensorboard.summary", Writer=calls.noting("open", writer))
    tracker = TensorBoardTracker()
    tracker.begin("set a", str(tmp_path), {"seed": 1})
    tracker.log("set a", {"accuracy": 0.5, "done": 3.0}, 3)
    tracker.end("set a", True)
    assert calls == [
        ("open", str(tmp_path), {}),
        ("scalar", "accuracy", 0.5, 3, {}),
        ("scalar", "done", 3.0, 3, {}),
        ("close", {}),
    ]


def mlflow(monkeypatch: pytest.MonkeyPatch, calls: Calls, known: Any) -> None:
    client = SimpleNamespace(
        get_experiment_by_name=calls.noting("find", known),
        create_experiment=calls.noting("create", "new"),
        create_run=calls.noting("run", SimpleNamespace(info=SimpleNamespace(run_id="r1"))),
        log_param=calls.noting("param"),
        log_metric=calls.noting("metric"),
        set_terminated=calls.noting("end"),
    )
    stand_in(monkeypatch, "mlflow", MlflowClient=lambda: client)


def test_mlflow_gets_parameters_metrics_and_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that refuses long values would end the tracking of the run."""
    calls = Calls()
    mlflow(monkeypatch, calls, None)
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
    tracker = MLflowTracker()
    tracker.begin("set a", "logs/a", {"seed": 1, "system_prompt": "x" * 1000})
    tracker.log("set a", {"accuracy": 0.5}, 3)
    tracker.end("set a", False)
    assert calls[:2] == [("find", "tt-scale", {}), ("create", "tt-scale", {})]
    assert calls[2] == ("run", "new", {"run_name": "set a", "tags": {"folder": "logs/a"}})
    assert calls[3:5] == [("param", "r1", "seed", "1", {}), ("param", "r1", "system_prompt", "x" * LONGEST_VALUE, {})]
    assert calls[5:] == [("metric", "r1", "accuracy", 0.5, {"step": 3}), ("end", "r1", {"status": "KILLED"})]


def test_mlflow_goes_on_with_an_experiment_that_exists(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = Calls()
    mlflow(monkeypatch, calls, SimpleNamespace(experiment_id="old"))
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "mine")
    tracker = MLflowTracker()
    tracker.begin("set a", "logs/a", {})
    tracker.end("set a", True)
    assert calls[0] == ("find", "mine", {})
    assert calls[1][:2] == ("run", "old")
    assert calls[-1] == ("end", "r1", {"status": "FINISHED"})


@pytest.mark.parametrize("finished", [True, False])
def test_wandb_makes_a_run_of_its_own(monkeypatch: pytest.MonkeyPatch, finished: bool) -> None:
    calls = Calls()
    run = SimpleNamespace(log=calls.noting("log"), finish=calls.noting("finish"))
    stand_in(monkeypatch, "wandb", init=calls.noting("init", run), Settings=dict)
    monkeypatch.setenv("WANDB_PROJECT", "mine")
    tracker = WandbTracker()
    tracker.begin("set a", "logs/a", {"seed": 1})
    tracker.log("set a", {"accuracy": 0.5}, 3)
    tracker.end("set a", finished)
    named = calls[0][-1]
    assert (named["project"], named["name"], named["config"]) == ("mine", "set a", {"seed": 1, "folder": "logs/a"})
    assert named["settings"] == {"silent": True, "console": "off"}
    assert calls[1:] == [
        ("log", {"accuracy": 0.5}, {"step": 3}),
        ("finish", {"exit_code": 0 if finished else 1}),
    ]
