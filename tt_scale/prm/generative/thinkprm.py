"""ThinkPRM: writes a verification of all steps, then scores the solution so far."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from tt_scale.core.concurrency import gather_or_cancel
from tt_scale.prm.adapters.base import Checkpoint
from tt_scale.prm.adapters.chat import QUESTION_SLOT, rendered
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
CHAIN_START = "\nLet's verify step by step:"
VERDICT_QUESTION = "Is the solution correct?"


class ThinkPRM(GenerativePRM):
    """ThinkPRM-1.5B, -7B and -14B, and other models with the same prompt format.

    The chain ends if the model asks whether the solution is correct, closes its reasoning, or continues to a step that
    does not exist. Then the question is appended, and the score is P(" Yes") / (P(" Yes") + P(" No")). The space that
    the authors' search appends to the question is omitted here, because the answer tokens begin with it.

    Args:
        config: as in `GenerativePRM`.
        generator: as in `GenerativePRM`.
        samples: chains for each step.
        temperature: temperature of the chains; the authors' single chains are greedy or at about 0.6.
        chain_tokens: token limit of a chain.
    """

    summary: ClassVar[str] = "ThinkPRM: writes a verification of all steps, then P(yes) / (P(yes) + P(no))"
    source: ClassVar[str] = "Khalifa et al. 2025, arXiv 2504.16828; code of launch/ThinkPRM"
    names: ClassVar[tuple[str, ...]] = ("thinkprm",)
    own_chain_tokens: ClassVar[int] = 4096

    def _begin(self, checkpoint: Checkpoint) -> None:
        self._yes, self._no = self._token(" Yes"), self._token(" No")
        text = rendered(checkpoint, [{"role": "user", "content": QUESTION_SLOT}], True)
        before, _, after = text.partition(QUESTION_SLOT)
        self._before, self._after = Part(before, ours=True), Part(after + CHAIN_START, ours=True)

    def _opening(self, question: str, texts: Sequence[str], earlier: Sequence[str]) -> list[Part]:
        lines = "\n".join(numbered(texts))
        message = f"{OPENING}{question}\n\n[Solution]\n\n{lines}\n\n{REQUEST}"
        return [self._before, Part(message), self._after]

    async def _verdicts(
        self, question: str, texts: Sequence[str], known: int, sample: int, chains: list[Chain]
    ) -> list[float]:
        new = [self._chain(question, texts[:end], sample) for end in range(known + 1, len(texts) + 1)]
        chains += new
        return await gather_or_cancel([self._verdict(chain, known + number) for number, chain in enumerate(new, 1)])

    async def _verdict(self, chain: Chain, steps: int) -> float:
        await chain.write([VERDICT_QUESTION, "</think>", f"Step {steps + 1}:"], self._chain_tokens)
        chain.add(f"\n{VERDICT_QUESTION}")
        return await chain.share(self._yes, self._no)
