"""What a server can do, as `probing` found it."""

from __future__ import annotations

from dataclasses import dataclass

from tt_scale.engines.endpoints.openai_client import Route
from tt_scale.generator.openai.chat_protocol import Continuation
from tt_scale.generator.openai.protocol import Dialect

__all__ = ["Abilities"]


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a server can do; equal servers have equal ones.

    Attributes:
        route: at which it is asked.
        dialect: the fields that it takes.
        takes_ids: whether a prompt may be token ids.
        returns_ids: whether it returns the sampled token ids.
        adds_beginning: whether it puts a beginning-of-sequence token before a text.
        names_end: whether it says which of a stop string and the model ended an answer.
        continuation: fields that ask it to continue an answer; None on `/completions`, and where it does not.
        no_steps: why a path cannot be grown from its middle; empty where it can.
        counts: whether it says how many tokens an answer has.
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
        """The route, whether token ids come back, and whether steps can be searched."""
        ids = "token ids both ways" if self.returns_ids else "token ids in prompts" if self.takes_ids else "text alone"
        return f"{self.route}, {ids}, {'no steps' if self.no_steps else 'steps'}"
