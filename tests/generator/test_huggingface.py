"""The Transformers generators on a tiny random Llama."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from shutil import copytree, ignore_patterns
from typing import Any, Literal

import pytest
from margins import UNIT, assert_decided
from tiny_models import SAMPLINGS, save_generator, started

from tt_scale.base_classes import Problem, Sampling, Step, StepRequest
from tt_scale.config import Config
from tt_scale.engines import dtypes
from tt_scale.engines.transformers.loading import gpu_failed
from tt_scale.errors import ConfigError, EngineDeadError, GeneratorError
from tt_scale.generator.huggingface import HuggingFaceGenerator
from tt_scale.generator.trie.generator import TrieGenerator

pytestmark = [pytest.mark.hf, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

PROBLEM = Problem("p", "What is 12 + 30?", "42")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_generator(tmp_path_factory.mktemp("llama"))


@pytest.fixture(scope="module")
def plain(folder: Path) -> Any:
    """The model itself, for independent readings."""
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder).float().eval()


@pytest.fixture(params=[HuggingFaceGenerator, TrieGenerator], ids=["huggingface", "trie"])
async def generator(request: pytest.FixtureRequest, folder: Path) -> AsyncIterator[HuggingFaceGenerator]:
    async with started(request.param, folder) as opened:
        yield opened


only_huggingface = pytest.mark.parametrize("generator", [HuggingFaceGenerator], indirect=True)
"""Of how a batch is sampled; the trie has tests of its own for that."""


def request(ids: tuple[int, ...], seed: int = 1, **changes: object) -> StepRequest:
    base = StepRequest(ids, Sampling(temperature=1.0), ("\n\n",), 24, seed)
    return replace(base, **changes)  # type: ignore[arg-type]


async def test_batch_equals_single(generator: HuggingFaceGenerator, folder: Path) -> None:
    """Padding that leaks, a shared random stream, or a neighbour's settings make a path depend on its company."""
    prompt = generator.prompt(PROBLEM, "Think.")
    asked = [
        request(prompt[: 10 + 3 * (seed % 4)], seed, sampling=SAMPLINGS[seed % 6], max_tokens=8 + seed)
        for seed in range(24)
    ]
    together = await generator.generate(asked)
    assert_decided(folder, asked, together)
    for one, expected in zip(asked, together, strict=True):
        [alone] = await generator.generate([one])
        assert alone.ids == expected.ids
        assert alone.ended == expected.ended
    assert {len(step.ids) for step in together} >= {8, 20, 30}, "rows must leave the batch at different times"


async def test_more_room_does_not_change_the_draws(generator: HuggingFaceGenerator, folder: Path) -> None:
    """A budget that cuts a step would otherwise draw another step, not a shorter one."""
    prompt = generator.prompt(PROBLEM, "")
    asked = [request(prompt, stop=(), max_tokens=most) for most in (6, 24)]
    short, long = await generator.generate(asked)
    assert_decided(folder, asked, [short, long])
    assert long.ids[:6] == short.ids


async def test_seeds_alone_decide(generator: HuggingFaceGenerator, folder: Path) -> None:
    """Equal seeds give equal samples, neighbouring ones do not."""
    prompt = generator.prompt(PROBLEM, "")
    asked = [request(prompt, seed) for seed in (1, 1, 2)]
    one, same, other = await generator.generate(asked)
    assert_decided(folder, asked, [one, same, other])
    assert one.ids == same.ids
    assert one.ids != other.ids


async def test_siblings_share_the_reading_of_their_prompt(generator: HuggingFaceGenerator) -> None:
    """Four children of one path should read it once."""
    prompt = generator.prompt(PROBLEM, "")
    steps = await generator.generate([request(prompt, seed) for seed in range(4)])
    assert [step.cached for step in steps] == [0, len(prompt), len(prompt), len(prompt)]


async def test_a_step_ends_with_the_token_that_completes_a_delimiter(generator: HuggingFaceGenerator) -> None:
    """Ids and text that disagree are continued from something that was never sampled."""
    prompt = generator.prompt(PROBLEM, "")
    steps = await generator.generate([request(prompt, seed, stop=("e", "ZZZZ")) for seed in range(20)])
    stopped = [step for step in steps if step.ended == "stop"]
    assert stopped
    for step in stopped:
        assert step.text == "".join(generator.pieces(step.ids))
        assert "e" in generator.pieces(step.ids)[-1]
        assert "e" not in "".join(generator.pieces(step.ids[:-1]))


async def test_why_it_ended(generator: HuggingFaceGenerator) -> None:
    """A length that is taken for an end of sequence is a truncated answer that votes."""
    prompt = generator.prompt(PROBLEM, "")
    steps: list[Step] = await generator.generate([request(prompt, seed, stop=(), max_tokens=100) for seed in range(24)])
    for step in steps:
        assert step.ended == ("eos" if step.ids[-1] in generator.tokens.eos_ids else "length")
        assert len(step.ids) == 100 or step.ended == "eos"
    assert {step.ended for step in steps} == {"eos", "length"}
    [full] = await generator.generate([request(prompt, max_tokens=1000)])
    assert (full.ended, full.ids) == ("context", ())


async def test_greedy_is_a_plain_forward(generator: HuggingFaceGenerator, plain: Any, folder: Path) -> None:
    """Step by step from the cache gives what whole forward passes give, one token at a time."""
    import torch

    ids = list(generator.prompt(PROBLEM, ""))
    greedy = Sampling(temperature=0.0)
    asked = [request(tuple(ids), sampling=greedy, stop=(), max_tokens=12)]
    [step] = await generator.generate(asked)
    assert_decided(folder, asked, [step])
    expected: list[int] = []
    with torch.no_grad():
        while len(expected) < len(step.ids):
            logits = plain(input_ids=torch.tensor([ids + expected])).logits[0, -1]
            expected.append(int(logits.argmax()))
    assert list(step.ids) == expected


async def test_choose_is_a_plain_forward(generator: HuggingFaceGenerator, plain: Any) -> None:
    """A judge that reads the wrong row, or a padded one, scores noise."""
    import torch

    prompts = [generator.prompt(PROBLEM, "")[:length] for length in (5, 9, 14)]
    found = await generator.choose(prompts, [30, 40])
    for prompt, choice in zip(prompts, found, strict=True):
        with torch.no_grad():
            logits = plain(input_ids=torch.tensor([prompt])).logits[0, -1]
        expected = torch.log_softmax(logits, -1)[[30, 40]].tolist()
        assert choice.logprobs == pytest.approx(expected, abs=UNIT)
    with pytest.raises(GeneratorError, match="context holds 256"):
        await generator.choose([(5,) * 256], [30])


@only_huggingface
async def test_only_the_request_that_fails_fails(
    generator: HuggingFaceGenerator, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory that runs out in a large batch would end the run, or one request would take its neighbours along."""
    from tt_scale.generator.decoding import Decoder

    sample, sizes = Decoder.sample, []

    def scarce(self: Decoder, requests: Any) -> list[Step]:
        sizes.append(len(requests))
        if len(requests) > 2 or any(each.seed == 5 for each in requests):
            raise RuntimeError("DefaultAllocator: can't allocate memory: you tried to allocate 9 bytes.")
        return sample(self, requests)

    prompt = generator.prompt(PROBLEM, "")
    asked = [request(prompt, seed) for seed in range(6)]
    expected = await generator.generate(asked)
    assert_decided(folder, asked, expected)
    monkeypatch.setattr(Decoder, "sample", scarce)
    steps = await generator.generate(asked)
    assert sizes[0] == 6
    assert max(sizes[1:]) == 3
    assert [step.ids for step in steps[:5]] == [step.ids for step in expected[:5]]
    assert (steps[5].ended, steps[5].ids) == ("error", ())
    assert "allocate memory" in steps[5].error


@only_huggingface
async def test_a_dead_gpu_ends_the_run(generator: HuggingFaceGenerator, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a device error every further request would fail, one row after the other."""
    from tt_scale.generator.decoding import Decoder

    def dead(self: Decoder, requests: Any) -> list[Step]:
        raise RuntimeError("CUDA error: device-side assert triggered")

    monkeypatch.setattr(Decoder, "sample", dead)
    with pytest.raises(EngineDeadError, match="device-side assert"):
        await generator.generate([request(generator.prompt(PROBLEM, ""))])


@pytest.mark.parametrize(
    ("told", "dead"),
    [
        ("CUDA error: device-side assert triggered", True),
        ("CUDA error: out of memory", False),
        ("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`", False),
        ("CUDA out of memory. Tried to allocate 2.00 GiB", False),
    ],
)
def test_a_gpu_without_room_is_not_dead(told: str, dead: bool) -> None:
    """With half of the batch it would go on; the run would end instead."""
    assert gpu_failed(RuntimeError(told)) is dead


async def test_nonsense_from_the_model_is_an_error(generator: HuggingFaceGenerator) -> None:
    """Logits that overflowed would be sampled as if token 0 had been meant."""
    import torch

    decoder = generator._decoder
    assert decoder is not None
    with torch.no_grad():
        decoder._model.lm_head.weight[7] = float("nan")
    [step] = await generator.generate([request(generator.prompt(PROBLEM, ""))])
    assert (step.ended, step.ids) == ("error", ())
    assert "--dtype bfloat16" in step.error
    with pytest.raises(GeneratorError, match="bfloat16"):
        await generator.choose([(1, 2)], [3])


async def test_closing_gives_up_what_is_under_way(folder: Path) -> None:
    """Ctrl-C would wait for a whole batch of solutions."""
    config = Config(model_name=str(folder), dtype="float32", max_model_len=512)
    generator = HuggingFaceGenerator.from_config(config)
    await generator.start()
    prompt = generator.prompt(PROBLEM, "")
    waiting = asyncio.ensure_future(
        generator.generate([request(prompt, seed, stop=(), max_tokens=450) for seed in range(8)])
    )
    await asyncio.sleep(0.05)
    await generator.close()
    await generator.close()
    assert {step.ended for step in await waiting} <= {"error", "eos"}
    with pytest.raises(EngineDeadError, match="closed"):
        await generator.generate([request(prompt)])


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "auto"])
async def test_every_dtype_runs(folder: Path, dtype: Literal["float16", "bfloat16", "auto"]) -> None:
    """Explicit types are obeyed, `auto` is one of them."""
    if dtype != "auto" and dtypes._fault(dtype):
        pytest.skip(f"this machine cannot compute {dtype}")  # and says so before it loads
    generator = HuggingFaceGenerator.from_config(Config(model_name=str(folder), dtype=dtype, max_model_len=256))
    await generator.start()
    [step] = await generator.generate([request(generator.prompt(PROBLEM, ""), max_tokens=4)])
    assert step.ids
    assert generator.parameters > 10_000
    await generator.close()


async def test_a_context_beyond_the_model_is_refused(folder: Path) -> None:
    """Beyond its positions a model babbles, and nothing says so."""
    with pytest.raises(ConfigError, match=r"context length of the model .* is 512\. Type: --max-model-len 512"):
        await HuggingFaceGenerator.from_config(Config(model_name=str(folder), max_model_len=513)).start()


async def test_a_cache_that_holds_no_solution_is_refused(folder: Path) -> None:
    """Memory that is granted must be kept to, not found out by running out of it."""
    config = Config(model_name=str(folder), max_model_len=512, kv_cache_gib=1e-5)
    with pytest.raises(GeneratorError, match="--kv-cache-gib"):
        await HuggingFaceGenerator.from_config(config).start()


async def test_broken_weights_are_explained(folder: Path, tmp_path: Path) -> None:
    """A traceback from deep inside a loader tells a user nothing."""
    copytree(folder, tmp_path, ignore=ignore_patterns("*.safetensors"), dirs_exist_ok=True)
    config = Config(model_name=str(tmp_path), dtype="float32", max_model_len=256)
    with pytest.raises(GeneratorError, match="cannot be loaded"):
        await HuggingFaceGenerator.from_config(config).start()


def test_what_cannot_be_honoured_is_refused(folder: Path) -> None:
    """An option that is accepted and ignored lies in the manifest."""
    with pytest.raises(ConfigError, match="tensor_parallel_size is 2"):
        HuggingFaceGenerator.from_config(Config(model_name=str(folder), tensor_parallel_size=2))


@pytest.mark.parametrize("quantization", ["awq", "gptq_marlin", "fp8"])
async def test_quantization_is_never_ignored(folder: Path, quantization: str) -> None:
    """Plain weights under the name of quantized ones make a wrong table."""
    config = Config(model_name=str(folder), quantization=quantization, dtype="float32")
    with pytest.raises(ConfigError, match=quantization):
        await HuggingFaceGenerator.from_config(config).start()


async def test_likelihoods_are_those_of_a_plain_forward(
    generator: HuggingFaceGenerator, plain: Any, folder: Path
) -> None:
    """At temperature 1, before penalties and filters, whatever the tokens were drawn by, and in any company."""
    import torch

    prompt = generator.prompt(PROBLEM, "")
    tops = (3, 0, 20, 1, 400, 7)
    asked = [
        request(prompt[: 12 + seed], seed, sampling=SAMPLINGS[seed], stop=(), top_logprobs=top)
        for seed, top in enumerate(tops)
    ]
    steps = await generator.generate(asked)
    assert_decided(folder, asked, steps)
    for one, step in zip(asked, steps, strict=True):
        if not one.top_logprobs:
            assert step.logprobs == step.confidences == ()
            continue
        with torch.no_grad():
            logits = plain(input_ids=torch.tensor([one.ids + step.ids])).logits[0, len(one.ids) - 1 : -1]
        expected = torch.log_softmax(logits, -1)
        assert step.logprobs == pytest.approx(
            [row[token].item() for row, token in zip(expected, step.ids, strict=True)], abs=UNIT
        )
        likeliest = expected.sort(descending=True).values[:, : one.top_logprobs]
        assert step.confidences == pytest.approx((-likeliest.mean(dim=-1)).tolist(), abs=UNIT)
        [alone] = await generator.generate([one])
        assert alone.logprobs == pytest.approx(step.logprobs, abs=UNIT)
        assert alone.confidences == pytest.approx(step.confidences, abs=UNIT)


async def test_likelihoods_are_not_computed_unasked(
    generator: HuggingFaceGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A softmax and a sort over the vocabulary at every token, for searches that look at neither."""
    import torch

    monkeypatch.setattr(torch, "log_softmax", None)
    monkeypatch.setattr(torch.Tensor, "topk", None)
    [step] = await generator.generate([request(generator.prompt(PROBLEM, ""))])
    assert step.ids
