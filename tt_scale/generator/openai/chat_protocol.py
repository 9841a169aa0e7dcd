"""Protocol of `/v1/chat/completions`: the server applies its own chat template; a path is a partial assistant message.

A server that continues an assistant message at the end supports step-by-step search; `chat_probing` determines the
fields that request this. Others only sample whole answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, ClassVar

from tt_scale.core.records import Problem, StepRequest
from tt_scale.engines.endpoints.openai_client import Route
from tt_scale.errors import GeneratorError, PromptError
from tt_scale.generator.openai.protocol import Dialect
from tt_scale.generator.openai.text_ids import mark_id
from tt_scale.generator.openai.text_protocol import TextProtocol

__all__ = ["CONTINUATIONS", "ChatProtocol", "Continuation", "chat_body"]

Continuation = tuple[Mapping[str, Any], Mapping[str, Any]]
"""Fields of the request and of the assistant message that make a server continue the message."""

CONTINUATIONS: tuple[Continuation, ...] = (
    ({"continue_final_message": True, "add_generation_prompt": False}, {}),  # vLLM, SGLang
    ({}, {}),  # llama.cpp, Ollama, LMDeploy
    ({}, {"prefix": True}),  # Mistral, DeepSeek
)

SYSTEM, USER, ANSWER, ASSISTANT = map(mark_id, range(4))
ROLES = {SYSTEM: "system", USER: "user", ASSISTANT: "assistant"}
MARKS = {role: mark for mark, role in ROLES.items()}


def chat_body(
    served: str, messages: Sequence[Mapping[str, Any]], answer: str, continuation: Continuation | None
) -> dict[str, Any]:
    """Build the body of a request for an answer, or for the continuation of a partial one.

    Args:
        served: name of the model on the server.
        messages: messages before the answer.
        answer: partial answer; empty for none.
        continuation: fields that request its continuation; None if the server does not support it.
    """
    if not answer:
        return {"model": served, "messages": [*messages]}
    if continuation is None:
        raise GeneratorError("The server does not continue a partial answer.")
    fields, marks = continuation
    return {"model": served, "messages": [*messages, {"role": "assistant", "content": answer, **marks}], **fields}


class ChatProtocol(TextProtocol):
    """Sends messages and receives text.

    Args:
        served: name of the model on the server.
        dialect: request fields that the server accepts.
        delimiters: strings that end a step.
        names_end: whether the server reports what ended a response.
        continuation: fields that request the continuation of an answer; None if the server does not support it.
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
        """Encode the messages as ids: a mark before each, and one before the answer.

        Their number is an estimate until the server reports the prompt's token count.
        """
        said = [(turn.role, turn.content) for turn in problem.turns] + [("user", problem.question)]
        if system_prompt:
            said.insert(0, ("system", system_prompt))
        return (*[token for role, text in said for token in self._message(role, text)], ANSWER)

    def body(self, request: StepRequest) -> dict[str, Any]:
        """Decode the messages and the partial answer from the ids."""
        ids = request.ids
        answer = ids.index(ANSWER)
        starts = [place for place in range(answer) if ids[place] in ROLES]
        messages = [
            {"role": ROLES[ids[start]], "content": self._text(ids[start + 1 : end])}
            for start, end in pairwise([*starts, answer])
        ]
        return chat_body(self._served, messages, self._text(ids[answer + 1 :]), self._continuation)

    def _message(self, role: str, text: str) -> tuple[int, ...]:
        if role not in MARKS:
            raise PromptError(f"A message has the role {role!r}.", f"Allowed: {', '.join(MARKS)}.")
        return (MARKS[role], *self.encode(text))

    def _text(self, ids: Sequence[int]) -> str:
        return "".join(self.pieces(ids))
