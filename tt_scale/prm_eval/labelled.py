"""Solutions whose steps, or whose answers, somebody judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

from tt_scale.core.path import Path
from tt_scale.core.records import Problem, Step

__all__ = ["GivenSet", "LabelledSolution", "given_steps"]


@dataclass(frozen=True, slots=True)
class LabelledSolution:
    """One solution and what is known of it.

    Attributes:
        id: unique in its set.
        problem: that it solves; solutions of the same question belong together.
        steps: of the solution [steps]; only sampled ones have token ids.
        labels: whether each step, and all before it, is right; None where nobody said [steps].
        number: among the solutions of its problem, from 0.
        correct: whether its final answer is right; None where nobody said.
        answer: its final answer; None where it states none.
        finished: whether it ended by itself; only then can it be chosen.
        recorded: scores of its steps that came with it [steps]; empty where none did.
    """

    id: str
    problem: Problem
    steps: tuple[Step, ...]
    labels: tuple[bool | None, ...]
    number: int = 0
    correct: bool | None = None
    answer: str | None = None
    finished: bool = True
    recorded: tuple[float, ...] = ()

    @property
    def path(self) -> Path:
        """As a PRM reads it."""
        return Path((self.number,), self.steps, state="finished" if self.finished else "open")

    @property
    def fingerprint(self) -> str:
        """Eight hex digits of its steps: scores are of these steps and of no others."""
        text = "\x1f".join([step.text for step in self.steps])
        return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()

    @property
    def first_error(self) -> int | None:
        """The first wrong step, from 0; None where all are right. Asked for only where `knows_first_error`."""
        return self.labels.index(False) if False in self.labels else None

    @property
    def knows_first_error(self) -> bool:
        """Whether the labels say which step is the first wrong one, or that there is none."""
        known = self.labels[: self.labels.index(False)] if False in self.labels else self.labels
        return bool(self.labels) and None not in known


@dataclass(frozen=True)
class GivenSet:
    """A set whose solutions are there.

    Attributes:
        name: as it was asked for, or the name of its file without the folder.
        truth: a phrase about who judged what.
        solutions: in the order of the source.
        replay: whether it holds several solutions of a problem, judged by their answers.
    """

    name: str
    truth: str
    solutions: Sequence[LabelledSolution]
    replay: bool = False


def given_steps(texts: Sequence[str]) -> tuple[Step, ...]:
    """Turn texts into steps that were not sampled: a blank line ends each but the last."""
    last = len(texts) - 1
    return tuple([Step(text if place == last else f"{text}\n\n", (), "stop") for place, text in enumerate(texts)])
