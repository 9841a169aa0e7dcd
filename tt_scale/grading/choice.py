"""Graders by name, for runs that are graded again: the installed one, equal texts, or a function of the user's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Protocol

from tt_scale.errors import ConfigError
from tt_scale.grading.workers import Grade, Grader

__all__ = ["FunctionGrader", "Grades", "TextGrader", "grader_named"]


class Grades(Protocol):
    """What grades the answers of a pool, under a name for tables."""

    @property
    def name(self) -> str:
        """For tables."""

    async def grade_many(self, gold: str, answers: Sequence[str | None]) -> list[Grade]:
        """Grade answers against a gold answer [members]."""


class FunctionGrader:
    """Grades by a function of gold answer and answer that returns whether they are the same.

    Args:
        function: called once for each distinct answer of a pool; an exception, and anything but True or False, leaves
            the answer ungraded.
        name: for tables.
    """

    def __init__(self, function: Callable[[str, str], bool], name: str) -> None:
        self.name = name
        self._function = function

    async def grade_many(self, gold: str, answers: Sequence[str | None]) -> list[Grade]:
        """Grade answers against a gold answer [members]."""
        grades = {answer: self._grade(gold, answer) for answer in dict.fromkeys(answers)}
        return [grades[answer] for answer in answers]

    def _grade(self, gold: str, answer: str | None) -> Grade:
        if answer is None or not answer.strip():
            return "no_answer"
        try:
            same = self._function(gold, answer)
        except Exception:  # noqa: BLE001 - one answer that a user's function cannot read ends no command
            return "ungraded"
        return {True: "correct", False: "wrong"}.get(same, "ungraded")  # type: ignore[return-value]


class TextGrader(FunctionGrader):
    """Grades by equal texts, spaces left out: the strictest grader that there is."""

    def __init__(self) -> None:
        super().__init__(lambda gold, answer: "".join(gold.split()) == "".join(answer.split()), "text")


def grader_named(name: str, grader: Grader) -> Grades:
    """Give a grader by its name.

    Args:
        name: that of the installed grader, "text", or `module:function`.
        grader: the installed one, open.

    Raises:
        ConfigError: there is none of that name, or the function cannot be imported.
    """
    if name == grader.name:
        return grader
    if name == "text":
        return TextGrader()
    module, colon, attribute = name.partition(":")
    if not colon:
        raise ConfigError(f"grader is {name!r}. Allowed: {grader.name}, text, or your own module:function.")
    try:
        function = getattr(import_module(module), attribute)
    except Exception as error:
        raise ConfigError(
            f"grader {name!r} cannot be loaded: {error}.", "Is the module on the path? Type: PYTHONPATH=. tt-scale ..."
        ) from error
    if not callable(function):
        raise ConfigError(f"grader {name!r} is a {type(function).__name__}, not a function of gold answer and answer.")
    return FunctionGrader(function, name)
