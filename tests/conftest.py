"""What every test needs: `tests` on the path, so that worlds can be shared; the longest files first; other rounding."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))

settings.register_profile("untimed", deadline=None)  # a busy machine is no fault of the code
settings.load_profile("untimed")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--other-rounding", action="store_true", help="Run models as if on a processor that rounds otherwise."
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let files that start an engine come first: of two processes one would else wait for the other's last file."""
    engines = {item.path for item in items if item.get_closest_marker("vllm")}
    items.sort(key=lambda item: item.path not in engines)


@pytest.fixture(autouse=True, scope="session")
def _rounding(request: pytest.FixtureRequest) -> Iterator[None]:
    if not request.config.getoption("--other-rounding"):
        yield
        return
    from rounding import other_rounding

    with other_rounding():
        yield
