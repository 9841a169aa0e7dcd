"""Whether a script can be imported again by the processes that vLLM starts."""

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
    """Refuse to start processes from a script that would begin anew in each of them.

    vLLM spawns its engine, and a spawned process imports the script. It is looked at where the main thread stands in
    it: inside `if __name__ == "__main__":` all is well, as it is in notebooks, prompts and modules run by `-m`.

    Args:
        who: spawns processes, for the message.

    Raises:
        ConfigError: it stands outside.
    """
    if who == "vLLM" and os.environ.get("VLLM_WORKER_MULTIPROC_METHOD", "spawn") != "spawn":
        return
    found = _place_in_script()
    if found is not None and not guarded(*found):
        path, line = found
        raise ConfigError(
            f"{who} starts processes that import {path.name} again, and line {line} would run in each of them.",
            'Put what the script runs under: if __name__ == "__main__":',
        )


def guarded(path: Path, line: int) -> bool:
    """Whether a line of a script runs only in the script itself, not where it is imported.

    Args:
        path: of the script; one that cannot be read or parsed passes.
        line: from 1.
    """
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, SyntaxError):
        return True
    branches = [node for node in tree.body if isinstance(node, ast.If)]
    blocks = [node.body for node in branches if _asks_for_main(node.test, ast.Eq)]
    blocks += [node.orelse for node in branches if node.orelse and _asks_for_main(node.test, ast.NotEq)]
    return any(block[0].lineno <= line <= (block[-1].end_lineno or line) for block in blocks)


def _asks_for_main(test: ast.expr, relation: type[ast.cmpop]) -> bool:
    """Whether a condition is `__name__ == "__main__"`, alone or with others that must hold too; or `!=`, alone."""
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And) and relation is ast.Eq:
        return any(_asks_for_main(value, relation) for value in test.values)
    if not (isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], relation)):
        return False
    sides = (test.left, test.comparators[0])
    named = any(isinstance(side, ast.Name) and side.id == "__name__" for side in sides)
    return named and any(isinstance(side, ast.Constant) and side.value == "__main__" for side in sides)


def _place_in_script() -> tuple[Path, int] | None:
    """The script that a spawned process would import, and the line at which its main thread is; None for none."""
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
