"""vLLM as generator: one request for each child, in an engine of its own.

Every request has its own seed and its own ids. `n > 1` is never used: it would seed the children s, s+1, ..., and
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
    """A language model that vLLM runs.

    Args:
        config: of the run; read are the model's name and how to load it.
    """

    summary: ClassVar[str] = "any causal language model on vLLM, on GPUs or its CPU build; one seed for each child"
    engine: ClassVar[str] = "vllm"
    can_score: ClassVar[bool] = True
    starts_processes: ClassVar[bool] = True
    most_logprobs = TOP_LOGPROBS

    def __init__(self, config: Config) -> None:
        self.context = config.max_model_len or 0  # `start` looks up what null stands for
        self._config = config
        self._engine: Engine | None = None
        self._numbers = count()
        self._samples_told = False  # whether anybody asked for log-probabilities of what is sampled
        self._choices = 0  # calls that ask for chosen tokens at once, and whether there is none
        self._no_choice = asyncio.Event()
        self._no_choice.set()

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """Make one as a configuration says; nothing is loaded before `start`."""
        return cls(config)

    async def launch(self) -> bool:
        """On a CPU, load the tokenizer and start the engine's process; on a GPU, `start` does everything.

        Raises:
            GeneratorError: the model cannot be loaded.
            MissingExtraError: vLLM is not installed.
        """
        await asyncio.to_thread(prepare_vllm, f"Running {self._config.model_name!r}")
        if not await asyncio.to_thread(on_cpu):
            return False  # an engine measures what memory is free while it starts
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
        """Load the tokenizer and make the engine, where that was not done yet."""
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
        """Say how the engine ended that nobody closed; empty while it runs."""
        return self._engine.died() if self._engine is not None else ""

    async def close(self) -> None:
        """End the engine and its processes; a second call does nothing."""
        if self._engine is not None:
            await self._engine.close()

    async def generate(self, requests: Sequence[StepRequest]) -> list[Step]:
        """Sample one continuation for each request, in the order of the requests.

        Cancelling the call aborts its requests in the engine.

        Raises:
            EngineDeadError: no request can be served any more.
        """
        return await gather_or_cancel([self._sample(request) for request in requests])

    async def choose(self, prompts: Sequence[tuple[int, ...]], choices: Sequence[int]) -> list[Choice]:
        """Ask how likely each of several tokens is to come next; see `LanguageModel.choose`."""
        for prompt in prompts:
            if len(prompt) >= self.context:
                raise GeneratorError(f"A prompt has {len(prompt)} tokens; the context holds {self.context}.")
        if self._samples_told or not _has_logprob_token_ids():
            return await gather_or_cancel([self._choose_one_by_one(prompt, choices) for prompt in prompts])
        self._choices += 1
        self._no_choice.clear()
        try:
            return await gather_or_cancel([self._choose_at_once(prompt, choices) for prompt in prompts])
        finally:
            self._choices -= 1
            if not self._choices:
                self._no_choice.set()

    async def _apart_from_choices(self) -> None:
        """Once log-probabilities of samples are asked for, those of chosen tokens are not asked for at once any more.

        Where both share a step of the engine, vLLM gives the chosen tokens, or token 0, in place of the likeliest.
        """
        self._samples_told = True
        await self._no_choice.wait()

    async def _sample(self, request: StepRequest) -> Step:
        nothing = Step("", (), "context", seed=request.seed, temperature=request.sampling.temperature)
        if len(request.ids) + request.max_tokens > self.context:
            return nothing
        if request.top_logprobs:
            await self._apart_from_choices()
        try:
            answer = await self._ask(request.ids, self._sampling_params(request), request.priority)
        except EngineDeadError:
            raise
        except GeneratorError as error:
            return replace(nothing, ended="error", error=error.message)
        output = answer.outputs[0]
        ids = tuple(output.token_ids)
        ended = _ended(output)
        logprobs, confidences = _told(output, request.top_logprobs)
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

        asked = SamplingParams(max_tokens=1, temperature=0.0, logprob_token_ids=list(choices), detokenize=False)
        answer = await self._ask(prompt, asked)
        found = answer.outputs[0].logprobs[0]
        return Choice(tuple(found[token].logprob for token in choices), answer.num_cached_tokens or 0)

    async def _choose_one_by_one(self, prompt: tuple[int, ...], choices: Sequence[int]) -> Choice:
        """Read each choice as the last token of a prompt: for a vLLM that cannot be asked for chosen tokens."""
        from vllm import SamplingParams

        if len(prompt) + 2 > self.context:
            raise GeneratorError(f"A prompt has {len(prompt)} tokens; the context of {self.context} holds two more.")
        asked = SamplingParams(max_tokens=1, temperature=0.0, prompt_logprobs=0, detokenize=False)
        answers = await gather_or_cancel([self._ask((*prompt, token), asked) for token in choices])
        found = [answer.prompt_logprobs[-1][token] for answer, token in zip(answers, choices, strict=True)]
        return Choice(tuple(entry.logprob for entry in found), min(answer.num_cached_tokens or 0 for answer in answers))

    async def _ask(self, ids: Sequence[int], params: Any, priority: int = 0) -> Any:
        """Send one request and wait for its end.

        Raises:
            GeneratorError: this request failed.
            EngineDeadError: all will.
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
    """Say why a request ended: `stop_reason` alone is None for the end of the sequence and for the limit."""
    if output.finish_reason == "stop":
        return "stop" if isinstance(output.stop_reason, str) else "eos"
    return "length" if output.finish_reason == "length" else "error"


def _told(output: Any, top_logprobs: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Give the log-probability of each token and the confidence there; vLLM adds the drawn token to the likeliest."""
    if not top_logprobs or not output.token_ids:
        return (), ()
    logprobs = [found[token].logprob for found, token in zip(output.logprobs, output.token_ids, strict=True)]
    each = [[entry.logprob for entry in found.values()] for found in output.logprobs]
    return tuple(logprobs), tuple([confidence(told, top_logprobs) for told in each])


def _has_logprob_token_ids() -> bool:
    from vllm import SamplingParams

    # vLLM 0.20 takes the first, and answers with nothing
    return hasattr(SamplingParams, "logprob_token_ids") and hasattr(SamplingParams, "num_logprobs")
