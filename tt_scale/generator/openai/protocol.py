"""Base class of the protocols, and the request fields for sampling."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from tt_scale.core.records import Ended, Problem, Step, StepRequest
from tt_scale.engines.endpoints.openai_client import Endpoint, Route
from tt_scale.errors import ConfigError

__all__ = ["Dialect", "Protocol", "require_plain_sampling", "step_of"]

NARROW_SEED = 2**31
"""Upper bound of seeds for servers that may not accept larger ones."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """Request fields that a server accepts.

    Attributes:
        extras: whether it accepts top_k, min_p and repetition_penalty, which OpenAI's own servers reject.
        limit: name of the field that limits the number of generated tokens.
        stream_usage: whether it accepts the option to end a stream with the token counts.
    """

    extras: bool = True
    limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    stream_usage: bool = True

    def fields(self, request: StepRequest, *, stop: bool = True, wide_seed: bool = False) -> dict[str, Any]:
        """Sampling fields of a request; all are explicit, none is left to the server's defaults.

        Args:
            request: the request.
            stop: whether to send the stop strings.
            wide_seed: whether the server accepts seeds of 48 bits.
        """
        sampling = request.sampling
        fields: dict[str, Any] = {
            self.limit: request.max_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "seed": request.seed if wide_seed else request.seed % NARROW_SEED,
        }
        if stop and request.stop:
            fields["stop"] = list(request.stop)
        if self.extras:
            penalty = sampling.repetition_penalty
            fields |= {"top_k": sampling.top_k or -1, "min_p": sampling.min_p, "repetition_penalty": penalty}
            fields |= {} if penalty == 1 else {"repeat_penalty": penalty}  # its name in llama.cpp
        return fields


class Protocol(ABC):
    """Base class of protocols: how requests and responses are encoded.

    Attributes:
        route: route of the requests.
        continues: whether partial paths can be extended.
    """

    route: ClassVar[Route]
    continues: bool = True

    @abstractmethod
    def prompt(self, problem: Problem, system_prompt: str) -> tuple[int, ...]:
        """As `Generator.prompt`."""

    @abstractmethod
    def pieces(self, ids: Sequence[int]) -> list[str]:
        """As `Generator.pieces`."""

    @abstractmethod
    def encode(self, text: str) -> tuple[int, ...]:
        """Encode a text that is appended to a path [length]."""

    @abstractmethod
    async def sample(self, endpoint: Endpoint, request: StepRequest) -> Step:
        """Sample one continuation.

        Raises:
            RequestFault: the request failed, or its response is inconsistent.
        """


def require_plain_sampling(dialect: Dialect, sampling: Mapping[str, float], url: str) -> None:
    """Reject sampling parameters that a server does not accept.

    Args:
        dialect: request fields that the server accepts.
        sampling: top_k, min_p and repetition_penalty of the configuration.
        url: address of the server, for the message.

    Raises:
        ConfigError: one of them is set, and the server does not accept it.
    """
    off = {"top_k": 0, "min_p": 0, "repetition_penalty": 1}
    on = [key for key, value in sampling.items() if value != off[key]]
    if on and not dialect.extras:
        raise ConfigError(
            f"{on[0]} is {sampling[on[0]]}, but the server at {url} rejects requests with {on[0]}.",
            f"Omit --{on[0].replace('_', '-')}.",
        )


def step_of(
    request: StepRequest, text: str, ids: tuple[int, ...], ended: Ended, *, prompt: int | None = None, cached: int = 0
) -> Step:
    """Construct the step for a request; `prompt` is the number of prompt tokens that the server reported."""
    return Step(text, ids, ended, request.seed, request.sampling.temperature, cached=cached, prompt_tokens=prompt or 0)
