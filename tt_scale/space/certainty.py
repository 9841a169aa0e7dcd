"""The text with which the answer of a search begins for certain, while the search still runs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

from tt_scale.core.path import Path

__all__ = ["common_text"]


def common_text(paths: Sequence[Path]) -> str:
    """The text of the leading steps that all paths share.

    Args:
        paths: everything from which the answer can still come [paths]; none gives no text.

    Returns:
        Whole steps, compared by their text: paths from copies of one root may say the same.
    """
    if not paths:
        return ""
    first = [step.text for step in paths[0].steps]
    shared = len(first)
    for path in paths[1:]:
        pairs = zip(first[:shared], path.steps, strict=False)
        shared = len(list(takewhile(lambda pair: pair[0] == pair[1].text, pairs)))
    return "".join(first[:shared])
