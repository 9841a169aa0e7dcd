"""Protocol with token ids in both directions, as vLLM and SGLang support it: equivalent to an in-process engine.

Seeds are sent unchanged; sampled ids are returned, with log-probabilities on request. Nothing is tokenised again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from tt_scale.core.logprobs import confidence
from tt_scale.core.records import Ended, Problem, Step, StepRequest
from tt_scale.engines.endpoints.faults import RequestFault
from tt_scale.engines.endpoints.openai_client import Endpoint, Route
from tt_scale.generator.language_model import LanguageModel
from tt_scale.generator.openai.answers import (
    Counts,
    choice_of,
    counts_of,
    damaged,
    end_of,
    failure,
    ids_in,
    logprobs_by_id,
    logprobs_in,
)
from tt_scale.generator.openai.protocol import Dialect, Protocol, step_of

__all__ = ["TokenProtocol"]


class TokenProtocol(Protocol):
    """Sends and receives token ids.

    Args:
        model: provides tokenizer and chat template.
        served: name of the model on the server.
        dialect: request fields that the server accepts.
    """

    route: ClassVar[Route] = "/completions"

    def __init__(self, model: LanguageModel, served: str, dialect: Dialect) -> None:
        self._model = model
        self._served = served
        self._dialect = dialect

    def prompt(self, problem: Problem, system_prompt: str) -> tuple[int, ...]:
        """Render the chat template to token ids."""
        return LanguageModel.prompt(self._model, problem, system_prompt)

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """Decode token ids."""
        return self._model.tokens.pieces(ids)

    def encode(self, text: str) -> tuple[int, ...]:
        """Tokenise a text."""
        return self._model.tokens.encode(text)

    async def sample(self, endpoint: Endpoint, request: StepRequest) -> Step:
        """Send a request and convert the ids of its response to a step."""
        answer = await endpoint.ask(self.route, self._body(request))
        choice = choice_of(answer)
        ids = ids_in(choice)
        counts = counts_of(answer, "", request.max_tokens)
        self._check(request, ids, counts)
        ended = self._ended(request, choice, ids)
        step = step_of(request, "".join(self.pieces(ids)), ids, ended, prompt=counts.prompt, cached=counts.cached)
        return self._with_logprobs(step, choice, request.top_logprobs)

    def _body(self, request: StepRequest) -> dict[str, Any]:
        body = {"model": self._served, "prompt": list(request.ids), "return_token_ids": True}
        body |= self._dialect.fields(request, wide_seed=True)
        if self._dialect.extras:
            body["stop_token_ids"] = sorted(self._model.tokens.eos_ids)
        if request.top_logprobs:
            body |= {"logprobs": request.top_logprobs, "return_tokens_as_token_ids": True}
        return body

    def _check(self, request: StepRequest, ids: tuple[int, ...], counts: Counts) -> None:
        """Reject a response that is incomplete, or belongs to another prompt."""
        if not 1 <= len(ids) <= request.max_tokens:
            raise damaged(f"has {len(ids)} tokens; expected 1 to {request.max_tokens}")
        if counts.generated not in (None, len(ids)):
            raise damaged(f"has {len(ids)} tokens but reports {counts.generated}")
        if counts.prompt not in (None, len(request.ids)):
            raise damaged(f"reports {counts.prompt} tokens for a prompt of {len(request.ids)}")

    def _ended(self, request: StepRequest, choice: Mapping[str, Any], ids: tuple[int, ...]) -> Ended:
        """Determine why a response ended, by its last token if the server does not report it."""
        end = end_of(choice, request.stop)
        if end.ending == "failed":
            raise failure(end.reason)
        if end.ending == "length" and len(ids) < request.max_tokens:
            raise RequestFault(
                "refused",
                f"The server ended an answer after {len(ids)} tokens with max_tokens {request.max_tokens}: it has a "
                "limit of its own. vLLM reads one from generation_config.json unless it is started with "
                "--generation-config vllm.",
            )
        if end.ending == "unknown":
            return "eos" if ids[-1] in self._model.tokens.eos_ids else "stop"
        return end.ending

    def _with_logprobs(self, step: Step, choice: Mapping[str, Any], top_logprobs: int) -> Step:
        if not top_logprobs:
            return step
        own, likeliest = logprobs_in(choice, "token_logprobs"), logprobs_in(choice, "top_logprobs")
        if not len(own) == len(likeliest) == len(step.ids):
            raise damaged(f"has {len(own)} log-probabilities for {len(step.ids)} tokens")
        confidences = [confidence(list(logprobs_by_id(each).values()), top_logprobs) for each in likeliest]
        return replace(step, logprobs=tuple(map(float, own)), confidences=tuple(confidences))
