"""`pocket-math`: a generated problem set of any size, the same on every machine.

Training and test problems never share their equations: the split of a problem is determined by a hash of all equations
of its solution, without words. The hash depends on the order of operands: some of the easiest test problems occur in
training with the operands of a sum swapped (of 5,000 problems against 100,000 of training: 31 % at level 1, 4 % at
level 2, hardly any above).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from random import Random
from typing import Literal

from tt_scale.core.records import Problem
from tt_scale.errors import ProblemSetError
from tt_scale.pocket.drafting import Size
from tt_scale.pocket.expressions import expression
from tt_scale.pocket.plan import PocketProblem, Written
from tt_scale.pocket.stories import comparison, story

__all__ = ["NAME", "Request", "as_problem", "pocket_math", "read_request"]

NAME = "pocket-math"
LEVELS = (1, 2, 3, 4, 5)
_KINDS = (expression, story, story, comparison)
_ATTEMPTS = 1000
_DIGITS = 18
_TYPED = {"count": "200", "seed": "7", "levels": "3-5"}

Split = Literal["train", "test"]


@dataclass(frozen=True, slots=True)
class Request:
    """Settings in a name such as `pocket-math:count=200,seed=7,levels=3-5`.

    Attributes:
        count: number of problems, at least 1.
        seed: seed of the set.
        levels: levels, in turn.
        split: train or test.
    """

    count: int = 1000
    seed: int = 0
    levels: tuple[int, ...] = LEVELS
    split: Split = "test"


def pocket_math(
    count: int = 1000, seed: int = 0, levels: Sequence[int] = LEVELS, split: Split = "test"
) -> list[PocketProblem]:
    """Generate a problem set.

    A longer set begins with the shorter one of the same seed, levels and split.

    Args:
        count: number of problems, at least 1.
        seed: seed of the set; sets with different seeds are independent.
        levels: levels in turn, each from 1 to 5.
        split: "train" or "test"; the two never share equations.

    Returns:
        The problems; no question occurs twice [count].

    Raises:
        ProblemSetError: count, levels or split are invalid.
    """
    _check(count, levels, split)
    random = Random(f"{NAME} {split} {seed}")
    tag = f"{split}-{seed}" if tuple(levels) == LEVELS else f"{split}-{seed}-l{''.join(map(str, levels))}"
    seen: set[str] = set()
    problems: list[PocketProblem] = []
    for number in range(count):
        level = levels[number % len(levels)]
        written = _write(random, level, split, seen)
        seen.add(written.question)
        problems.append(
            PocketProblem(
                id=f"pocket-{tag}-{number:05d}",
                question=written.question,
                answer=str(written.plan[-1].value),
                level=level,
                subject=written.subject,
                plan=written.plan,
                steps=written.steps,
            )
        )
    return problems


def _write(random: Random, level: int, split: Split, seen: set[str]) -> Written:
    for _ in range(_ATTEMPTS):
        written = random.choice(_KINDS)(random, Size(level))
        if _split_of(written.skeleton) == split and written.question not in seen:
            return written
    raise ProblemSetError(
        f"No new question of level {level} was found in {_ATTEMPTS} attempts.", "Request fewer problems."
    )


def _split_of(skeleton: str) -> Split:
    """Split of a problem; one in eight belongs to the test split."""
    return "test" if blake2b(skeleton.encode(), digest_size=1).digest()[0] < 32 else "train"


def as_problem(problem: PocketProblem) -> Problem:
    """Convert to the record of a problem set, without plan and solution."""
    return Problem(problem.id, problem.question, problem.answer, problem.level, problem.subject, NAME)


def read_request(text: str) -> Request:
    """Parse the settings after `pocket-math:`, such as `count=200,seed=7,levels=3-5`; empty means the defaults.

    Raises:
        ProblemSetError: a setting is unknown, or its value is invalid.
    """
    given: dict[str, str] = {}
    for part in filter(None, text.split(",")):
        key, _, value = part.partition("=")
        if key not in ("count", "seed", "levels", "split") or not value:
            raise ProblemSetError(
                f"{NAME} has no setting {part!r}; allowed: count, seed, levels, split.",
                f"Type for example: --dataset {NAME}:count=200,seed=7,levels=3-5",
            )
        given[key] = value
    request = Request(
        count=_whole(given.get("count", "1000"), "count"),
        seed=_whole(given.get("seed", "0"), "seed"),
        levels=_levels(given.get("levels", "1-5")),
        split=given.get("split", "test"),  # type: ignore[arg-type]  # checked below
    )
    _check(request.count, request.levels, request.split)
    return request


def _whole(text: str, key: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS):
        allowed = f"an integer of at most {_DIGITS} digits"
        raise ProblemSetError(f"{key} of {NAME} is {text!r}; allowed: {allowed}.", f"Type: {key}={_TYPED[key]}")
    return int(text)


def _levels(text: str) -> tuple[int, ...]:
    first, dash, last = text.partition("-")
    least = _whole(first, "levels")
    if not dash:
        return (least,)
    most = _whole(last, "levels")
    # bounds that `_check` rejects are not expanded to a range, which could be huge
    return LEVELS[least - 1 : most] if 1 <= least <= most <= max(LEVELS) else (least, most)


def _check(count: int, levels: Sequence[int], split: str) -> None:
    if count < 1:
        raise ProblemSetError(f"count of {NAME} is {count}; allowed: 1 or more.", "Type: count=200")
    outside = [level for level in levels if level not in LEVELS]
    if outside or not levels or list(levels) != sorted(set(levels)):
        shown = ", ".join(map(str, levels)) or "none"
        raise ProblemSetError(f"levels of {NAME} are {shown}; allowed: 1 to 5, ascending.", "Type: levels=3-5")
    if split not in ("train", "test"):
        raise ProblemSetError(f"split of {NAME} is {split!r}; allowed: train, test.", "Type: split=test")
