"""Which parts of a Python installation a sandbox shows."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tt_scale.sandbox.interpreter import Interpreter, find_interpreter, package_mounts

NAME = f"python{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture
def prefix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A Python installed in a folder, with packages and files beside it that are nobody's business."""
    for folder in (f"lib/{NAME}/site-packages/private", "bin", "share", "lib/private"):
        (tmp_path / folder).mkdir(parents=True)
    for file in (f"bin/{NAME}", f"lib/{NAME}/os.py", f"lib/lib{NAME}.so.1.0", "lib/libssl.so", "notes.txt"):
        (tmp_path / file).touch()
    monkeypatch.setattr(sys, "base_prefix", str(tmp_path))
    monkeypatch.setattr(sys, "_base_executable", str(tmp_path / "bin" / NAME))
    monkeypatch.setattr("os.__file__", str(tmp_path / "lib" / NAME / "os.py"))
    find_interpreter.cache_clear()
    yield tmp_path
    find_interpreter.cache_clear()


def test_nothing_but_the_standard_library(prefix: Path) -> None:
    library, shared = f"lib/{NAME}", f"lib/lib{NAME}.so.1.0"
    places = (f"bin/{NAME}", library, shared)
    assert find_interpreter() == Interpreter(
        Path("/python/bin") / NAME,
        Path("/python/lib"),
        tuple([(prefix / place, Path("/python") / place) for place in places]),
        (Path("/python") / library / "site-packages",),
    )


def test_conda_keeps_libraries_of_the_standard_library_beside_it(prefix: Path) -> None:
    (prefix / "conda-meta").mkdir()
    found = find_interpreter()
    assert [source for source, _ in found.mounts] == [prefix / "bin" / NAME, prefix / "lib"]
    assert found.hidden == (Path("/python/lib") / NAME / "site-packages",)


@pytest.mark.parametrize("place", ["/usr", "/usr/local"])
def test_of_the_system_all_is_there(prefix: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    monkeypatch.setattr(sys, "base_prefix", place)
    monkeypatch.setattr(sys, "_base_executable", f"{place}/bin/{NAME}")
    assert find_interpreter() == Interpreter(Path(f"{place}/bin/{NAME}").resolve(), Path(place) / "lib")


def test_packages_without_what_lies_beside_them() -> None:
    shown = {place: source for source, place in package_mounts()}
    assert {Path("/packages/scipy"), Path("/packages/sympy"), Path("/packages/mpmath")} <= set(shown)
    assert all(source.name == place.name for place, source in shown.items())
