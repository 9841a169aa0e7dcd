"""The public face: what is exported, and what importing it costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

import tt_scale

HEAVY = ("torch", "transformers", "vllm", "datasets", "scipy", "sympy", "numpy", "math_verify", "pyarrow", "vl_convert")


@pytest.mark.parametrize(
    "module",
    [
        "tt_scale",
        "tt_scale.searcher",
        "tt_scale.searcher.collective_backtrack",
        "tt_scale.cli.main",
        "tt_scale.solver",
        "tt_scale.bench.run.session",
        "tt_scale.prm_eval.session",
        "tt_scale.prm_eval.measured",
        "tt_scale.report.plots",
        "tt_scale.doctor.diagnosis",
    ],
)
def test_importing_loads_no_heavy_library(module: str) -> None:
    """`tt-scale --help` took seconds and needed a GPU driver because of an import at the top of some file."""
    code = f"import sys, {module}; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_exports_are_sorted_and_importable() -> None:
    """An export that moved is found by the first user otherwise."""
    assert tt_scale.__all__ == sorted(tt_scale.__all__)
    assert [name for name in tt_scale.__all__ if getattr(tt_scale, name, None) is None] == []
    assert set(tt_scale.__all__) <= set(dir(tt_scale))


def test_an_unknown_name_is_an_attribute_error() -> None:
    """`hasattr` and `from tt_scale import x` rely on it."""
    assert not hasattr(tt_scale, "no_such_name")


def test_type_checkers_and_python_see_the_same_names() -> None:
    """The names are listed three times: for `__all__`, for type checkers, and to find them late."""
    homes = [name for names in tt_scale._HOMES.values() for name in names]
    assert sorted([*homes, "__version__"]) == tt_scale.__all__
    for module, names in tt_scale._HOMES.items():
        for name in names:
            assert getattr(tt_scale, name).__module__.startswith(f"tt_scale.{module}")
