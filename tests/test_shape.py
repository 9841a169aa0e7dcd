"""The shape of the code: a short root, short functions, simple methods."""

from __future__ import annotations

import ast
from pathlib import Path
from statistics import median

import pytest

import tt_scale

PACKAGE = Path(tt_scale.__file__).parent
UNCOUNTED = {"__init__.py", "__main__.py", "_version.py", "py.typed", "__pycache__"}


def function_lengths() -> dict[str, int]:
    """Lines of every function's body, without its docstring."""
    lengths = {}
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                body = node.body[1:] if ast.get_docstring(node) is not None else node.body
                lines = body[-1].end_lineno - body[0].lineno + 1 if body else 0  # type: ignore[operator]
                lengths[f"{file.relative_to(PACKAGE)}:{node.lineno} {node.name}"] = lines
    return lengths


def test_the_root_shows_the_story() -> None:
    """47 modules lay there once."""
    entries = {entry.name for entry in PACKAGE.iterdir()} - UNCOUNTED
    assert len(entries) <= 26, sorted(entries)


def test_functions_are_short() -> None:
    lengths = function_lengths()
    assert median(lengths.values()) <= 6
    assert {name: lines for name, lines in lengths.items() if lines > 45} == {}


def test_every_package_says_what_it_holds() -> None:
    """The first thing that a newcomer opens."""
    for file in PACKAGE.rglob("__init__.py"):
        told = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))
        assert told, file
        assert file.parent == PACKAGE or "mport" in told, f"{file} does not say what it imports"


def test_methods_are_simple() -> None:
    """Comprehensions hide branches from ruff's count; radon counts them."""
    radon = pytest.importorskip("radon.complexity")
    for file in (PACKAGE / "searcher").rglob("*.py"):
        for block in radon.cc_visit(file.read_text(encoding="utf-8")):
            assert block.complexity <= 12, f"{file.name}: {block.name} has {block.complexity}"
