"""What every real language model shares, whichever engine runs it: its tokenizer and its chat template."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from tt_scale.base_classes import Generator
from tt_scale.core.final_answer import named_tags
from tt_scale.core.records import Problem
from tt_scale.errors import GeneratorError
from tt_scale.generator.tokens import Tokens

__all__ = ["Choice", "LanguageModel"]

LEAD_IN = "\n\nThe final answer is \\boxed{"


@dataclass(frozen=True, slots=True)
class Choice:
    """How likely a model finds each of several next tokens.

    Attributes:
        logprobs: natural logarithm of the probability of each, at temperature 1 [choices].
        cached: how many prompt tokens the engine did not compute again.
    """

    logprobs: tuple[float, ...]
    cached: int = 0


class LanguageModel(Generator):
    """A generator with a tokenizer.

    Attributes:
        tokens: of the model; there once `start` is done.
    """

    tokens: Tokens

    def prompt(self, problem: Problem, system_prompt: str) -> tuple[int, ...]:
        """Render the chat template once, with the generation prompt, as token ids [length].

        Args:
            problem: whose question is the user's turn.
            system_prompt: the system message; empty for none. A template that knows no system message (Gemma)
                gets it at the head of the user's turn.

        Raises:
            GeneratorError: the model has no chat template.
        """
        question = {"role": "user", "content": problem.question}
        if not system_prompt:
            return self.tokens.render([question])
        try:
            return self.tokens.render([{"role": "system", "content": system_prompt}, question])
        except GeneratorError:
            return self.tokens.render([{"role": "user", "content": f"{system_prompt}\n\n{problem.question}"}])

    @property
    def reasoning_tags(self) -> tuple[tuple[str, str], ...]:  # type: ignore[override]
        """The tags that the chat template names."""
        template = getattr(self.tokens.tokenizer, "chat_template", None)
        return named_tags(template) if isinstance(template, str) else ()

    def lead_in(self, final_answer_prefix: str) -> tuple[int, ...]:
        """Tokenise a line that ends where a final answer begins."""
        return self.tokens.encode(f"\n\n{final_answer_prefix} " if final_answer_prefix else LEAD_IN)

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """Give the text that each id adds [length]; joined, they are the text of the whole."""
        return self.tokens.pieces(ids)

    @abstractmethod
    async def choose(self, prompts: Sequence[tuple[int, ...]], choices: Sequence[int]) -> list[Choice]:
        """Ask how likely each of several tokens is to come next.

        Args:
            prompts: token ids [prompts][length], none longer than `context`.
            choices: token ids to compare, at most 128 [choices].

        Returns:
            One record for each prompt [prompts], in order.

        Raises:
            GeneratorError: a prompt is too long, or the engine failed.
        """
