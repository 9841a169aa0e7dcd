"""Features of a server, as determined by `probing`."""

from __future__ import annotations

from dataclasses import dataclass

from tt_scale.engines.endpoints.openai_client import Route
from tt_scale.generator.openai.chat_protocol import Continuation
from tt_scale.generator.openai.protocol import Dialect

__all__ = ["Abilities"]


@dataclass(frozen=True, slots=True)
class Abilities:
    """Features of a server; equal servers have equal features.

    Attributes:
        route: route of the requests.
        dialect: request fields that it accepts.
        takes_ids: whether it accepts token ids as prompt.
        returns_ids: whether it returns the sampled token ids.
        adds_beginning: whether it prepends a beginning-of-sequence token to a text.
        names_end: whether it reports if a stop string or the model ended a response.
        continuation: fields that make it continue a partial answer; None on `/completions`, and if it cannot.
        no_steps: why it cannot extend partial paths; empty if it can.
        counts: whether it reports the number of generated tokens.
    """

    route: Route
    dialect: Dialect
    takes_ids: bool = False
    returns_ids: bool = False
    adds_beginning: bool = False
    names_end: bool = False
    continuation: Continuation | None = None
    no_steps: str = ""
    counts: bool = True

    @property
    def in_words(self) -> str:
        """Summary for messages: the route, the use of token ids, and whether it supports step-by-step search."""
        ids = "token ids both ways" if self.returns_ids else "token ids in prompts" if self.takes_ids else "text alone"
        return f"{self.route}, {ids}, {'no steps' if self.no_steps else 'steps'}"
