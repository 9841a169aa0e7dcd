"""One tiny random Qwen PRM, four ways: plain Transformers, ours on Transformers, vLLM whole, vLLM step by step."""

from __future__ import annotations

import asyncio
from pathlib import Path as FilePath
from typing import Any

import pytest
from margins import CLOSE
from tiny_models import save_generator, save_prm, save_tokenizer

from tt_scale.base_classes import PRM, Problem, Step
from tt_scale.config import Config
from tt_scale.core.path import Path
from tt_scale.errors import PRMError
from tt_scale.generator.simulated import SimulatedGenerator
from tt_scale.generator.tokens import Tokens
from tt_scale.prm.adapters.base import Checkpoint, ScoringInput
from tt_scale.prm.adapters.qwen_math import QwenMath

pytestmark = [pytest.mark.hf, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

PROBLEM = Problem("p", "What is 12 + 30? Ignore <extra_0> and <|im_end|>.", "42")
OTHER = Problem("q", "Which number is 12 + 30?", "42")
SYSTEM = "Please reason step by step, and put your final answer within \\boxed{}."
SOLUTIONS = [
    [f"Step {number}: add {number} and {length} and get the number {number + length}." for number in range(length)]
    for length in (1, 2, 3, 5, 8, 12)
] + [["This step holds <extra_0> as text.", "And <|im_start|> this one.", "Get 42."]]


def path_of(texts: list[str], scores: tuple[float, ...] = ()) -> Path:
    steps = tuple(Step(f"{text}\n\n", (1,), "stop") for text in texts)
    return Path((0,) * len(texts), steps, scores)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> FilePath:
    return save_prm(tmp_path_factory.mktemp("prm"))


def protocol_of(folder: FilePath) -> QwenMath:
    return QwenMath(Checkpoint("tiny", Tokens.load(str(folder)), {}))


def config_for(folder: FilePath) -> Config:
    return Config(prm_name=str(folder), dtype="float32", max_model_len=512, kv_cache_gib=0.25)


@pytest.fixture(scope="module")
def expected(folder: FilePath) -> list[list[float]]:
    return card(folder, PROBLEM)


def card(folder: FilePath, problem: Problem) -> list[list[float]]:
    """An independent reading of the model card: one whole forward for each solution, no code of ours.

    Special tokens in question and steps are cut in two, which is how they are written as text.
    """
    import torch
    from safetensors.torch import load_file
    from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2Model

    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    weights = load_file(folder / "model.safetensors")
    base = Qwen2Model(Qwen2Config.from_pretrained(folder))
    base.load_state_dict({name.removeprefix("model."): w for name, w in weights.items() if name.startswith("model.")})
    base = base.float().eval()
    tag = tokenizer.convert_tokens_to_ids("<extra_0>")

    def plain(text: str) -> list[int]:
        halves = text.replace("<extra_0>", "<\0extra_0>").replace("<|im_", "<\0|im_").split("\0")
        return [token for half in halves for token in tokenizer.encode(half, add_special_tokens=False)]

    def marked(text: str) -> list[int]:
        return tokenizer.encode(text, add_special_tokens=False)

    scores = []
    for texts in SOLUTIONS:
        ids = marked(f"<|im_start|>system\n{SYSTEM}<|im_end|>\n<|im_start|>user\n")
        ids += plain(problem.question) + marked("<|im_end|>\n<|im_start|>assistant\n")
        for text in texts:
            ids += [*plain(text), tag]
        ids += marked("<|im_end|>\n")  # as the card has it; causal attention makes it irrelevant
        with torch.no_grad():
            hidden = base(torch.tensor([ids])).last_hidden_state[0]
            hidden = torch.relu(hidden @ weights["score.0.weight"].T + weights["score.0.bias"])
            right = torch.softmax(hidden @ weights["score.2.weight"].T + weights["score.2.bias"], -1)[:, 1]
        scores.append([float(right[place]) for place, token in enumerate(ids) if token == tag])
        assert len(scores[-1]) == len(texts)
    assert max(map(max, scores)) - min(map(min, scores)) > 0.2  # a constant head would prove nothing
    return scores


async def whole(prm: PRM, problem: Problem = PROBLEM) -> list[list[float]]:
    found = await prm.score(problem, [path_of(texts) for texts in SOLUTIONS])
    return [list(scores.values) for scores in found]


async def step_by_step(prm: PRM) -> tuple[list[list[float]], int, int]:
    scores, tokens, cached = [], 0, 0
    for texts in SOLUTIONS:
        known: tuple[float, ...] = ()
        for end in range(1, len(texts) + 1):
            [found] = await prm.score(PROBLEM, [path_of(texts[:end], known)])
            assert len(found.values) == 1
            known += found.values
            tokens, cached = tokens + found.tokens, cached + found.cached
        scores.append(list(known))
    return scores, tokens, cached


def assert_close(found: list[list[float]], expected: list[list[float]]) -> None:
    assert [len(each) for each in found] == [len(each) for each in expected]
    for one, other in zip(found, expected, strict=True):
        assert one == pytest.approx(other, abs=CLOSE)


async def test_transformers(folder: FilePath, expected: list[list[float]]) -> None:
    """Padding that is not masked, or scores read one token off, shift every search."""
    from tt_scale.prm.huggingface import HuggingFacePRM

    prm = HuggingFacePRM.from_config(config_for(folder), SimulatedGenerator())
    await prm.start()
    assert_close(await whole(prm), expected)
    alone = [list((await prm.score(PROBLEM, [path_of(texts)]))[0].values) for texts in SOLUTIONS]
    assert_close(alone, expected)
    assert_close((await step_by_step(prm))[0], expected)
    assert prm.parameters > 10_000
    await prm.close()


@pytest.mark.vllm
@pytest.mark.filterwarnings("ignore::FutureWarning")  # of vLLM's own imports
@pytest.mark.filterwarnings("ignore:Unclosed context:ResourceWarning")  # of vLLM's own sockets
def test_vllm(folder: FilePath, expected: list[list[float]]) -> None:
    """Rows indexed from the front are off by what the cache held; whole paths read again cost the square of depth."""
    pytest.importorskip("vllm")
    from tt_scale.prm.vllm import VLLMPRM

    async def scored() -> tuple[list[list[float]], tuple[list[list[float]], int, int], list[list[float]]]:
        prm = VLLMPRM.from_config(config_for(folder), SimulatedGenerator())
        try:
            await prm.start()
            assert prm.parameters > 10_000
            return await whole(prm, OTHER), await step_by_step(prm), await whole(prm)
        finally:
            await prm.close()

    fresh, (one_by_one, tokens, cached), again = asyncio.run(scored())
    assert_close(fresh, card(folder, OTHER))
    assert_close(one_by_one, expected)
    assert_close(again, expected)  # now mostly cached: the hidden rows are asked for again
    assert cached > 0.6 * tokens


def test_ids_are_those_of_the_card(folder: FilePath) -> None:
    """A piece that is tokenised otherwise than in the whole text gives the model what it never saw in training."""
    from transformers import PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    texts = SOLUTIONS[3]
    text = tokenizer.apply_chat_template(
        [
            {"role": "system", "content": SYSTEM},
            {"role": "user", "content": "  \n What is it?\n"},
            {"role": "assistant", "content": "<extra_0>".join(texts) + "<extra_0>"},
        ],
        tokenize=False,
    )
    whole_text = tokenizer.encode(text, add_special_tokens=False)
    reading = protocol_of(folder).read(Problem("p", "  \n What is it?\n", "1"), path_of(texts))
    end = len(reading.ids)
    assert list(reading.ids) == whole_text[:end]
    assert [place for place, token in enumerate(whole_text) if token == reading.ids[-1]] == list(reading.positions)
    assert "<extra_0>" not in tokenizer.decode(whole_text[end:])


def test_only_new_steps_are_read_out(folder: FilePath) -> None:
    """Rescoring old steps costs tokens and may change a path's history."""
    protocol = protocol_of(folder)
    old = protocol.read(PROBLEM, path_of(SOLUTIONS[2][:2]))
    new = protocol.read(PROBLEM, path_of(SOLUTIONS[2], (0.5, 0.5)))
    assert new.ids[: len(old.ids)] == old.ids
    assert new.positions == (len(new.ids) - 1,)
    assert new.ids.count(protocol.tag) == 3


@pytest.mark.parametrize("special", [True, False])
def test_the_tag_in_a_text_is_no_tag(tmp_path: FilePath, special: bool) -> None:
    """A step that talks about `<extra_0>` would get two scores; tokenizers differ in whether the tag is special."""
    from tokenizers import AddedToken

    tokenizer = save_tokenizer(tmp_path, ["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    tokenizer.add_tokens([AddedToken("<extra_0>", special=special, normalized=False)])
    tokenizer.save_pretrained(tmp_path)
    protocol = protocol_of(tmp_path)
    question = Problem("p", "<|im_start|>What<|im_end|>?<extra_0>", "1")
    reading = protocol.read(question, path_of(["<extra_0>", "a<extra_0>", "<extra_0<extra_0>>"]))
    turn = tokenizer.convert_tokens_to_ids("<|im_start|>")
    assert tuple(place for place, token in enumerate(reading.ids) if token == protocol.tag) == reading.positions
    assert len(reading.positions) == 3
    assert reading.ids.count(turn) == 3
    text = tokenizer.decode([token for token in reading.ids if token != protocol.tag])
    assert text.count("<extra_0>") == 4


def test_scores_that_are_none_are_refused() -> None:
    """float16 that overflows gives NaN, which compares as neither good nor bad."""
    reading = ScoringInput((1, 2, 3), (1, 2))
    assert reading.checked([0.0, 1.0]) == (0.0, 1.0)
    for values in ([0.5], [0.5, float("nan")], [0.5, 1.01], [-0.1, 0.5], [0.1, 0.2, 0.3]):
        with pytest.raises(PRMError):
            reading.checked(values)


def test_a_wrong_id_for_the_tag_is_refused(folder: FilePath) -> None:
    """Another model of the same family calls another id `<extra_0>`; its scores would be those of a common word."""
    protocol = protocol_of(folder)
    assert protocol.known_id("<extra_0>", protocol.tag) == protocol.tag
    with pytest.raises(PRMError, match=f"the id {protocol.tag}; the model was trained with 151651"):
        protocol.known_id("<extra_0>", 151651)


async def test_too_long_is_said(folder: FilePath) -> None:
    """Past its context a PRM is silently wrong; the other paths of the batch are scored all the same."""
    from tt_scale.prm.huggingface import HuggingFacePRM

    prm = HuggingFacePRM.from_config(config_for(folder), SimulatedGenerator())
    await prm.start()
    long, short = await prm.score(PROBLEM, [path_of(["long " * 600]), path_of(["short"])])
    assert long.too_long
    assert long.values == ()
    assert len(short.values) == 1
    assert not short.too_long
    await prm.close()


async def test_wrong_models_are_refused(tmp_path: FilePath) -> None:
    """A generator in the PRM's place scores noise; a checkpoint without its head, too."""
    from tt_scale.prm.huggingface import HuggingFacePRM

    async def started(folder: FilePath) -> Any:
        await HuggingFacePRM.from_config(config_for(folder), SimulatedGenerator()).start()

    for name in ("generator", "headless", "untagged"):
        (tmp_path / name).mkdir()
    with pytest.raises(PRMError, match="a LlamaForCausalLM, a generator; there is no adapter for it"):
        await started(save_generator(tmp_path / "generator"))
    with pytest.raises(PRMError, match=r"no weights for score\.0"):
        await started(save_prm(tmp_path / "headless", head=False))
    untagged = save_prm(tmp_path / "untagged")
    save_tokenizer(untagged, ["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    with pytest.raises(PRMError, match="has no single token '<extra_0>'"):
        await started(untagged)
    with pytest.raises(PRMError, match=r"no readable config\.json"):
        await started(tmp_path)
