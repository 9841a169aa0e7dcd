"""Base class of generators that run a language model: tokenizer, chat template, and next-token log-probabilities."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from tt_scale.base_classes import Generator
from tt_scale.core.final_answer import named_tags
from tt_scale.core.records import Problem
from tt_scale.errors import GeneratorError
from tt_scale.generator.tokens import Tokens

__all__ = ["Choice", "LanguageModel", "chats_of", "lead_in_text", "rendered_first"]

Message = Mapping[str, str]
Rendered = TypeVar("Rendered")

LEAD_IN = "\n\nThe final answer is \\boxed{"


@dataclass(frozen=True, slots=True)
class Choice:
    """Log-probabilities of several next tokens.

    Attributes:
        logprobs: natural logarithm of the probability of each token, at temperature 1 [choices].
        cached: prompt tokens that came from the engine's cache.
    """

    logprobs: tuple[float, ...]
    cached: int = 0


def lead_in_text(final_answer_prefix: str) -> str:
    """A line that ends where a final answer begins."""
    return f"\n\n{final_answer_prefix} " if final_answer_prefix else LEAD_IN


def chats_of(problem: Problem, system_prompt: str) -> list[list[Message]]:
    """Chats that ask a question: first with a system message, then with its text in the first user message."""
    earlier: list[Message] = [{"role": turn.role, "content": turn.content} for turn in problem.turns]
    chat = [*earlier, {"role": "user", "content": problem.question}]
    if not system_prompt:
        return [chat]
    system: Message = {"role": "system", "content": system_prompt}
    first, *others = chat
    return [[system, *chat], [{**first, "content": f"{system_prompt}\n\n{first['content']}"}, *others]]


def rendered_first(chats: Sequence[Sequence[Message]], render: Callable[[Sequence[Message]], Rendered]) -> Rendered:
    """Render the first of several chats that the template takes.

    Raises:
        GeneratorError: it takes none.
    """
    for chat in chats[:-1]:
        with suppress(GeneratorError):
            return render(chat)
    return render(chats[-1])


class LanguageModel(Generator):
    """A generator with a tokenizer.

    Attributes:
        tokens: tokenizer of the model; set by `start`.
    """

    tokens: Tokens

    def prompt(self, problem: Problem, system_prompt: str) -> tuple[int, ...]:
        """Render the chat template once, with the generation prompt, as token ids [length].

        Args:
            problem: problem whose question is the user's turn; a verbatim one is tokenised as it is.
            system_prompt: the system message; empty for none. If the template supports no system message (Gemma), it
                is put before the question in the user's turn.

        Raises:
            GeneratorError: the model has no chat template.
        """
        if problem.verbatim:
            return self.tokens.encode_prompt(problem.question)
        return rendered_first(chats_of(problem, system_prompt), self.tokens.render)

    def check_conversation(self, problem: Problem) -> None:
        """Take earlier turns and verbatim prompts: `prompt` renders both."""

    @property
    def reasoning_tags(self) -> tuple[tuple[str, str], ...]:  # type: ignore[override]
        """Tags around reasoning that occur in the chat template."""
        template = getattr(self.tokens.tokenizer, "chat_template", None)
        return named_tags(template) if isinstance(template, str) else ()

    def lead_in(self, final_answer_prefix: str) -> tuple[int, ...]:
        """Tokenise a line that ends where a final answer begins."""
        return self.tokens.encode(lead_in_text(final_answer_prefix))

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """Give the text that each id adds [length]; joined, they are the text of the whole."""
        return self.tokens.pieces(ids)

    async def require_choices(self) -> None:
        """Check that `choose` works with this model or server; called once, after `start`.

        Raises:
            GeneratorError: `choose` would fail every time.
        """

    @abstractmethod
    async def choose(self, prompts: Sequence[tuple[int, ...]], choices: Sequence[int]) -> list[Choice]:
        """Compute the log-probabilities of several next tokens.

        Args:
            prompts: token ids [prompts][length], none longer than `context`.
            choices: token ids to compare, at most 128 [choices].

        Returns:
            One record for each prompt [prompts], in order.

        Raises:
            GeneratorError: a prompt is too long, or the engine failed.
        """
