"""An implicit PRM of two tiny random models, against the authors' sums over the whole chat."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path as FilePath
from typing import Any

import pytest
from margins import CLOSE
from tiny_models import save_generator, save_prm, save_tokenizer

from tt_scale.backends import resolve
from tt_scale.base_classes import Problem, Scores, Step
from tt_scale.config import Config
from tt_scale.core.path import Path, State
from tt_scale.doctor.diagnosis import memory_plan
from tt_scale.errors import ConfigError, PRMError
from tt_scale.generator.simulated import SimulatedGenerator
from tt_scale.generator.tokens import Tokens
from tt_scale.prm.adapters.base import Checkpoint
from tt_scale.prm.adapters.lookup import find_adapter
from tt_scale.prm.implicit.eurus import EurusPRM
from tt_scale.prm.implicit.next_tokens import ModelPair
from tt_scale.prm.implicit.spans import StepSpans

pytestmark = [pytest.mark.hf, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

PROBLEM = Problem("p", "What is 12 + 30? Ignore <|im_end|>.", "42")
SOLUTIONS = [
    [f"Step {number}: add {number} and {length}." for number in range(1, length + 1)] for length in (1, 2, 3, 6)
]
BETA = 0.05
"""Larger than the authors': rewards of random models are small, and their sigmoids shall differ."""


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[FilePath, FilePath]:
    both = tmp_path_factory.mktemp("own"), tmp_path_factory.mktemp("reference")
    save_generator(both[0])
    save_generator(both[1], seed=1, tied=True)
    return both


def config_for(own: FilePath, reference: FilePath, **keys: Any) -> Config:
    args = {"reference": str(reference), "beta": BETA, "engine": keys.pop("engine", "huggingface")}
    keys = {"dtype": "float32", "max_model_len": 512, "kv_cache_gib": 0.25, **keys}
    return Config(prm_name=str(own), prm="eurus", prm_args=args, **keys)


def path_of(texts: Sequence[str], scores: tuple[float, ...] = (), state: State = "open") -> Path:
    steps = tuple([Step(f"{text}\n\n", (1,), "stop") for text in texts])
    return Path((0,) * len(texts), steps, scores, 0.0, state)


def log_ratios(folders: Sequence[FilePath], ids: list[int]) -> list[float]:
    """For each token but the first, how much likelier the PRM finds it than its reference."""
    import torch
    from transformers import AutoModelForCausalLM

    found = []
    for folder in folders:
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        with torch.no_grad():
            logits = model(torch.tensor([ids])).logits[0, :-1]
        found.append(logits.log_softmax(-1).gather(-1, torch.tensor(ids[1:])[:, None])[:, 0])
    return [float("nan"), *(found[0] - found[1]).tolist()]


def expected(folders: Sequence[FilePath], texts: Sequence[str], finished: bool) -> list[float]:
    """Sum over the chat in pieces: no token crosses from a step to the next, since a blank line ends each."""
    from transformers import PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast.from_pretrained(folders[0])
    pieces = ["<|im_start|>user\nWhat is 12 + 30? Ignore <", "|im_end|>.<|im_end|>\n<|im_start|>assistant\n"]
    ids = [token for piece in pieces for token in tokenizer.encode(piece, add_special_tokens=False)]
    edges = [len(ids)]
    for number, text in enumerate(texts, 1):
        end = "<|im_end|>" if finished and number == len(texts) else "\n\n"
        ids += tokenizer.encode(f"{text}{end}", add_special_tokens=False)
        edges.append(len(ids))
    ratios = log_ratios(folders, ids)
    return [1 / (1 + math.exp(-BETA * sum(ratios[first:last]))) for first, last in pairwise(edges)]


LONG = [f"Step {number}: add {number}{' and 12' * (number % 3)}." for number in range(1, 31)]
"""Several blocks of the cache, so that steps begin and end within, before and behind an edge."""


def state_at(end: int, texts: Sequence[str]) -> State:
    return "finished" if end == len(texts) else "open"


def parameters_of(folder: FilePath) -> int:
    from transformers import AutoModelForCausalLM

    return int(AutoModelForCausalLM.from_pretrained(folder).num_parameters())


def vocabulary_of(folder: FilePath) -> int:
    from transformers import AutoConfig

    return int(AutoConfig.from_pretrained(folder).vocab_size)


async def started(config: Config) -> EurusPRM:
    prm = EurusPRM.from_config(config, SimulatedGenerator())
    await prm.start()
    return prm


@pytest.mark.parametrize("state", ["open", "finished"])
async def test_transformers(folders: tuple[FilePath, FilePath], state: State) -> None:
    """A log-probability read at the token instead of before it is that of the token after."""
    wanted = [expected(folders, texts, state == "finished") for texts in SOLUTIONS]
    assert max(map(max, wanted)) - min(map(min, wanted)) > 0.05
    prm = await started(config_for(*folders))
    try:
        whole = await prm.score(PROBLEM, [path_of(texts, state=state) for texts in SOLUTIONS])
        alone = [(await prm.score(PROBLEM, [path_of(texts, state=state)]))[0] for texts in SOLUTIONS]
        last = await prm.score(PROBLEM, [path_of(texts, (0.5,) * (len(texts) - 1), state=state) for texts in SOLUTIONS])
    finally:
        await prm.close()
    for found in (whole, alone):
        for each, right in zip(found, wanted, strict=True):
            assert each.values == pytest.approx(right, abs=CLOSE)
    assert [each.values for each in last] == [pytest.approx(right[-1:], abs=CLOSE) for right in wanted]


@pytest.mark.vllm
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::FutureWarning")  # of vLLM's own imports
@pytest.mark.filterwarnings("ignore:Unclosed context:ResourceWarning")  # of vLLM's own sockets
def test_vllm(folders: tuple[FilePath, FilePath]) -> None:
    """Whole, step by step, and whole again, where most of what is asked for lies in the cache and has no row."""
    pytest.importorskip("vllm")

    async def scored() -> tuple[list[list[Scores]], list[Scores], list[list[Scores]]]:
        prm = await started(config_for(*folders, engine="vllm"))
        try:
            fresh = [await prm.score(PROBLEM, [path_of(texts) for texts in SOLUTIONS])]
            steps: list[Scores] = []
            for end in range(1, len(LONG) + 1):
                known = tuple([score for each in steps for score in each.values])
                steps += await prm.score(PROBLEM, [path_of(LONG[:end], known, state_at(end, LONG))])
            again = [await prm.score(PROBLEM, [path_of(each, state="finished") for each in (*SOLUTIONS, LONG)])]
            again.append(await prm.score(PROBLEM, [path_of(["add 12 and 30 " * 200])]))
            assert prm.parameters == 2 * parameters_of(folders[0]) - 64 * vocabulary_of(folders[0])  # one is tied
            return fresh, steps, again
        finally:
            await prm.close()

    [fresh], steps, [again, [long]] = asyncio.run(scored())
    for texts, found in zip(SOLUTIONS, fresh, strict=True):
        assert found.values == pytest.approx(expected(folders, texts, False), abs=CLOSE)
    for texts, found in zip((*SOLUTIONS, LONG), again, strict=True):
        assert found.values == pytest.approx(expected(folders, texts, True), abs=CLOSE)
    known = [score for each in steps for score in each.values]
    assert known == pytest.approx(expected(folders, LONG, True), abs=CLOSE)
    assert sum(each.tokens - each.cached for each in steps) < 0.5 * sum(each.tokens for each in steps)
    spans = StepSpans(Checkpoint("tiny", Tokens.load(str(folders[0])), {}))
    whole = len(spans.read(PROBLEM, path_of(LONG, state="finished")).ids)
    assert again[-1].tokens - again[-1].cached <= 2 * whole  # though it takes many prompts, no token is read twice
    assert (long.values, long.too_long) == ((), True)


async def test_step_by_step_is_whole_and_computes_the_new_step(folders: tuple[FilePath, FilePath]) -> None:
    """The blank line behind a step is its own, whether another step follows yet or not.

    The token before a step is read again by both models: it predicts the first of the step.
    """
    texts = SOLUTIONS[-1]
    prm = await started(config_for(*folders))
    known: tuple[float, ...] = ()
    lengths = [0]
    try:
        for end in range(1, len(texts) + 1):
            state: State = "finished" if end == len(texts) else "open"
            [found] = await prm.score(PROBLEM, [path_of(texts[:end], known, state)])
            known += found.values
            lengths.append(found.tokens // 2)
            new = lengths[-1] - lengths[-2]
            assert found.tokens - found.cached == 2 * (new if end == 1 else new + 1)
            assert found.flops == prm.parameters * (found.tokens - found.cached)
        [whole] = await prm.score(PROBLEM, [path_of(texts, state="finished")])
    finally:
        await prm.close()
    assert known == pytest.approx(whole.values, abs=CLOSE)
    assert known == pytest.approx(expected(folders, texts, True), abs=CLOSE)


async def test_siblings_share_what_is_new_to_all(folders: tuple[FilePath, FilePath]) -> None:
    """Their question is read once, by each of the models, before any of them is scored."""
    several = [[*SOLUTIONS[1], f"Step 3: it is {number}."] for number in (4, 42, 7)]
    prm = await started(config_for(*folders))
    try:
        found = await prm.score(PROBLEM, [path_of(texts) for texts in several])
    finally:
        await prm.close()
    for each, texts in zip(found, several, strict=True):
        assert each.values == pytest.approx(expected(folders, texts, False), abs=CLOSE)
    assert sum(each.cached for each in found) > 2 * 2 * 32


async def test_costs_both_models_and_says_what_is_too_long(folders: tuple[FilePath, FilePath]) -> None:
    prm = await started(config_for(*folders))
    try:
        fits, long = await prm.score(PROBLEM, [path_of(SOLUTIONS[0]), path_of(["add 12 and 30 " * 200])])
    finally:
        await prm.close()
    assert fits.flops == prm.parameters * fits.tokens  # twice the parameters of one, for half the tokens each
    assert fits.tokens > 50
    assert (long.values, long.too_long) == ((), True)


async def test_overflow_by_one_token(folders: tuple[FilePath, FilePath]) -> None:
    """A path that just fits is read, and one token less of room makes it too long: nothing is cut off."""
    [fits] = await scored(config_for(*folders), SOLUTIONS[2])
    length = fits.tokens // 2
    [again] = await scored(config_for(*folders, prm_max_model_len=length), SOLUTIONS[2])
    assert replace(again, values=fits.values) == fits
    assert again.values == pytest.approx(fits.values, abs=CLOSE)
    [long] = await scored(config_for(*folders, prm_max_model_len=length - 1), SOLUTIONS[2])
    assert (long.values, long.too_long) == ((), True)


async def scored(config: Config, texts: Sequence[str]) -> list[Scores]:
    prm = await started(config)
    try:
        return await prm.score(PROBLEM, [path_of(texts)])
    finally:
        await prm.close()


NASTY = [["", "  ", "Step 3: and <|im_end|>", "<|im_start|>", "- "], ["two\nlines", "a \n\n\n\n\nb", "\n"]]


@pytest.mark.parametrize("texts", [*NASTY, LONG])
def test_every_step_has_tokens_of_its_own(folders: tuple[FilePath, FilePath], texts: list[str]) -> None:
    """A blank step has its number, a special token in a text is text, and a child begins with its parent."""
    tokens = Tokens.load(str(folders[0]))
    spans = StepSpans(Checkpoint("tiny", tokens, {}))
    added = set(tokens.tokenizer.get_added_vocab().values())
    special = []
    for end in range(1, len(texts) + 1):
        reading = spans.read(PROBLEM, path_of(texts[:end]))
        assert len(reading.spans) == end
        assert all(first < last for first, last in reading.spans)
        assert all(one[1] == other[0] for one, other in pairwise(reading.spans))
        assert reading.spans[-1][1] == len(reading.ids)
        newest = spans.read(PROBLEM, path_of(texts[:end], (0.5,) * (end - 1)))
        assert (newest.ids, newest.spans) == (reading.ids, reading.spans[-1:])
        if end > 1:
            before = spans.read(PROBLEM, path_of(texts[: end - 1]))
            assert reading.ids[: len(before.ids)] == before.ids
        special.append(sum(token in added for token in reading.ids))
    assert len(set(special)) == 1


async def test_a_step_of_many_tokens(folders: tuple[FilePath, FilePath], monkeypatch: pytest.MonkeyPatch) -> None:
    """Logits are made some rows at a time; none may fall between two of them."""
    monkeypatch.setattr("tt_scale.prm.implicit.next_tokens.MAX_LOGIT_ROWS", 5)
    prm = await started(config_for(*folders))
    try:
        [found] = await prm.score(PROBLEM, [path_of(SOLUTIONS[2])])
    finally:
        await prm.close()
    assert found.values == pytest.approx(expected(folders, SOLUTIONS[2], False), abs=CLOSE)


def test_found_by_name() -> None:
    config = Config(prm_name="PRIME-RL/EurusPRM-Stage2", generator="vllm")
    assert resolve(config).prm_backends == "eurus"
    with pytest.raises(PRMError, match="--prm eurus"):
        find_adapter("auto", config.prm_name, {"architectures": ["Qwen2ForCausalLM"]})


@pytest.mark.parametrize(("generator", "engine"), [("vllm", "VLLMModelPair"), ("trie", "TransformersModelPair")])
async def test_runs_where_the_generator_runs(
    folders: tuple[FilePath, FilePath], monkeypatch: pytest.MonkeyPatch, generator: str, engine: str
) -> None:
    if generator == "vllm":
        pytest.importorskip("vllm")
    from tt_scale.prm.implicit.eurus_huggingface import TransformersModelPair
    from tt_scale.prm.implicit.eurus_vllm import VLLMModelPair

    began = []

    async def start(self: ModelPair) -> None:
        began.append(type(self).__name__)
        self.sizes = (1, 1)

    for kind in (TransformersModelPair, VLLMModelPair):
        monkeypatch.setattr(kind, "start", start)
    prm = EurusPRM.from_config(config_for(*folders, engine="auto", generator=generator), SimulatedGenerator())
    await prm.start()
    await prm.close()
    assert began == [engine]


def test_both_models_need_memory() -> None:
    plan = memory_plan(
        resolve(Config(model_name="a/x-1B", prm_name="PRIME-RL/EurusPRM-Stage2", generator="vllm")), [], 64
    )
    assert len(plan.lines) == 3
    assert "Qwen2.5-Math-7B-Instruct" in plan.lines[2]


async def test_refused(folders: tuple[FilePath, FilePath], tmp_path: FilePath) -> None:
    own, reference = folders
    scorer = save_prm(tmp_path / "scorer")
    other = save_generator(tmp_path / "other")
    save_tokenizer(other, text=["words of another kind"])
    for pair, told in (
        ((own, own), "its own reference"),
        ((scorer, reference), "two causal language models"),
        ((own, scorer), "two causal language models"),
        ((own, other), "another vocabulary"),
    ):
        prm = EurusPRM.from_config(config_for(*pair), SimulatedGenerator())
        with pytest.raises(PRMError, match=told):
            await prm.start()
        await prm.close()
    bent = save_generator(tmp_path / "bent")
    settings = json.loads((bent / "config.json").read_text())
    (bent / "config.json").write_text(json.dumps({**settings, "logit_scale": 0.5}))
    with pytest.raises(PRMError, match=r"logit_scale 0\.5"):
        await EurusPRM.from_config(config_for(bent, reference), SimulatedGenerator()).start()
    with pytest.raises(ConfigError, match="one device"):
        EurusPRM.from_config(config_for(own, reference, tensor_parallel_size=2), SimulatedGenerator())
    with pytest.raises(ConfigError, match="Did you mean 'vllm'"):
        EurusPRM.from_config(config_for(own, reference, engine="vlm"), SimulatedGenerator())
    with pytest.raises(ConfigError, match="'beta'"):
        EurusPRM.from_config(Config(prm_name="x", prm_args={"bet": 1}), SimulatedGenerator())
    with pytest.raises(ConfigError, match="above 0"):
        EurusPRM.from_config(Config(prm_name="x", prm_args={"beta": 0}), SimulatedGenerator())
