"""The Transformers generator on a tiny random Llama."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from tiny_models import save_generator

from tt_scale.base_classes import Problem, Sampling, Step, StepRequest
from tt_scale.config import Config
from tt_scale.errors import ConfigError, GeneratorError
from tt_scale.generator.huggingface import HuggingFaceGenerator
from tt_scale.prm.judge import JudgePRM

pytestmark = [pytest.mark.hf, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

PROBLEM = Problem("p", "What is 12 + 30?", "42")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_generator(tmp_path_factory.mktemp("llama"))


@pytest.fixture
async def generator(folder: Path) -> AsyncIterator[HuggingFaceGenerator]:
    config = Config(model_name=str(folder), prm_name="judge", dtype="float32", max_model_len=256)
    opened = HuggingFaceGenerator.from_config(config)
    await opened.start()
    yield opened
    await opened.close()


def request(ids: tuple[int, ...], seed: int = 1, **changes: object) -> StepRequest:
    base = StepRequest(ids, Sampling(temperature=1.0), ("\n\n",), 24, seed)
    return replace(base, **changes)  # type: ignore[arg-type]


async def test_batch_equals_single(generator: HuggingFaceGenerator) -> None:
    """Padding that leaks, or a random stream that is shared, makes a path depend on its neighbours."""
    prompt = generator.prompt(PROBLEM, "Think.")
    asked = [request(prompt[: 10 + 3 * (seed % 4)], seed) for seed in range(12)]
    together = await generator.generate(asked)
    for one, expected in zip(asked, together, strict=True):
        [alone] = await generator.generate([one])
        assert alone.ids == expected.ids
        assert alone.ended == expected.ended


async def test_seeds_alone_decide(generator: HuggingFaceGenerator) -> None:
    """Equal seeds give equal samples, neighbouring ones do not."""
    prompt = generator.prompt(PROBLEM, "")
    one, same, other = await generator.generate([request(prompt, 1), request(prompt, 1), request(prompt, 2)])
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


async def test_greedy_is_a_plain_forward(generator: HuggingFaceGenerator) -> None:
    """Step by step from the cache gives what whole forward passes give, one token at a time."""
    import torch

    ids = list(generator.prompt(PROBLEM, ""))
    greedy = Sampling(temperature=0.0)
    [step] = await generator.generate([request(tuple(ids), sampling=greedy, stop=(), max_tokens=12)])
    expected: list[int] = []
    with torch.no_grad():
        while len(expected) < len(step.ids):
            logits = generator._model(input_ids=torch.tensor([ids + expected])).logits[0, -1]
            expected.append(int(logits.argmax()))
    assert list(step.ids) == expected


async def test_choose_is_a_plain_forward(generator: HuggingFaceGenerator) -> None:
    """A judge that reads the wrong row, or a padded one, scores noise."""
    import torch

    prompts = [generator.prompt(PROBLEM, "")[:length] for length in (5, 9, 14)]
    found = await generator.choose(prompts, [30, 40])
    for prompt, choice in zip(prompts, found, strict=True):
        with torch.no_grad():
            logits = generator._model(input_ids=torch.tensor([prompt])).logits[0, -1]
        expected = torch.log_softmax(logits, -1)[[30, 40]].tolist()
        assert choice.logprobs == pytest.approx(expected, abs=1e-4)
    with pytest.raises(GeneratorError, match="context holds 256"):
        await generator.choose([(5,) * 256], [30])


async def test_the_judge_scores_each_new_step(generator: HuggingFaceGenerator, folder: Path) -> None:
    """One score per step, equal alone and together, the same as when the path was shorter."""
    from tt_scale.path import Path as Solution

    config = Config(model_name=str(folder), prm_name="judge", dtype="float32", max_model_len=256)
    judge = JudgePRM.from_config(config, generator)
    await judge.start()
    steps = tuple(Step(f"We get {number}.\n\n", (1,), "stop") for number in range(3))
    long, short = Solution((0, 0, 0), steps), Solution((0,), steps[:1])
    [three, one] = await judge.score(PROBLEM, [long, short])
    assert len(three.values) == 3
    assert three.values[0] == pytest.approx(one.values[0], abs=1e-5)
    assert all(0 < value < 1 for value in three.values)
    [last] = await judge.score(PROBLEM, [replace(long, scores=three.values[:2])])
    assert last.values == pytest.approx(three.values[2:], abs=1e-5)
    assert three.tokens > one.tokens > 0


def test_what_cannot_be_honoured_is_refused(folder: Path) -> None:
    """An option that is accepted and ignored lies in the manifest."""
    with pytest.raises(ConfigError, match="tensor_parallel_size is 2"):
        HuggingFaceGenerator.from_config(Config(model_name=str(folder), tensor_parallel_size=2))


@pytest.mark.parametrize("quantization", ["awq", "bitsandbytes"])
async def test_quantization_is_never_ignored(folder: Path, quantization: str) -> None:
    """Plain weights under the name of quantized ones make a wrong table."""
    config = Config(model_name=str(folder), quantization=quantization, dtype="float32")
    with pytest.raises(ConfigError, match=quantization):
        await HuggingFaceGenerator.from_config(config).start()
