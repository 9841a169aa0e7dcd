"""The judge on a tiny random Llama."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import AsyncIterator, Sequence
from pathlib import Path as FilePath
from typing import Any

import pytest
from margins import CLOSE
from tiny_models import save_generator

from tt_scale.base_classes import Problem, Step
from tt_scale.config import Config
from tt_scale.core.path import Path
from tt_scale.errors import ConfigError
from tt_scale.generator.huggingface import HuggingFaceGenerator
from tt_scale.generator.language_model import Choice
from tt_scale.generator.simulated import SimulatedGenerator
from tt_scale.prm.judge import JudgePRM

pytestmark = [pytest.mark.hf, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

PROBLEM = Problem("p", "What is 12 + 30?", "42")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> FilePath:
    return save_generator(tmp_path_factory.mktemp("llama"))


def config_for(folder: FilePath, **changes: Any) -> Config:
    return Config(
        **{"model_name": str(folder), "prm_name": "judge", "dtype": "float32", "max_model_len": 256} | changes
    )


@pytest.fixture
async def generator(folder: FilePath) -> AsyncIterator[HuggingFaceGenerator]:
    opened = HuggingFaceGenerator.from_config(config_for(folder))
    await opened.start()
    yield opened
    await opened.close()


def path_of(count: int, scores: tuple[float, ...] = ()) -> Path:
    return Path((0,), tuple(Step(f"We get {number}.\n\n", (1,), "stop") for number in range(count)), scores)


async def test_each_new_step_gets_its_own_score(generator: HuggingFaceGenerator, folder: FilePath) -> None:
    """One score per step, equal alone and together, and the same as when the path was shorter."""
    judge = JudgePRM.from_config(config_for(folder), generator)
    await judge.start()
    one, three = await judge.score(PROBLEM, [path_of(1), path_of(3)])
    assert [len(one.values), len(three.values)] == [1, 3]
    assert three.values[0] == pytest.approx(one.values[0], abs=CLOSE)
    [last] = await judge.score(PROBLEM, [path_of(3, three.values[:2])])
    assert last.values == pytest.approx(three.values[2:], abs=CLOSE)
    assert three.tokens > one.tokens > 0
    assert judge.parameters == generator.parameters > 0


async def test_the_score_is_the_share_of_yes(
    generator: HuggingFaceGenerator, folder: FilePath, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With yes and no swapped the search would keep the wrong half; with all words counted, scores would shrink."""
    asked: list[tuple[int, ...]] = []
    first_yes, other_yes = (generator.tokens.id_of(word) for word in ("\u0120Yes", "\u0120yes"))

    async def choose(prompts: Sequence[tuple[int, ...]], choices: Sequence[int]) -> list[Choice]:
        asked.extend(prompts)
        weight = {token: 0.03 if token in (first_yes, other_yes) else 0.01 for token in choices}
        return [Choice(tuple(math.log(weight[token]) for token in choices), cached=7) for _ in prompts]

    monkeypatch.setattr(generator, "choose", choose)
    judge = JudgePRM.from_config(config_for(folder), generator)
    await judge.start()
    yes, no = len(judge._yes), len(judge._no)
    assert yes >= 2
    assert no >= 2
    [scores] = await judge.score(PROBLEM, [path_of(3, (0.5,))])
    spelled = 0.03 * 2 + 0.01 * (yes - 2)
    assert scores.values == pytest.approx([spelled / (spelled + 0.01 * no)] * 2)
    assert (scores.tokens, scores.cached) == (sum(map(len, asked)), 14)


async def test_the_prompt_of_a_child_begins_like_its_parents(generator: HuggingFaceGenerator, folder: FilePath) -> None:
    """What a path and its children share must come first, or no prefix cache ever helps."""
    judge = JudgePRM.from_config(config_for(folder), generator)
    first, second = judge._prompts(PROBLEM, path_of(2))
    text, longer = (generator.tokens.tokenizer.decode(ids) for ids in (first, second))
    shared = text[: text.index("Is step")]
    assert "What is 12 + 30?" in shared
    assert "We get 0." in shared
    assert longer.startswith(shared.rstrip("\n"))
    assert "Is step 2 correct?" in longer
    assert text.endswith("<|im_start|>assistant\n")


async def test_a_second_model_is_the_judges_own(generator: HuggingFaceGenerator, folder: FilePath) -> None:
    """A judge of its own must be started and closed by the judge, and the run's generator left alone."""
    other = folder.with_name("other")
    other.mkdir()
    save_generator(other)
    judge = JudgePRM.from_config(config_for(folder, prm="judge", prm_name=str(other)), generator)
    await judge.start()
    [scores] = await judge.score(PROBLEM, [path_of(1)])
    assert 0 <= scores.values[0] <= 1
    await judge.close()
    with pytest.raises(Exception, match="closed"):
        await judge.score(PROBLEM, [path_of(1)])
    assert await generator.choose([(1, 2)], [3])


async def test_too_long_is_a_state_of_its_path(generator: HuggingFaceGenerator, folder: FilePath) -> None:
    """A prompt cut in silence is judged without its question, and one long path is no reason to fail its siblings."""
    judge = JudgePRM.from_config(config_for(folder), generator)
    await judge.start()
    scored = dataclasses.replace(path_of(1), scores=(0.5,))
    long, short, known = await judge.score(PROBLEM, [path_of(60), path_of(2), scored])
    assert (long.values, long.too_long, long.tokens) == ((), True, 0)
    assert (len(short.values), short.too_long) == (2, False)
    assert (known.values, known.too_long) == ((), False)


async def test_prm_max_model_len_bounds_a_shared_judge(generator: HuggingFaceGenerator, folder: FilePath) -> None:
    """The engine is the generator's own, with its context; the key still bounds prompt and verdict."""
    judge = JudgePRM.from_config(config_for(folder), generator)
    await judge.start()
    longest = max(len(ids) for ids in judge._prompts(PROBLEM, path_of(2)))
    for most, too_long in ((longest + 1, False), (longest, True)):
        bounded = JudgePRM.from_config(config_for(folder, prm_max_model_len=most), generator)
        await bounded.start()
        [scores] = await bounded.score(PROBLEM, [path_of(2)])
        assert scores.too_long is too_long


def test_only_a_language_model_can_judge() -> None:
    """The simulated generator has no words for yes and no."""
    with pytest.raises(ConfigError, match="needs a language model"):
        JudgePRM.from_config(Config(model_name="simulated", prm_name="judge"), SimulatedGenerator())


def test_loading_options_of_a_judge_are_applied_or_rejected(folder: FilePath) -> None:
    """A key that is accepted and ignored is a wrong table."""
    generator = HuggingFaceGenerator.from_config(config_for(folder))
    other = {"prm": "judge", "prm_name": "some/judge"}
    beside = JudgePRM.from_config(config_for(folder, **other, prm_quantization="fp8"), generator)
    assert beside._model._config.quantization == "fp8"  # type: ignore[attr-defined]
    for keys, told in (
        ({"prm_quantization": "fp8"}, "prm_quantization is 'fp8', but the judge runs in the generator"),
        ({"prm_device": "cpu"}, "prm_device is 'cpu', but the judge runs in the generator"),
        ({**other, "prm_device": "cpu"}, "the judge runs beside the generator"),
    ):
        with pytest.raises(ConfigError, match=told):
            JudgePRM.from_config(config_for(folder, **keys), generator)
