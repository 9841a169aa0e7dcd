"""Models that memory cannot hold are refused before one of them is loaded."""

from __future__ import annotations

from typing import Any

import pytest

import tt_scale.engines.memory_check as memory
from tt_scale.backends import resolve
from tt_scale.config import Config
from tt_scale.engines.memory_check import GIB, needed_memory, require_memory
from tt_scale.errors import GeneratorError
from tt_scale.models import open_models


def config(**keys: Any) -> Config:
    pocket = {"generator": "vllm", "model_name": "pocket-gen", "prm_name": "pocket-prm", "dtype": "float32"}
    return Config(**{**pocket, "kv_cache_gib": 0.5, **keys})


def free(monkeypatch: pytest.MonkeyPatch, gib: float | None) -> None:
    monkeypatch.setattr(memory, "GPUS", ())
    monkeypatch.setattr(memory, "available_memory", lambda: None if gib is None else int(gib * GIB))


def test_two_engines_with_their_caches() -> None:
    """This process, twice an engine with its cache, and weights of 2.2 and 4.8 million parameters."""
    assert needed_memory(resolve(config())) / GIB == pytest.approx(0.4 + 2 * (0.5 + 0.5) + 7.0e6 * 4 / GIB, abs=0.01)


@pytest.mark.parametrize(
    ("keys", "engines"),
    [
        ({"prm_name": "none"}, 1),
        ({"prm_name": "judge"}, 1),  # the generator itself
        ({"prm_name": "http://x", "prm": "http", "prm_url": "http://x"}, 1),
        ({"generator": "huggingface"}, 0),
        ({"prm": "huggingface"}, 1),
        ({"prm_name": ["pocket-prm", "Qwen/Qwen2.5-Math-PRM-7B"]}, 3),
    ],
)
def test_engines_are_counted(keys: dict[str, Any], engines: int) -> None:
    """What shares an engine, or runs in this process, takes no cache of its own."""
    small, large = (needed_memory(resolve(config(**keys, kv_cache_gib=gib))) for gib in (1.0, 2.0))
    assert (large - small) / GIB == pytest.approx(engines)


def test_the_size_of_a_model_counts() -> None:
    """By its name where it is not on this machine; one of unknown size counts as none."""
    known = config(model_name="owner/model-7B", dtype="bfloat16", prm_name="none")
    assert needed_memory(resolve(known)) / GIB == pytest.approx(0.4 + 1.0 + 14e9 / GIB, abs=0.01)
    assert needed_memory(resolve(config(model_name="owner/model", prm_name="none"))) / GIB == pytest.approx(1.4)
    assert needed_memory(resolve(Config(model_name="simulated", prm_name="simulated"))) == 0


def test_too_little_is_refused_with_both_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container that runs out of memory ends a process without a word."""
    free(monkeypatch, 1.5)
    with pytest.raises(GeneratorError) as refused:
        require_memory(resolve(config()))
    for part in ("2.4 GiB", "1.5 GiB are free", "--kv-cache-gib", "0.5"):
        assert part in str(refused.value)


@pytest.mark.parametrize("gib", [2.6, None])
def test_enough_or_unknown_is_not_refused(gib: float | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that does not say what is free is tried."""
    free(monkeypatch, gib)
    require_memory(resolve(config()))


def test_with_a_gpu_main_memory_is_not_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """vLLM measures a GPU's memory itself."""
    free(monkeypatch, 0.1)
    monkeypatch.setattr(memory, "GPUS", ("/dev/null",))
    require_memory(resolve(config()))


async def test_nothing_is_started_then(monkeypatch: pytest.MonkeyPatch) -> None:
    """The refusal comes before an engine, which would take half a minute."""
    free(monkeypatch, 0.1)
    monkeypatch.setattr("tt_scale.generator.vllm.VLLMGenerator.launch", lambda self: pytest.fail("started"))
    with pytest.raises(GeneratorError, match="GiB are free"):
        async with open_models(config()):
            pass
