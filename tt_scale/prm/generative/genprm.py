"""GenPRM: writes a critique and a verdict for each step, optionally with code that is run in a sandbox."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from tt_scale.errors import PRMError, SandboxError
from tt_scale.prm.adapters.base import Checkpoint
from tt_scale.prm.adapters.chat import rendered
from tt_scale.prm.adapters.plain_text import Part
from tt_scale.prm.generative.base import GenerativePRM
from tt_scale.prm.generative.chain_of_thought import Chain
from tt_scale.sandbox import require_sandbox, run_code

if TYPE_CHECKING:
    from tt_scale.base_classes import Generator
    from tt_scale.config import Config

__all__ = ["GenPRM"]

SYSTEM = "You are a math teacher. Your task is to review and critique the paragraphs in solution step by step."
ANALYSIS_END, OUTPUT = "</analyze>\n", "<output>\n"
CODE, CODE_END = "```python\n", "\n```\n"
VERIFICATION = f"<verify>\nLet's use python code to find any potential error:\n{CODE}"
JUDGEMENT = f"{OUTPUT}**Judgement**: $\\boxed{{"
MOST_ROUNDS = 3
MAX_CRITIQUES = 4096
"""Capacity of the cache of critiques."""

Steps = tuple[str, ...]


class GenPRM(GenerativePRM):
    """GenPRM-1.5B to -70B: each step is a user turn, each critique the answer to it.

    The score is P(Yes) / (P(Yes) + P(No)) at the verdict; the authors continue to generate there and search the text.
    The more likely verdict ends the critique, which is part of the prompt for later steps. Critiques are cached, so
    that a step costs one critique; an evicted one is generated again with the same seed, and counted again.

    Args:
        config: as in `GenerativePRM`.
        generator: as in `GenerativePRM`.
        samples: chains for each step.
        temperature: temperature of the chains.
        chain_tokens: token limit of an analysis, and of each piece of code.
        code: whether the model writes code, which is run in a sandbox (package `sandbox`).
    """

    summary: ClassVar[str] = (
        "GenPRM: analyses the step, on demand with code that it runs, then P(yes) / (P(yes) + P(no))"
    )
    knobs: ClassVar[tuple[str, ...]] = ("samples", "temperature", "chain_tokens", "code")
    source: ClassVar[str] = "Zhao et al. 2025, arXiv 2504.00891; code of GenPRM"
    top_p: ClassVar[float] = 0.95
    top_k: ClassVar[int] = 20
    names: ClassVar[tuple[str, ...]] = ("genprm",)
    own_chain_tokens: ClassVar[int] = 2048

    def __init__(self, config: Config, generator: Generator, *, code: bool = False, **knobs: Any) -> None:
        super().__init__(config, generator, **knobs)
        self._code = code
        self._critiques: OrderedDict[tuple[str, Steps, int], tuple[str, float]] = OrderedDict()

    async def start(self) -> None:
        """Load the model; if it runs code, check the sandbox first.

        Raises:
            PRMError: the sandbox is missing or not safe; other errors as in `GenerativePRM.start`.
        """
        if self._code:
            try:
                await asyncio.to_thread(require_sandbox)
            except SandboxError as error:
                raise PRMError(error.message, f"{error.hint} Or leave `code` out of prm_args.".lstrip()) from None
        await super().start()

    def _begin(self, checkpoint: Checkpoint) -> None:
        self._checkpoint = checkpoint
        self._yes, self._no = self._token("Yes"), self._token("No")
        self._turns(1)  # rejects a template that does not render answers

    def _turns(self, count: int) -> list[str]:
        """Render a chat of `count` turns: the template's text before each turn and each answer [2 x turns]."""
        messages = [{"role": "system", "content": SYSTEM}]
        slots = []
        for number in range(count):
            turn, answer = f"{{turn {number}}}", f"{{answer {number}}}"
            messages += [{"role": "user", "content": turn}, {"role": "assistant", "content": answer}]
            slots += [turn, answer]
        rest = rendered(self._checkpoint, messages, False)
        between = []
        for slot in slots:
            before, match, rest = rest.partition(slot)
            if not match:
                raise PRMError(f"The chat template of {self._checkpoint.name!r} does not render all turns of a chat.")
            between.append(before)
        return between

    def _opening(self, question: str, texts: Sequence[str], earlier: Sequence[str]) -> list[Part]:
        parts = []
        before = iter(self._turns(len(texts)))
        for number, (text, critique) in enumerate(zip(texts, [*earlier, ""], strict=True)):
            turn = text if number else f"Question: {question}\n\n{text}"
            parts += [Part(next(before), ours=True), Part(turn), Part(next(before), ours=True), Part(critique)]
        return parts

    async def _verdicts(
        self, question: str, texts: Sequence[str], known: int, sample: int, chains: list[Chain]
    ) -> list[float]:
        earlier: list[str] = []
        verdicts: list[float] = []
        for end in range(1, len(texts) + 1):
            key = (question, tuple(texts[:end]), sample)
            critique = self._critiques.get(key) if end <= known else None
            if critique is None:
                chain = self._chain(question, texts[:end], sample, earlier)
                chains.append(chain)
                critique = await self._critique(chain, end)
            self._cache(key, critique)
            earlier.append(critique[0])
            verdicts.append(critique[1])
        return verdicts[known:]

    def _cache(self, key: tuple[str, Steps, int], critique: tuple[str, float]) -> None:
        """Cache a critique, and evict the least recently used one if the cache is full."""
        self._critiques[key] = critique
        self._critiques.move_to_end(key)
        if len(self._critiques) > MAX_CRITIQUES:
            self._critiques.popitem(last=False)

    async def _critique(self, chain: Chain, number: int) -> tuple[str, float]:
        """Generate one critique: analysis, code if configured, verdict."""
        critique = [f"<analyze>\nLet's analyze the Paragraph {number} step by step: "]
        chain.add(critique[-1])
        analysis, _ = await chain.write([ANALYSIS_END, OUTPUT], self._chain_tokens)
        chain.add(ANALYSIS_END)
        critique += [analysis, ANALYSIS_END]
        if self._code:
            critique.append(await self._verify_by_code(chain))
        chain.add(JUDGEMENT)
        share = await chain.share(self._yes, self._no)
        critique += [JUDGEMENT, "Yes" if share >= 0.5 else "No", "}$\n</output>\n"]
        return "".join(critique), share

    async def _verify_by_code(self, chain: Chain) -> str:
        """Let the model write code and append its output, for up to `MOST_ROUNDS` rounds; return the whole text."""
        texts = [VERIFICATION]
        chain.add(VERIFICATION)
        writing = CODE  # what the model writes next: code, or prose before the next code
        for _ in range(2 * MOST_ROUNDS - 1):
            stop = [CODE_END, OUTPUT] if writing == CODE else [CODE, OUTPUT]
            written, mark = await chain.write(stop, self._chain_tokens)
            texts.append(written)
            if mark not in (CODE, CODE_END):
                break
            if writing == CODE:
                mark += f"[Code Output]\n\n```\n{(await self._output_of(written)).rstrip()}{CODE_END}"
            chain.add(mark)
            texts.append(mark)
            writing = CODE if writing != CODE else ""
        return "".join(texts)

    async def _output_of(self, code: str) -> str:
        try:
            return (await run_code(code)).text
        except SandboxError as error:
            raise PRMError(error.message, error.hint) from error
