"""Canonical classes: which answers of a pool are one candidate.

Equivalence as graders see it is neither symmetric nor transitive, so answers are compared with one representative of
each class only, in an order that depends on the answers and not on the pool.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from tt_scale.core.answer_classes import equal_texts
from tt_scale.grading.normal import key

__all__ = ["Same", "Turn", "group", "group_spellings"]

Same = Callable[[str, str], Awaitable["bool | None"]]
"""(one answer, another) -> whether they mean the same; None where the comparison failed."""

Turn = Callable[[], Awaitable[None]]
"""Lets other tasks run where this one has held the event loop for long."""

_PATIENCE = 2
"""Failed comparisons after which an answer stands for itself: a tower of powers would time out against each class."""


async def _no_turn() -> None:
    pass


async def group(answers: Sequence[str | None], same: Same, turn: Turn = _no_turn) -> list[int]:
    """Number the answer classes of a pool.

    Args:
        answers: in pool order [members]; None and texts that say nothing are in no class.
        same: compares two answers of different spelling.
        turn: waited for before each answer that is read.

    Returns:
        For each member its class, numbered from 0 in order of first appearance, or `NO_ANSWER` [members].
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
    """Number the classes of answers that are spelled alike in normal form; nothing is compared by a worker.

    Finer than `group`: 1/2 and 0.5 are two classes. Searches ask for it while they sample, so it must cost little.

    Args:
        answers: as of `group`.

    Returns:
        As `group` [members].
    """
    return equal_texts([key(answer or "") for answer in answers])


async def _leaders(spelled: dict[str, str], same: Same) -> dict[str, str]:
    """Map each spelling to the representative of its class; shorter spellings lead."""
    leaders: dict[str, str] = {}
    leading: list[str] = []
    failures = dict.fromkeys(spelled, 0)
    for spelling in sorted(spelled, key=lambda text: (len(text), text)):
        leaders[spelling] = spelling
        for leader in leading:
            if max(failures[spelling], failures[leader]) >= _PATIENCE:
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
