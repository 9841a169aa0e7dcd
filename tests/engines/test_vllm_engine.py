"""What surrounds a vLLM engine, without vLLM: its reasons, its log, and what is checked before it starts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import tt_scale.engines.vllm.engine as engine
from tt_scale.engines.load_errors import advice, sentence
from tt_scale.engines.vllm.checkpoint import check_weights
from tt_scale.engines.vllm.log import EngineLog
from tt_scale.errors import GeneratorError, MissingExtraError

PYDANTIC = """1 validation error for ModelConfig
  Value error, Unknown quantization method: foo. Must be one of ['awq', 'gptq']. [type=value_error, input_value=Args()]
    For further information visit https://errors.pydantic.dev/2/v/value_error"""

GLOO = (
    "[enforce fail at /__w/pytorch/third_party/gloo/gloo/transport/tcp/device.cc:212] ifa != nullptr. Unable to find "
    "interface for: [127.0.0.1]"
)

DEATH = """
print('(Worker pid=7) ERROR core.py] Traceback (most recent call last):')
print('(Worker pid=7) ERROR core.py] ValueError: No memory is left for the KV cache. Try more.')
print('(EngineCore pid=6) ERROR core.py] RuntimeError: Engine core initialization failed. See root cause above.')
"""


def test_reason_is_one_sentence() -> None:
    """vLLM wraps its reasons in pages of pydantic; people read the first line at most."""
    assert sentence(PYDANTIC) == "Unknown quantization method: foo."
    assert sentence(ValueError("it has 0.5 GiB of 1.5 GiB")) == "it has 0.5 GiB of 1.5 GiB."
    assert sentence(ValueError()) == "ValueError."
    assert sentence(GLOO) == "Unable to find interface for: [127.0.0.1]."
    assert "--quantization" in advice(PYDANTIC)
    assert "ip link set lo up" in advice(GLOO)
    assert advice("something never seen") == ""


def test_an_import_that_fails_is_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch reads its templates in the locale's encoding: in ASCII the import of vLLM fails."""
    wrong = UnicodeDecodeError("ascii", b"\xe2", 0, 1, "ordinal not in range(128)")

    def fail(name: str, *arguments: object) -> None:
        raise wrong if name.startswith("vllm") else ImportError(name)

    monkeypatch.setattr("builtins.__import__", fail)
    with pytest.raises(GeneratorError, match=r"cannot be imported: 'ascii' codec.*PYTHONUTF8=1"):
        engine._import_vllm()


@pytest.mark.parametrize(
    ("complaint", "change"),
    [
        ("The model type 'gemma2' does not support float16. Reason: unstable", "--dtype bfloat16"),
        ("Bfloat16 is only supported on GPUs with compute capability of at least 8.0.", "--dtype float16"),
        ("torch.float32 is not supported for quantization method awq. Supported dtypes: [...]", "--dtype bfloat16"),
        ("No available memory for the cache blocks. Try increasing `gpu_memory_utilization`", "--gpu-mem-util"),
    ],
)
def test_advice_for_a_gpu(complaint: str, change: str) -> None:
    """Words of vLLM; the first was answered with the dtype that it refuses."""
    assert change in advice(complaint)


def test_log_keeps_the_first_cause(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The last complaint of an engine only says that another process complained before."""
    monkeypatch.delenv("VLLM_LOGGING_LEVEL", raising=False)
    log = EngineLog()
    with log.collecting():
        subprocess.run([sys.executable, "-c", DEATH], check=True)
    assert log.reason() == "No memory is left for the KV cache. Try more."
    log.close()
    log.close()
    assert log.reason() == ""
    assert capfd.readouterr() == ("", "")


def test_own_output_goes_on_while_an_engine_starts(tmp_path: Path) -> None:
    """Progress of this process must not vanish in the engine's log, and output must come back afterwards."""
    script = """
import subprocess, sys
from tt_scale.engines.vllm.log import EngineLog
with EngineLog().collecting():
    print("mine")
    subprocess.run([sys.executable, "-c", "print('theirs')"])
print("after")
subprocess.run([sys.executable, "-c", "print('theirs after')"])
"""
    environment = {name: value for name, value in os.environ.items() if name != "VLLM_LOGGING_LEVEL"}
    done = subprocess.run([sys.executable, "-uc", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "mine\nafter\ntheirs after\n"
    assert done.stderr == ""


def test_log_is_shown_to_who_asks(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Who sets VLLM_LOGGING_LEVEL=INFO wants to see what the engine does."""
    monkeypatch.setenv("VLLM_LOGGING_LEVEL", "INFO")
    with EngineLog().collecting():
        subprocess.run([sys.executable, "-c", "print('loading')"], check=True)
    assert capfd.readouterr().out == "loading\n"


def test_vllm_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The CUDA build does not run on a machine without CUDA: the advice must name the right extra."""
    monkeypatch.setattr(engine, "find_spec", lambda name: None)
    for present, extra in ((True, "gpu"), (False, "cpu")):
        monkeypatch.setattr(engine, "_has_nvidia", lambda present=present: present)
        with pytest.raises(MissingExtraError, match=rf"tt-scale\[{extra}\]"):
            engine.prepare_vllm("Running 'm'")


def test_weights_are_looked_for(tmp_path: Path) -> None:
    """An interrupted download has a configuration and no weights; a hub name is not looked at."""
    check_weights("owner/model")
    with pytest.raises(GeneratorError, match=r"contains no config\.json"):
        check_weights(str(tmp_path))
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(GeneratorError, match="contains no weights"):
        check_weights(str(tmp_path))
    (tmp_path / "model.safetensors").write_bytes(b"")
    check_weights(str(tmp_path))
