"""Grouping of a pool's answers into equivalence classes.

Equivalence of answers, as graded, is neither symmetric nor transitive. Therefore answers are compared with one
representative of each class only, in an order that depends on the answers and not on the pool.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from tt_scale.core.answer_classes import equal_texts
from tt_scale.grading.normal import key

__all__ = ["Same", "Turn", "group", "group_spellings"]

Same = Callable[[str, str], Awaitable["bool | None"]]
"""(one answer, another) -> whether they are equivalent; None if the comparison failed."""

Turn = Callable[[], Awaitable[None]]
"""Yields to other tasks if this one has blocked the event loop for long."""

_MOST_FAILURES = 2
"""Failed comparisons after which an answer is its own class: a tower of powers would time out against each class."""


async def _no_turn() -> None:
    pass


async def group(answers: Sequence[str | None], same: Same, turn: Turn = _no_turn) -> list[int]:
    """Assign the answers of a pool to classes.

    Args:
        answers: in pool order [members]; None and texts without content belong to no class.
        same: compares two answers of different spelling.
        turn: awaited before each answer is normalised.

    Returns:
        The class of each member, numbered from 0 in order of first appearance, or `NO_ANSWER` [members].
    """
    keys: dict[str, str] = {}
    for text in sorted({answer or "" for answer in answers}, reverse=True):
        await turn()
        keys[text] = key(text)
    spelled = {spelling: text for text, spelling in keys.items() if spelling}
    leaders = await _leaders(spelled, same)
    spellings = [keys[answer or ""] for answer in answers]
    return equal_texts([leaders[spelling] if spelling else None for spelling in spellings])


def group_spellings(answers: Sequence[str | None]) -> list[int]:
    """Assign answers with the same normal form to the same class, without workers.

    Finer than `group`: 1/2 and 0.5 are two classes. Searches call it while they sample, so that it must be cheap.

    Args:
        answers: as for `group`.

    Returns:
        As for `group` [members].
    """
    return equal_texts([key(answer or "") for answer in answers])


async def _leaders(spelled: dict[str, str], same: Same) -> dict[str, str]:
    """Map each spelling to the representative of its class, the shortest one."""
    leaders: dict[str, str] = {}
    leading: list[str] = []
    failures = dict.fromkeys(spelled, 0)
    for spelling in sorted(spelled, key=lambda text: (len(text), text)):
        leaders[spelling] = spelling
        for leader in leading:
            if max(failures[spelling], failures[leader]) >= _MOST_FAILURES:
                continue
            verdict = await same(spelled[leader], spelled[spelling])
            if verdict is None:
                failures[spelling] += 1
                failures[leader] += 1
            elif verdict:
                leaders[spelling] = leader
                break
        else:
            leading.append(spelling)
    return leaders
