"""Programs of the repository that are no modules of the package, loaded for tests."""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[1]


def program(path: str) -> ModuleType:
    """Load a program; it can import the programs beside it, as when it runs.

    Args:
        path: from the root of the repository.
    """
    file = ROOT / path
    if str(file.parent) not in sys.path:
        sys.path.append(str(file.parent))  # behind all others: a program may be called like a package
    spec = spec_from_file_location(f"{file.parent.name}_{file.stem}", file)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
