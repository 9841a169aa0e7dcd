"""Solutions with labels of their steps or of their final answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

from tt_scale.core.path import Path
from tt_scale.core.records import Problem, Step

__all__ = ["GivenSet", "LabelledSolution", "given_steps"]


@dataclass(frozen=True, slots=True)
class LabelledSolution:
    """A solution with its labels.

    Attributes:
        id: unique in its set.
        problem: the problem that it solves; solutions of the same question are resampled together.
        steps: steps of the solution [steps]; only sampled steps have token ids.
        labels: whether each step and all before it are correct; None if unknown [steps].
        number: index among the solutions of its problem, from 0.
        correct: whether its final answer is correct; None if unknown.
        answer: its final answer; None if it states none.
        finished: whether it ended by itself; otherwise it cannot be selected.
        recorded: scores of its steps from its source [steps]; empty if there are none.
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
        """The solution as a path, the input of a PRM."""
        return Path((self.number,), self.steps, state="finished" if self.finished else "open")

    @property
    def fingerprint(self) -> str:
        """Hash of its steps in eight hex digits, which ties scores to these steps."""
        text = "\x1f".join([step.text for step in self.steps])
        return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()

    @property
    def first_error(self) -> int | None:
        """Index of the first wrong step; None if all are correct. Valid only if `knows_first_error`."""
        return self.labels.index(False) if False in self.labels else None

    @property
    def knows_first_error(self) -> bool:
        """Whether the labels determine the first wrong step, or that there is none."""
        known = self.labels[: self.labels.index(False)] if False in self.labels else self.labels
        return bool(self.labels) and None not in known


@dataclass(frozen=True)
class GivenSet:
    """A set of given solutions.

    Attributes:
        name: its name in the command, or the name of its file without the folder.
        truth: a phrase on the source of the labels.
        solutions: the solutions, in the order of the source.
        replay: whether it contains several solutions per problem, labelled by their answers.
    """

    name: str
    truth: str
    solutions: Sequence[LabelledSolution]
    replay: bool = False


def given_steps(texts: Sequence[str]) -> tuple[Step, ...]:
    """Convert texts to steps without token ids; a blank line ends each step but the last."""
    last = len(texts) - 1
    return tuple([Step(text if index == last else f"{text}\n\n", (), "stop") for index, text in enumerate(texts)])
