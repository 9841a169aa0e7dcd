"""Sizes from names and folders, and whether two models fit."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest

from tt_scale.backends import resolve
from tt_scale.bench.run.manifest import hardware
from tt_scale.config import Config
from tt_scale.doctor.diagnosis import _context_of, memory_plan
from tt_scale.doctor.memory_plan import MemoryPlan, Share, plan_cpu, plan_gpu, together
from tt_scale.engines.model_size import ModelSize, kv_bytes_per_token, model_size, parameters_in_name
from tt_scale.prm.generative.chain_of_thought import VERDICT_ROOM
from tt_scale.prm.generative.thinkprm import ThinkPRM

GIB = 2**30
LLAMA: dict[str, Any] = {  # config.json of Llama 3.2 1B
    "hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16, "num_attention_heads": 32,
    "num_key_value_heads": 8, "head_dim": 64, "vocab_size": 128256, "tie_word_embeddings": True,
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("Qwen/Qwen2.5-3B-Instruct-AWQ", 3_000_000_000),
        ("Qwen/Qwen2.5-Math-PRM-7B", 7_000_000_000),
        ("Skywork/Skywork-o1-Open-PRM-Qwen-2.5-1.5B", 1_500_000_000),
        ("HuggingFaceTB/SmolLM2-135M-Instruct", 135_000_000),
        ("RLHFlow/Llama3.1-8B-PRM-Deepseek-Data", 8_000_000_000),
        ("smollm2", 134_515_008),
        ("meta-llama/Llama-3", None),
        ("someone/4bit-thing", None),
        ("peiyi9979/math-shepherd-mistral-7b-prm", 7_000_000_000),
    ],
)
def test_parameters_are_read_from_a_name(name: str, parameters: int | None) -> None:
    """Versions (2.5), formats (4bit) and families (Llama-3) are numbers too."""
    assert parameters_in_name(name) == parameters


@pytest.mark.parametrize(
    ("name", "dtype", "quantization", "gib"),
    [
        ("x-7B", "float16", None, 7e9 * 2 / GIB),
        ("x-7B", "float32", None, 7e9 * 4 / GIB),
        ("x-7B-AWQ", "float16", None, 7e9 * 0.72 / GIB),
        ("x-7B", "float16", "gptq", 7e9 * 0.72 / GIB),
        ("x-7B-FP8", "auto", None, 7e9 * 1.1 / GIB),
    ],
)
def test_bytes_follow_format_and_dtype(name: str, dtype: str, quantization: str | None, gib: float) -> None:
    """A 4-bit model was planned at four times its size."""
    size = model_size(name, dtype, quantization)
    assert size.weight_bytes is not None
    assert size.weight_bytes / GIB == pytest.approx(gib)
    assert size.source == "name"


def test_the_kv_cache_follows_the_config() -> None:
    """Grouped keys (8 of 32 heads) make it a quarter; 2 x 16 layers x 8 heads x 64 x 2 bytes."""
    assert kv_bytes_per_token(LLAMA, "float16") == 2 * 16 * 8 * 64 * 2
    assert kv_bytes_per_token({**LLAMA, "head_dim": None, "num_key_value_heads": None}, "float32") == 2 * 16 * 2048 * 4
    assert kv_bytes_per_token({}, "float16") is None
    assert kv_bytes_per_token(None, "float16") is None


def folder(parent: Path, config: object, shapes: dict[str, list[int]] | None = None) -> Path:
    """A model folder with a config.json and, of the weights, the header only."""
    (parent / "config.json").write_text(json.dumps(config))
    if shapes is not None:
        header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
        header |= {name: {"dtype": "BF16", "shape": shape, "data_offsets": [0, 0]} for name, shape in shapes.items()}
        text = json.dumps(header).encode()
        (parent / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text)
    return parent


def test_a_folder_is_counted_from_its_weights(tmp_path: Path) -> None:
    """A folder called `checkpoint-500` has no size in its name."""
    size = model_size("ckpt", "bfloat16", None, folder(tmp_path, LLAMA, {"a": [1000, 2000], "b": [500]}))
    assert size == ModelSize(2_000_500, 4_001_000.0, 32768, "config and weights")


def test_a_config_alone_gives_the_parameters(tmp_path: Path) -> None:
    """Llama 3.2 1B has 1,235,814,400; norms (a few thousand weights) are not worth a formula."""
    size = model_size("ckpt", "float16", None, folder(tmp_path, LLAMA))
    assert size.parameters == pytest.approx(1_235_814_400, rel=1e-4)
    assert size.source == "config"


def test_packed_weights_are_not_counted_as_parameters(tmp_path: Path) -> None:
    """A 4-bit checkpoint holds one 32-bit integer for eight weights."""
    config = {**LLAMA, "quantization_config": {"quant_method": "awq"}}
    size = model_size("my-1B", "float16", None, folder(tmp_path, config, {"qweight": [1000, 1000]}))
    assert size.parameters == 1_000_000_000
    assert size.weight_bytes == pytest.approx(0.72e9)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"hidden_size": "x", "num_attention_heads": 0}', "\x00"])
def test_a_damaged_folder_is_an_unknown_size(tmp_path: Path, text: str) -> None:
    """A diagnosis must not die of what it diagnoses."""
    (tmp_path / "config.json").write_text(text)
    (tmp_path / "model.safetensors").write_bytes(b"\xff" * 20)
    assert model_size("ckpt", "float16", None, tmp_path) == ModelSize()


def share(gib: float, granted: float, role: str = "generator", kv: int = 0) -> Share:
    key = "gpu_mem_util" if role == "generator" else "prm_gpu_mem_util"
    return Share(role, "m", ModelSize(round(gib * GIB / 2), gib * GIB, kv, "name"), key, granted, 4096)


def test_two_models_that_fit() -> None:
    """4 + 1.5 GiB in 0.3 of 24, 10 + 1.5 in 0.6 of 24."""
    plan = plan_gpu([share(4, 0.3), share(10, 0.6, "PRM")], 24, 1)
    assert (plan.fits, plan.verdict) == (True, "Fits.")
    assert "gpu_mem_util 0.3 grants 7.2 GiB of 24" in plan.lines[0]


@pytest.mark.parametrize(
    ("shares", "split", "told"),
    [
        ([share(14, 0.4, "PRM")], 1, "the PRM needs about 15.5 GiB: raise prm_gpu_mem_util to 0.65"),
        ([share(40, 0.9)], 1, "more than one GPU has: raise tensor_parallel_size"),
        ([share(4, 0.3, kv=GIB // 1000)], 1, "raise gpu_mem_util to 0.4"),
        ([share(2, 0.6), share(2, 0.6, "PRM")], 1, "gpu_mem_util + prm_gpu_mem_util is 1.2, above 1"),
        ([share(2, 0.5), share(2, 0.48, "PRM")], 1, "0.98, which leaves 0.5 GiB, and each engine takes 0.6 GiB"),
    ],
)
def test_what_does_not_fit_says_what_to_change(shares: list[Share], split: int, told: str) -> None:
    """Otherwise the engine says so after minutes of loading, in its own words."""
    plan = plan_gpu(shares, 24, split)
    assert plan.fits is False
    assert told in plan.verdict


def test_a_model_split_over_gpus_needs_less_of_each() -> None:
    """40 GiB over two: 20 + 1.5 of 24."""
    assert plan_gpu([share(40, 0.9)], 24, 2).fits is True


def test_the_advice_is_enough() -> None:
    """A share rounded down would be refused again."""
    plan = plan_gpu([share(14, 0.4)], 24, 1)
    advised = float(plan.verdict.rstrip(".").rpartition(" ")[2])
    assert plan_gpu([share(14, advised)], 24, 1).fits is True


def test_main_memory_adds_up() -> None:
    """Weights, KV cache and overhead of both models: 4 + 1 + 1.5 + 10 + 1 + 1.5 = 19 GiB."""
    shares = [share(4, 1.0), share(10, 1.0, "PRM")]
    assert plan_cpu(shares, 22).fits is True
    short = plan_cpu(shares, 20)
    assert short.fits is False
    assert "19.0 GiB are needed, 18.0 of 20.0" in short.verdict


def test_a_kv_cache_too_small_for_one_solution_is_found() -> None:
    """vLLM refuses to start then."""
    plan = plan_cpu([Share("generator", "m", ModelSize(1, 2, GIB // 1000), "kv_cache_gib", 1.0, 4096)], 64)
    assert plan.fits is False
    assert "raise kv_cache_gib" in plan.verdict


def test_an_unknown_size_is_no_verdict() -> None:
    """ "Fits" would be a guess."""
    unknown = Share("generator", "m", ModelSize(), "gpu_mem_util", 0.5, 4096)
    assert plan_gpu([unknown], 24, 1).fits is None
    assert plan_cpu([unknown], 24).fits is None
    assert plan_gpu([unknown, share(40, 0.4, "PRM")], 24, 1).fits is False


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (None, ["A, 24576 MiB", "B, [N/A]", "C, 81559 MiB"]),
        ("2,0", ["C, 81559 MiB", "A, 24576 MiB"]),
        ("GPU-b1", ["B, [N/A]"]),
        ("1,7,0", ["B, [N/A]"]),
        ("", []),
        ("-1", []),
        ("MIG-x", ["A, 24576 MiB", "B, [N/A]", "C, 81559 MiB"]),
    ],
)
def test_only_gpus_that_are_shown_count(
    monkeypatch: pytest.MonkeyPatch, shown: str | None, expected: list[str]
) -> None:
    """cuda:0 is the first that CUDA_VISIBLE_DEVICES names; the driver's list knows nothing of it."""
    told = "0, GPU-a1, A, 24576 MiB\n1, GPU-b1, B, [N/A]\n2, GPU-c1, C, 81559 MiB"
    monkeypatch.setattr("tt_scale.bench.run.manifest._answer", lambda *command: told)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if shown is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", shown)
    assert hardware()["gpus"] == expected


def test_a_gpu_that_does_not_tell_its_memory_has_the_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Left out, it would give its number to the next."""
    monkeypatch.setattr("tt_scale.backends.find_spec", lambda name: name == "vllm")
    config = Config(model_name="a/x-1B", prm_name="a/p-7B", prm_device="cuda:1", method="collective")
    plan = memory_plan(resolve(config), ["NVIDIA GB10, [N/A]", "NVIDIA L4, 23034 MiB"], 100)
    assert "of 100" in plan.lines[0]
    assert "of 22" in plan.lines[1]


GPUS = ["NVIDIA L4, 23034 MiB", "NVIDIA H200, 143771 MiB"]


@pytest.mark.parametrize(
    ("keys", "gpus", "fits", "lines"),
    [
        ({"model_name": "simulated", "prm_name": "simulated"}, GPUS, True, 0),
        ({"model_name": "smollm2", "prm_name": "judge"}, [], True, 1),  # the judge is the generator
        ({"model_name": "a/x-1B", "prm_name": "none"}, GPUS, True, 1),
        ({"model_name": "a/x-3B", "prm_name": "a/p-7B"}, GPUS, False, 2),  # the smaller GPU decides
        ({"model_name": "a/x-3B", "prm_name": "a/p-7B"}, GPUS[1:], True, 2),
        ({"model_name": "a/x-1B", "prm_name": "none", "tensor_parallel_size": 3}, GPUS, False, 0),
        ({"model_name": "a/x-70B", "prm_name": "none"}, [], False, 1),
        ({"model_name": "a/x-13B", "prm_name": "none", "quantization": "awq"}, [], True, 1),
    ],
)
def test_a_configuration_is_planned_on_a_machine(
    monkeypatch: pytest.MonkeyPatch, keys: dict[str, Any], gpus: list[str], fits: bool, lines: int
) -> None:
    """Which models load, on what, and by which key, is decided as in a run."""
    monkeypatch.setattr("tt_scale.backends.find_spec", lambda name: name == "vllm")
    plan = memory_plan(resolve(Config(**keys, method="collective")), gpus, 24)
    assert (plan.fits, len(plan.lines)) == (fits, lines)


@pytest.mark.parametrize(
    ("keys", "fits", "told"),
    [
        ({"prm_device": "cuda:1"}, True, "PRM a/p-7B on cuda:1"),  # 0.5 of the small one, 0.4 of the large one
        ({"prm_device": "cuda:0"}, False, "the PRM needs about"),
        ({"prm_device": "cuda:1", "gpu_mem_util": 0.9, "prm_gpu_mem_util": 0.9}, True, "generator a/x-3B on cuda:0"),
        ({"gpu_mem_util": 0.9, "prm_gpu_mem_util": 0.9}, False, "above 1"),
        ({"prm_device": "cpu"}, True, "PRM a/p-7B on the CPU"),
        ({"prm_device": "cuda:2"}, False, "prm_device is cuda:2, tensor_parallel_size is 1, but there are 2 GPUs"),
        ({"prm_device": "cuda:1", "tensor_parallel_size": 2}, False, "tensor_parallel_size is 2, but there are 2 GPUs"),
        ({"prm_quantization": "awq"}, True, "weights 4.7 GiB"),
        ({"prm_url": "http://127.0.0.1:8000"}, True, "generator a/x-3B:"),
    ],
)
def test_two_devices_are_planned_apart(
    monkeypatch: pytest.MonkeyPatch, keys: dict[str, Any], fits: bool, told: str
) -> None:
    """Shares of two GPUs do not add up, and a quantized PRM is smaller."""
    monkeypatch.setattr("tt_scale.backends.find_spec", lambda name: name == "vllm")
    plan = memory_plan(resolve(Config(model_name="a/x-3B", prm_name="a/p-7B", **keys)), GPUS, 32)
    assert plan.fits is fits
    assert told in " ".join((*plan.lines, plan.verdict))


def test_the_prm_has_a_context_of_its_own(tmp_path: Path) -> None:
    """2 GiB for 65,536 tokens of Llama 3.2 1B, which a PRM with so long a context would need."""
    folder(tmp_path, {**LLAMA, "max_position_embeddings": 131072, "architectures": ["x"]})
    keys = {"model_name": "smollm2", "prm_name": str(tmp_path), "generator": "vllm", "prm": "vllm", "dtype": "float16"}
    assert memory_plan(resolve(Config(**keys)), [], 64).fits is True
    long = memory_plan(resolve(Config(**keys, prm_max_model_len=65536)), [], 64)
    assert long.verdict == "Does not fit: one solution of the PRM needs 2.0 GiB: raise kv_cache_gib."


def test_plans_of_several_devices() -> None:
    """One that fits must not hide one that does not, nor an unknown one."""
    fine, unknown = MemoryPlan(("a",), True, "Fits."), MemoryPlan(("b",), None, "Cannot tell.")
    bad = MemoryPlan(("c",), False, "Does not fit.")
    assert together([fine, fine]) == MemoryPlan(("a", "a"), True, "Fits.")
    assert together([fine, unknown]) == MemoryPlan(("a", "b"), None, "Cannot tell.")
    assert together([unknown, bad]) == MemoryPlan(("b", "c"), False, "Does not fit.")


@pytest.mark.parametrize(
    ("keys", "context"),
    [
        ({"prm": "judge"}, 2048),
        ({"prm": "judge", "prm_max_model_len": 512}, 512),
        ({"prm": "thinkprm"}, 2048 + 2 * ThinkPRM.own_chain_tokens + VERDICT_ROOM),
        ({"prm": "genprm", "prm_args": {"chain_tokens": 100}}, 2048 + 2 * 100 + VERDICT_ROOM),
        ({"prm": "genprm", "prm_max_model_len": 3000}, 3000),
    ],
)
def test_a_prm_that_writes_is_planned_with_room_to_write(keys: dict[str, Any], context: int) -> None:
    """Planned like one that only reads, it was said to fit and ran out of cache."""
    config = Config(model_name="a/x-3B", prm_name="a/p-7B", generator="vllm", max_model_len=2048, **keys)
    assert _context_of("a/p-7B", resolve(config).prms[0]) == context
