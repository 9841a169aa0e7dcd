"""Token ids both ways, as vLLM and SGLang offer: what comes back is what an engine in this process would give.

The request's seed goes out as it is, the sampled ids come back, and with them log-probabilities where they are asked
for. Nothing is tokenised twice.
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
    """Prompts and answers are token ids.

    Args:
        model: its tokenizer and chat template.
        served: the name of the model on the server.
        dialect: of the server.
    """

    route: ClassVar[Route] = "/completions"

    def __init__(self, model: LanguageModel, served: str, dialect: Dialect) -> None:
        self._model = model
        self._served = served
        self._dialect = dialect

    def prompt(self, problem: Problem, system_prompt: str) -> tuple[int, ...]:
        """Render the chat template here."""
        return LanguageModel.prompt(self._model, problem, system_prompt)

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """Decode here."""
        return self._model.tokens.pieces(ids)

    def encode(self, text: str) -> tuple[int, ...]:
        """Tokenise here."""
        return self._model.tokens.encode(text)

    async def sample(self, endpoint: Endpoint, request: StepRequest) -> Step:
        """Send ids, get ids."""
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
        """Refuse an answer that is not whole, or is to another prompt."""
        if not 1 <= len(ids) <= request.max_tokens:
            raise damaged(f"has {len(ids)} tokens where 1 to {request.max_tokens} were asked for")
        if counts.generated not in (None, len(ids)):
            raise damaged(f"has {len(ids)} tokens and counts {counts.generated}")
        if counts.prompt not in (None, len(request.ids)):
            raise damaged(f"counts {counts.prompt} tokens of a prompt of {len(request.ids)}")

    def _ended(self, request: StepRequest, choice: Mapping[str, Any], ids: tuple[int, ...]) -> Ended:
        """Say why it ended; where the server does not, its last token does."""
        end = end_of(choice, request.stop)
        if end.ending == "failed":
            raise failure(end.reason)
        if end.ending == "length" and len(ids) < request.max_tokens:
            raise RequestFault(
                "refused",
                f"The server ended an answer after {len(ids)} tokens where {request.max_tokens} were asked for: a "
                "limit of its own. vLLM takes one from generation_config.json unless it is started with "
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
            raise damaged(f"has {len(own)} log-probabilities of {len(step.ids)} tokens")
        sure = [confidence(list(logprobs_by_id(each).values()), top_logprobs) for each in likeliest]
        return replace(step, logprobs=tuple(map(float, own)), confidences=tuple(sure))
