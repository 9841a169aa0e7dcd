"""A conversation as one question, for models that read a question and its solution."""

from __future__ import annotations

from dataclasses import replace

from tt_scale.core.records import Problem

__all__ = ["told_as_question"]


def told_as_question(problem: Problem) -> Problem:
    """Put the earlier turns of a problem into its question, each with its role before it.

    PRMs are trained on single questions; one that is not shown the earlier turns could not judge an answer to "and
    twice that?".
    """
    if not problem.turns:
        return problem
    turns = [*[(turn.role, turn.content) for turn in problem.turns], ("user", problem.question)]
    question = "\n\n".join([f"{role.capitalize()}: {text}" for role, text in turns])
    return replace(problem, question=question, turns=())
