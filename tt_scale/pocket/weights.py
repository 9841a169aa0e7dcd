"""Location and integrity check of the shipped models `pocket-gen` and `pocket-prm`."""

from __future__ import annotations

import hashlib
import json
from importlib.resources import files
from pathlib import Path

from tt_scale.errors import ConfigError

__all__ = ["POCKET_MODELS", "model_folder"]

POCKET_MODELS = ("pocket-gen", "pocket-prm")
CHECKSUMS = "checksums.json"
_MEND = "Reinstall tt_scale, or train the models again in a clone of its repository: make pocket"


def model_folder(name: str) -> Path:
    """Return the folder of a shipped model, after a checksum of each of its files.

    Args:
        name: one of `POCKET_MODELS`.

    Raises:
        ConfigError: a file is missing or damaged.
    """
    folder = Path(str(files("tt_scale.pocket") / "models" / name))
    try:
        wanted = json.loads((folder / CHECKSUMS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        wanted = None
    if not isinstance(wanted, dict) or not wanted:
        raise ConfigError(f"The model {name!r} has no readable {str(folder / CHECKSUMS)!r}.", _MEND)
    for file, digest in wanted.items():
        path = folder / file
        if not path.is_file():
            raise ConfigError(f"The model {name!r} lacks its file {str(path)!r}.", _MEND)
        if file_digest(path) != digest:
            raise ConfigError(f"The file {str(path)!r} of the model {name!r} is damaged.", _MEND)
    return folder


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
