"""Base class of PRM adapters: the input format of one PRM family, and the head that scores it.

An adapter encodes a question and its steps as token ids, names the positions at which the steps are scored, and names
the head that is applied there. It runs no model: the runtimes (vLLM, Transformers, the generator's engine) are shared
by all families. Where the format allows it, the ids of a path are a prefix of the ids of its children, so that prefix
caches apply.
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

__all__ = ["Adapter", "Checkpoint", "Head", "LayerHead", "ScoringInput", "TokenHead"]


@dataclass(frozen=True, slots=True)
class LayerHead:
    """Linear layers over the last hidden state with ReLU between them; then softmax, or sigmoid for a single output.

    Attributes:
        layers: names of the layers in the checkpoint, first to last.
        column: index of the output that means "right".
    """

    layers: tuple[str, ...] = ("score",)
    column: int = 1


@dataclass(frozen=True, slots=True)
class TokenHead:
    """The language-model head restricted to two tokens, with a softmax over the two.

    Attributes:
        positive: id of the token that means "right".
        negative: id of the token that means "wrong".
    """

    positive: int
    negative: int


Head = LayerHead | TokenHead


@dataclass(frozen=True)
class Checkpoint:
    """The parts of a model that its adapter needs.

    Attributes:
        name: model name as given in the configuration.
        tokens: tokenizer of the model.
        settings: content of its `config.json`.
        delimiters: strings that end a step; they are removed before a step is scored.
    """

    name: str
    tokens: Tokens
    settings: Mapping[str, Any]
    delimiters: tuple[str, ...] = ("\n\n",)


@dataclass(frozen=True, slots=True)
class ScoringInput:
    """Token ids of one path, and the positions at which its unscored steps are scored.

    Attributes:
        ids: token ids, up to the position at which the last step is scored [length].
        positions: positions of the unscored steps, ascending [new steps].
    """

    ids: tuple[int, ...]
    positions: tuple[int, ...]

    def checked(self, values: Sequence[float]) -> tuple[float, ...]:
        """Return the values as a tuple after checking that each new step has one probability.

        Raises:
            PRMError: the number of values is wrong, or one lies outside [0, 1].
        """
        probabilities = tuple(values)
        hint = "float16 is too narrow for some models. Type: --dtype bfloat16"
        Scores(probabilities).check(len(self.positions), hint=hint)
        return probabilities


class Adapter(ABC):
    """Input format and head of one PRM family. `prm_args` sets its keyword arguments beyond the checkpoint.

    Args:
        checkpoint: the model.

    Attributes:
        summary: one line for `tt-scale list`.
        source: paper, model card or code that defines the format.
        names: prefixes of model names (without the owner, case-insensitive) that select this adapter.
        architectures: entries of `architectures` in `config.json` that select this adapter.
        finished_only: whether it scores finished solutions only, as a whole, with one score each.
        head: head that is applied at the positions.
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
        """Encode a question and its steps.

        Args:
            question: question of the problem.
            steps: texts of the steps, stripped, at least one [steps].

        Returns:
            Token ids [length], and the position at which each step is scored, ascending [steps].
        """

    def read(self, problem: Problem, path: Path) -> ScoringInput:
        """Build the model input that scores the unscored steps of a path.

        Ids behind the last position are dropped: attention is causal, so they cannot change a score.

        Raises:
            PRMError: the adapter's `layout` returned a different number of positions than there are steps.
        """
        steps = step_texts(path.steps, self.checkpoint.delimiters)
        ids, positions = self.layout(problem.question, steps)
        if len(positions) != len(steps):
            raise PRMError(
                f"The PRM's adapter returned {len(positions)} positions for {len(steps)} steps; one each is needed."
            )
        return ScoringInput(tuple(ids[: positions[-1] + 1]), tuple(positions[len(path.scores) :]))

    def known_id(self, token: str, expected: int | None = None) -> int:
        """Look up the id of a token that the format needs.

        Args:
            token: the token, as text or as spelled in the vocabulary.
            expected: its id in the vocabulary that the family was trained with; None skips the check.

        Raises:
            PRMError: the text is not a single token, or has another id: the tokenizer belongs to another model.
        """
        from tt_scale.errors import GeneratorError

        name = self.checkpoint.name
        try:
            token_id = self.checkpoint.tokens.id_of(token)
        except GeneratorError:
            raise PRMError(
                f"The tokenizer of {name!r} has no single token {token!r}, which this PRM's input format needs.",
                "Use the tokenizer that came with the PRM, or name its adapter. Type: --prm-adapter NAME",
            ) from None
        if expected is not None and token_id != expected:
            raise PRMError(
                f"The tokenizer of {name!r} gives {token!r} the id {token_id}; the model was trained with {expected}.",
                "Use the tokenizer that came with the PRM.",
            )
        return token_id
