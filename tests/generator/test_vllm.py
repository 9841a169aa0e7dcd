"""The vLLM generator with a real engine and the shipped model, on whatever this machine has."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

pytest.importorskip("vllm")
pytest.importorskip("psutil")

from engines import CONTEXT, alive, descendants, small
from margins import assert_decided
from pocket_pair import CONFIG, PROBLEMS, assert_likelihoods, assert_same_solutions, opened, sampled

from tt_scale.base_classes import Sampling, Step, StepRequest
from tt_scale.config import Config
from tt_scale.core.segmentation import split_steps
from tt_scale.errors import ConfigError, GeneratorError
from tt_scale.generator.huggingface import HuggingFaceGenerator
from tt_scale.generator.vllm import VLLMGenerator
from tt_scale.pocket.problems import as_problem
from tt_scale.pocket.weights import model_folder

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),  # of vLLM's own imports
]

GREEDY = Sampling(temperature=0.0)
SHORT, LONG, LONGEST = [as_problem(PROBLEMS[number]) for number in (0, 9, 19)]
"""Questions of 32, 56 and 93 tokens, which are solved in three steps and more."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def generator() -> AsyncIterator[VLLMGenerator]:
    shared = VLLMGenerator.from_config(small())
    await shared.start()
    engines = descendants(os.getpid())
    try:
        yield shared
        assert alive(engines)
    finally:
        await shared.close()
        await shared.close()
    assert not alive(engines, patience=10), "an engine outlived close()"


def request(ids: tuple[int, ...], **changes: Any) -> StepRequest:
    return replace(StepRequest(ids, GREEDY, ("\n\n",), 60, seed=1), **changes)


async def one(generator: VLLMGenerator, asked: StepRequest) -> Step:
    [step] = await generator.generate([asked])
    if asked.sampling.temperature == 0:
        assert_decided(model_folder("pocket-gen"), [asked], [step])
    return step


async def test_step_ends_with_the_token_that_completes_the_delimiter(generator: VLLMGenerator) -> None:
    """Cutting the text but not the ids makes a search continue from other tokens than it scored."""
    step = await one(generator, request(generator.prompt(LONG, ""), max_tokens=200))
    pieces = generator.pieces(step.ids)
    assert step.ended == "stop"
    assert step.text == "".join(pieces)
    assert "\n\n" in step.text
    assert "\n\n" not in "".join(pieces[:-1])


async def test_delimiter_inside_a_token(generator: VLLMGenerator) -> None:
    """A token that goes on behind the delimiter belongs to the step whole, or it is sampled again for ever."""
    whole = await one(generator, request(generator.prompt(LONG, ""), stop=(), max_tokens=12))
    longest = max(generator.pieces(whole.ids), key=len)
    step = await one(generator, request(generator.prompt(LONG, ""), stop=(longest[1:3],), max_tokens=12))
    assert step.ended == "stop"
    assert step.ids == whole.ids[: len(step.ids)]
    assert step.text == "".join(generator.pieces(step.ids))
    assert longest[1:3] in step.text
    assert not step.text.endswith(longest[1:3])


async def test_greedy_step_by_step_equals_one_run(generator: VLLMGenerator) -> None:
    """The ids are the state: steps that are re-tokenised, or a lost token, drift away from the whole."""
    prompt = generator.prompt(LONG, "")
    whole = await one(generator, request(prompt, stop=(), max_tokens=120))
    steps: list[Step] = []
    ids = prompt
    while len(ids) < len(prompt) + len(whole.ids):
        left = len(prompt) + len(whole.ids) - len(ids)
        steps.append(await one(generator, request(ids, max_tokens=left)))
        ids += steps[-1].ids
    assert ids == prompt + whole.ids
    assert "".join(step.text for step in steps) == whole.text
    cut = split_steps(whole, generator.pieces(whole.ids), ("\n\n",))
    assert [step.ids for step in cut] == [step.ids for step in steps if step.text.strip()]


async def test_why_a_step_ended(generator: VLLMGenerator) -> None:
    """vLLM gives no stop reason for both: a truncated path would be taken for a finished answer."""
    prompt = generator.prompt(SHORT, "")
    finished, truncated = await generator.generate([request(prompt, stop=()), request(prompt, max_tokens=3)])
    assert finished.ended == "eos"
    assert finished.ids[-1] in generator.tokens.eos_ids
    assert finished.text.endswith("\n\nThe answer is \\boxed{22}.")
    assert (truncated.ended, len(truncated.ids)) == ("length", 3)


async def test_each_request_has_its_own_seed(generator: VLLMGenerator) -> None:
    """With `n > 1`, children of neighbouring paths are the same samples; a request that is repeated must repeat."""
    asked = request(generator.prompt(LONG, ""), sampling=Sampling(temperature=1.0), stop=(), max_tokens=40)
    seeds = [7, 8, 9, 7, 2**48 - 1]
    steps = await generator.generate([replace(asked, seed=seed) for seed in seeds])
    assert [step.seed for step in steps] == seeds
    assert steps[0].ids == steps[3].ids
    assert len({step.ids for step in steps}) == 4


async def test_sampling_settings_reach_the_engine(generator: VLLMGenerator) -> None:
    """A setting that is dropped compares methods at other settings than the table says."""
    hot = Sampling(temperature=2.0)
    settings = [GREEDY, replace(hot, top_k=1), replace(hot, top_p=1e-6), replace(hot, min_p=1.0)]
    settings += [hot, replace(GREEDY, repetition_penalty=1.9)]
    asked = request(generator.prompt(LONG, ""), stop=(), max_tokens=30)
    steps = await generator.generate([replace(asked, sampling=sampling) for sampling in settings])
    assert [step.ids == steps[0].ids for step in steps] == [True, True, True, True, False, False]
    assert [step.temperature for step in steps] == [0.0, 2.0, 2.0, 2.0, 2.0, 0.0]


async def test_continuation_reads_the_cache(generator: VLLMGenerator) -> None:
    """Without prefix caching each step reads its whole path again, and usage must say how much was saved."""
    prompt = generator.prompt(LONG, "")
    first = await one(generator, request(prompt, stop=(), max_tokens=80))
    second = await one(generator, request(prompt + first.ids, stop=(), max_tokens=4))
    assert second.cached >= len(prompt)
    assert second.cached < len(prompt) + len(first.ids)


async def test_what_cannot_be_served_harms_no_other(generator: VLLMGenerator) -> None:
    """One prompt that is too long fails a whole offline call of vLLM."""
    prompt = generator.prompt(SHORT, "")
    long = (prompt * CONTEXT)[: CONTEXT - 2]
    unknown = (*prompt[:-1], 10**7)
    steps = await generator.generate(
        [
            request(prompt, stop=()),
            request(long, max_tokens=3),
            request(unknown),
            request(long, max_tokens=2),
            request(prompt, stop=()),
        ]
    )
    assert [step.ended for step in steps] == ["eos", "context", "error", "length", "eos"]
    assert steps[1].ids == ()
    assert "vocabulary" in steps[2].error
    assert steps[0].ids == steps[4].ids


async def test_choose_is_the_models_own_distribution(generator: VLLMGenerator) -> None:
    """A judge that reads another position, or probabilities after truncation, scores noise."""
    import torch
    from transformers import AutoModelForCausalLM

    prompts = [generator.prompt(problem, "") for problem in (LONG, LONGEST)]  # longer than a block of the cache
    choices = [generator.tokens.id_of(word) for word in ("The", "+", "=")]
    model = AutoModelForCausalLM.from_pretrained(model_folder("pocket-gen"), dtype=torch.float32)
    for ask in (generator.choose(prompts, choices), one_by_one(generator, prompts, choices)):
        found = await ask
        for prompt, choice in zip(prompts, found, strict=True):
            with torch.no_grad():
                expected = torch.log_softmax(model(torch.tensor([prompt])).logits[0, -1], dim=-1)[choices]
            torch.testing.assert_close(torch.tensor(choice.logprobs), expected, atol=1e-3, rtol=1e-4)
    again = await generator.choose(prompts, choices)
    assert all(choice.cached > 0 for choice in again)
    with pytest.raises(GeneratorError, match=f"{CONTEXT} tokens; the context holds {CONTEXT}"):
        await generator.choose([(1,) * CONTEXT], choices)


async def test_samples_keep_their_likeliest_tokens_beside_choices(generator: VLLMGenerator) -> None:
    """vLLM gives all who share a step the chosen tokens: a judge beside `confidence` made every sample sure."""
    asked = [
        request(generator.prompt(SHORT, ""), seed=seed, stop=(), max_tokens=24, top_logprobs=20) for seed in range(4)
    ]
    prompts = [(*generator.prompt(LONG, ""), number) for number in range(100, 140)]
    choices = [generator.tokens.id_of("+"), generator.tokens.id_of("=")]
    generator._samples_with_logprobs = False

    async def choose(late: float) -> list[Any]:
        await asyncio.sleep(late)
        return [choice.logprobs for choice in await generator.choose(prompts, choices)]

    early, steps, later = await asyncio.gather(choose(0), generator.generate(asked), choose(0.3))
    alone = await generator.generate(asked)
    for step, other in zip(steps, alone, strict=True):
        assert step.ids == other.ids
        assert step.confidences == pytest.approx(other.confidences, abs=1e-3)
        assert step.logprobs == pytest.approx(other.logprobs, abs=1e-3)
    for one_way, other_way in zip(early, later, strict=True):
        assert one_way == pytest.approx(other_way, abs=1e-3)


async def one_by_one(generator: VLLMGenerator, prompts: list[tuple[int, ...]], choices: list[int]) -> list[Any]:
    """What an older vLLM would do."""
    return [await generator._choose_one_by_one(prompt, choices) for prompt in prompts]


async def test_urgent_requests_go_first(generator: VLLMGenerator) -> None:
    """A priority that is ignored lets one problem's search starve the others."""
    prompt = generator.prompt(LONG, "")
    ended: list[int] = []

    async def ask(priority: int, number: int) -> None:
        await one(generator, request((*prompt, number), stop=(), max_tokens=8, priority=priority))
        ended.append(priority)

    crowd = generator._engine.llm.vllm_config.scheduler_config.max_num_seqs * 2  # type: ignore[union-attr]
    await asyncio.gather(*[ask(1, 100 + number) for number in range(crowd)], ask(0, 99))
    assert ended.index(0) < crowd * 3 // 4


async def test_cancelled_call_leaves_no_request(generator: VLLMGenerator) -> None:
    """A search that ran out of time would go on sampling unseen, and slow all others."""
    asked = request(generator.prompt(LONG, ""), sampling=Sampling(temperature=1.0), stop=(), max_tokens=300)
    task = asyncio.ensure_future(generator.generate([replace(asked, seed=seed) for seed in range(8)]))
    while unfinished(generator) < 8:  # noqa: ASYNC110  (vLLM has no event for it)
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert unfinished(generator) == 0
    assert (await one(generator, request(generator.prompt(SHORT, "")))).ended == "stop"


def unfinished(generator: VLLMGenerator) -> int:
    assert generator._engine is not None
    return int(generator._engine.llm.output_processor.get_num_unfinished_requests())


async def test_solutions_are_those_of_transformers(generator: VLLMGenerator) -> None:
    """A table made on one engine must hold for the other: solutions, and how likely their tokens are."""
    steps, drawn = await sampled(generator)
    others, _ = await opened(HuggingFaceGenerator.from_config(CONFIG), sampled)
    assert_same_solutions(steps, others)
    assert_likelihoods(drawn)


async def test_parameters(generator: VLLMGenerator) -> None:
    """The FLOP estimate would be zero, or double where embeddings are tied."""
    assert generator.parameters == 2_203_968


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"quantization": "awq"}, r"cannot be started: .*awq.*--quantization"),
        ({"quantization": "squeezed"}, r"squeezed.*--quantization"),
        ({"model_name": "/no/such/folder"}, r"There is no model folder '/no/such/folder'"),
    ],
)
async def test_settings_that_cannot_run(changes: dict[str, Any], complaint: str) -> None:
    """Each of these used to be a page of tracebacks from three processes."""
    refused = VLLMGenerator.from_config(small(**changes))
    with pytest.raises(GeneratorError, match=complaint) as caught:
        await refused.start()
    assert "\n" not in str(caught.value)
    await refused.close()


async def test_a_context_beyond_the_model_is_refused_before_the_engine_starts() -> None:
    """vLLM says so after half a minute; the length stands in config.json."""
    opened = VLLMGenerator.from_config(small(max_model_len=10**6))
    with pytest.raises(ConfigError, match=r"context length of the model .* is 512\. Type: --max-model-len 512"):
        await opened.start()
    assert opened._engine is None


async def test_null_takes_the_context_of_the_model(tmp_path: Path) -> None:
    """The engine's limit and ours are one; without weights it does not even start."""
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).symlink_to(model_folder("pocket-gen") / name)
    opened = VLLMGenerator.from_config(Config(model_name=str(tmp_path), max_model_len=None))
    with pytest.raises(GeneratorError, match="contains no weights"):
        await opened.start()
    assert opened.context == 512


async def test_folder_without_weights(generator: VLLMGenerator, tmp_path: Path) -> None:
    """An engine would start for half a minute only to find no weights; and no failure may end another engine."""
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).symlink_to(model_folder("pocket-gen") / name)
    empty = VLLMGenerator.from_config(small(model_name=str(tmp_path)))
    with pytest.raises(GeneratorError, match="contains no weights"):
        await empty.start()
    await empty.close()
    assert (await one(generator, request(generator.prompt(SHORT, "")))).ended == "stop"
