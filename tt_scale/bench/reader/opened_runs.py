"""The runs that lie in some folders, opened; of several, those that cannot be read are left out and named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath

from tt_scale.bench.reader.run_data import RunData, read_run
from tt_scale.bench.reader.run_paths import run_folders
from tt_scale.errors import ConfigError, JournalError

__all__ = ["OpenedRuns", "open_runs"]


@dataclass(frozen=True, slots=True)
class OpenedRuns:
    """Runs that were found in some folders.

    Attributes:
        runs: at least one, each once, in the order given.
        unread: what is wrong with others that lie in the same folders.
    """

    runs: Sequence[RunData]
    unread: Sequence[JournalError] = ()

    @property
    def notes(self) -> list[str]:
        """What the user must know about the others."""
        return [f"A run is left out. {error.message}" for error in self.unread]


def open_runs(paths: Sequence[str | FilePath]) -> OpenedRuns:
    """Open run folders, or all runs that lie in a folder.

    Of several runs in one folder, those that cannot be read are left out as long as another one can.

    Raises:
        JournalError: as `read_run`.
        ConfigError: nothing was named.
    """
    if not paths:
        raise ConfigError("No run was named.", "Name a folder that bench wrote.")
    runs: dict[FilePath, RunData] = {}
    unread: list[JournalError] = []
    for path in paths:
        folders = run_folders(path)
        opened = [read_run(folders[0])] if len(folders) == 1 else _readable(folders, unread)
        for run in opened:
            runs.setdefault(run.folder.resolve(), run)
    return OpenedRuns([*runs.values()], unread)


def _readable(folders: Sequence[FilePath], unread: list[JournalError]) -> list[RunData]:
    """Open the runs that can be read; why others cannot is added to `unread`.

    Raises:
        JournalError: none can; the error of the first.
    """
    runs, errors = [], []
    for folder in folders:
        try:
            run = read_run(folder)
            _ = run.rows  # a journal that no version here reads is found now
            runs.append(run)
        except JournalError as error:
            errors.append(error)
    if not runs:
        raise errors[0]
    unread += errors
    return runs
