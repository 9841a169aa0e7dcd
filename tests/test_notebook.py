"""The notebook that opens runs in pandas: run from beginning to end, and kept without results."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from programs import program

from tt_scale import Config, evaluate


@pytest.fixture(scope="module")
def notebooks() -> ModuleType:
    pytest.importorskip("nbformat")
    return program("tools/run_notebook.py")


def code(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_it_is_kept_without_results(notebooks: ModuleType) -> None:
    """Results change with every run, and show paths and names of somebody's machine."""
    notebook = notebooks.read()
    assert [(cell.outputs, cell.execution_count) for cell in code(notebook)] == [([], None)] * len(code(notebook))
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert notebook.metadata.kernelspec.name == "python3"
    assert [cell.metadata for cell in notebook.cells if cell.metadata] == [{"tags": ["parameters"]}]


def test_it_opens_runs(notebooks: ModuleType, tmp_path: Path) -> None:
    """Each cell works on two runs of the simulated world, and shows their numbers."""
    for package in ("pandas", "ipykernel", "nbclient"):
        pytest.importorskip(package)
    world = {"model_name": "simulated", "prm_name": "simulated", "datasets": ("simulated",), "num_samples": 12}
    runs = evaluate(Config(**world, output_dir=str(tmp_path / "logs")), ["best_of_n", "collective"])
    shown = "\n".join(
        [_text(output) for cell in code(notebooks.executed(tmp_path / "logs", tmp_path)) for output in cell.outputs]
    )
    for run in runs:
        assert f"{run.folder.name}: {run.method}, 12 of 12 searches, 0 damaged lines" in shown
        accuracy = re.escape(f"{run.accuracy:.3f}".rstrip("0"))
        assert re.search(rf"^{re.escape(run.folder.name)} +12 +{accuracy}", shown, re.MULTILINE)
    for words in ("generator_seconds", "Simulated problem", "finished", "correct"):
        assert words in shown


def _text(output: Any) -> str:
    return str(output.text if output.output_type == "stream" else output.data["text/plain"])
