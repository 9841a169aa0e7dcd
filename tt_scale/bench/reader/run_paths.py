"""Where runs lie: the folder of a run, or the runs in a folder, each once; what is said where there is none."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path as FilePath

from tt_scale.errors import JournalError

__all__ = ["MANIFEST", "only_run", "run_folders"]

MANIFEST = "manifest.json"
NAME_A_FOLDER = "Name a folder that bench wrote."
MOST_NAMES = 8
"""Runs that a message names."""


def only_run(path: str | os.PathLike[str]) -> FilePath:
    """The folder itself, or that of the one run that lies in it.

    Raises:
        JournalError: it holds no run, or several.
    """
    found = run_folders(path)
    if len(found) > 1:
        names = ", ".join([shlex.quote(str(each)) for each in found[:MOST_NAMES]])
        more = ", ..." if len(found) > MOST_NAMES else ""
        raise JournalError(f"{os.fspath(path)!r} contains {len(found):,} runs.", f"Name one of them: {names}{more}.")
    return found[0]


def run_folders(path: str | os.PathLike[str]) -> list[FilePath]:
    """The folder itself where it is a run, else the runs that lie in it, by name; links to them are left out.

    Raises:
        JournalError: it is neither, or its path cannot be followed.
    """
    folder = FilePath(path)
    if not os.fspath(path):
        raise JournalError("The name of the run folder is empty.", NAME_A_FOLDER)
    try:
        names = _names(folder)
        found = [folder] if MANIFEST in names else _each_once([folder / name for name in sorted(names)])
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: no name that the system has
        raise _no_folder(folder) from None
    except OSError as error:
        raise JournalError(f"{str(folder)!r} cannot be read: {error.strerror or error}.", NAME_A_FOLDER) from None
    if not found:
        raise JournalError(
            f"{str(folder)!r} is not a run folder and holds none: there is no {MANIFEST}.", NAME_A_FOLDER
        )
    return found


def _names(folder: FilePath) -> list[str]:
    """What lies in a folder; its manifest alone, where there is one in a folder that cannot be listed."""
    try:
        return os.listdir(folder)
    except PermissionError:
        if not os.path.exists(folder / MANIFEST):
            raise
        return [MANIFEST]


def _each_once(folders: Sequence[FilePath]) -> list[FilePath]:
    """Runs among some folders, in their order; one that is reached by several names has that which is no link."""
    runs = [folder for folder in folders if os.path.exists(folder / MANIFEST)]
    own: dict[FilePath, FilePath] = {}
    for folder in sorted(runs, key=os.path.islink):
        own.setdefault(folder.resolve(), folder)
    kept = set(own.values())
    return [folder for folder in runs if folder in kept]


def _no_folder(folder: FilePath) -> JournalError:
    if os.path.exists(folder):
        return JournalError(f"{str(folder)!r} is a file, not a run folder.", f"Name its folder: {folder.parent}")
    return JournalError(f"There is no folder {str(folder)!r}.", NAME_A_FOLDER)
