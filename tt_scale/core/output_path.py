"""Checks of paths that a command will write to, made before its work begins."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

from tt_scale.core.atomic_file import partial_of
from tt_scale.core.printable import shown
from tt_scale.errors import ConfigError

__all__ = ["check_output"]

ANOTHER = "Name a file in a folder that exists."


def check_output(path: str | Path, name: str, hint: str = ANOTHER, *, new_folders: bool = False) -> None:
    """Find out whether a file can be written with `replacing`, by writing an empty one beside it; nothing stays.

    Args:
        path: as it was typed.
        name: by which the user gave it, such as "--output".
        hint: what to type instead.
        new_folders: whether folders that are missing will be made.

    Raises:
        ConfigError: it is empty or a folder, its folder does not exist, or no file can be written there.
    """
    if not str(path):
        raise ConfigError(f"{name} is empty.", hint)
    told = f"{name} is {shown(str(path), MOST_SHOWN)}"
    try:
        file = Path(os.path.realpath(path))
        if os.path.isdir(file):
            raise ConfigError(f"{told}, which is a folder.", hint)
        if os.path.exists(file) and not os.path.isfile(file):
            _require(file, os.W_OK)
        elif new_folders and not os.path.lexists(file.parent):
            _require(_existing(file), os.W_OK | os.X_OK)
        else:
            _try(partial_of(file))
    except FileNotFoundError:
        raise ConfigError(f"{told}, whose folder does not exist.", hint) from None
    except (OSError, ValueError) as error:  # ValueError: no name that the system has
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"{told}, which cannot be written: {reason}.", hint) from None


MOST_SHOWN = 200
"""Characters of a path in a message."""


def _try(partial: Path) -> None:
    """Create a file and remove it; one that another command is writing stays."""
    with suppress(FileExistsError):
        os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        partial.unlink()


def _existing(file: Path) -> Path:
    """The nearest folder above a file that exists.

    Raises:
        OSError: a name is too long, or what is above is no folder.
    """
    with suppress(FileNotFoundError):
        os.lstat(file)
    return next(folder for folder in file.parents if os.path.lexists(folder))


def _require(path: Path, access: int) -> None:
    if not os.access(path, access):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
