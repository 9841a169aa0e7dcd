"""Processes that do not import the script that started them.

`multiprocessing` runs a user's main module again in every process that it spawns, so that functions defined there can
be found. A script without `if __name__ == "__main__":` then starts its whole work a second time. What workers run is
part of this package, so they need no main module.
"""

from __future__ import annotations

import multiprocessing
import sys
from multiprocessing import context, process, spawn
from types import FunctionType, SimpleNamespace
from typing import Any

__all__ = ["worker_context"]


def worker_context() -> Any:
    """Give the context in which workers are started; on Windows it is the usual one, which imports the script."""
    return multiprocessing.get_context("spawn") if sys.platform == "win32" else WorkerContext()


class WorkerProcess(process.BaseProcess):
    """A spawned process that leaves the main module of its parent alone."""

    _start_method = "spawn"

    @staticmethod
    def _Popen(process_obj: Any) -> Any:  # noqa: N802  (the name under which multiprocessing looks for it)
        return _popen_class()(process_obj)


class WorkerContext(context.BaseContext):
    """As the context "spawn", with `WorkerProcess`."""

    _name = "spawn"
    Process = WorkerProcess


def _popen_class() -> type[Any]:
    """Make the class that launches: that of the standard library, told nothing about the main module."""
    from multiprocessing import popen_spawn_posix as posix

    quiet = SimpleNamespace(**{**vars(spawn), "get_preparation_data": _without_main})
    launches = posix.Popen._launch.__code__  # type: ignore[attr-defined]
    launch = FunctionType(launches, {**vars(posix), "spawn": quiet}, "_launch")
    return type("Popen", (posix.Popen,), {"_launch": launch})


def _without_main(name: str) -> dict[str, Any]:
    """What a new process is told of this one: paths, arguments, logging; not what its main module is."""
    told = spawn.get_preparation_data(name)
    return {key: value for key, value in told.items() if not key.startswith("init_main")}
