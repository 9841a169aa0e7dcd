"""A file is replaced whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from tt_scale.core.atomic_file import replacing


def test_the_new_file_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    """Line ends stay as they were written: CSV has its own."""
    path = tmp_path / "a.csv"
    path.write_text("old", encoding="utf-8")
    with replacing(path) as file:
        file.write("é\r\n")
        assert path.read_text(encoding="utf-8") == "old"
    assert path.read_bytes() == "é\r\n".encode()
    with replacing(path, "wb") as file:
        file.write(b"\xff")
    assert path.read_bytes() == b"\xff"
    assert list(tmp_path.iterdir()) == [path]


def test_an_exception_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    """A half-written manifest would make a run folder unreadable."""
    path = tmp_path / "manifest.json"
    path.write_text("old", encoding="utf-8")

    def half() -> None:
        with replacing(path) as file:
            file.write("half")
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        half()
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_folder_raises_the_error_of_the_system(tmp_path: Path) -> None:
    """Its callers say which file they could not write."""
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "none" / "a.csv"):
        pass
