"""What the ways of asking a server share: the fields that say how to sample, and the contract of a way."""

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
"""Seeds of servers that are not known to take more are below this."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """Which fields of a request a server takes.

    Attributes:
        extras: top_k, min_p and repetition_penalty, which OpenAI's own servers refuse.
        limit: what the field is called that says how many tokens may be generated.
        stream_usage: whether a stream ends with the counts of the whole answer where that is asked for.
    """

    extras: bool = True
    limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    stream_usage: bool = True

    def fields(self, request: StepRequest, *, stop: bool = True, wide_seed: bool = False) -> dict[str, Any]:
        """Say how to sample, with nothing left to the server's defaults.

        Args:
            request: what to draw.
            stop: whether the server cuts at stop strings.
            wide_seed: whether seeds of 48 bits are passed on as they are.
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
            fields |= {} if penalty == 1 else {"repeat_penalty": penalty}  # as llama.cpp calls it
        return fields


class Protocol(ABC):
    """A way of asking a server.

    Attributes:
        route: that it asks at.
        continues: whether a path can be grown from its middle.
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
        """Give the ids of a text that is put behind a path [length]."""

    @abstractmethod
    async def sample(self, endpoint: Endpoint, request: StepRequest) -> Step:
        """Draw one continuation.

        Raises:
            RequestFault: the request failed, or its answer cannot be right.
        """


def require_plain_sampling(dialect: Dialect, sampling: Mapping[str, float], url: str) -> None:
    """Refuse settings that a server cannot be told.

    Args:
        dialect: of the server.
        sampling: top_k, min_p and repetition_penalty of the configuration.
        url: of the server, for the message.

    Raises:
        ConfigError: one of them is on.
    """
    off = {"top_k": 0, "min_p": 0, "repetition_penalty": 1}
    on = [key for key, value in sampling.items() if value != off[key]]
    if on and not dialect.extras:
        raise ConfigError(
            f"{on[0]} is {sampling[on[0]]}, and the server at {url} refuses a request that holds it.",
            f"Leave out --{on[0].replace('_', '-')}.",
        )


def step_of(
    request: StepRequest, text: str, ids: tuple[int, ...], ended: Ended, *, prompt: int | None = None, cached: int = 0
) -> Step:
    """Make the step that answers a request; `prompt` tokens are as the server counted them."""
    return Step(text, ids, ended, request.seed, request.sampling.temperature, cached=cached, prompt_tokens=prompt or 0)
