"""One model that writes and scores: no second engine, the same scores."""

from __future__ import annotations

import asyncio
from pathlib import Path as FilePath
from typing import Any

import pytest
from margins import CLOSE
from tiny_models import save_generator, save_prm
from tiny_prms import FAMILIES

from tt_scale.backends import resolve
from tt_scale.base_classes import Problem, Step
from tt_scale.config import Config
from tt_scale.core.path import Path
from tt_scale.errors import ConfigError, PRMError, TTScaleError
from tt_scale.generator.simulated import SimulatedGenerator
from tt_scale.models import make_models, open_models
from tt_scale.prm.generator_engine import GeneratorEnginePRM

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore:Unclosed context:ResourceWarning"),
]

PROBLEM = Problem("p", "What is 12 + 30?", "42")
TEXTS = [f"add the numbers {number} and get {number + 3}." for number in range(9)]
VERSA = FAMILIES["versa"]


def path_of(texts: list[str], scores: tuple[float, ...] = ()) -> Path:
    return Path((0,) * len(texts), tuple([Step(f"{text}\n\n", (1,), "stop") for text in texts]), scores)


def config_for(folder: FilePath | str, **own: Any) -> Config:
    keys = {"model_name": str(folder), "prm_name": str(folder), "prm_adapter": "versa", "dtype": "float32"}
    return Config(**{**keys, "max_model_len": 640, "kv_cache_gib": 0.25, **own})


async def scored(config: Config) -> tuple[list[float], list[float], float]:
    """Scores of a solution at once and step by step, and the share of the tokens that was cached."""
    async with open_models(config) as (generator, prm):
        assert isinstance(prm, GeneratorEnginePRM)
        [whole] = await prm.score(PROBLEM, [path_of(TEXTS)])
        assert prm.parameters == generator.parameters > 0
        known: tuple[float, ...] = ()
        tokens = cached = 0
        for end in range(1, len(TEXTS) + 1):
            [found] = await prm.score(PROBLEM, [path_of(TEXTS[:end], known)])
            known += found.values
            tokens, cached = tokens + found.tokens, cached + found.cached
        assert whole.tokens == tokens  # every new step is a prompt of its own
        [long] = await prm.score(PROBLEM, [path_of(["add and get " * 300])])
        assert long.too_long
        return list(whole.values), list(known), cached / tokens


def assert_as_the_authors(folder: FilePath, found: tuple[list[float], list[float], float]) -> None:
    expected = VERSA.read(folder, PROBLEM.question, TEXTS)
    assert max(expected) - min(expected) > 0.05
    assert found[0] == pytest.approx(expected, abs=CLOSE)
    assert found[1] == pytest.approx(expected, abs=CLOSE)


@pytest.mark.hf
async def test_transformers(tmp_path: FilePath) -> None:
    """The two tokens in the other order give one minus every score."""
    VERSA.save(tmp_path)
    assert_as_the_authors(tmp_path, await scored(config_for(tmp_path, generator="huggingface")))


@pytest.mark.slow
@pytest.mark.vllm
@pytest.mark.hf
def test_vllm(tmp_path: FilePath) -> None:
    """Only the new step is computed: the prefix cache works for prompts that end at a tag."""
    pytest.importorskip("vllm")
    VERSA.save(tmp_path)
    found = asyncio.run(scored(config_for(tmp_path, generator="vllm")))
    assert_as_the_authors(tmp_path, found)
    assert found[2] > 0.5


def test_the_same_name_means_the_same_engine() -> None:
    """A second copy of a 7B model does not fit beside the first."""

    def found(name: str, **own: Any) -> tuple[str, str]:
        models = resolve(config_for(name, **own))
        return models.generator.backend, models.prm_backends

    assert found("a/b", generator="vllm") == ("vllm", "generator")
    assert found("a/b", generator="huggingface") == ("huggingface", "generator")
    assert resolve(config_for("a/b", generator="vllm")).prms[0].weights == ()
    assert found("a/b", generator="vllm", prm_name="a/c")[1] == "vllm"
    assert found("a/b", generator="vllm", prm_quantization="fp8")[1] == "vllm"
    assert found("a/b", generator="vllm", prm_device="cuda:1")[1] == "vllm"
    assert found("simulated") == ("simulated", "simulated")


@pytest.mark.parametrize(
    ("own", "told"),
    [
        ({"prm_name": "a/c"}, "prm_name is 'a/c' and model_name is 'a/b'"),
        ({"prm_quantization": "fp8"}, "prm_quantization is 'fp8', but the generator's own engine scores"),
        ({"prm_device": "cpu"}, "prm_device is 'cpu', but the generator's own engine scores"),
    ],
)
def test_what_cannot_be_one_engine_is_refused(own: dict[str, Any], told: str) -> None:
    """An option that is ignored is a wrong table."""
    with pytest.raises(ConfigError, match=told):
        make_models(config_for("a/b", **{"generator": "huggingface", "prm": "generator", **own}))
    with pytest.raises(ConfigError, match="needs a language model"):
        GeneratorEnginePRM.from_config(config_for("a/b"), SimulatedGenerator())


@pytest.mark.hf
async def test_layers_of_its_own_are_refused(tmp_path: FilePath) -> None:
    """The head of a classifier is no row of the language-model head."""
    from tt_scale.generator.huggingface import HuggingFaceGenerator

    async def started(folder: FilePath, **own: Any) -> None:
        config = config_for(folder, **own)
        await GeneratorEnginePRM.from_config(config, HuggingFaceGenerator(config)).start()

    for name in ("prm", "generator"):
        (tmp_path / name).mkdir()
    with pytest.raises(PRMError, match=r"layers of its own.*--prm vllm"):
        await started(save_prm(tmp_path / "prm"), prm_adapter="auto")
    with pytest.raises(TTScaleError, match="there is no adapter"):
        await started(save_generator(tmp_path / "generator"), prm_adapter="auto")
