"""How alike texts are, without a model: the cosine of their counts of words and word pairs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from math import fsum, sqrt

__all__ = ["similarities"]

WORD = re.compile(r"\w+|[^\w\s]")


def similarities(texts: Sequence[str]) -> list[list[float]]:
    """Compare each text with each.

    Words are runs of letters and digits; every other sign is a word of its own, and blank space is none. Two texts
    without any word are alike, one of them and any other are not.

    Args:
        texts: of any length [texts].

    Returns:
        Cosines in [0, 1]; exactly 1 for texts of the same words in the same order [texts][texts].
    """
    counted = [_counts(text) for text in texts]
    norms = [sqrt(fsum([count * count for count in counts.values()])) for counts in counted]
    rows = [[1.0] * len(texts) for _ in texts]
    for one in range(len(texts)):
        for other in range(one):
            rows[one][other] = rows[other][one] = _cosine(counted[one], counted[other], norms[one] * norms[other])
    return rows


def _counts(text: str) -> Counter[tuple[str, ...]]:
    words = WORD.findall(text.lower())
    return Counter([*[(word,) for word in words], *pairwise(words)])


def _cosine(one: Counter[tuple[str, ...]], other: Counter[tuple[str, ...]], norms: float) -> float:
    if one == other:
        return 1.0
    if not norms:
        return 0.0
    return min(1.0, sum([count * other[term] for term, count in one.items() if term in other]) / norms)
