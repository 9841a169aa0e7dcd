"""Text similarity without a model: the cosine of counts of words and word pairs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

__all__ = ["similarities"]

WORD = re.compile(r"\w+|[^\w\s]")


def similarities(texts: Sequence[str]) -> list[list[float]]:
    """Pairwise similarities of texts.

    Words are runs of letters and digits; every other character that is not whitespace is a word of its own. Two texts
    without words have similarity 1; one of them and any other text have 0.

    Args:
        texts: texts of any length [texts].

    Returns:
        Cosines in [0, 1]; exactly 1 for texts of the same words in the same order [texts][texts].
    """
    import numpy as np

    columns: dict[str | tuple[str, str], int] = {}
    terms = [[columns.setdefault(term, len(columns)) for term in _terms(text)] for text in texts]
    counts = np.zeros((len(texts), len(columns)), dtype=np.int64)
    for row, own in zip(counts, terms, strict=True):
        np.add.at(row, own, 1)
    products = counts @ counts.T  # integers, so that equality is exact
    squares = products.diagonal()
    norms = np.sqrt(np.outer(squares, squares))
    cosines = np.minimum(products / np.maximum(norms, 1.0), 1.0)
    cosines[(products == squares) & (products == squares[:, None])] = 1.0
    matrix: list[list[float]] = cosines.tolist()
    return matrix


def _terms(text: str) -> list[str | tuple[str, str]]:
    words = WORD.findall(text.lower())
    return [*words, *pairwise(words)]
