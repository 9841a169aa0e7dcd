"""Names of run folders: readable in every script, safe on every file system, and never one for two runs.

A name of ASCII letters, digits, `.`, `_`, `=` and `-` is its own folder name. Of any other, letters, digits and marks
of every script stay, the rest becomes `-`, and a digest of the whole name follows behind a `+`, which no plain name
holds: `my run` is `my-run+3f1c2a9b`. Folders that older versions named otherwise are found again.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Callable, Mapping
from hashlib import blake2b
from pathlib import Path as FilePath
from typing import Any

from pydantic_core import from_json

__all__ = ["known_folder", "older_name", "readable", "run_folder", "safe_name", "tag_folder"]

PLAIN = re.compile(r"[A-Za-z0-9_=-][A-Za-z0-9._=-]*")
LONGEST = 48
"""Characters that stay of a name that is not plain: one of CJK has three bytes, and a file name at most 255."""


def safe_name(name: str) -> str:
    """Give a folder name that no other name has."""
    if PLAIN.fullmatch(name):
        return name
    digest = blake2b(name.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
    return f"{readable(name).lstrip('.')[:LONGEST]}+{digest}"


def readable(name: str) -> str:
    """Keep letters, digits and marks of every script, and `._=-`; the rest becomes `-`."""
    composed = unicodedata.normalize("NFC", name)
    return re.sub("\x00+", "-", "".join([sign if _stays(sign) else "\x00" for sign in composed]))


def older_name(name: str) -> str:
    """Give the folder name that older versions gave, the same for many names."""
    return re.sub(r"[^A-Za-z0-9._=-]+", "-", name)


def tag_folder(parent: FilePath, tag: str, older: str = "") -> FilePath:
    """Give the folder of all runs of a tag.

    Args:
        parent: the output folder.
        tag: not empty.
        older: what an older version called the folder; empty is as `older_name` says.
    """
    before = (older or older_name(tag)).lstrip(".") or "-"
    return known_folder(
        parent / safe_name(tag), parent / before, "*/manifest.json", lambda told: told["config"]["run_tag"] == tag
    )


def run_folder(parent: FilePath, dataset: str, short: str, name: str, digest: str = "") -> FilePath:
    """Give the folder of one run.

    Args:
        parent: the folder of its tag, or the output folder.
        dataset: the name of the problem set.
        short: the same without folders and ending where it is a file.
        name: of the method, or of a variant of it.
        digest: of the experiment, which tells runs without a tag apart; empty where there is a tag.
    """
    if digest:
        whole = f"{_cut(readable(short))}-{_cut(readable(name))}-{digest}"
        return known_folder(
            parent / whole, parent / f"{older_name(short)}-{older_name(name)}-{digest}", "manifest.json"
        )
    return known_folder(
        parent / f"{safe_name(short)}-{safe_name(name)}",
        parent / f"{older_name(short)}-{older_name(name)}",
        "manifest.json",
        lambda told: told["experiment"]["dataset"] == dataset,
    )


def known_folder(
    folder: FilePath,
    older: FilePath,
    manifests: str,
    belongs: Callable[[Mapping[str, Any]], bool] = lambda told: True,
) -> FilePath:
    """Give the folder that an older version made for the same run, where there is one; else that of this version.

    Args:
        folder: of this version.
        older: what an older version called it.
        manifests: pattern of the manifests in it.
        belongs: whether the run of a manifest has the same name.
    """
    if older == folder or os.path.exists(folder) or not os.path.isdir(older):  # also of paths that are too long
        return folder
    return older if any(_belongs(manifest, belongs) for manifest in older.glob(manifests)) else folder


def _stays(sign: str) -> bool:
    return sign in "._=-" or unicodedata.category(sign)[0] in "LNM"


def _cut(name: str) -> str:
    return name if name.isascii() else name[:LONGEST]


def _belongs(manifest: FilePath, belongs: Callable[[Mapping[str, Any]], bool]) -> bool:
    try:
        return belongs(from_json(manifest.read_bytes()))
    except (OSError, ValueError, KeyError, TypeError):
        return False
