"""Each PRM family on a tiny random checkpoint, five ways: the authors' reading, and ours whole and step by step."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path as FilePath

import pytest
from margins import CLOSE
from tiny_prms import FAMILIES, Family

from tt_scale.base_classes import PRM, Problem, Step
from tt_scale.config import Config
from tt_scale.core.path import Path
from tt_scale.generator.simulated import SimulatedGenerator
from tt_scale.prm.adapters.lookup import open_adapter

pytestmark = [
    pytest.mark.hf,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore:Unclosed context:ResourceWarning"),
]

QUESTION = "What is 12 + 30?"
PROBLEM = Problem("p", QUESTION, "42")
SOLUTIONS = [
    [f"add the numbers {number} and {length} and get {number + length}." for number in range(length)]
    for length in (1, 2, 3, 7, 30)
]
QUICK = ("math-shepherd",)
"""A head of two tokens; `pocket-prm` has the other kind. All families run in `make test-all`."""


def path_of(texts: list[str], scores: tuple[float, ...] = ()) -> Path:
    return Path((0,) * len(texts), tuple([Step(f"{text}\n\n", (1,), "stop") for text in texts]), scores)


@pytest.fixture(scope="module", params=sorted(FAMILIES))
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Family, FilePath]:
    family = FAMILIES[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    family.save(folder)
    return family, folder


def config_for(family: Family, folder: FilePath) -> Config:
    return Config(
        prm_name=str(folder), prm_adapter=family.name, prm_args=dict(family.args), dtype="float32",
        max_model_len=512, kv_cache_gib=0.25,
    )  # fmt: skip


def expected(family: Family, folder: FilePath) -> list[list[float]]:
    scores = [family.read(folder, QUESTION, texts) for texts in SOLUTIONS]
    assert [len(each) for each in scores] == [len(texts) for texts in SOLUTIONS]
    assert max(map(max, scores)) - min(map(min, scores)) > 0.1  # a constant head would prove nothing
    return scores


async def whole(prm: PRM) -> list[list[float]]:
    return [list(scores.values) for scores in await prm.score(PROBLEM, [path_of(texts) for texts in SOLUTIONS])]


async def step_by_step(prm: PRM) -> tuple[list[list[float]], int, int]:
    """Scores, and the tokens given and cached, of every solution grown one step at a time."""
    known: list[tuple[float, ...]] = [() for _ in SOLUTIONS]
    tokens = cached = 0
    for end in range(1, max(map(len, SOLUTIONS)) + 1):
        growing = [number for number, texts in enumerate(SOLUTIONS) if len(texts) >= end]
        found = await prm.score(PROBLEM, [path_of(SOLUTIONS[number][:end], known[number]) for number in growing])
        for number, scores in zip(growing, found, strict=True):
            assert len(scores.values) == 1
            known[number] += scores.values
            tokens, cached = tokens + scores.tokens, cached + scores.cached
    return [list(each) for each in known], tokens, cached


def assert_close(found: list[list[float]], wanted: list[list[float]]) -> None:
    assert [len(each) for each in found] == [len(each) for each in wanted]
    for one, other in zip(found, wanted, strict=True):
        assert one == pytest.approx(other, abs=CLOSE)


async def test_transformers(checkpoint: tuple[Family, FilePath]) -> None:
    """A score that is read one token off, or of the other class, is still a number between 0 and 1."""
    from tt_scale.prm.huggingface import HuggingFacePRM

    family, folder = checkpoint
    wanted = expected(family, folder)
    prm = HuggingFacePRM.from_config(config_for(family, folder), SimulatedGenerator())
    await prm.start()
    try:
        assert_close(await whole(prm), wanted)
        assert_close((await step_by_step(prm))[0], wanted)
    finally:
        await prm.close()


async def scored_by_vllm(family: Family, folder: FilePath) -> None:
    from tt_scale.prm.vllm import VLLMPRM

    wanted = expected(family, folder)
    prm = VLLMPRM.from_config(config_for(family, folder), SimulatedGenerator())
    try:
        await prm.start()
        one_by_one, tokens, cached = await step_by_step(prm)
        assert_close(one_by_one, wanted)
        assert cached > 0.6 * tokens
        assert_close(await whole(prm), wanted)
    finally:
        await prm.close()


@pytest.mark.vllm
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in QUICK else [pytest.mark.slow]) for name in sorted(FAMILIES)]
)
def test_vllm(name: str, tmp_path: FilePath, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that is told of the wrong head gives scores, too."""
    pytest.importorskip("vllm")
    monkeypatch.setenv("TT_SCALE_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "model"
    folder.mkdir()
    FAMILIES[name].save(folder)
    asyncio.run(scored_by_vllm(FAMILIES[name], folder))


NASTY = [
    ["", "  ", "ки and \n\n\n\n and + and <|im_end|>", "<|begin|><s>", "- "],
    ["two\nlines", "a \n\n\n\n\nb", "\n"],
]


def test_texts_that_look_like_tags(checkpoint: tuple[Family, FilePath]) -> None:
    """A step that holds the tag would get two scores; a blank one none; a question could end its own turn."""
    family, folder = checkpoint
    adapter = open_adapter(config_for(family, folder), str(folder))
    special = set(adapter.checkpoint.tokens.tokenizer.get_added_vocab().values())
    calm = adapter.read(PROBLEM, path_of(["one", "two"]))
    for texts in NASTY:
        reading = adapter.read(Problem("p", "What<|im_end|><|begin|></s> ки \n\n\n\n is it?", "1"), path_of(texts))
        assert len(reading.positions) == len(texts) == len(set(reading.positions))
        assert list(reading.positions) == sorted(reading.positions)
        assert reading.positions[-1] == len(reading.ids) - 1
        last = adapter.read(PROBLEM, path_of(texts, tuple([0.5] * (len(texts) - 1))))
        assert len(last.positions) == 1
        turn = 4 if family.name == "rlhflow" else 0  # special tokens that come with each further step
        extra = sum(token in special for token in reading.ids) - sum(token in special for token in calm.ids)
        assert extra == turn * (len(texts) - 2)


def test_children_begin_with_their_parents(checkpoint: tuple[Family, FilePath]) -> None:
    """Prefix caches work only if the ids of a path are those of its parent and more."""
    family, folder = checkpoint
    adapter = open_adapter(config_for(family, folder), str(folder))
    texts = SOLUTIONS[3]
    readings = [adapter.read(PROBLEM, path_of(texts[:end])) for end in range(1, len(texts) + 1)]
    for parent, child in pairwise(readings):
        assert child.ids[: len(parent.ids)] == parent.ids
