"""Stable ids of problems, and random samples that depend only on ids and a seed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from hashlib import blake2b

from tt_scale.core.question_id import question_id
from tt_scale.core.records import Problem
from tt_scale.errors import ProblemSetError, nearest

__all__ = ["identified_by_question", "identify", "sample", "split_ids"]

_IDS = re.compile(r"[:,]ids=([^:,@]*)")


def identify(problems: Sequence[Problem], places: Sequence[str]) -> list[Problem]:
    """Set the id of every problem that has none to a hash of its set's name and its question.

    A question that occurs twice is two problems: the number of the occurrence is hashed, too.

    Args:
        problems: in file order [problems].
        places: position of each in its file, for messages [problems].

    Raises:
        ProblemSetError: an id occurs twice.
    """
    occurrences: Counter[str] = Counter()
    taken: dict[str, str] = {}
    named: list[Problem] = []
    for problem, place in zip(problems, places, strict=True):
        occurrences[problem.question] += 1
        own = problem.id or _digest(12, problem.source, problem.question, occurrences[problem.question])
        if own in taken:
            raise ProblemSetError(
                f"{place}: the id {own!r} is already used by {taken[own]}.", "Give each row its own id."
            )
        taken[own] = place
        named.append(replace(problem, id=own))
    return named


def split_ids(name: str) -> tuple[str, bool]:
    """Take the setting `ids=question` out of the name of a problem set.

    Args:
        name: as typed: `gsm8k:ids=question`, `pocket-math:count=200,ids=question`.

    Returns:
        The name without it, and whether it was there.

    Raises:
        ProblemSetError: the setting has another value.
    """
    found = _IDS.search(name)
    if found is None:
        return name, False
    if found[1] != "question":
        raise ProblemSetError(f"{name!r} asks for ids={found[1]!r}.", nearest(found[1], ["question"]))
    before, after = name[: found.start()], name[found.end() :]
    return before + (":" + after[1:] if after.startswith(",") and found[0].startswith(":") else after), True


def identified_by_question(problems: Sequence[Problem]) -> list[Problem]:
    """Give every problem the id by which `solve` and a server know its question.

    A question that occurs again gets an id of its own, with the number of the occurrence behind it.

    Args:
        problems: in file order [problems].
    """
    occurrences: Counter[str] = Counter()
    named: list[Problem] = []
    for problem in problems:
        name = question_id(problem.question)
        occurrences[name] += 1
        named.append(replace(problem, id=name if occurrences[name] == 1 else f"{name}-{occurrences[name]}"))
    return named


def sample(problems: Sequence[Problem], count: int | None, seed: int) -> list[Problem]:
    """Draw a random sample that is the same on every machine.

    Problems are ranked by a hash of seed and id, so that the sample of 10 is part of the sample of 20, and a problem
    added to the set replaces at most one in the sample.

    Args:
        problems: in file order [problems].
        count: size of the sample, at least 1; None, or more than there are, means all.
        seed: seed of the sample.

    Returns:
        The sample in file order.
    """
    if count is None or count >= len(problems):
        return list(problems)
    ranked = sorted(problems, key=lambda problem: _digest(32, seed, problem.id))
    drawn = {problem.id for problem in ranked[:count]}
    return [problem for problem in problems if problem.id in drawn]


def _digest(length: int, *parts: object) -> str:
    return blake2b("\x1f".join(map(str, parts)).encode("utf-8", "surrogatepass"), digest_size=length // 2).hexdigest()
