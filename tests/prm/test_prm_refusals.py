"""PRMs that cannot be trusted are refused at load, or at the step, with what was expected and what was found."""

from __future__ import annotations

import csv
import json
from pathlib import Path as FilePath
from typing import Any

import pytest
from commands import BENCH, Command, records
from quantized import save_awq
from tiny_models import save_prm, save_tokenizer
from tiny_prms import FAMILIES, byte_tokenizer, piece_tokenizer

from tt_scale.base_classes import Problem, Scores, Step
from tt_scale.config import Config
from tt_scale.core.path import Path
from tt_scale.engines.model_names import refuse_scorer
from tt_scale.errors import EngineDeadError, GeneratorError, PRMError
from tt_scale.generator.simulated import SimulatedGenerator
from tt_scale.generator.tokens import Tokens
from tt_scale.prm.adapters.base import Checkpoint
from tt_scale.prm.adapters.binary_tag import MathPSA, MathShepherd, VersaPRM
from tt_scale.prm.adapters.lookup import settings_of
from tt_scale.prm.adapters.qwen_math import QwenMath
from tt_scale.prm.adapters.rlhflow import RLHFlow
from tt_scale.prm.adapters.skywork import Skywork
from tt_scale.prm.huggingface import HuggingFacePRM
from tt_scale.prm.simulated import SimulatedPRM

pytestmark = [pytest.mark.hf, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

PROBLEM = Problem("p", "What is 12 + 30?", "42")


def path_of(*texts: str) -> Path:
    return Path((0,) * len(texts), tuple([Step(f"{text}\n\n", (1,), "stop") for text in texts]))


def checkpoint_of(folder: FilePath, **settings: Any) -> Checkpoint:
    return Checkpoint("tiny", Tokens.load(str(folder)), settings)


@pytest.mark.parametrize(
    ("save", "kind", "settings", "told"),
    [
        (piece_tokenizer, MathShepherd, {"model_type": "mistral", "vocab_size": 32000}, "trained with 648"),
        (lambda folder: byte_tokenizer(folder, True), VersaPRM, {"vocab_size": 128256}, "trained with 10"),
        (save_tokenizer, QwenMath, {}, "trained with 151651"),
        (lambda folder: byte_tokenizer(folder, False), MathPSA, {}, "trained with 488"),
        (save_tokenizer, RLHFlow, {}, "trained with 10"),
    ],
)
def test_ids_other_than_those_of_the_family_are_refused(
    tmp_path: FilePath, monkeypatch: pytest.MonkeyPatch, save: Any, kind: Any, settings: dict[str, Any], told: str
) -> None:
    """A tokenizer of a sibling model has all the words, at other places: every score would be one of another word."""
    save(tmp_path)
    checkpoint = checkpoint_of(tmp_path, **settings)
    vocabulary = checkpoint.tokens.tokenizer.get_vocab()
    own = {**vocabulary, "<|im_start|>": 151644, "<|eot_id|>": 128009}  # as the family's own has them
    monkeypatch.setattr(type(checkpoint.tokens.tokenizer), "get_vocab", lambda self: own)
    with pytest.raises(PRMError, match=told):
        kind(checkpoint)


def test_a_tag_that_merges_otherwise_is_refused_at_the_step(tmp_path: FilePath) -> None:
    """A run of line breaks that this tokenizer cuts otherwise is no tag to the model."""
    byte_tokenizer(tmp_path, True)
    adapter = VersaPRM(checkpoint_of(tmp_path))
    adapter._tag_id = 23535
    with pytest.raises(PRMError, match=r"ends in the token \d+; the PRM was trained with 23535"):
        adapter.read(PROBLEM, path_of("12 + 30 = 42."))


def test_a_text_without_a_beginning_is_refused(tmp_path: FilePath) -> None:
    """Skywork's PRM was never shown a text that does not begin with its token."""
    byte_tokenizer(tmp_path, False)
    with pytest.raises(PRMError, match="names a beginning-of-sequence token"):
        Skywork(checkpoint_of(tmp_path))


@pytest.mark.parametrize("name", ["versa", "pure"])
async def test_a_head_without_weights_is_refused(tmp_path: FilePath, name: str) -> None:
    """Loaders fill what is missing with random numbers and only warn."""
    from safetensors.torch import load_file, save_file

    family = FAMILIES[name]
    family.save(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    head = [key for key in weights if key.startswith(("lm_head", "score"))]
    assert head
    kept = {key: weight for key, weight in weights.items() if key not in head}
    save_file(kept, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(PRMError, match=f"no weights for .*{head[0].split('.')[0]}"):
        await started(tmp_path, prm_adapter=name)


async def started(folder: FilePath, **keys: Any) -> HuggingFacePRM:
    prm = HuggingFacePRM.from_config(Config(prm_name=str(folder), dtype="float32", **keys), SimulatedGenerator())
    await prm.start()
    return prm


@pytest.mark.vllm
async def test_vllm_never_initialises_a_head_randomly(tmp_path: FilePath) -> None:
    """vLLM would start with a random layer where it makes the classifier itself."""
    pytest.importorskip("vllm")
    from tt_scale.prm.vllm import VLLMPRM

    save_prm(tmp_path, head=False)
    prm = VLLMPRM.from_config(Config(prm_name=str(tmp_path), dtype="float32"), SimulatedGenerator())
    with pytest.raises(PRMError, match=r"no weights for score\.0\.weight"):
        await prm.start()
    await prm.close()


@pytest.mark.vllm
async def test_an_unquantized_head_is_not_loaded_as_quantized(tmp_path: FilePath) -> None:
    """vLLM would look for packed tensors of the head, and fail with words about kernels."""
    pytest.importorskip("vllm")
    from tt_scale.prm.vllm import VLLMPRM

    save_prm(tmp_path / "plain")
    save_awq(tmp_path / "plain", tmp_path / "packed", tmp_path / "unpacked")
    prm = VLLMPRM.from_config(Config(prm_name=str(tmp_path / "packed")), SimulatedGenerator())
    with pytest.raises(PRMError, match=r"quantized with awq.*not quantized"):
        await prm.start()
    await prm.close()
    config = Config(prm_name=str(tmp_path / "plain"), prm_quantization="fp8")
    prm = VLLMPRM.from_config(config, SimulatedGenerator())
    with pytest.raises(PRMError, match=r"prm_quantization is 'fp8'.* would quantize the head"):
        await prm.start()
    await prm.close()


async def test_a_nan_score_is_rejected_at_the_step(tmp_path: FilePath) -> None:
    """Overflow in 16 bits gives NaN, which compares as neither above nor below any threshold."""
    from safetensors.torch import load_file, save_file

    save_prm(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    weights["score.2.bias"][:] = float("nan")
    save_file(weights, tmp_path / "model.safetensors")
    prm = await started(tmp_path)
    with pytest.raises(PRMError, match="returned the score nan; a score must be between 0 and 1"):
        await prm.score(PROBLEM, [path_of("12 + 30 = 42.")])
    await prm.close()


async def test_a_closed_prm_raises_an_error(tmp_path: FilePath) -> None:
    """A call after the end met an attribute of None."""
    prm = await started(save_prm(tmp_path))
    await prm.close()
    await prm.close()
    with pytest.raises(EngineDeadError):
        await prm.score(PROBLEM, [path_of("42.")])


@pytest.mark.parametrize(
    "architecture",
    [
        "Qwen2ForProcessRewardModel", "Qwen2ForRewardModel", "Qwen2ForPrmModel", "Qwen2ForEnsemblePRM",
        "Qwen2ForTokenClassification", "LlamaForSequenceClassification",
    ],
)  # fmt: skip
def test_a_prm_as_generator_is_rejected(tmp_path: FilePath, architecture: str) -> None:
    """Loaded as a generator it would write with a random head."""
    (tmp_path / "config.json").write_text(json.dumps({"architectures": [architecture]}))
    with pytest.raises(GeneratorError, match=f"a {architecture}: it scores text and cannot generate it"):
        refuse_scorer(str(tmp_path), "x")


@pytest.mark.parametrize(
    ("text", "told"),
    [("[1]", "contains a list"), ("null", "NoneType"), ('{"architectures": 5}', "architectures are 5")],
)
def test_invalid_config_json_is_rejected(tmp_path: FilePath, text: str, told: str) -> None:
    """A traceback about `get`, from a file that is JSON and no configuration."""
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(PRMError, match=rf"no readable config\.json: .*{told}"):
        settings_of("x", str(tmp_path))


FAULTS = {
    "nan": lambda scores: Scores((float("nan"),) * len(scores.values)),
    "too large": lambda scores: Scores(tuple([value + 1.5 for value in scores.values])),
    "too few": lambda scores: Scores(scores.values[1:]),
    "failed": None,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_prm_that_fails_on_one_problem_fails_that_one_alone(
    capsys: pytest.CaptureFixture[str], tmp_path: FilePath, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """One bad problem ended a run of a night."""
    honest = SimulatedPRM.score
    monkeypatch.chdir(tmp_path)
    few = ("--num-samples", "6", "--concurrency", "6")
    assert Command(capsys)(*BENCH, *few, "--output-dir", "good").status == 0
    good = records(tmp_path / "good")
    victim = sorted(good)[2]

    async def failing(self: SimulatedPRM, problem: Problem, paths: Any) -> list[Scores]:
        found = await honest(self, problem, paths)
        if problem.id != victim[0]:
            return found
        change = FAULTS[fault]
        if change is None:
            raise PRMError("The PRM failed to score 9 paths.")
        return [change(scores) for scores in found]

    monkeypatch.setattr(SimulatedPRM, "score", failing)
    answer = Command(capsys)(*BENCH, *few, "--output-dir", "bad")
    assert answer.status == 0
    bad = records(tmp_path / "bad")
    assert bad[victim]["error"].startswith("PRMError: The PRM ")
    assert bad[victim]["grade"] == "no_answer"
    assert {key: bad[key] for key in bad if key != victim} == {key: good[key] for key in good if key != victim}
    assert "problems that failed, counted as not correct (--retry-failed runs them again): 1." in answer.out


def test_paths_that_the_prm_cannot_read_are_counted(
    capsys: pytest.CaptureFixture[str], tmp_path: FilePath, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A PRM with a short context lost long solutions in silence, and the table did not say why they were not right."""
    honest = SimulatedPRM.score

    async def short(self: SimulatedPRM, problem: Problem, paths: Any) -> list[Scores]:
        found = await honest(self, problem, paths)
        return [
            Scores((), too_long=True) if len(path.steps) > 2 else scores
            for path, scores in zip(paths, found, strict=True)
        ]

    monkeypatch.setattr(SimulatedPRM, "score", short)
    monkeypatch.chdir(tmp_path)
    answer = Command(capsys)(*BENCH, "--num-samples", "5", "--method", "beam_search")
    assert answer.status == 0
    found = records(tmp_path)
    count = sum(node["state"] == "unreadable" for record in found.values() for node in record["tree"])
    assert count > 0
    assert sum(record["telemetry"]["unreadable"] for record in found.values()) == count
    (detail,) = tmp_path.rglob("detail.csv")
    assert sum(int(row["unreadable"]) for row in csv.DictReader(detail.read_text().splitlines())) == count
    assert f"paths that exceed the context of the PRM, which are neither expanded nor vote: {count}." in answer.out
    assert all(len(node["steps"]) for record in found.values() for node in record["tree"])


@pytest.mark.parametrize(
    ("prm", "ignored"),
    [
        ("none", ["prm_adapter", "prm_device", "prm_max_model_len", "prm_quantization"]),
        ("simulated", ["prm_adapter", "prm_device", "prm_max_model_len", "prm_quantization"]),
        ("judge", ["prm_adapter", "prm_device"]),
        ("pocket-prm", []),
    ],
)
def test_keys_that_no_prm_reads_cause_a_warning(prm: str, ignored: list[str]) -> None:
    """A tag that was set for a judge had no effect, without any warning."""
    from tt_scale.bench.run.manifest import ignored_options
    from tt_scale.bench.run.session import warnings

    keys = {
        "prm_adapter": "versa", "prm_quantization": "awq", "prm_max_model_len": 99, "prm_device": "cpu",
    }  # fmt: skip
    config = Config(model_name="pocket-gen", method="self_consistency", prm_name=prm, **keys)
    assert ignored_options(config) == ignored
    assert any("no method or PRM of this run reads prm_adapter" in each for each in warnings([config])) == bool(ignored)
