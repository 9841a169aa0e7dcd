"""Reward models of whole answers on tiny random checkpoints: against Transformers' own classifier, on both runtimes."""

from __future__ import annotations

import asyncio
from pathlib import Path as FilePath
from typing import Any

import pytest
from margins import CLOSE
from tiny_models import CHATML, save_tokenizer

from tt_scale.base_classes import PRM, Problem, Step
from tt_scale.config import Config
from tt_scale.core.path import Path, State
from tt_scale.errors import ConfigError, PRMError
from tt_scale.generator.simulated import SimulatedGenerator
from tt_scale.prm.adapters.lookup import find_adapter, open_adapter
from tt_scale.prm.adapters.outcome import Outcome

pytestmark = [
    pytest.mark.hf,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore:Unclosed context:ResourceWarning"),
]

PROBLEM = Problem("p", "What is 12 + 30? Ignore <|im_end|>.", "42")
SOLUTIONS = [
    [f"Step {number}: add {number} and {length} and get {number + length}." for number in range(length)]
    for length in (1, 2, 5, 9)
] + [["This <|im_start|> is text.", "Get 42."]]
SHAPE = {
    "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2,
    "num_key_value_heads": 1, "max_position_embeddings": 512, "initializer_range": 0.3,
}  # fmt: skip


def save(folder: FilePath, labels: int, **settings: Any) -> FilePath:
    import torch
    from transformers import Qwen2Config, Qwen2ForSequenceClassification

    torch.manual_seed(labels)
    folder.mkdir(exist_ok=True)
    tokenizer = save_tokenizer(folder)
    config = Qwen2Config(vocab_size=len(tokenizer), num_labels=labels, pad_token_id=0, **SHAPE, **settings)
    model = Qwen2ForSequenceClassification(config).float()
    torch.nn.init.normal_(model.score.weight, std=0.3)
    model.save_pretrained(folder)
    return folder


def expected(folder: FilePath, column: int) -> list[float]:
    """Ask Transformers' classifier about the whole chat, as model cards show it."""
    import torch
    from transformers import AutoModelForSequenceClassification, PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()
    scores = []
    for texts in SOLUTIONS:
        chat = [("user", PROBLEM.question), ("assistant", "\n\n".join(texts))]
        ids: list[int] = []
        for role, said in chat:
            ids += tokenizer.encode(f"<|im_start|>{role}\n", add_special_tokens=False)
            for part in said.replace("<|im_", "<\0|im_").split("\0"):  # special tokens as text: cut in two
                ids += tokenizer.encode(part, add_special_tokens=False)
            ids += tokenizer.encode("<|im_end|>\n", add_special_tokens=False)
        with torch.no_grad():
            logits = model(torch.tensor([ids])).logits[0]
        right = torch.sigmoid(logits[0]) if len(logits) == 1 else torch.softmax(logits, -1)[column]
        scores.append(float(right))
    assert max(scores) - min(scores) > 0.05  # a constant head would prove nothing
    return scores


def path_of(texts: list[str], scores: tuple[float, ...] = (), state: State = "finished") -> Path:
    steps = tuple([Step(f"{text}\n\n", (1,), "stop") for text in texts])
    return Path((0,) * len(texts), steps, scores, 0.0, state)


def config_for(folder: FilePath, **keys: Any) -> Config:
    return Config(prm_name=str(folder), dtype="float32", max_model_len=512, kv_cache_gib=0.25, **keys)


async def check(prm: PRM, wanted: list[float]) -> int:
    """Finished paths, whole and after steps without a verdict, and open ones in between; gives tokens."""
    paths = [path_of(texts) for texts in SOLUTIONS]
    paths[1:1] = [path_of(["Step 1.", "Step 2."], (0.5,), "open")]
    found = await prm.score(PROBLEM, paths)
    still_open = found.pop(1)
    assert (still_open.values, still_open.tokens, still_open.too_long) == ((0.5,), 0, False)
    for each, texts, right in zip(found, SOLUTIONS, wanted, strict=True):
        assert each.values[:-1] == (0.5,) * (len(texts) - 1)
        assert each.values[-1] == pytest.approx(right, abs=CLOSE)
    grown = await prm.score(PROBLEM, [path_of(texts, (0.5,) * (len(texts) - 1)) for texts in SOLUTIONS])
    assert [len(each.values) for each in grown] == [1] * len(SOLUTIONS)
    assert [each.values[0] for each in grown] == pytest.approx(wanted, abs=CLOSE)
    return sum(each.tokens for each in found)


@pytest.mark.parametrize(("labels", "args", "column"), [(1, {}, 0), (2, {}, 1), (3, {"positive": 0}, 0)])
async def test_transformers(tmp_path: FilePath, labels: int, args: dict[str, Any], column: int) -> None:
    """A verdict read before the turn is closed, or of another label, is still a number between 0 and 1."""
    from tt_scale.prm.huggingface import HuggingFacePRM

    folder = save(tmp_path / "model", labels)
    prm = HuggingFacePRM.from_config(config_for(folder, prm_args=args), SimulatedGenerator())
    await prm.start()
    try:
        assert await check(prm, expected(folder, column)) > 100
        [long] = await prm.score(PROBLEM, [path_of(["add 12 and 30 " * 200])])
        assert long.too_long
        assert not long.values
    finally:
        await prm.close()


@pytest.mark.slow
@pytest.mark.vllm
@pytest.mark.parametrize("labels", [1, 2])
def test_vllm(tmp_path: FilePath, labels: int) -> None:
    """vLLM gives the bare number of a model that calls itself a regression; the score is its sigmoid."""
    pytest.importorskip("vllm")
    from tt_scale.prm.vllm import VLLMPRM

    folder = save(tmp_path / "model", labels, problem_type="regression" if labels == 1 else None)

    async def scored() -> None:
        prm = VLLMPRM.from_config(config_for(folder), SimulatedGenerator())
        try:
            await prm.start()
            await check(prm, expected(folder, labels - 1))
        finally:
            await prm.close()

    asyncio.run(scored())


def test_found_by_architecture_or_name(tmp_path: FilePath) -> None:
    assert find_adapter("auto", "a/b", {"architectures": ["LlamaForSequenceClassification"]}) is Outcome
    assert find_adapter("outcome", "a/b", {"architectures": ["PhiForSequenceClassification"]}) is Outcome


def test_refused(tmp_path: FilePath) -> None:
    folder = save(tmp_path / "model", 2)
    with pytest.raises(ConfigError, match="--agg last"):
        open_adapter(config_for(folder, agg="mean"), str(folder))
    with pytest.raises(ConfigError, match=r"final_agg is 'prod'.*--final-agg last"):
        open_adapter(config_for(folder, final_agg="prod"), str(folder))
    with pytest.raises(ConfigError, match="labels are 0 to 1"):
        open_adapter(config_for(folder, prm_args={"positive": 2}), str(folder))
    (folder / "chat_template.jinja").write_text(CHATML.replace("message['content']", "'twice'"))
    with pytest.raises(PRMError, match="question and its answer"):
        open_adapter(config_for(folder), str(folder))


async def test_a_generator_is_no_reward_model(tmp_path: FilePath) -> None:
    from tiny_models import save_generator

    from tt_scale.prm.huggingface import HuggingFacePRM

    folder = save_generator(tmp_path)
    prm = HuggingFacePRM.from_config(config_for(folder, prm_adapter="outcome"), SimulatedGenerator())
    with pytest.raises(PRMError, match=r"no weights for score\.weight"):
        await prm.start()
    await prm.close()
