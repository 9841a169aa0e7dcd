"""What a PRM family needs to be scored: how it reads a solution, and what it answers with.

An adapter turns question and steps into token ids and says at which of them the score of each step stands, and which
layer speaks there. It runs nothing: the runtimes (vLLM, Transformers, a generator's own engine) are shared. The ids of
a path are a prefix of those of its children, as far as the protocol allows, which is what makes prefix caches work.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from tt_scale.core.path import Path
from tt_scale.core.records import Problem, Scores
from tt_scale.core.segmentation import step_texts
from tt_scale.errors import PRMError
from tt_scale.generator.tokens import Tokens

__all__ = ["Adapter", "Checkpoint", "Head", "LayerHead", "Reading", "TokenHead"]


@dataclass(frozen=True, slots=True)
class LayerHead:
    """Linear layers on top of the last hidden state, with ReLU between them, then softmax, or sigmoid for one output.

    Attributes:
        layers: their names in the checkpoint, first to last.
        column: the output that means "right".
    """

    layers: tuple[str, ...] = ("score",)
    column: int = 1


@dataclass(frozen=True, slots=True)
class TokenHead:
    """The language-model head, reduced to two next tokens; softmax over the two.

    Attributes:
        positive: id of the token that means "right".
        negative: id of the token that means "wrong".
    """

    positive: int
    negative: int


Head = LayerHead | TokenHead


@dataclass(frozen=True)
class Checkpoint:
    """The model that an adapter reads for.

    Attributes:
        name: as the configuration has it.
        tokens: its tokenizer.
        settings: its `config.json`.
        delimiters: that end a step; they are no part of what is scored.
    """

    name: str
    tokens: Tokens
    settings: Mapping[str, Any]
    delimiters: tuple[str, ...] = ("\n\n",)


@dataclass(frozen=True, slots=True)
class Reading:
    """What is given to the model and where its verdicts stand.

    Attributes:
        ids: token ids, ending where the newest step is scored [length].
        positions: where the steps that have no score yet are scored, ascending [new steps].
    """

    ids: tuple[int, ...]
    positions: tuple[int, ...]

    def checked(self, values: Sequence[float]) -> tuple[float, ...]:
        """Make sure that there is one probability for each new step.

        Raises:
            PRMError: there are more or fewer, or one is no probability.
        """
        found = tuple(values)
        Scores(found).check(len(self.positions), hint="float16 is too narrow for some models. Type: --dtype bfloat16")
        return found


class Adapter(ABC):
    """How one family of PRMs is asked. Its keyword arguments beyond the checkpoint are set by `prm_args`.

    Args:
        checkpoint: the model.

    Attributes:
        summary: one line for `tt-scale list`.
        source: paper, model card or code that it follows.
        names: beginnings of model names, owner left out, any case, by which it is found.
        architectures: names of `config.json` by which it is found.
        finished_only: whether it reads whole solutions only, each anew and with one verdict, and no open path.
        head: what answers at a position.
    """

    summary: ClassVar[str]
    source: ClassVar[str]
    names: ClassVar[tuple[str, ...]] = ()
    architectures: ClassVar[tuple[str, ...]] = ()
    finished_only: ClassVar[bool] = False
    head: Head

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint

    @abstractmethod
    def layout(self, question: str, steps: Sequence[str]) -> tuple[list[int], list[int]]:
        """Lay out a solution.

        Args:
            question: of the problem.
            steps: their texts, stripped, at least one [steps].

        Returns:
            Token ids [length], and the index at which each step is scored, ascending [steps].
        """

    def read(self, problem: Problem, path: Path) -> Reading:
        """Say what must be read for the steps of a path that have no score yet.

        Attention is causal: what follows the last position cannot change a score and is left away.

        Raises:
            PRMError: the protocol gave another number of positions than there are steps.
        """
        steps = step_texts(path.steps, self.checkpoint.delimiters)
        ids, positions = self.layout(problem.question, steps)
        if len(positions) != len(steps):
            raise PRMError(
                f"The PRM's protocol gave {len(positions)} places for {len(steps)} steps; one each is needed."
            )
        return Reading(tuple(ids[: positions[-1] + 1]), tuple(positions[len(path.scores) :]))

    def known_id(self, token: str, expected: int | None = None) -> int:
        """Look a token up.

        Args:
            token: as text, or as the vocabulary spells it.
            expected: its id in the vocabulary that the family was trained with, where that is the one at hand.

        Raises:
            PRMError: it is not one token, or not that one: the tokenizer is of another model.
        """
        from tt_scale.errors import GeneratorError

        name = self.checkpoint.name
        try:
            found = self.checkpoint.tokens.id_of(token)
        except GeneratorError:
            raise PRMError(
                f"The tokenizer of {name!r} knows no single token {token!r}, which this PRM's protocol needs.",
                "Use the tokenizer that came with the PRM, or name its protocol. Type: --prm-adapter NAME",
            ) from None
        if expected is not None and found != expected:
            raise PRMError(
                f"The tokenizer of {name!r} gives {token!r} the id {found}; the model was trained with {expected}.",
                "Use the tokenizer that came with the PRM.",
            )
        return found
