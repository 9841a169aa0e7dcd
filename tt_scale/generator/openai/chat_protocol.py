"""`/v1/chat/completions`: the server renders its own chat template, and a path is the beginning of its answer.

A server that continues the last message when that is the assistant's can be searched step by step; which fields ask
for that is found by `probing`. Others draw whole answers only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from tt_scale.core.records import Problem, StepRequest
from tt_scale.engines.endpoints.openai_client import Route
from tt_scale.errors import GeneratorError
from tt_scale.generator.openai.protocol import Dialect
from tt_scale.generator.openai.text_ids import TextIds
from tt_scale.generator.openai.text_protocol import TextProtocol

__all__ = ["CONTINUATIONS", "ChatProtocol", "Continuation", "chat_body"]

Continuation = tuple[Mapping[str, Any], Mapping[str, Any]]
"""Fields of the request, and of the assistant's message, that ask a server to continue it."""

CONTINUATIONS: tuple[Continuation, ...] = (
    ({"continue_final_message": True, "add_generation_prompt": False}, {}),  # vLLM, SGLang
    ({}, {}),  # llama.cpp, Ollama, LMDeploy
    ({}, {"prefix": True}),  # Mistral, DeepSeek
)

SYSTEM, USER, ANSWER = map(TextIds.mark, range(3))


def chat_body(
    served: str, messages: Sequence[Mapping[str, Any]], answer: str, continuation: Continuation | None
) -> dict[str, Any]:
    """Say what is asked, or continued where the answer has begun.

    Args:
        served: the name of the model on the server.
        messages: before the answer.
        answer: its beginning; empty for none.
        continuation: fields that ask for its continuation; None where the server does not continue.
    """
    if not answer:
        return {"model": served, "messages": [*messages]}
    if continuation is None:
        raise GeneratorError("The server does not continue an answer that has begun.")
    fields, marks = continuation
    return {"model": served, "messages": [*messages, {"role": "assistant", "content": answer, **marks}], **fields}


class ChatProtocol(TextProtocol):
    """Messages go out, text comes back.

    Args:
        served: the name of the model on the server.
        dialect: of the server.
        delimiters: that end a step.
        names_end: whether the server says what ended an answer.
        continuation: fields that ask for an answer's continuation; None where the server does not continue.
    """

    route: ClassVar[Route] = "/chat/completions"

    def __init__(
        self,
        served: str,
        dialect: Dialect,
        delimiters: Sequence[str],
        *,
        names_end: bool,
        continuation: Continuation | None,
    ) -> None:
        super().__init__(served, dialect, delimiters, names_end=names_end)
        self.continues = continuation is not None
        self._continuation = continuation

    def prompt(self, problem: Problem, system_prompt: str) -> tuple[int, ...]:
        """Write the messages as ids: a mark before each, and one before the answer.

        How many tokens they are is a guess until the server counts them.
        """
        system = (SYSTEM, *self.encode(system_prompt)) if system_prompt else ()
        return (*system, USER, *self.encode(problem.question), ANSWER)

    def body(self, request: StepRequest) -> dict[str, Any]:
        """Read the messages and the answer's beginning back out of the ids."""
        ids = request.ids
        answer = ids.index(ANSWER)
        user = ids.index(USER)
        messages = [{"role": "user", "content": self._text(ids[user + 1 : answer])}]
        if user:
            messages.insert(0, {"role": "system", "content": self._text(ids[1:user])})
        return chat_body(self._served, messages, self._text(ids[answer + 1 :]), self._continuation)

    def _text(self, ids: Sequence[int]) -> str:
        return "".join(self.pieces(ids))
