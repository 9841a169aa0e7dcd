"""Where the PRM's engine runs: honoured or refused, and nothing left behind; vLLM and the GPUs are replaced."""

from __future__ import annotations

import os
import sys
from dataclasses import make_dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from tt_scale.config import Config
from tt_scale.engines.vllm.devices import device_args, first_gpu, prm_gpus, visible
from tt_scale.errors import ConfigError


@pytest.fixture
def vllm(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A vLLM on four GPUs that cannot be told of devices."""

    def install(cpu: bool = False, told: bool = False) -> None:
        platform = SimpleNamespace(
            is_cpu=lambda: cpu, is_cuda_alike=lambda: not cpu, device_count=lambda: 4, device_name="cuda",
            device_control_env_var="CUDA_VISIBLE_DEVICES",
        )  # fmt: skip
        args = make_dataclass("AsyncEngineArgs", ["model", "device_ids"] if told else ["model"])
        monkeypatch.setitem(sys.modules, "vllm", SimpleNamespace(AsyncEngineArgs=args))
        monkeypatch.setitem(sys.modules, "vllm.platforms", SimpleNamespace(current_platform=platform))

    install()
    return install


def config_for(device: str | None, split: int = 1) -> Config:
    return Config(prm_device=device, tensor_parallel_size=split)


def test_indices_of_devices() -> None:
    assert [first_gpu(device) for device in ("cpu", "cuda", "cuda:0", "cuda:3")] == [None, 0, 0, 3]
    for bad in ("gpu", "cuda:x", "cuda:-1", "cpu:0", "1", ""):
        with pytest.raises(ConfigError, match=r"prm_device is .*Allowed: cpu"):
            config_for(bad)


def test_gpus_of_the_prm(vllm: Any) -> None:
    """A model that is split takes the GPUs that follow."""
    assert prm_gpus(config_for(None)) == ()
    assert prm_gpus(config_for("cuda")) == (0,)
    assert prm_gpus(config_for("cuda:2")) == (2,)
    assert prm_gpus(config_for("cuda:2", 2)) == (2, 3)
    with pytest.raises(ConfigError, match=r"up to number 4; the last one here is number 3"):
        prm_gpus(config_for("cuda:3", 2))
    with pytest.raises(ConfigError, match=r"vLLM runs on cuda.*--prm huggingface"):
        prm_gpus(config_for("cpu"))


def test_a_vllm_for_the_cpu(vllm: Any) -> None:
    """It would run on the CPU without a word."""
    vllm(cpu=True)
    assert prm_gpus(config_for("cpu")) == prm_gpus(config_for(None)) == ()
    with pytest.raises(ConfigError, match=r"'cuda:1', but the installed vLLM runs on the CPU.*--prm huggingface"):
        prm_gpus(config_for("cuda:1"))


@pytest.mark.parametrize(("before", "seen"), [(None, "1,2"), ("4,5,6", "5,6")])
def test_an_old_vllm_sees_only_its_gpus(
    vllm: Any, monkeypatch: pytest.MonkeyPatch, before: str | None, seen: str
) -> None:
    """What the user made visible is what is counted, and it is the same again afterwards, also after a failure."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if before:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", before)

    def start() -> None:
        with visible((1, 2)):
            assert os.environ["CUDA_VISIBLE_DEVICES"] == seen
            raise RuntimeError("no memory")

    with pytest.raises(RuntimeError, match="no memory"):
        start()
    assert os.environ.get("CUDA_VISIBLE_DEVICES") == before
    assert device_args((1, 2)) == {}
    with visible(()):
        assert os.environ.get("CUDA_VISIBLE_DEVICES") == before


def test_a_newer_vllm_gets_device_ids(vllm: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It sees all GPUs, which it needs to connect them, and numbers them likewise."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    vllm(told=True)
    assert device_args((1, 2)) == {"device_ids": [1, 2]}
    assert device_args(()) == {}
    with visible((1, 2)):
        assert "CUDA_VISIBLE_DEVICES" not in os.environ
