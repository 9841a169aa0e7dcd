"""ThinkPRM: a chain of verification, then the probability that the solution so far is correct."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from tt_scale.core.concurrency import gather_or_cancel
from tt_scale.prm.adapters.base import Checkpoint
from tt_scale.prm.adapters.chat import PLACE, rendered
from tt_scale.prm.adapters.plain_text import Part
from tt_scale.prm.generative.base import GenerativePRM
from tt_scale.prm.generative.chain_of_thought import Chain
from tt_scale.prm.implicit.spans import numbered

__all__ = ["ThinkPRM"]

OPENING = "You are given a math problem and a proposed step-by-step solution:\n\n[Math Problem]\n\n"
REQUEST = (
    "Review and critique each step in the proposed solution to determine whether each step is correct. "
    "If the solution is incomplete, only verify the provided steps."
)
BEGINNING = "\nLet's verify step by step:"
ASKED = "Is the solution correct?"


class ThinkPRM(GenerativePRM):
    """ThinkPRM-1.5B, -7B and -14B, and any model that is asked in their way.

    The chain ends where the model asks whether the solution is correct, closes its thoughts, or goes on to a step that
    is not there. Then the question is put, and the score is P(" Yes") / (P(" Yes") + P(" No")). The space that the
    authors' search puts behind the question is left to the answer, whose token begins with it.

    Args:
        config: as of `GenerativePRM`.
        generator: likewise.
        samples: chains about each step.
        temperature: of the chains; the authors' single chains are greedy or at about 0.6.
        chain_tokens: most tokens of a chain.
    """

    summary: ClassVar[str] = "ThinkPRM: writes a verification of all steps, then P(yes) / (P(yes) + P(no))"
    source: ClassVar[str] = "Khalifa et al. 2025, arXiv 2504.16828; code of launch/ThinkPRM"
    names: ClassVar[tuple[str, ...]] = ("thinkprm",)
    own_chain_tokens: ClassVar[int] = 4096

    def _begin(self, checkpoint: Checkpoint) -> None:
        self._yes, self._no = self._token(" Yes"), self._token(" No")
        text = rendered(checkpoint, [{"role": "user", "content": PLACE}], True)
        before, _, after = text.partition(PLACE)
        self._before, self._after = Part(before, ours=True), Part(after + BEGINNING, ours=True)

    def _opening(self, question: str, texts: Sequence[str], earlier: Sequence[str]) -> list[Part]:
        lines = "\n".join(numbered(texts))
        asked = f"{OPENING}{question}\n\n[Solution]\n\n{lines}\n\n{REQUEST}"
        return [self._before, Part(asked), self._after]

    async def _verdicts(
        self, question: str, texts: Sequence[str], known: int, sample: int, chains: list[Chain]
    ) -> list[float]:
        own = [self._chain(question, texts[:end], sample) for end in range(known + 1, len(texts) + 1)]
        chains += own
        return await gather_or_cancel([self._verdict(chain, known + number) for number, chain in enumerate(own, 1)])

    async def _verdict(self, chain: Chain, steps: int) -> float:
        await chain.write([ASKED, "</think>", f"Step {steps + 1}:"], self._chain_tokens)
        chain.add(f"\n{ASKED}")
        return await chain.share(self._yes, self._no)
