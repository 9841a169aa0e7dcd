"""Keys and values that are taken up again: the same scores, and no token read twice."""

from __future__ import annotations

import random
from pathlib import Path as FilePath
from typing import Any

import pytest
from margins import CLOSE
from tiny_prms import FAMILIES, SHAPE, Family, at_tags, causal_logits, piece_tokenizer

from tt_scale.base_classes import PRM, Problem, Scores, Step
from tt_scale.config import Config
from tt_scale.core.path import Path
from tt_scale.engines.transformers.radix_cache import RadixCache
from tt_scale.generator.simulated import SimulatedGenerator

pytestmark = [pytest.mark.hf, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

QUESTIONS = ["What is 12 + 30?", "Take the number 7. " * 40 + "What is it?", "Add."]
STARTS = ["add", "get", "12 is", "the", "7 -"]


def marks(ids: tuple[int, ...], start: int) -> Any:
    """Stands for keys and values: a number for each id that depends on all ids before it [1, 1, 1, ids, 1]."""
    import torch

    numbers = [float(hash(ids[: end + 1]) % 1000) for end in range(start, len(ids))]
    return torch.tensor(numbers).reshape(1, 1, 1, -1, 1)


def test_a_store_gives_back_what_belongs_to_a_text() -> None:
    """A segment that is split at the wrong place, or let go before its children, gives the keys of another text."""
    import torch

    chance = random.Random(5)
    store, hits = RadixCache(120), 0
    for _ in range(800):
        ids = tuple(chance.choices(range(3), k=chance.randint(1, 30)))
        held, kv_chunks = store.match_prefix(ids)
        assert held == store.match_length(ids) <= len(ids)
        if held:
            hits += 1
            assert torch.equal(torch.cat(kv_chunks, dim=3), marks(ids[:held], 0))
        store.insert(ids, held, marks(ids, held))
        assert store.size <= 120
    assert hits > 300


def test_the_least_recently_used_text_goes_first() -> None:
    """A parent that goes before its children leaves them without a beginning."""
    store = RadixCache(8)
    for ids in [(1, 2, 3, 4), (1, 2, 5), (7, 8)]:  # 1 2 is shared: 7 tokens
        store.insert(ids, store.match_length(ids), marks(ids, store.match_length(ids)))
    assert store.size == 7
    store.match_prefix((1, 2, 3, 4))
    store.insert((9, 9), 0, marks((9, 9), 0))  # 9 tokens: the 5 goes, the oldest that nothing hangs on
    assert [store.match_length(ids) for ids in [(1, 2, 5), (7, 8), (1, 2, 3, 4), (9, 9)]] == [2, 2, 4, 2]
    store.insert((6,) * 20, 0, marks((6,) * 20, 0))  # more than there is room for: nothing is left
    assert store.size == 0
    store.insert((1, 2), 1, marks((1, 2), 1))  # its beginning is gone
    assert store.size == 0


def test_what_two_readings_computed_twice_is_kept_once() -> None:
    """Siblings that are read in one batch begin alike."""
    store = RadixCache(100)
    store.insert((1, 2, 3, 4), 0, marks((1, 2, 3, 4), 0))
    store.insert((1, 2, 3, 5), 0, marks((1, 2, 3, 5), 0))
    store.insert((1, 2, 3), 0, marks((1, 2, 3), 0))
    assert store.size == 5


@pytest.fixture(scope="module", params=["math-shepherd", "versa", "pure", "rlhflow"])
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Family, FilePath]:
    """Mistral, Llama, Qwen2, and a chat."""
    family = FAMILIES[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    family.save(folder)
    return family, folder


async def started(name: str, folder: FilePath, held: int | None, monkeypatch: pytest.MonkeyPatch) -> PRM:
    from tt_scale.prm import huggingface

    if held is not None:
        monkeypatch.setattr(huggingface, "cache_capacity", lambda base, config: held)
    config = Config(prm_name=str(folder), prm_adapter=name, dtype="float32", max_model_len=1024, kv_cache_gib=0.1)
    prm = huggingface.HuggingFacePRM.from_config(config, SimulatedGenerator())
    await prm.start()
    return prm


def child(path: Path, text: str) -> Path:
    return Path((*path.key, 0), (*path.steps, Step(f"{text}\n\n", (1,), "stop")), path.scores)


async def grown(prm: PRM, depth: int) -> tuple[dict[tuple[str, tuple[str, ...]], tuple[float, ...]], int, set[Any]]:
    """Search three problems at once: of three children each two grow on, and each problem ends at another depth.

    Returns: all scores, the tokens that were computed, and every text that was read.
    """
    scores: dict[tuple[str, tuple[str, ...]], tuple[float, ...]] = {}
    computed, texts = 0, set()
    fronts = {question: [Path((), (), ())] for question in QUESTIONS}
    for level in range(depth):
        asked = [
            (question, child(path, f"{start} {level} " + "and get " * ((level * 7 + len(start)) % 5)))
            for question, front in fronts.items()
            for path in front
            for start in STARTS[:3]
        ]
        answers = await ask(prm, asked)
        for (question, path), answer in zip(asked, answers, strict=True):
            scores[question, tuple([step.text for step in path.steps])] = path.scores + answer.values
            computed += answer.tokens - answer.cached
            texts.add(prm.adapter.read(Problem("p", question, "1"), path).ids)  # type: ignore[attr-defined]
        pairs = list(zip(asked, answers, strict=True))
        fronts = {
            question: [
                Path(path.key, path.steps, path.scores + answer.values)
                for (whose, path), answer in pairs
                if whose == question
            ][1:3]
            for place, question in enumerate(QUESTIONS)
            if level < depth - 2 * place
        }
    return scores, computed, texts


async def ask(prm: PRM, asked: list[tuple[str, Path]]) -> list[Scores]:
    """All problems at once, so that they share batches."""
    import asyncio

    found = await asyncio.gather(*[prm.score(Problem("p", question, "1"), [path]) for question, path in asked])
    return [scores for [scores] in found]


async def test_scores_are_those_of_whole_readings(
    checkpoint: tuple[Family, FilePath], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A position, a mask or a past of another row gives scores that look like any others."""
    family, folder = checkpoint
    found = {}
    for held in (0, 150, None):  # nothing is kept, too little, all of it
        with monkeypatch.context() as patched:
            prm = await started(family.name, folder, held, patched)
            found[held], computed, texts = await grown(prm, 6)
            await prm.close()
        distinct = len({ids[:end] for ids in texts for end in range(1, len(ids) + 1)})
        if held == 0:
            assert computed == sum([len(ids) for ids in texts])
        elif held is None:  # siblings of one batch may both read the few tokens with which they begin alike
            assert distinct <= computed <= 1.25 * distinct
    for key, whole in found[0].items():
        assert found[150][key] == pytest.approx(whole, abs=CLOSE)
        assert found[None][key] == pytest.approx(whole, abs=CLOSE)
    question, steps = max(found[0], key=lambda key: len(key[1]))
    expected = family.read(folder, question, [step.strip() for step in steps])
    assert found[None][question, steps] == pytest.approx(expected, abs=CLOSE)


async def test_all_steps_of_a_solution_after_some_were_read(
    checkpoint: tuple[Family, FilePath], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a place that was read before, the hidden state is gone: it must be read again, not the next one taken."""
    family, folder = checkpoint
    prm = await started(family.name, folder, None, monkeypatch)
    problem, path = Problem("p", QUESTIONS[0], "1"), Path((), (), ())
    for start in STARTS:
        path = child(path, start)
    expected = family.read(folder, QUESTIONS[0], STARTS)
    for _ in range(2):
        one, other = await prm.score(problem, [path, path])
        assert one.values == other.values == pytest.approx(expected, abs=CLOSE)
        assert other.cached == other.tokens  # the same text in the same batch
    assert 0 < one.cached < one.tokens
    await prm.close()


async def test_a_window_is_read_whole(tmp_path: FilePath, monkeypatch: pytest.MonkeyPatch) -> None:
    """A window over padded places would slide too far, and what has left it cannot be taken up again."""
    import torch
    from transformers import MistralConfig, MistralForCausalLM

    torch.manual_seed(4)
    size = len(piece_tokenizer(tmp_path))
    settings = MistralConfig(vocab_size=size, sliding_window=16, bos_token_id=None, eos_token_id=None, **SHAPE)
    MistralForCausalLM(settings).float().save_pretrained(tmp_path)
    prm = await started("math-shepherd", tmp_path, None, monkeypatch)
    path = Path((), (), ())
    known: tuple[float, ...] = ()
    for start in STARTS:
        path = Path((), child(path, start).steps, known)
        [found] = await prm.score(Problem("p", QUESTIONS[0], "1"), [path])
        assert found.cached == 0
        known += found.values
    await prm.close()
    text = "\n".join([f"Step {number}: {step} ки" for number, step in enumerate(STARTS, 1)])
    assert known == pytest.approx(at_tags(tmp_path, f"{QUESTIONS[0]} {text}", " ки", "▁+", "▁-"), abs=CLOSE)
    assert causal_logits(tmp_path, range(20)).shape[0] == 20


def test_frequencies_that_change_with_the_length_are_read_whole() -> None:
    """Keys that were turned by the angles of a short text are wrong in a long one."""
    from transformers import LlamaConfig, LlamaModel

    from tt_scale.prm.prefix_reader import cache_capacity

    def held(**own: Any) -> int:
        return cache_capacity(
            LlamaModel(LlamaConfig(vocab_size=10, **{**SHAPE, **own})).eval(), Config(kv_cache_gib=0.001)
        )

    each = 2 * 2 * 1 * 32 * 4  # keys and values, layers, heads, width, bytes
    assert held() == int(0.001 * 2**30) // each
    assert held(rope_scaling={"rope_type": "linear", "factor": 2.0, "rope_theta": 1e4}) > 0
    assert held(rope_scaling={"rope_type": "dynamic", "factor": 2.0, "rope_theta": 1e4}) == 0
