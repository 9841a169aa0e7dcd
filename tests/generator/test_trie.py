"""A generator that computes no prefix twice: the same draws as of `huggingface`, for less."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pytest
from margins import UNIT, assert_decided
from tiny_models import SAMPLINGS, save_generator, started
from worlds import TellingPRM

from tt_scale.base_classes import Problem, Sampling, Step, StepRequest
from tt_scale.config import Config
from tt_scale.errors import ConfigError, EngineDeadError
from tt_scale.generator.huggingface import HuggingFaceGenerator
from tt_scale.generator.trie.decoder import TrieDecoder
from tt_scale.generator.trie.generator import TrieGenerator
from tt_scale.generator.trie.node import Walk
from tt_scale.models import make_searcher, open_models
from tt_scale.pocket import model_folder
from tt_scale.problems import load_problems
from tt_scale.space.search_space import SearchSpace

pytestmark = [pytest.mark.hf, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

PROBLEM = Problem("p", "What is 12 + 30?", "42")
SETTINGS = (*SAMPLINGS, Sampling(temperature=0.4))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_generator(tmp_path_factory.mktemp("llama"))


@pytest.fixture
async def huggingface(folder: Path) -> AsyncIterator[HuggingFaceGenerator]:
    async with started(HuggingFaceGenerator, folder) as opened:
        yield opened


@pytest.fixture
async def trie(folder: Path) -> AsyncIterator[TrieGenerator]:
    async with started(TrieGenerator, folder) as opened:
        yield opened


def decoder_of(generator: TrieGenerator) -> TrieDecoder:
    assert isinstance(generator._decoder, TrieDecoder)
    return generator._decoder


def requests(prompt: tuple[int, ...]) -> list[StepRequest]:
    """Two prompts, all settings, steps and whole solutions, with log-probabilities and without."""
    return [
        StepRequest(
            prompt[: len(prompt) - seed % 2],
            SETTINGS[seed % len(SETTINGS)],
            () if seed % 3 else ("e", "ZZZZ"),
            6 + seed % 20,
            seed,
            top_logprobs=(0, 5, 20)[seed % 3],
        )
        for seed in range(70)
    ]


def drawn(steps: list[Step]) -> list[tuple[Any, ...]]:
    return [(step.ids, step.text, step.ended, step.seed, step.temperature) for step in steps]


Same = Callable[[list[StepRequest]], Awaitable[list[Step]]]


@pytest.fixture
def same(trie: TrieGenerator, huggingface: HuggingFaceGenerator, folder: Path) -> Same:
    """Asks both, sees that they draw the same, and gives the steps."""

    async def ask(asked: list[StepRequest]) -> list[Step]:
        expected, found = await huggingface.generate(asked), await trie.generate(asked)
        assert_decided(folder, asked, expected)
        assert drawn(found) == drawn(expected)
        assert_as_likely(found, expected)
        return found

    return ask


def assert_as_likely(found: list[Step], expected: list[Step]) -> None:
    for one, other in zip(found, expected, strict=True):
        assert one.logprobs == pytest.approx(other.logprobs, abs=UNIT)
        assert one.confidences == pytest.approx(other.confidences, abs=UNIT)


@pytest.fixture
def reads(trie: TrieGenerator, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Tokens that each call of the model reads, padding left out."""
    found: list[int] = []
    model = decoder_of(trie)._model
    forward = model.forward

    def counting(*args: Any, **given: Any) -> Any:
        width = given["input_ids"].shape[1]
        found.append(int(given["attention_mask"][:, -width:].sum()))
        return forward(*args, **given)

    monkeypatch.setattr(model, "forward", counting)
    return found


async def test_it_draws_what_huggingface_draws(trie: TrieGenerator, same: Same) -> None:
    """Who compares methods on it must get what they would get elsewhere; known or not, in any company."""
    asked = requests(trie.prompt(PROBLEM, ""))
    steps = await same(asked)
    assert {step.ended for step in steps} >= {"stop", "length"}
    assert drawn(await trie.generate(asked[::-1])) == drawn(steps[::-1])


async def test_steps_hang_together(trie: TrieGenerator, same: Same) -> None:
    """A step that goes on where another ended meets whole solutions that were drawn through the same place."""
    asked = requests(trie.prompt(PROBLEM, ""))
    for _ in range(3):
        steps = await same(asked)
        asked = [
            replace(one, ids=one.ids + step.ids, seed=one.seed + 2000, stop=() if one.seed % 2 else one.stop)
            for one, step in zip(asked, steps, strict=True)
            if step.ended != "eos"
        ]


async def test_each_prefix_is_read_once(trie: TrieGenerator, reads: list[int]) -> None:
    """The prompt once, and each distinct beginning of what was drawn once, however many come by."""
    prompt = trie.prompt(PROBLEM, "")
    asked = [StepRequest(prompt, Sampling(temperature=0.3), (), 20, seed) for seed in range(40)]
    steps = await trie.generate(asked)
    prefixes = {step.ids[:end] for step in steps for end in range(1, len(step.ids))}
    assert len(prefixes) < sum([len(step.ids) for step in steps])
    assert sum(reads) == len(prompt) + len(prefixes)
    assert sorted([step.cached for step in steps]) == [0] + [len(prompt)] * 39
    reads.clear()
    assert drawn(await trie.generate(asked)) == drawn(steps)
    colder = await trie.generate([replace(one, sampling=Sampling(temperature=0.2)) for one in asked])
    fresh = {step.ids[:end] for step in colder for end in range(1, len(step.ids))} - prefixes
    assert sum(reads) == len(fresh)


@pytest.mark.parametrize(("kv_capacity", "max_prefixes"), [(1, 10_000), (10_000, 1)])
async def test_what_was_forgotten_is_computed_again(
    kv_capacity: int, max_prefixes: int, trie: TrieGenerator, same: Same
) -> None:
    """Too little memory costs time, and nothing else."""
    known = decoder_of(trie)
    trie._decoder = TrieDecoder(
        known._model, trie.tokens, known._device, kv_capacity=kv_capacity, max_prefixes=max_prefixes
    )
    asked = requests(trie.prompt(PROBLEM, ""))
    for _ in range(2):
        await same(asked)
    assert trie._decoder._kv_cache.size <= kv_capacity


async def test_only_the_request_that_fails_fails(
    trie: TrieGenerator, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory that runs out in a large batch would end the run, or one request would take its neighbours along."""
    explore, sizes = TrieDecoder.explore, []

    def scarce(self: TrieDecoder, walks: list[Walk]) -> None:
        sizes.append(len(walks))
        if len(walks) > 2 or any(walk.request.seed == 5 for walk in walks):
            raise RuntimeError("DefaultAllocator: can't allocate memory: you tried to allocate 9 bytes.")
        explore(self, walks)

    prompt = trie.prompt(PROBLEM, "")
    asked = [StepRequest(prompt, Sampling(temperature=1.0), (), 12, seed) for seed in range(6)]
    monkeypatch.setattr(TrieDecoder, "explore", scarce)
    steps = await trie.generate(asked)
    monkeypatch.undo()
    assert sizes[0] == 6
    whole = await trie.generate(asked)
    assert_decided(folder, asked, whole)
    assert drawn(steps[:5]) == drawn(whole[:5])
    assert steps[5].ended == "error"
    assert "allocate memory" in steps[5].error


async def test_a_dead_gpu_ends_the_run(trie: TrieGenerator, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a device error every further request would fail, one row after the other."""

    def dead(self: TrieDecoder, walks: list[Walk]) -> None:
        raise RuntimeError("CUDA error: device-side assert triggered")

    monkeypatch.setattr(TrieDecoder, "explore", dead)
    with pytest.raises(EngineDeadError, match="device-side assert"):
        await trie.generate([StepRequest(trie.prompt(PROBLEM, ""), Sampling(), (), 9, 1)])


async def test_closing_gives_up_what_is_under_way(folder: Path) -> None:
    """Ctrl-C would wait for a whole batch of solutions, or for ever."""
    async with started(TrieGenerator, folder, max_model_len=512) as trie:
        prompt = trie.prompt(PROBLEM, "")
        asked = [StepRequest(prompt, Sampling(temperature=1.0), (), 450, seed) for seed in range(8)]
        waiting = asyncio.ensure_future(trie.generate(asked))
        await asyncio.sleep(0.05)
        await trie.close()
        [ended] = await asyncio.wait_for(asyncio.gather(waiting, return_exceptions=True), 60)
        told = str(ended) if isinstance(ended, EngineDeadError) else " ".join([step.error for step in ended])
        assert "closed" in told


async def test_a_model_that_forgets_is_refused(tmp_path: Path) -> None:
    """Keys and values behind a window cannot be taken up again."""
    import torch
    from tiny_models import save_tokenizer
    from transformers import MistralConfig, MistralForCausalLM

    torch.manual_seed(1)
    size = len(save_tokenizer(tmp_path))
    shape = {"hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    settings = MistralConfig(vocab_size=size, sliding_window=16, num_key_value_heads=1, bos_token_id=None, **shape)
    MistralForCausalLM(settings).save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match=r"cannot be reused.*Type: --generator huggingface"):
        async with started(TrieGenerator, tmp_path):
            pass


async def test_searches_find_the_same_trees() -> None:
    """With the packaged generator, alone or all at once, the first time or later.

    The PRM says eighths, so that scores are exact on every processor; `assert_decided` sees to the draws.
    """
    settings = Config.from_yaml("pocket", dtype="float32", method="collective")
    prm = TellingPRM(lambda text: blake2b(text.encode()).digest()[0] % 9 / 8)

    async def trees(generator: str, gather: Callable[..., Any], times: int) -> list[list[SearchSpace]]:
        config = settings.model_copy(update={"generator": generator, "prm_name": "none"})
        problems = load_problems("pocket-math:count=3")
        found = []
        async with open_models(config) as (opened, _):
            for _ in range(times):
                spaces = [SearchSpace(problem, opened, prm, settings) for problem in problems]
                await gather(*[make_searcher(settings).search(space) for space in spaces])
                found.append(spaces)
        return found

    async def one_by_one(*searches: Any) -> None:
        for search in searches:
            await search

    [spaces] = await trees("huggingface", asyncio.gather, 1)
    for space in spaces:
        assert_decided(model_folder("pocket-gen"), *asked_and_drawn(space, settings))
    for gather in (asyncio.gather, one_by_one):
        for again in await trees("trie", gather, 2):
            assert shapes(again) == shapes(spaces)


def shapes(spaces: Sequence[SearchSpace]) -> list[list[tuple[Any, ...]]]:
    return [[(node.key, node.ids, node.state) for node in space.nodes] for space in spaces]


def asked_and_drawn(space: SearchSpace, settings: Config) -> tuple[list[StepRequest], list[Step]]:
    """What the generator was asked for the newest step of every path of a search, and that step."""
    steps = [node.steps[-1] for node in space.nodes]
    asked = [
        StepRequest(
            space._prompt + node.ids[: len(node.ids) - len(step.ids)],
            settings.sampling(step.temperature),
            settings.stop_tokens,
            settings.k_tokens,
            step.seed,
        )
        for node, step in zip(space.nodes, steps, strict=True)
    ]
    return asked, steps
