"""What tests of the sandbox share."""

from __future__ import annotations

import pytest

from tt_scale.sandbox import probe


@pytest.fixture
def sandbox() -> None:
    """Skip where no sandbox can be made; one that can be made and has a hole fails in `test_holes.py`."""
    if probe().fault:
        pytest.skip(probe().line)
