"""Check that the running script can be imported again by processes that vLLM spawns."""

from __future__ import annotations

import ast
import os
import sys
import threading
from pathlib import Path
from types import FrameType

from tt_scale.errors import ConfigError

__all__ = ["check_main_guard", "guarded"]


def check_main_guard(who: str = "vLLM") -> None:
    """Reject a script without a main guard, which would run again in each spawned process.

    vLLM spawns its engine, and a spawned process imports the script. The check passes if the line that the main thread
    is executing lies within `if __name__ == "__main__":`, and in notebooks, interactive shells and modules run by `-m`.

    Args:
        who: spawns processes, for the message.

    Raises:
        ConfigError: the line lies outside of a main guard.
    """
    if who == "vLLM" and os.environ.get("VLLM_WORKER_MULTIPROC_METHOD", "spawn") != "spawn":
        return
    position = _position_in_script()
    if position is not None and not guarded(*position):
        path, line = position
        raise ConfigError(
            f"{who} starts processes that import {path.name} again, and line {line} would run in each of them.",
            'Move the code of the script under: if __name__ == "__main__":',
        )


def guarded(path: Path, line: int) -> bool:
    """Whether a line of a script runs only if it is executed as a script, not if it is imported.

    Args:
        path: the script; one that cannot be read or parsed passes.
        line: line number, from 1.
    """
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, SyntaxError):
        return True
    branches = [node for node in tree.body if isinstance(node, ast.If)]
    blocks = [node.body for node in branches if _tests_for_main(node.test, ast.Eq)]
    blocks += [node.orelse for node in branches if node.orelse and _tests_for_main(node.test, ast.NotEq)]
    return any(block[0].lineno <= line <= (block[-1].end_lineno or line) for block in blocks)


def _tests_for_main(test: ast.expr, relation: type[ast.cmpop]) -> bool:
    """Whether a condition is `__name__ == "__main__"`, alone or in a conjunction; or with `!=`, alone."""
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And) and relation is ast.Eq:
        return any(_tests_for_main(value, relation) for value in test.values)
    if not (isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], relation)):
        return False
    sides = (test.left, test.comparators[0])
    named = any(isinstance(side, ast.Name) and side.id == "__name__" for side in sides)
    return named and any(isinstance(side, ast.Constant) and side.value == "__main__" for side in sides)


def _position_in_script() -> tuple[Path, int] | None:
    """The script that a spawned process would import, and the line that its main thread executes; None for none."""
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    file = getattr(main, "__file__", None)
    if main is None or file is None or (spec is not None and str(spec.name).endswith("__main__")):
        return None
    frame: FrameType | None = sys._current_frames().get(threading.main_thread().ident or 0)
    line = None
    while frame is not None:
        if frame.f_globals is vars(main) and frame.f_code.co_name == "<module>":
            line = frame.f_lineno
        frame = frame.f_back
    return None if line is None else (Path(file), line)
