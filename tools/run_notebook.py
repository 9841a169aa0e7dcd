"""The notebook of the examples, run on a folder of runs; the site and a test use it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

NOTEBOOK = Path(__file__).parents[1] / "examples" / "notebooks" / "open_runs.ipynb"
SECONDS = 120
"""Most that a cell may take."""


def read() -> Any:
    """Read the notebook as it is kept, without results."""
    import nbformat

    return nbformat.read(NOTEBOOK, as_version=4)


def executed(runs: Path, folder: Path) -> Any:
    """Run all cells.

    Args:
        runs: folder of run folders, which takes the place of the one that the cell tagged `parameters` names.
        folder: in which the cells run.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell failed.
    """
    from nbclient import NotebookClient

    notebook = read()
    [parameters] = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    kept, parameters.source = parameters.source, f"runs = {str(runs)!r}"
    NotebookClient(notebook, timeout=SECONDS, resources={"metadata": {"path": str(folder)}}).execute()
    parameters.source = kept
    return notebook
