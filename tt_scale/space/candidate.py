"""A child from its plan to a path: chunks and blank steps merged, cut at its end, its state decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from tt_scale.core.final_answer import FinalAnswer
from tt_scale.core.path import Key, Path, State
from tt_scale.core.records import Ended, Step
from tt_scale.core.segmentation import Pieces, continued_pieces, divided_steps, full_step, is_blank, split_steps

__all__ = ["Birth", "Bound", "Rules"]

Bound = Literal["length", "context", "budget"]
"""What a child's token limit comes from."""

PathEnd = Literal["eos", "answer"]
"""What finishes a path: the model's end of sequence alone, or also a step end behind a complete final answer."""

MOST_BLANK_STEPS = 8
"""A model that says nothing so many times in a row has its blank steps taken as they are."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What decides whether a path goes on.

    Attributes:
        delimiters: that end a step.
        step_tokens: after so many tokens a step ends instead; None where it does not.
        answers: finds the final answer in the text of a solution.
        most_tokens: of one solution: `max_tokens`, or less where the context has no room for them.
        path_end: what finishes a path.
    """

    delimiters: tuple[str, ...]
    step_tokens: int | None
    answers: FinalAnswer
    most_tokens: int
    path_end: PathEnd = "eos"


class Birth:
    """A child that is being drawn, in one request or in several.

    Args:
        family: place of its parent among the paths that grow.
        parent: an open path.
        child: its number among all children that the parent ever had.
        ids: prompt and path of the parent [length].
        temperature: at which it is drawn.
        limit: most tokens that it may be given.
        bound: what the limit comes from.
        whole: whether it grows to its end.
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
        """What its requests gave so far: blank steps, then chunks of the present one."""
        return [*self.blank, *self.chunks]

    def most_tokens(self, rules: Rules) -> int:
        """Most tokens of the next request: what the limit leaves, and no more than a step of fixed length has."""
        left = self.limit - self.spent
        return left if self.whole or rules.step_tokens is None else min(left, rules.step_tokens)

    def take(self, step: Step, shortened: bool, rules: Rules, pieces: Pieces) -> bool:
        """Add what a request gave; `pieces` is the generator's.

        Args:
            step: as the generator returned it.
            shortened: whether a budget gave the request fewer tokens than the child may still have.

        Returns:
            Whether the child needs another request: its chunk was used up, or the step says nothing.
        """
        self.chunks.append(step)
        if shortened and step.ended == "length" and not self._holds_an_end(rules, pieces):
            return True
        whole = self._joined_chunks(rules, pieces)
        if not self._says_nothing(whole, rules):
            self.chunks = [whole]
            return False
        self.blank.append(whole)
        self.chunks = []
        return True

    def cut_here(self, rules: Rules, pieces: Pieces) -> None:
        """End the child where it stands: the budget has no tokens left for it."""
        self.limit, self.bound = self.spent, "budget"
        self.chunks = [self._joined_chunks(rules, pieces) if self.chunks else self.blank.pop()]

    def split(self, rules: Rules, pieces: Pieces) -> list[Step]:
        """Cut what was drawn, blank steps merged, into its steps once it needs no further request."""
        step = self._merged(self.chunks[0])
        if not self.whole:
            return [step]
        if step.divided:
            return divided_steps(step)
        if rules.step_tokens is None:
            return split_steps(step, pieces(step.ids), rules.delimiters)
        return split_steps(step, continued_pieces(self.parent.steps, step, pieces), (), rules.step_tokens)

    def child(self, steps: Sequence[Step], rules: Rules) -> Path:
        """Append steps to the parent, up to the first that finishes it.

        What says nothing is never scored: at the end it is merged into the parent's last step, whose score stays;
        where it is all that the parent has, into what comes now.
        """
        parent = self.parent
        path = parent.steps
        new = steps[0]
        says_nothing = len(steps) == 1 and is_blank(new.text, rules.delimiters)
        if path and (says_nothing or is_blank(path[-1].text, rules.delimiters)):
            path, steps = path[:-1], [_join([path[-1], new], new.seed), *steps[1:]]
        state: State = "open"
        for step in steps:
            path = (*path, step)
            state = self._state(path, rules)
            if state != "open":
                break
        if self.whole and state == "open":
            state = "truncated"  # the budget ended it where a step ends
        cut = state == "truncated" and rules.answers.states_one("".join([each.text for each in path]), cut=True)
        if cut:
            state = "finished"
        score = parent.score if state in ("open", "finished") else 0.0  # what is lost is worth nothing
        return Path(self.key, path, parent.scores, score, state, cut)

    def _settled(self, step: Step, rules: Rules, pieces: Pieces) -> Step:
        """Give a step of fixed length that was just drawn its end and its text; `pieces` is the generator's."""
        if self.whole or rules.step_tokens is None:
            return step
        before = [*self.parent.steps, *self.blank]
        return full_step(step, continued_pieces(before, step, pieces), rules.step_tokens)

    def _joined_chunks(self, rules: Rules, pieces: Pieces) -> Step:
        """Make one step of the chunks, cut at the first delimiter that they complete between them."""
        if len(self.chunks) == 1:
            return self._settled(self.chunks[0], rules, pieces)
        step = _join(self.chunks, self.chunks[0].seed)
        texts = pieces(step.ids)
        step = replace(step, text="".join(texts))  # a character may have been cut in two
        if self.whole or not rules.delimiters:
            return self._settled(step, rules, pieces)
        return split_steps(step, texts, rules.delimiters)[0]

    def _holds_an_end(self, rules: Rules, pieces: Pieces) -> bool:
        """Whether a delimiter was completed across chunks, which no single request can see."""
        if self.whole or not rules.delimiters or len(self.chunks) < 2:
            return False
        text = "".join(pieces([token for chunk in self.chunks for token in chunk.ids]))
        return any(delimiter in text for delimiter in rules.delimiters)

    def _says_nothing(self, step: Step, rules: Rules) -> bool:
        """Whether a step that was just drawn says nothing and another one is to be drawn behind it."""
        return (
            step.ended == "stop"
            and self.spent < self.limit
            and len(self.blank) < MOST_BLANK_STEPS
            and is_blank(step.text, rules.delimiters)
        )

    def _merged(self, step: Step) -> Step:
        """Put the blank steps drawn before in front, and say "context" where the context was what ended it."""
        if self.blank:
            step = _join([*self.blank, step], self.blank[0].seed)
        if step.ended == "length" and self.bound == "context" and self.spent == self.limit:
            step = _join([step], step.seed, ended="context")
        return step

    def _state(self, steps: tuple[Step, ...], rules: Rules) -> State:
        """Decide whether a path is finished; truncated is not finished."""
        step = steps[-1]
        if step.ended == "error":
            return "failed"
        if step.ended == "eos":
            return "finished"
        if step.ended == "stop" and rules.path_end == "answer":
            text = "".join([each.text for each in steps])
            if rules.answers.states_one(text, cut=rules.step_tokens is not None):
                return "finished"
        cut_by_budget = self.bound == "budget" and self.spent == self.limit
        if step.ended == "context" or (step.ended == "length" and (self.whole or cut_by_budget)):
            return "truncated"
        return "open" if sum([len(each.ids) for each in steps]) < rules.most_tokens else "truncated"


def _join(steps: Sequence[Step], seed: int, *, ended: Ended | None = None) -> Step:
    """Make one step of several in a row; cache hits are those of the first request."""
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
