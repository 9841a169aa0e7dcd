"""Generator on vLLM: one request for each child.

Every request has its own seed and ids. `n > 1` is never used: vLLM would seed the children s, s+1, ..., so that
neighbouring paths would draw the same samples.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Any, ClassVar

from tt_scale.config import Config
from tt_scale.core.concurrency import gather_or_cancel
from tt_scale.core.logprobs import TOP_LOGPROBS, confidence
from tt_scale.core.records import Ended, Step, StepRequest
from tt_scale.core.waiting import progressed
from tt_scale.engines.context_length import fitted_to_model
from tt_scale.engines.load_errors import sentence
from tt_scale.engines.model_names import refuse_scorer, resolve_model
from tt_scale.engines.transformers.parameters import parameters_by_settings
from tt_scale.engines.vllm.engine import Engine, engine_args, on_cpu, prepare_vllm
from tt_scale.errors import EngineDeadError, GeneratorError
from tt_scale.generator.language_model import Choice, LanguageModel
from tt_scale.generator.tokens import Tokens

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["VLLMGenerator"]


OWN_ARGUMENTS = {"scheduling_policy": "priority", "logprobs_mode": "raw_logprobs"}
"""Log-probabilities are the model's own: at temperature 1, before penalties and filters."""


class VLLMGenerator(LanguageModel):
    """A causal language model on vLLM.

    Args:
        config: configuration of the run; uses the model's name and the keys for loading models.
    """

    summary: ClassVar[str] = "any causal language model on vLLM, on GPUs or its CPU build; one seed for each child"
    engine: ClassVar[str] = "vllm"
    can_score: ClassVar[bool] = True
    starts_processes: ClassVar[bool] = True
    most_logprobs = TOP_LOGPROBS

    def __init__(self, config: Config) -> None:
        self.context = config.max_model_len or 0  # `start` resolves null
        self._config = config
        self._engine: Engine | None = None
        self._numbers = count()
        self._samples_with_logprobs = False  # whether any request asked for log-probabilities of sampled tokens
        self._choices = 0  # running calls of `choose` in one request for each prompt; the event is set at 0
        self._no_choice = asyncio.Event()
        self._no_choice.set()

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """Create the generator from a configuration; nothing is loaded before `start`."""
        return cls(config)

    async def launch(self) -> bool:
        """On a CPU, load the tokenizer and start the engine's process; on a GPU, `start` does everything.

        Raises:
            GeneratorError: the model cannot be loaded.
            MissingExtraError: vLLM is not installed.
        """
        await asyncio.to_thread(prepare_vllm, f"Running {self._config.model_name!r}")
        if not await asyncio.to_thread(on_cpu):
            return False  # an engine measures the free memory while it starts
        await (await self._made_engine()).launch()
        return True

    async def start(self) -> None:
        """Load tokenizer and model.

        Raises:
            GeneratorError: the model cannot be loaded.
            MissingExtraError: vLLM is not installed.
        """
        await asyncio.to_thread(prepare_vllm, f"Running {self._config.model_name!r}")
        engine = await self._made_engine()
        await engine.start()
        settings = engine.llm.model_config.hf_config.to_dict()
        self.parameters = await asyncio.to_thread(parameters_by_settings, settings)

    async def _made_engine(self) -> Engine:
        """Load the tokenizer and create the engine, unless that is done."""
        if self._engine is not None:
            return self._engine
        model = await asyncio.to_thread(resolve_model, self._config.model_name)
        self._config = config = await asyncio.to_thread(fitted_to_model, self._config, model)
        self.context = config.context
        await asyncio.to_thread(refuse_scorer, model, config.model_name, config.model_revision)
        self.tokens = await asyncio.to_thread(
            Tokens.load, model, trust_remote_code=config.trust_remote_code, revision=config.model_revision
        )
        await asyncio.to_thread(self.tokens.check_template)
        self._engine = Engine(model, lambda: engine_args(config, model, **OWN_ARGUMENTS))
        self._engine.on_output = lambda: progressed(self)
        return self._engine

    def died(self) -> str:
        """Describe how the engine ended unexpectedly; empty while it runs."""
        return self._engine.died() if self._engine is not None else ""

    async def close(self) -> None:
        """Shut down the engine and its processes; a second call does nothing."""
        if self._engine is not None:
            await self._engine.close()

    async def generate(self, requests: Sequence[StepRequest]) -> list[Step]:
        """Sample one continuation for each request, in the order of the requests.

        Cancelling the call aborts its requests in the engine.

        Raises:
            EngineDeadError: the engine cannot serve further requests.
        """
        return await gather_or_cancel([self._sample(request) for request in requests])

    async def choose(self, prompts: Sequence[tuple[int, ...]], choices: Sequence[int]) -> list[Choice]:
        """Compute the log-probabilities of several next tokens; see `LanguageModel.choose`."""
        for prompt in prompts:
            if len(prompt) >= self.context:
                raise GeneratorError(f"A prompt has {len(prompt)} tokens; the context holds {self.context}.")
        if self._samples_with_logprobs or not _has_logprob_token_ids():
            return await gather_or_cancel([self._choose_one_by_one(prompt, choices) for prompt in prompts])
        self._choices += 1
        self._no_choice.clear()
        try:
            return await gather_or_cancel([self._choose_at_once(prompt, choices) for prompt in prompts])
        finally:
            self._choices -= 1
            if not self._choices:
                self._no_choice.set()

    async def _wait_for_choices(self) -> None:
        """Wait for running calls of `choose`, and make later ones use one request for each token.

        If requests with `logprobs` and with `logprob_token_ids` share an engine step, vLLM returns the chosen tokens,
        or token 0, in place of the most likely ones.
        """
        self._samples_with_logprobs = True
        await self._no_choice.wait()

    async def _sample(self, request: StepRequest) -> Step:
        nothing = Step("", (), "context", seed=request.seed, temperature=request.sampling.temperature)
        if len(request.ids) + request.max_tokens > self.context:
            return nothing
        if request.top_logprobs:
            await self._wait_for_choices()
        try:
            answer = await self._ask(request.ids, self._sampling_params(request), request.priority)
        except EngineDeadError:
            raise
        except GeneratorError as error:
            return replace(nothing, ended="error", error=error.message)
        output = answer.outputs[0]
        ids = tuple(output.token_ids)
        ended = _ended(output)
        logprobs, confidences = _logprobs(output, request.top_logprobs)
        return replace(
            nothing,
            text="".join(self.pieces(ids)),
            ids=ids,
            ended=ended,
            cached=answer.num_cached_tokens or 0,
            error=f"vLLM ended the request: {output.finish_reason}." if ended == "error" else "",
            logprobs=logprobs,
            confidences=confidences,
        )

    def _sampling_params(self, request: StepRequest) -> Any:
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        return SamplingParams(
            temperature=request.sampling.temperature,
            top_p=request.sampling.top_p,
            top_k=request.sampling.top_k,
            min_p=request.sampling.min_p,
            repetition_penalty=request.sampling.repetition_penalty,
            max_tokens=request.max_tokens,
            stop=list(request.stop),
            include_stop_str_in_output=True,
            stop_token_ids=sorted(self.tokens.eos_ids),
            seed=request.seed,
            detokenize=bool(request.stop),
            logprobs=request.top_logprobs or None,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )

    async def _choose_at_once(self, prompt: tuple[int, ...], choices: Sequence[int]) -> Choice:
        from vllm import SamplingParams

        params = SamplingParams(max_tokens=1, temperature=0.0, logprob_token_ids=list(choices), detokenize=False)
        answer = await self._ask(prompt, params)
        entries = answer.outputs[0].logprobs[0]
        return Choice(tuple(entries[token].logprob for token in choices), answer.num_cached_tokens or 0)

    async def _choose_one_by_one(self, prompt: tuple[int, ...], choices: Sequence[int]) -> Choice:
        """Score each choice as the last token of a prompt, for versions of vLLM without `logprob_token_ids`."""
        from vllm import SamplingParams

        if len(prompt) + 2 > self.context:
            raise GeneratorError(
                f"A prompt has {len(prompt)} tokens; with two more it must fit into the context of {self.context}."
            )
        params = SamplingParams(max_tokens=1, temperature=0.0, prompt_logprobs=0, detokenize=False)
        answers = await gather_or_cancel([self._ask((*prompt, token), params) for token in choices])
        entries = [answer.prompt_logprobs[-1][token] for answer, token in zip(answers, choices, strict=True)]
        cached = min(answer.num_cached_tokens or 0 for answer in answers)
        return Choice(tuple(entry.logprob for entry in entries), cached)

    async def _ask(self, ids: Sequence[int], params: Any, priority: int = 0) -> Any:
        """Send one request and wait for its end.

        Raises:
            GeneratorError: the request failed.
            EngineDeadError: the engine cannot serve further requests.
        """
        from vllm import TokensPrompt

        assert self._engine is not None, "start() comes first"
        llm = self._engine.llm
        if llm is None:
            raise EngineDeadError("The engine is closed.")
        prompt = TokensPrompt(prompt_token_ids=list(ids))
        number = f"request-{next(self._numbers)}"
        try:
            answers = [answer async for answer in llm.generate(prompt, params, number, priority=priority)]
        except Exception as error:
            if llm.errored:
                raise EngineDeadError(f"The engine died. {self._engine.reason()}".strip()) from error
            raise GeneratorError(f"vLLM refused a request: {sentence(error.__cause__ or error)}") from error
        if not answers:
            raise GeneratorError("vLLM gave no answer to a request.", retryable=True)
        return answers[-1]


def _ended(output: Any) -> Ended:
    """Return why a request ended; `stop_reason` alone is None both for end of sequence and for the token limit."""
    if output.finish_reason == "stop":
        return "stop" if isinstance(output.stop_reason, str) else "eos"
    return "length" if output.finish_reason == "length" else "error"


def _logprobs(output: Any, top_logprobs: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return log-probability and confidence of each token; vLLM adds the sampled token to the most likely ones."""
    if not top_logprobs or not output.token_ids:
        return (), ()
    logprobs = [entries[token].logprob for entries, token in zip(output.logprobs, output.token_ids, strict=True)]
    rows = [[entry.logprob for entry in entries.values()] for entries in output.logprobs]
    return tuple(logprobs), tuple([confidence(row, top_logprobs) for row in rows])


def _has_logprob_token_ids() -> bool:
    from vllm import SamplingParams

    # vLLM 0.20 accepts the first, but returns nothing for it
    return hasattr(SamplingParams, "logprob_token_ids") and hasattr(SamplingParams, "num_logprobs")
