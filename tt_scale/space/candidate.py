"""Candidate child of a path while it is sampled: merges chunks and blank steps, cuts at its end, decides its state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Literal

from tt_scale.core.final_answer import FinalAnswer
from tt_scale.core.path import Key, Path, State
from tt_scale.core.records import Ended, Step
from tt_scale.core.segmentation import Pieces, continued_pieces, divided_steps, full_step, is_blank, split_steps

__all__ = ["ChildCandidate", "Bound", "Rules"]

Bound = Literal["length", "context", "budget"]
"""Which limit determines the token limit of a child."""

PathEnd = Literal["eos", "answer"]
"""What finishes a path: only the end of the sequence, or also the end of a step after a complete final answer."""

MOST_READ = 1 << 22
"""Characters that are read to find the first step of a whole solution that completes an answer; where each of its steps
mentions one and completes none, the last step decides beyond it."""

MOST_BLANK_STEPS = 8
"""After so many blank steps in a row, a blank step is accepted as it is."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Rules that decide whether a path continues.

    Attributes:
        delimiters: strings that end a step.
        step_tokens: length of a step in tokens, if steps have a fixed length, else None.
        answers: extracts the final answer from the text of a solution.
        most_tokens: maximum number of tokens of a solution: `max_tokens`, or less if the context is shorter.
        path_end: what finishes a path.
    """

    delimiters: tuple[str, ...]
    step_tokens: int | None
    answers: FinalAnswer
    most_tokens: int
    path_end: PathEnd = "eos"


class ChildCandidate:
    """Child that is being sampled, in one request or in several.

    Args:
        family: index of its parent among the paths that are extended.
        parent: open path.
        child: number among all children of the parent, from 0.
        ids: token ids of prompt and parent [length].
        temperature: sampling temperature.
        limit: maximum number of tokens.
        bound: which limit determines `limit`.
        whole: whether it is extended to its end.
    """

    __slots__ = (
        "blank",
        "bound",
        "child_number",
        "chunks",
        "family",
        "ids",
        "limit",
        "parent",
        "spent",
        "temperature",
        "whole",
    )

    def __init__(
        self,
        family: int,
        parent: Path,
        child: int,
        ids: tuple[int, ...],
        temperature: float,
        limit: int,
        bound: Bound,
        whole: bool,
    ) -> None:
        self.family = family
        self.parent = parent
        self.child_number = child
        self.ids = ids
        self.temperature = temperature
        self.limit = limit
        self.bound: Bound = bound
        self.whole = whole
        self.spent = 0
        self.blank: list[Step] = []
        self.chunks: list[Step] = []

    @property
    def key(self) -> Key:
        """Of the child."""
        return (*self.parent.key, self.child_number)

    @property
    def drawn(self) -> list[Step]:
        """Steps that its requests returned so far: blank steps, then chunks of the current one."""
        return [*self.blank, *self.chunks]

    def most_tokens(self, rules: Rules) -> int:
        """Token limit of the next request: what is left, at most the length of a step of fixed length."""
        left = self.limit - self.spent
        return left if self.whole or rules.step_tokens is None else min(left, rules.step_tokens)

    def take(self, step: Step, shortened: bool, rules: Rules, pieces: Pieces) -> bool:
        """Add the result of a request; `pieces` is the generator's.

        Args:
            step: step as the generator returned it.
            shortened: whether the budget gave the request fewer tokens than the child may still have.

        Returns:
            Whether the child needs another request: its chunk was used up, or the step is blank.
        """
        self.chunks.append(step)
        if shortened and step.ended == "length" and not self._completes_delimiter(rules, pieces):
            return True
        whole = self._joined_chunks(rules, pieces)
        if not self._is_blank(whole, rules):
            self.chunks = [whole]
            return False
        self.blank.append(whole)
        self.chunks = []
        return True

    def cut(self, rules: Rules, pieces: Pieces) -> None:
        """End the child here, because the budget has no tokens left for it."""
        self.limit, self.bound = self.spent, "budget"
        self.chunks = [self._joined_chunks(rules, pieces) if self.chunks else self.blank.pop()]

    def split(self, rules: Rules, pieces: Pieces) -> list[Step]:
        """Split the sampled text, blank steps merged, into steps, once no further request is needed."""
        step = self._merged(self.chunks[0])
        if not self.whole:
            return [step]
        if step.divided:
            return divided_steps(step)
        if rules.step_tokens is None:
            return split_steps(step, pieces(step.ids), rules.delimiters)
        return split_steps(step, continued_pieces(self.parent.steps, step, pieces), (), rules.step_tokens)

    def child(self, steps: Sequence[Step], rules: Rules) -> Path:
        """Append steps to the parent, up to the first one that finishes it.

        Blank steps are never scored: at the end they are merged into the parent's last step, whose score stays; if
        the parent has nothing else, into the new step.
        """
        parent = self.parent
        kept = parent.steps
        new = steps[0]
        blank_only = len(steps) == 1 and is_blank(new.text, rules.delimiters)
        if kept and (blank_only or is_blank(kept[-1].text, rules.delimiters)):
            kept, steps = kept[:-1], [_join([kept[-1], new], new.seed), *steps[1:]]
        state, taken = self._end(kept, steps, rules)
        path = (*kept, *steps[:taken])
        if self.whole and state == "open":
            state = "truncated"  # the budget ended it where a step ends
        cut = state == "truncated" and rules.answers.states_one("".join([each.text for each in path]), cut=True)
        if cut:
            state = "finished"
        score = parent.score if state in ("open", "finished") else 0.0  # a lost path is worth 0
        return Path(self.key, path, parent.scores, score, state, cut)

    def _end(self, kept: Sequence[Step], steps: Sequence[Step], rules: Rules) -> tuple[State, int]:
        """Find the first new step that ends a path, and the state it ends in; "open" with all steps if none does."""
        tokens = sum([len(step.ids) for step in kept])
        answered = self._first_answer(kept, steps, rules) if rules.path_end == "answer" else len(steps)
        for place, step in enumerate(steps):
            tokens += len(step.ids)
            state = self._state(step, tokens, rules, answered=place == answered)
            if state != "open":
                return state, place + 1
        return "open", len(steps)

    def _first_answer(self, kept: Sequence[Step], steps: Sequence[Step], rules: Rules) -> int:
        """Find the first new step that ends at a delimiter behind a complete answer; their number if none does.

        Each step's end is a text that is read, which is why the characters that are read are limited.
        """
        ends = list(accumulate([len(step.text) for step in (*kept, *steps)]))[len(kept) :]
        text = "".join([step.text for step in (*kept, *steps)])
        mention, read = rules.answers.first_mention(text), 0
        for place, (step, end) in enumerate(zip(steps, ends, strict=True)):
            if step.ended != "stop" or end <= mention:
                continue
            read += end
            if read > MOST_READ and place + 1 < len(steps):
                continue
            if rules.answers.states_one(text[:end], cut=rules.step_tokens is not None):
                return place
        return len(steps)

    def _settled(self, step: Step, rules: Rules, pieces: Pieces) -> Step:
        """Set end and text of a new step of fixed length; `pieces` is the generator's."""
        if self.whole or rules.step_tokens is None:
            return step
        before = [*self.parent.steps, *self.blank]
        return full_step(step, continued_pieces(before, step, pieces), rules.step_tokens)

    def _joined_chunks(self, rules: Rules, pieces: Pieces) -> Step:
        """Join the chunks to one step, cut at the first delimiter that they complete together."""
        if len(self.chunks) == 1:
            return self._settled(self.chunks[0], rules, pieces)
        step = _join(self.chunks, self.chunks[0].seed)
        texts = pieces(step.ids)
        step = replace(step, text="".join(texts))  # a character may have been cut in two
        if self.whole or not rules.delimiters:
            return self._settled(step, rules, pieces)
        return split_steps(step, texts, rules.delimiters)[0]

    def _completes_delimiter(self, rules: Rules, pieces: Pieces) -> bool:
        """Whether a delimiter was completed across chunks, which no single request can detect."""
        if self.whole or not rules.delimiters or len(self.chunks) < 2:
            return False
        text = "".join(pieces([token for chunk in self.chunks for token in chunk.ids]))
        return any(delimiter in text for delimiter in rules.delimiters)

    def _is_blank(self, step: Step, rules: Rules) -> bool:
        """Whether a new step is blank and another one is to be sampled after it."""
        return (
            step.ended == "stop"
            and self.spent < self.limit
            and len(self.blank) < MOST_BLANK_STEPS
            and is_blank(step.text, rules.delimiters)
        )

    def _merged(self, step: Step) -> Step:
        """Prepend the preceding blank steps, and set `ended` to "context" if the context ended the step."""
        if self.blank:
            step = _join([*self.blank, step], self.blank[0].seed)
        if step.ended == "length" and self.bound == "context" and self.spent == self.limit:
            step = _join([step], step.seed, ended="context")
        return step

    def _state(self, step: Step, tokens: int, rules: Rules, *, answered: bool) -> State:
        """Decide whether a path is finished that ends with a step and has so many tokens; truncated is not finished."""
        if step.ended == "error":
            return "failed"
        if step.ended == "eos" or answered:
            return "finished"
        cut_by_budget = self.bound == "budget" and self.spent == self.limit
        if step.ended == "context" or (step.ended == "length" and (self.whole or cut_by_budget)):
            return "truncated"
        return "open" if tokens < rules.most_tokens else "truncated"


def _join(steps: Sequence[Step], seed: int, *, ended: Ended | None = None) -> Step:
    """Join consecutive steps to one; cache hits are those of the first request."""
    last = steps[-1]
    return Step(
        text="".join([step.text for step in steps]),
        ids=tuple([token for step in steps for token in step.ids]),
        ended=ended or last.ended,
        seed=seed,
        temperature=last.temperature,
        cached=steps[0].cached,
        error=last.error,
        logprobs=tuple([number for step in steps for number in step.logprobs]),
        confidences=tuple([number for step in steps for number in step.confidences]),
        divided=last.divided,
    )
