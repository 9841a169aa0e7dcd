"""The final answer of a solution, as far as its text alone says: never a draft inside a reasoning block.

A reasoning block is what models write between `<think>` and `</think>` or tags like these before they answer. What is
inside is neither an answer nor the end of a path, also while the block is still open. A prompt may open the block
itself (templates of R1 and QwQ do); the output then holds only the closing tag, and all before it is reasoning.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from tt_scale.core.extraction import extract_answer
from tt_scale.core.last_number import last_number

__all__ = ["THINK", "AnswerRule", "FinalAnswer", "named_tags", "outside_reasoning"]

_LONGEST = 1 << 20
"""Characters of a text that are read, from its end; of what stands before, only whether it leaves a block open."""
_MOST_DROPPED = 3
"""Unfinished answers at the end of a text, in front of each other; what stands before more of them does not count."""

Tags = tuple[str, str]
"""The tags that open and close a reasoning block."""

AnswerRule = Literal["boxed", "last_number"]
"""Where a solution states its final answer: in a box or after a prefix, or as its last number. The second rule finds an
answer in nearly every text; it is only for sets of recorded solutions that say so."""

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
"""Tags of public models, looked for in chat templates."""


def named_tags(chat_template: str) -> tuple[Tags, ...]:
    """The known reasoning tags that a chat template names, opening or closing.

    A lone `<|end|>` also ends other messages, so only the tags of reasoning itself count.
    """
    return tuple([tags for tags in KNOWN_TAGS if tags[0] in chat_template or (tags[1] in chat_template and _own(tags))])


def _own(tags: Tags) -> bool:
    return tags[1] != "<|end|>"


def outside_reasoning(text: str, tags: Iterable[Tags], *, opened: bool = False) -> str:
    """What of a text lies outside of reasoning blocks.

    Args:
        text: of a solution, or of its beginning.
        tags: pairs of opening and closing tags.
        opened: whether the prompt left a block open.

    Returns:
        The text without its blocks; an open block reaches to the end, and all before an unpaired closing tag is
        reasoning. Of a text of more than 1,048,576 characters, what these last ones hold.
    """
    pairs = tuple(tags)
    if len(text) > _LONGEST:
        opened = _leaves_open(text[:-_LONGEST], pairs, opened=opened)
        text = text[-_LONGEST:]
    kept: list[str] = []
    inside, begin = opened, 0
    for mark in _pattern(pairs).finditer(text):
        closes = mark.lastgroup == "closing"
        if not inside and closes:
            kept.clear()
        elif not inside:
            kept.append(text[begin : mark.start()])
        inside, begin = not closes, mark.end()
    return "".join(kept) if inside else "".join([*kept, text[begin:]])


def _leaves_open(text: str, tags: Sequence[Tags], *, opened: bool) -> bool:
    """Whether a block is open at the end of a text: its last tag says so."""
    opening = max([text.rfind(tag) for tag, _ in tags], default=-1)
    closing = max([text.rfind(tag) for _, tag in tags], default=-1)
    return opening > closing if max(opening, closing) >= 0 else opened


@lru_cache(maxsize=64)
def _pattern(tags: Sequence[Tags]) -> re.Pattern[str]:
    opening = "|".join([re.escape(tag) for tag, _ in tags]) or "(?!)"
    closing = "|".join([re.escape(tag) for _, tag in tags]) or "(?!)"
    return re.compile(f"(?P<opening>{opening})|(?P<closing>{closing})")


@dataclass(frozen=True, slots=True)
class FinalAnswer:
    """Finds the final answer of one problem's solutions.

    Attributes:
        prefix: text before a final answer; empty where only boxes count.
        tags: of reasoning blocks.
        opened: whether the prompt left a block open.
        rule: where an answer is stated.
    """

    prefix: str = ""
    tags: tuple[Tags, ...] = (THINK,)
    opened: bool = False
    rule: AnswerRule = "boxed"

    def of(self, text: str, *, cut: bool = False) -> str | None:
        """Give the last complete answer outside of reasoning, or None.

        Args:
            text: of the solution.
            cut: whether a limit may have ended it inside a word or number: what more text could still change is not
                complete then.
        """
        if self.rule == "last_number":
            return None if cut else last_number(outside_reasoning(text, self.tags, opened=self.opened))
        if not self._mentions_one(text):
            return None
        seen = outside_reasoning(text, self.tags, opened=self.opened)
        answer = extract_answer(seen, self.prefix)
        dropped = 0
        while cut and answer is not None and extract_answer(seen + "7", self.prefix) != answer:
            if dropped == _MOST_DROPPED:
                return None
            dropped += 1
            seen = seen[: self._last_mention(seen)]
            answer = extract_answer(seen, self.prefix)
        return answer

    def states_one(self, text: str, *, cut: bool = False) -> bool:
        """Whether a solution states a complete answer; arguments as in `of`."""
        return self.of(text, cut=cut) is not None

    def _mentions_one(self, text: str) -> bool:
        """A quick look, for it is asked at the end of every step."""
        return "box" in text or (bool(self.prefix) and self._body in text)

    @property
    def _body(self) -> str:
        """The prefix without its colon, which may stand behind a mark of bold print."""
        return self.prefix.rstrip(": ") or self.prefix

    def _last_mention(self, text: str) -> int:
        """Where the last box or prefix begins."""
        return max(text.rfind("\\boxed"), text.rfind("\\fbox"), text.rfind(self._body) if self.prefix else -1, 0)
