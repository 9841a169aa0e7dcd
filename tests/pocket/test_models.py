"""The shipped pair on both engines: the same greedy solutions, the same scores, and what must not be swapped."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from tt_scale.base_classes import Problem, Sampling, Scores, Step, StepRequest
from tt_scale.config import Config
from tt_scale.errors import GeneratorError, PRMError, TTScaleError
from tt_scale.generator.simulated import SimulatedGenerator
from tt_scale.models import open_models
from tt_scale.path import Path
from tt_scale.pocket import POCKET_MODELS, model_folder, pocket_math, right_steps
from tt_scale.pocket.problems import as_problem
from tt_scale.searcher.best_of_n import BestOfN
from tt_scale.space import SearchSpace

PROBLEMS = pocket_math(20)
CONFIG = Config(model_name="pocket-gen", prm_name="pocket-prm", dtype="float32", max_model_len=512, kv_cache_gib=0.25)


def steps_of(text: str) -> list[str]:
    return [step.strip() for step in text.split("\n\n") if step.strip()]


async def sampled(generator: Any) -> tuple[list[Step], list[tuple[StepRequest, Step]]]:
    """Greedy solutions, and what was asked for and drawn at a temperature at which unlikely tokens are."""
    await generator.start()
    try:
        greedy = [
            StepRequest(generator.prompt(as_problem(each), "Solve it."), Sampling(0.0), (), 160, 1, top_logprobs=20)
            for each in PROBLEMS
        ]
        wild = Sampling(2.0, repetition_penalty=1.3)
        hot = [replace(each, sampling=wild, max_tokens=40, top_logprobs=2) for each in greedy[:5]]
        steps = await generator.generate(greedy)
        return steps, list(zip(hot, await generator.generate(hot), strict=True))
    finally:
        await generator.close()


def check_likelihoods(drawn: list[tuple[StepRequest, Step]]) -> None:
    """Against a plain forward of the model over prompt and tokens."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(model_folder("pocket-gen"), dtype=torch.float32)
    outside = 0
    for request, step in drawn:
        with torch.no_grad():
            logits = model(torch.tensor([request.ids + step.ids])).logits[0, len(request.ids) - 1 : -1]
        expected = torch.log_softmax(logits, dim=-1)
        likeliest = expected.topk(2, dim=-1)
        own = expected.gather(-1, torch.tensor(step.ids)[:, None]).squeeze(-1)
        assert step.logprobs == pytest.approx(own.tolist(), abs=1e-3)
        assert step.confidences == pytest.approx((-likeliest.values.mean(dim=-1)).tolist(), abs=1e-3)
        outside += sum(token not in best for token, best in zip(step.ids, likeliest.indices.tolist(), strict=True))
    assert outside > 5


async def scored(prm: Any) -> list[list[float]]:
    """Right solutions, and the same with the last operation's numbers spoilt; step by step, as a search asks."""
    await prm.start()
    try:
        found = []
        for each in PROBLEMS[:10]:
            spoilt = [*each.steps[:-2], each.steps[-2].replace(" = ", " = 9"), each.steps[-1]]
            for texts in (each.steps, spoilt):
                known: tuple[float, ...] = ()
                for end in range(1, len(texts) + 1):
                    path = Path((0,), tuple(Step(f"{text}\n\n", (1,), "stop") for text in texts[:end]), known)
                    [scores] = await prm.score(as_problem(each), [path])
                    known += scores.values
                found.append(list(known))
        return found
    finally:
        await prm.close()


@pytest.fixture(scope="module")
def solutions() -> list[Step]:
    pytest.importorskip("transformers")
    from tt_scale.generator.huggingface import HuggingFaceGenerator

    steps, drawn = asyncio.run(sampled(HuggingFaceGenerator.from_config(CONFIG)))
    check_likelihoods(drawn)
    return steps


@pytest.fixture(scope="module")
def verdicts() -> list[list[float]]:
    pytest.importorskip("transformers")
    from tt_scale.prm.huggingface import HuggingFacePRM

    return asyncio.run(scored(HuggingFacePRM.from_config(CONFIG, SimulatedGenerator())))


@pytest.mark.hf
def test_the_generator_solves_easy_problems(solutions: list[Step]) -> None:
    """Weights of another training, or a chat template that differs from that of the training, solve nothing."""
    easy = [(each, step.text) for each, step in zip(PROBLEMS, solutions, strict=True) if each.level <= 2]
    right = [all(right_steps(each, steps_of(text))) and "\\boxed" in text for each, text in easy]
    assert sum(right) >= 0.6 * len(easy)


@pytest.mark.hf
def test_the_prm_tells_right_from_wrong(verdicts: list[list[float]]) -> None:
    """A head that is read at the wrong place, or the wrong class, still gives numbers between 0 and 1."""
    right = [scores[-1] for scores in verdicts[::2]]
    wrong = [scores[-1] for scores in verdicts[1::2]]
    assert sum(wrong) / len(wrong) < 0.3
    assert sum(right) / len(right) - sum(wrong) / len(wrong) > 0.3


@pytest.mark.hf
@pytest.mark.vllm
@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("processes", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_both_engines_agree(solutions: list[Step], verdicts: list[list[float]], processes: int) -> None:
    """A table made on one engine must hold for the other, split or not: solutions, how likely their tokens, scores."""
    pytest.importorskip("vllm")
    from tt_scale.generator.vllm import VLLMGenerator
    from tt_scale.prm.vllm import VLLMPRM

    config = CONFIG.model_copy(update={"tensor_parallel_size": processes})
    steps, drawn = asyncio.run(sampled(VLLMGenerator.from_config(config)))
    assert [step.text for step in steps] == [step.text for step in solutions]
    for step, other in zip(steps, solutions, strict=True):
        assert step.logprobs == pytest.approx(other.logprobs, abs=1e-3)
        assert step.confidences == pytest.approx(other.confidences, abs=1e-3)
    check_likelihoods(drawn)
    for one, other in zip(
        asyncio.run(scored(VLLMPRM.from_config(config, SimulatedGenerator()))), verdicts, strict=True
    ):
        assert one == pytest.approx(other, abs=1e-4)


@pytest.mark.hf
def test_beside_another_prm_it_is_not_asked_twice() -> None:
    """In an ensemble equal steps would have scores that depend on what shares their batch."""
    pytest.importorskip("transformers")
    config = CONFIG.model_copy(update={"prm_name": "pocket-prm,confidence", "generator": "huggingface"})
    path = Path((0,), (Step("9 + 7 = 16\n\n", (1, 2), "stop", logprobs=(-0.1, -0.2), confidences=(1.0, 1.0)),))

    async def asked_twice() -> tuple[Scores, Scores]:
        async with open_models(config) as (_, prm):
            assert prm is not None
            [first], [second] = [await prm.score(as_problem(PROBLEMS[0]), [path]) for _ in range(2)]
            return first, second

    first, second = asyncio.run(asked_twice())
    assert second.values == first.values
    assert first.cached < first.tokens == second.tokens == second.cached
    assert round(first.parts["pocket-prm"][0], 5) == first.parts["pocket-prm"][0]


@pytest.mark.hf
def test_its_least_likely_token_tells_right_from_wrong() -> None:
    """The PRM `confidence` beside a real generator: numbers of other tokens would tell nothing."""
    pytest.importorskip("transformers")
    config = CONFIG.model_copy(update={"prm_name": "confidence", "generator": "huggingface", "max_tokens": 160})

    async def searched() -> list[tuple[Path, list[bool]]]:
        async with open_models(config) as (generator, prm):
            spaces = [SearchSpace(as_problem(each), generator, prm, config) for each in PROBLEMS]
            outcomes = await asyncio.gather(*[BestOfN(N=4, temperature=0.7).search(space) for space in spaces])
            return [
                (path, right_steps(each, [step.text.strip() for step in path.steps]))
                for each, outcome in zip(PROBLEMS, outcomes, strict=True)
                for path in outcome.pool
            ]

    found = asyncio.run(searched())
    right = [score for path, labels in found for score, label in zip(path.scores, labels, strict=True) if label]
    wrong = [score for path, labels in found for score, label in zip(path.scores, labels, strict=True) if not label]
    assert min(len(right), len(wrong)) > 50
    assert sum(one > other for one in right for other in wrong) > 0.85 * len(right) * len(wrong)


@pytest.mark.hf
def test_a_generator_is_no_prm() -> None:
    """A causal model in the PRM's place has no head: its scores would be noise."""
    pytest.importorskip("transformers")
    from tt_scale.prm.huggingface import HuggingFacePRM

    prm = HuggingFacePRM.from_config(CONFIG.model_copy(update={"prm_name": "pocket-gen"}), SimulatedGenerator())
    with pytest.raises(PRMError, match=r"'pocket-gen', a LlamaForCausalLM, a generator"):
        asyncio.run(prm.start())


@pytest.mark.hf
def test_a_prm_is_no_generator() -> None:
    """Without a language-model head, random weights would write random text."""
    pytest.importorskip("transformers")
    from tt_scale.generator.huggingface import HuggingFaceGenerator

    generator = HuggingFaceGenerator.from_config(CONFIG.model_copy(update={"model_name": "pocket-prm"}))
    with pytest.raises(GeneratorError, match="Qwen2ForProcessRewardModel"):
        asyncio.run(generator.start())


@pytest.mark.parametrize("name", POCKET_MODELS)
def test_shipped_files_are_whole_and_small(name: str) -> None:
    """A wheel without the weights, or with weights in float32, is noticed here."""
    folder = model_folder(name)
    assert {"config.json", "tokenizer.json", "model.safetensors", "README.md"} <= {
        path.name for path in folder.iterdir()
    }
    assert (folder / "model.safetensors").stat().st_size <= 16_000_000


def test_pocket_problems_load_by_name() -> None:
    """`--dataset pocket-math:...` is what the README says."""
    from tt_scale.problems import load_problems

    assert [each.id for each in load_problems("pocket-math:count=20")] == [each.id for each in PROBLEMS]
    assert {each.level for each in load_problems("pocket-math:count=30,levels=3-5,seed=7")} == {3, 4, 5}
    assert isinstance(load_problems("pocket-math", num_samples=3)[0], Problem)
    with pytest.raises(TTScaleError, match=r"levels of pocket-math are 0, 1; allowed: 1 to 5"):
        load_problems("pocket-math:levels=0-1")
