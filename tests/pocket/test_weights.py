"""The shipped models: found where they are whole, and refused by name where they are not."""

from __future__ import annotations

import json
import re

import pytest

from tt_scale.errors import ConfigError
from tt_scale.pocket import POCKET_MODELS, model_folder, weights


@pytest.fixture
def models(tmp_path, monkeypatch):
    """Put small models where the package keeps its own."""
    packages = {"tt_scale.pocket": tmp_path}
    monkeypatch.setattr(weights, "files", packages.__getitem__)
    for name in POCKET_MODELS:
        folder = tmp_path / "models" / name
        folder.mkdir(parents=True)
        (folder / "config.json").write_text("{}", encoding="utf-8")
        (folder / "model.safetensors").write_bytes(bytes(range(256)) * 8)
        digests = {path.name: weights.file_digest(path) for path in sorted(folder.iterdir())}
        (folder / "checksums.json").write_text(json.dumps(digests), encoding="utf-8")
    return tmp_path / "models"


def refused(name, path, said):
    """Check that the message names model, file and remedy."""
    with pytest.raises(ConfigError, match=re.escape(repr(name))) as caught:
        model_folder(name)
    assert repr(str(path)) in str(caught.value)
    assert said in str(caught.value)
    assert "make pocket" in caught.value.hint


@pytest.mark.parametrize("name", POCKET_MODELS)
def test_whole(models, name):
    """Both models from one folder, or a file beside the shipped ones taken for damage."""
    (models / name / "notes.txt").write_text("mine", encoding="utf-8")
    assert model_folder(name) == models / name


def test_missing_file(models):
    """A traceback of the library that loads the model."""
    path = models / "pocket-gen" / "model.safetensors"
    path.unlink()
    refused("pocket-gen", path, "lacks its file")
    assert model_folder("pocket-prm") == models / "pocket-prm"


def test_folder_in_place_of_a_file(models):
    """A name is there, but nothing that can be read."""
    path = models / "pocket-gen" / "config.json"
    path.unlink()
    path.mkdir()
    refused("pocket-gen", path, "lacks its file")


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-1],
        lambda content: content[:100] + b"\xff" + content[101:],
        lambda content: content + b"\n",
        lambda _: b"",
        lambda _: b"version https://git-lfs.github.com/spec/v1\n",
    ],
)
def test_damaged_file(models, damage):
    """Weights cut short, or changed in one byte, load without a word and answer nonsense."""
    path = models / "pocket-prm" / "model.safetensors"
    path.write_bytes(damage(path.read_bytes()))
    refused("pocket-prm", path, "is damaged")


@pytest.mark.parametrize("content", [None, b"", b"{", b"\xff\xfe", b"null", b"[]", b'["config.json"]', b"{}"])
def test_unreadable_checksums(models, content):
    """Without checksums nothing would be looked at; a list of names was a traceback."""
    path = models / "pocket-gen" / "checksums.json"
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    refused("pocket-gen", path, "has no readable")


def test_models_that_were_never_trained(models):
    """A clone in which nobody has made the models yet."""
    for path in (models / "pocket-gen").iterdir():
        path.unlink()
    (models / "pocket-gen").rmdir()
    refused("pocket-gen", models / "pocket-gen" / "checksums.json", "has no readable")
