"""The shipped pair on both engines: the same greedy solutions, the same scores, and what must not be swapped."""

from __future__ import annotations

import asyncio

import pytest
from margins import CLOSE
from pocket_pair import CONFIG, PROBLEMS, assert_likelihoods, assert_same_solutions, opened, sampled, scored

from tt_scale.base_classes import Problem, Scores, Step
from tt_scale.core.path import Path
from tt_scale.errors import GeneratorError, PRMError, TTScaleError
from tt_scale.generator.simulated import SimulatedGenerator
from tt_scale.models import open_models
from tt_scale.pocket import POCKET_MODELS, model_folder, right_steps
from tt_scale.pocket.problems import as_problem
from tt_scale.searcher.best_of_n import BestOfN
from tt_scale.space.search_space import SearchSpace


def steps_of(text: str) -> list[str]:
    return [step.strip() for step in text.split("\n\n") if step.strip()]


@pytest.fixture(scope="module")
def solutions() -> list[Step]:
    pytest.importorskip("transformers")
    from tt_scale.generator.huggingface import HuggingFaceGenerator

    steps, drawn = asyncio.run(opened(HuggingFaceGenerator.from_config(CONFIG), sampled))
    assert_likelihoods(drawn)
    return steps


@pytest.fixture(scope="module")
def verdicts() -> list[list[float]]:
    pytest.importorskip("transformers")
    from tt_scale.prm.huggingface import HuggingFacePRM

    return asyncio.run(opened(HuggingFacePRM.from_config(CONFIG, SimulatedGenerator()), scored))


@pytest.mark.hf
def test_the_generator_solves_easy_problems(solutions: list[Step]) -> None:
    """Weights of another training, or a chat template that differs from that of the training, solve nothing."""
    easy = [(each, step.text) for each, step in zip(PROBLEMS, solutions, strict=True) if each.level <= 2]
    right = [all(right_steps(each, steps_of(text))) and "\\boxed" in text for each, text in easy]
    assert sum(right) >= 0.6 * len(easy)


@pytest.mark.hf
def test_the_prm_distinguishes_right_from_wrong(verdicts: list[list[float]]) -> None:
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
@pytest.mark.slow
def test_split_over_two_processes(solutions: list[Step], verdicts: list[list[float]]) -> None:
    """A table made on one engine must hold for the other, split or not: solutions, how likely their tokens, scores.

    That it holds for an engine in one piece is seen where such an engine runs: `generator/test_vllm.py` and
    `test_end_to_end.py`.
    """
    pytest.importorskip("vllm")
    from tt_scale.generator.vllm import VLLMGenerator
    from tt_scale.prm.vllm import VLLMPRM

    config = CONFIG.model_copy(update={"tensor_parallel_size": 2})
    steps, drawn = asyncio.run(opened(VLLMGenerator.from_config(config), sampled))
    assert_same_solutions(steps, solutions)
    assert_likelihoods(drawn)
    found = asyncio.run(opened(VLLMPRM.from_config(config, SimulatedGenerator()), scored))
    for one, other in zip(found, verdicts, strict=True):
        assert one == pytest.approx(other, abs=CLOSE)


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
def test_the_least_likely_token_distinguishes_right_from_wrong() -> None:
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
def test_a_generator_as_prm_is_rejected() -> None:
    """A causal model in the PRM's place has no head: its scores would be noise."""
    pytest.importorskip("transformers")
    from tt_scale.prm.huggingface import HuggingFacePRM

    prm = HuggingFacePRM.from_config(CONFIG.model_copy(update={"prm_name": "pocket-gen"}), SimulatedGenerator())
    with pytest.raises(PRMError, match=r"'pocket-gen', a LlamaForCausalLM, a generator"):
        asyncio.run(prm.start())


@pytest.mark.hf
def test_a_pocket_prm_as_generator_is_rejected() -> None:
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
