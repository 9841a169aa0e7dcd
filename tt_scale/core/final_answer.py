"""Final answer of a solution outside of its reasoning blocks.

A reasoning block is the text that a model writes between `<think>` and `</think>`, or similar tags, before it answers.
Its content is neither an answer nor the end of a path, also while the block is still open. A prompt may open the block
itself (templates of R1 and QwQ do); the output then contains only the closing tag, and all text before it is reasoning.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from tt_scale.core.extraction import extract_answer
from tt_scale.core.last_number import last_number

__all__ = ["THINK", "AnswerRule", "FinalAnswer", "named_tags", "outside_reasoning"]

_LONGEST = 1 << 20
"""Number of characters that are read, from the end; the text before is only checked for a block that it leaves open."""
_MOST_DROPPED = 3
"""Maximum number of incomplete answers that are skipped at the end of a text; beyond it there is no answer."""

Tags = tuple[str, str]
"""The tags that open and close a reasoning block."""

AnswerRule = Literal["boxed", "last_number"]
"""How a solution states its final answer: in a box or after a prefix, or as its last number. The second rule finds an
answer in nearly every text, and is used only for sets of recorded solutions that state it."""

THINK: Tags = ("<think>", "</think>")

KNOWN_TAGS: tuple[Tags, ...] = (
    THINK,
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ("<seed:think>", "</seed:think>"),
    ("[THINK]", "[/THINK]"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|channel|>analysis<|message|>", "<|end|>"),
)
"""Reasoning tags of public models, searched for in chat templates."""


def named_tags(chat_template: str) -> tuple[Tags, ...]:
    """The known reasoning tags that a chat template contains, opening or closing.

    `<|end|>` alone does not count: it also ends other messages.
    """
    return tuple(
        [tags for tags in KNOWN_TAGS if tags[0] in chat_template or (tags[1] in chat_template and _is_specific(tags))]
    )


def _is_specific(tags: Tags) -> bool:
    """Whether the closing tag closes nothing but reasoning."""
    return tags[1] != "<|end|>"


def outside_reasoning(text: str, tags: Iterable[Tags], *, opened: bool = False) -> str:
    """Remove the reasoning blocks from a text.

    Args:
        text: a solution, or its beginning.
        tags: pairs of opening and closing tags, in any letter case; one in backticks is mentioned, not used.
        opened: whether the prompt left a block open.

    Returns:
        The text without its blocks; an open block extends to the end, and all text before an unpaired closing tag is
        reasoning. Of a text of more than 1,048,576 characters, only these last ones are read.
    """
    pairs = tuple(tags)
    if len(text) > _LONGEST:
        opened = _leaves_open(text[:-_LONGEST], pairs, opened=opened)
        text = text[-_LONGEST:]
    kept: list[str] = []
    inside, begin = opened, 0
    for tag in _pattern(pairs).finditer(text):
        closes = tag.lastgroup == "closing"
        if not inside and closes:
            kept.clear()
        elif not inside:
            kept.append(text[begin : tag.start()])
        inside, begin = not closes, tag.end()
    return "".join(kept) if inside else "".join([*kept, text[begin:]])


def _leaves_open(text: str, tags: tuple[Tags, ...], *, opened: bool) -> bool:
    """Whether a block is open at the end of a text, by its last tag."""
    for tag in _pattern(tags).finditer(text):
        opened = tag.lastgroup == "opening"
    return opened


@lru_cache(maxsize=64)
def _pattern(tags: tuple[Tags, ...]) -> re.Pattern[str]:
    opening = "|".join([re.escape(tag) for tag, _ in tags]) or "(?!)"
    closing = "|".join([re.escape(tag) for _, tag in tags]) or "(?!)"
    return re.compile(rf"(?<!`)(?:(?P<opening>{opening})|(?P<closing>{closing}))(?!`)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class FinalAnswer:
    """Extracts the final answer from the solutions of one problem.

    Attributes:
        prefix: text that precedes a final answer; empty if only boxes count.
        tags: tags of reasoning blocks.
        opened: whether the prompt left a block open.
        rule: how an answer is stated.
    """

    prefix: str = ""
    tags: tuple[Tags, ...] = (THINK,)
    opened: bool = False
    rule: AnswerRule = "boxed"

    def of(self, text: str, *, cut: bool = False) -> str | None:
        """Extract the last complete answer outside of reasoning; None if there is none.

        Args:
            text: the solution.
            cut: whether a limit may have ended it inside a word or number; an answer that more text could change is
                incomplete then.
        """
        if self.rule == "last_number":
            return None if cut else last_number(outside_reasoning(text, self.tags, opened=self.opened))
        if self.first_mention(text) == len(text):
            return None
        visible = outside_reasoning(text, self.tags, opened=self.opened)
        answer = extract_answer(visible, self.prefix)
        dropped = 0
        while cut and answer is not None and extract_answer(visible + "7", self.prefix) != answer:
            if dropped == _MOST_DROPPED:
                return None
            dropped += 1
            visible = visible[: self._last_mention(visible)]
            answer = extract_answer(visible, self.prefix)
        return answer

    def states_one(self, text: str, *, cut: bool = False) -> bool:
        """Whether a solution states a complete answer; arguments as in `of`."""
        return self.of(text, cut=cut) is not None

    def first_mention(self, text: str) -> int:
        """Offset of the first thing that may become an answer; the length of the text if there is none.

        Text that ends there states none: a cheap condition, since extraction runs at the end of every step.
        """
        if self.rule == "last_number":
            return 0
        marks = ["box", *([self._body] if self.prefix else [])]
        return min([place for place in map(text.find, marks) if place >= 0], default=len(text))

    @property
    def _body(self) -> str:
        """The prefix without its colon, which emphasis marks may separate from it."""
        return self.prefix.rstrip(": ") or self.prefix

    def _last_mention(self, text: str) -> int:
        """Offset of the last box or prefix."""
        return max(text.rfind("\\boxed"), text.rfind("\\fbox"), text.rfind(self._body) if self.prefix else -1, 0)
