"""Qwen2.5-Math-PRM on vLLM, computing only the new step.

Pooling type ALL gives a row for every token that was computed; read with an index from the end, the rows do not care
how much of the prompt came from the prefix cache. Never pooling type STEP: with cache reading it kills the engine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import count
from typing import TYPE_CHECKING, Any, ClassVar

from tt_scale.base_classes import PRM, Generator, Problem, Scores
from tt_scale.errors import EngineDeadError, PRMError
from tt_scale.generator.tokens import Tokens
from tt_scale.model_names import resolve_model
from tt_scale.path import Path
from tt_scale.prm.qwen_math import QwenMathProtocol, context_of, read_model_config
from tt_scale.vllm_engine import Engine, engine_args, prepare_vllm

if TYPE_CHECKING:
    from typing_extensions import Self

    from tt_scale.config import Config

__all__ = ["VLLMPRM"]


class VLLMPRM(PRM):
    """A checkpoint of the Qwen2.5-Math-PRM architecture in a vLLM engine of its own.

    Args:
        config: of the run; read are `prm_name`, `prm_gpu_mem_util`, `stop_tokens` and how to load a model.
    """

    summary: ClassVar[str] = "Qwen2.5-Math-PRM and its like on vLLM; only the new step is computed"

    def __init__(self, config: Config) -> None:
        self._config = config
        self._engine: Engine | None = None
        self._numbers = count()

    @classmethod
    def from_config(cls, config: Config, generator: Generator) -> Self:
        """Make one as a configuration says; nothing is loaded before `start`."""
        return cls(config)

    async def start(self) -> None:
        """Load tokenizer and weights.

        Raises:
            PRMError: the folder holds another model.
            GeneratorError: vLLM cannot start it.
            MissingExtraError: vLLM is not installed.
        """
        config = self._config
        await asyncio.to_thread(prepare_vllm, f"Scoring with {config.prm_name!r}")
        name = await asyncio.to_thread(resolve_model, config.prm_name)
        settings = await asyncio.to_thread(read_model_config, name, config.prm_name)
        context = context_of(settings)
        tokens = await asyncio.to_thread(Tokens.load, name)
        self._protocol = QwenMathProtocol(tokens, config.stop_tokens, context)
        self.parameters = _count_parameters(settings)
        self._engine = Engine(name, lambda: _engine_args(config, name, context))
        await self._engine.start()

    async def close(self) -> None:
        """End the engine and its processes; a second call does nothing."""
        if self._engine is not None:
            await self._engine.close()

    async def score(self, problem: Problem, paths: Sequence[Path]) -> list[Scores]:
        """Score the new steps of each path; what an earlier step put into the cache is not computed again."""
        return list(await asyncio.gather(*[self._score(problem, path) for path in paths]))

    async def _score(self, problem: Problem, path: Path) -> Scores:
        reading = self._protocol.read(problem, path)
        values, tokens, cached = await self._rows(reading.ids, reading.positions)
        hidden = [position for position in reading.positions if position not in values]
        # The first steps of a whole solution may have been in the cache: prompts that end at those tags show them.
        for found, more, hits in await asyncio.gather(
            *[self._rows(reading.ids[: position + 1], (position,)) for position in hidden]
        ):
            values |= found
            tokens, cached = tokens + more, cached + hits
        return Scores(reading.checked([values[position] for position in reading.positions]), tokens, cached)

    async def _rows(self, ids: tuple[int, ...], positions: Sequence[int]) -> tuple[dict[int, float], int, int]:
        """Read what was computed of some positions: position -> score, prompt tokens, cached tokens."""
        answer = await self._ask(ids)
        rows, cached = answer.outputs.data, answer.num_cached_tokens or 0
        if len(rows) != len(ids) - cached:
            raise PRMError(f"The engine gave {len(rows)} rows for {len(ids)} tokens of which {cached} were cached.")
        values = {position: float(rows[position - len(ids)][1]) for position in positions if position >= cached}
        if positions[-1] not in values:
            raise PRMError("The engine gave no row for the last token of a prompt, which it always computes.")
        return values, len(ids), cached

    async def _ask(self, ids: tuple[int, ...]) -> Any:
        from vllm import PoolingParams, TokensPrompt

        assert self._engine is not None, "start() comes first"
        llm = self._engine.llm
        if llm is None:
            raise EngineDeadError("The PRM's engine is closed.")
        params = PoolingParams(task="token_classify", skip_reading_prefix_cache=False)
        prompt = TokensPrompt(prompt_token_ids=list(ids))
        number = f"score-{next(self._numbers)}"
        try:
            answers = [answer async for answer in llm.encode(prompt, params, number)]
        except Exception as error:
            if llm.errored:
                raise EngineDeadError(f"The PRM's engine died. {self._engine.reason()}".strip()) from error
            raise PRMError(f"vLLM refused to score: {' '.join(str(error.__cause__ or error).split())}") from error
        if not answers:
            raise PRMError("vLLM gave no answer to a scoring request.")
        return answers[-1]


def _engine_args(config: Config, name: str, context: int) -> Any:
    from vllm.config import PoolerConfig

    return engine_args(
        config,
        name,
        runner="pooling",
        quantization=None,  # the key speaks of the generator's weights
        gpu_memory_utilization=config.prm_gpu_mem_util,
        max_model_len=context,
        max_num_batched_tokens=max(context, 8192),
        pooler_config=PoolerConfig(task="token_classify", tok_pooling_type="ALL"),
    )


def _count_parameters(settings: dict[str, Any]) -> int:
    """Count the parameters of a Qwen2 by its sizes, for the FLOP estimate."""
    width, layers = int(settings["hidden_size"]), int(settings["num_hidden_layers"])
    heads = int(settings["num_attention_heads"])
    shared = int(settings.get("num_key_value_heads") or heads) * (width // heads)
    attention = width * width * 2 + width * shared * 2
    return layers * (attention + 3 * width * int(settings["intermediate_size"])) + width * int(settings["vocab_size"])
