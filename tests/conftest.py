"""What every test needs: `tests` on the path, so that worlds can be shared; and the longest files first."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let files that start an engine come first: of two processes one would else wait for the other's last file."""
    engines = {item.path for item in items if item.get_closest_marker("vllm")}
    items.sort(key=lambda item: item.path not in engines)
