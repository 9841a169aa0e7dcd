"""Language models that solve harder problems by searching at answer time.

    from tt_scale import Config, solve

    solution = solve("What is 3 + 4 * 2?", Config(model_name="pocket-gen", prm_name="pocket-prm", max_model_len=512))
    print(solution.answer, solution.usage.generated_tokens)

Names are imported when they are first used: `import tt_scale` loads no engine.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tt_scale._version import __version__

if TYPE_CHECKING:
    from tt_scale.base_classes import PRM, Generator, Searcher
    from tt_scale.bench.reader.run_data import RunData, read_run
    from tt_scale.bench.reader.search_record import SearchRecord
    from tt_scale.config import Config
    from tt_scale.core.budget import Budget, Usage
    from tt_scale.core.path import Outcome, Path, best
    from tt_scale.core.records import Problem, Sampling, Scores, Step, StepRequest
    from tt_scale.core.solution import Solution
    from tt_scale.errors import (
        ConfigError,
        EngineDeadError,
        GeneratorError,
        GradingError,
        JournalError,
        MissingExtraError,
        PRMError,
        ProblemSetError,
        TTScaleError,
    )
    from tt_scale.prm.adapters.base import Adapter
    from tt_scale.problems import list_problem_sets, load_problems
    from tt_scale.solver import Evaluation, Solver, aevaluate, asolve, evaluate, solve
    from tt_scale.space.search_space import SearchSpace

__all__ = [
    "Adapter",
    "Budget",
    "Config",
    "ConfigError",
    "EngineDeadError",
    "Evaluation",
    "Generator",
    "GeneratorError",
    "GradingError",
    "JournalError",
    "MissingExtraError",
    "Outcome",
    "PRM",
    "PRMError",
    "Path",
    "Problem",
    "ProblemSetError",
    "RunData",
    "Sampling",
    "Scores",
    "SearchRecord",
    "SearchSpace",
    "Searcher",
    "Solution",
    "Solver",
    "Step",
    "StepRequest",
    "TTScaleError",
    "Usage",
    "__version__",
    "aevaluate",
    "asolve",
    "best",
    "evaluate",
    "list_problem_sets",
    "load_problems",
    "read_run",
    "solve",
]

_HOMES = {
    "base_classes": ("PRM", "Generator", "Searcher"),
    "bench.reader.run_data": ("RunData", "read_run"),
    "bench.reader.search_record": ("SearchRecord",),
    "core.budget": ("Budget", "Usage"),
    "config": ("Config",),
    "errors": (
        "ConfigError",
        "EngineDeadError",
        "GeneratorError",
        "GradingError",
        "JournalError",
        "MissingExtraError",
        "PRMError",
        "ProblemSetError",
        "TTScaleError",
    ),
    "core.path": ("Outcome", "Path", "best"),
    "prm.adapters.base": ("Adapter",),
    "problems": ("list_problem_sets", "load_problems"),
    "core.records": ("Problem", "Sampling", "Scores", "Step", "StepRequest"),
    "core.solution": ("Solution",),
    "solver": ("Evaluation", "Solver", "aevaluate", "asolve", "evaluate", "solve"),
    "space.search_space": ("SearchSpace",),
}


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"tt_scale.{module}"), name)
    raise AttributeError(f"module 'tt_scale' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
