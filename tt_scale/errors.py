"""Every error that tt_scale raises on purpose.

    TTScaleError                 what went wrong, and what to do next
    ├── ConfigError              a key, a value or a combination that cannot run
    │   └── MissingExtraError    an optional dependency that is not installed
    ├── ProblemSetError          a benchmark that cannot be read
    ├── GeneratorError           the generator; `retryable` says whether asking again can help
    │   ├── EngineDeadError      the engine is gone: the run ends, its journal resumes
    │   └── PromptError          a question that the model cannot be asked: too long, or not in its chat template
    ├── PRMError                 the process reward model
    ├── GradingError             the grader itself, never a wrong answer
    ├── SandboxError             model-written code cannot be run in a sandbox here
    ├── JournalError             a run folder that cannot be written or continued
    └── ReplayError              a search that was run again and did something else than its record says

The command line prints the message and ends with `exit_code`; a traceback means a fault of ours.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import ClassVar

__all__ = [
    "ConfigError",
    "EngineDeadError",
    "GeneratorError",
    "GradingError",
    "JournalError",
    "MissingExtraError",
    "PRMError",
    "ProblemSetError",
    "PromptError",
    "ReplayError",
    "SandboxError",
    "TTScaleError",
    "close_match",
    "nearest",
]


class TTScaleError(Exception):
    """An error made for people.

    Args:
        message: the value seen and what is allowed.
        hint: what to type next, if there is something to type.
    """

    exit_code: ClassVar[int] = 2

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".rstrip()


class ConfigError(TTScaleError):
    """A key, a value or a combination of both that cannot run."""


class MissingExtraError(ConfigError):
    """An optional dependency that is not installed.

    Args:
        package: the import that failed.
        extra: the extra of tt_scale that brings it.
        purpose: what it is needed for.
    """

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the package {package!r}, which is not installed.",
            f"Type: pip install 'tt-scale[{extra}]'",
        )
        self.package = package
        self.extra = extra
        self.purpose = purpose

    def __reduce__(self) -> tuple[type[MissingExtraError], tuple[str, str, str]]:
        return type(self), (self.package, self.extra, self.purpose)


class ProblemSetError(TTScaleError):
    """A benchmark that cannot be read."""


class GeneratorError(TTScaleError):
    """The generator failed.

    Args:
        message: what happened.
        hint: what to do next.
        retryable: whether the same request may succeed later.
    """

    def __init__(self, message: str, hint: str = "", *, retryable: bool = False) -> None:
        super().__init__(message, hint)
        self.retryable = retryable


class EngineDeadError(GeneratorError):
    """The engine is gone; the run ends with its journal intact."""

    exit_code = 3


class PromptError(GeneratorError):
    """The question cannot be made a prompt of this model, or the prompt leaves no room in its context."""


class PRMError(TTScaleError):
    """The process reward model failed or answered nonsense."""


class GradingError(TTScaleError):
    """The grader itself failed."""


class SandboxError(TTScaleError):
    """The sandbox for model-written code is missing, or not secure on this machine."""


class JournalError(TTScaleError):
    """A run folder that cannot be written or continued."""


class ReplayError(TTScaleError):
    """A search that was run again from its record does something else than the record says."""


LONGEST_NAME = 100
"""Characters of a word that it is compared by."""
READ_AT_A_GLANCE = 24
"""Names that a message lists; of more, only the nearest is of use."""


def nearest(word: str, allowed: Iterable[str]) -> str:
    """Say which allowed word was probably meant.

    Args:
        word: what was typed.
        allowed: what could have been typed.

    Returns:
        `"Did you mean 'x'?"`, or all that is allowed where nothing is near and all of it can be read at a glance.
    """
    choices = sorted(allowed)
    if close := close_match(word, choices):
        return close
    if len(choices) > READ_AT_A_GLANCE:
        word = word[:LONGEST_NAME]
        return f"The nearest is {difflib.get_close_matches(word, choices, n=1, cutoff=0.0)[0]!r}."
    return f"Allowed: {', '.join(choices)}." if choices else "There is none."


def close_match(word: str, allowed: Iterable[str]) -> str:
    """Say which allowed word was probably meant; empty where none is close.

    Args:
        word: what was typed.
        allowed: what could have been typed.
    """
    word = word[:LONGEST_NAME]  # comparing takes time that grows with its length
    close = difflib.get_close_matches(word, sorted(allowed), n=1)
    return f"Did you mean {close[0]!r}?" if close else ""
