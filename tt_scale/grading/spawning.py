"""Multiprocessing context whose processes do not import the main script.

`multiprocessing` imports a user's main module in every process that it spawns, so that functions defined there can be
unpickled. A script without `if __name__ == "__main__":` would then run all of its work again. Workers run only
functions of this package, so that they do not need the main module.
"""

from __future__ import annotations

import multiprocessing
import sys
from multiprocessing import context, process, spawn
from types import FunctionType, SimpleNamespace
from typing import Any

__all__ = ["worker_context"]


def worker_context() -> Any:
    """The context in which workers are started; on Windows the standard one, which imports the main script."""
    return multiprocessing.get_context("spawn") if sys.platform == "win32" else WorkerContext()


class WorkerProcess(process.BaseProcess):
    """A spawned process that does not import the main module of its parent."""

    _start_method = "spawn"

    @staticmethod
    def _Popen(process_obj: Any) -> Any:  # noqa: N802  (the name under which multiprocessing looks for it)
        return _popen_class()(process_obj)


class WorkerContext(context.BaseContext):
    """The context "spawn" with `WorkerProcess`."""

    _name = "spawn"
    Process = WorkerProcess


def _popen_class() -> type[Any]:
    """The standard library's class that launches a process, without information about the main module."""
    from multiprocessing import popen_spawn_posix as posix

    quiet = SimpleNamespace(**{**vars(spawn), "get_preparation_data": _without_main})
    launches = posix.Popen._launch.__code__  # type: ignore[attr-defined]
    launch = FunctionType(launches, {**vars(posix), "spawn": quiet}, "_launch")
    return type("Popen", (posix.Popen,), {"_launch": launch})


def _without_main(name: str) -> dict[str, Any]:
    """Preparation data of a new process: paths, arguments, logging, but not the main module."""
    preparation = spawn.get_preparation_data(name)
    return {key: value for key, value in preparation.items() if not key.startswith("init_main")}
