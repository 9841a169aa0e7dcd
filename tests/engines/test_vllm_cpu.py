"""What is decided for a vLLM engine on a CPU, with a vLLM that only has the names which are looked at."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import tt_scale.engines.vllm.cpu as cpu
from tt_scale.config import Config
from tt_scale.engines.dtypes import EngineDevice
from tt_scale.errors import GeneratorError

REAL = Config(generator="vllm", model_name="m", prm_name="judge")


def fake_vllm(monkeypatch: pytest.MonkeyPatch, **modules: dict[str, Any]) -> None:
    """Put modules in vLLM's place; the names of `modules` have dashes for dots, below vllm."""
    for known in [name for name in sys.modules if name == "vllm" or name.startswith("vllm.")]:
        monkeypatch.delitem(sys.modules, known)
    for dashed, names in modules.items():
        parts = ["vllm", *dashed.split("__")]
        for end in range(1, len(parts) + 1):
            name = ".".join(parts[:end])
            if name not in sys.modules:
                package = ModuleType(name)
                package.__path__ = []  # type: ignore[attr-defined]
                monkeypatch.setitem(sys.modules, name, package)
                if end > 1:  # `from vllm.a import b` looks at attributes
                    setattr(sys.modules[".".join(parts[: end - 1])], parts[end - 1], package)
        vars(sys.modules[".".join(parts)]).update(names)


class Executor:
    """Stands for vLLM's."""


def shared_memory(monkeypatch: pytest.MonkeyPatch, folder: Path, mib: int) -> None:
    folder.mkdir(exist_ok=True)
    monkeypatch.setattr(cpu, "SHARED_MEMORY", folder)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=mib * 2**20))


def test_no_worker_process_and_no_shared_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Docker gives 64 MB of /dev/shm, and vLLM's queue between engine and worker takes 160."""
    fake_vllm(monkeypatch, v1__executor__uniproc_executor={"UniProcExecutor": Executor})
    shared_memory(monkeypatch, tmp_path / "shm", 64)
    arguments = cpu.cpu_args(REAL)
    assert arguments["distributed_executor_backend"] is Executor  # the class: vLLM turns its name into "mp"


@pytest.mark.parametrize("names", [{}, {"UniProcExecutor": "moved"}], ids=["gone", "another thing"])
def test_a_vllm_without_that_class_takes_its_default(
    names: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A name inside vLLM may move with any version."""
    fake_vllm(monkeypatch, v1__executor__uniproc_executor=names)
    shared_memory(monkeypatch, tmp_path / "shm", 1000)
    assert "distributed_executor_backend" not in cpu.cpu_args(REAL)
    shared_memory(monkeypatch, tmp_path / "shm", 64)
    with pytest.raises(GeneratorError, match="needs 160 MiB"):
        cpu.cpu_args(REAL)


def test_a_vllm_without_that_module_takes_its_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The module may move, too."""
    fake_vllm(monkeypatch, v1__executor={})
    shared_memory(monkeypatch, tmp_path / "shm", 1000)
    assert "distributed_executor_backend" not in cpu.cpu_args(REAL)


def test_several_workers_keep_their_processes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One process cannot run two tensor-parallel workers; where /dev/shm is small the message says the way out."""
    fake_vllm(monkeypatch, v1__executor__uniproc_executor={"UniProcExecutor": Executor})
    split = REAL.model_copy(update={"tensor_parallel_size": 2})
    shared_memory(monkeypatch, tmp_path / "shm", 1000)
    assert "distributed_executor_backend" not in cpu.cpu_args(split)
    shared_memory(monkeypatch, tmp_path / "shm", 63)
    with pytest.raises(GeneratorError) as refused:
        cpu.cpu_args(split)
    for part in ("160 MiB", "63 MiB", "--shm-size", "--generator huggingface"):
        assert part in str(refused.value)


def test_shared_memory_that_is_asked_for_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """vLLM's own variable changes what it takes; a system without /dev/shm has no such limit."""
    shared_memory(monkeypatch, tmp_path / "shm", 64)
    monkeypatch.setenv("VLLM_MQ_MAX_CHUNK_BYTES_MB", "4")
    cpu.require_shared_memory()
    monkeypatch.setenv("VLLM_MQ_MAX_CHUNK_BYTES_MB", "32")
    with pytest.raises(GeneratorError, match="needs 320 MiB"):
        cpu.require_shared_memory()
    monkeypatch.setattr(cpu, "SHARED_MEMORY", tmp_path / "none")
    cpu.require_shared_memory()


def test_cores_are_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    """One spinning thread too many makes engines on a busy CPU thirty times slower."""
    monkeypatch.setattr(cpu, "available_cores", lambda: 9)
    assert cpu.engine_threads(REAL) == 8
    assert cpu.engine_threads(Config(generator="vllm", model_name="m", prm_name="m")) == 8
    assert cpu.engine_threads(Config(generator="vllm", model_name="m", prm_name="p", prm="vllm")) == 4
    monkeypatch.setattr(cpu, "available_cores", lambda: 1)
    assert cpu.engine_threads(REAL) == 1


@pytest.mark.parametrize(
    ("by_ray", "prm", "device", "expected"),
    [
        ("16", "vllm", "cpu", "7"),  # not 16 for each of two engines
        (None, "vllm", "cpu", "7"),
        ("16", "simulated", "cpu", "15"),
        ("5", "vllm", "cpu", "5"),  # set by the user
        ("16", "vllm", "other", "16"),
    ],
)
def test_a_replica_divides_its_cores_between_its_engines(
    monkeypatch: pytest.MonkeyPatch, by_ray: str | None, prm: str, device: str, expected: str
) -> None:
    """One replica took four times as long as the same run without Ray."""
    monkeypatch.setenv("OMP_NUM_THREADS", "")  # so that the end of the test restores it
    monkeypatch.delenv("OMP_NUM_THREADS")
    if by_ray is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", by_ray)
    monkeypatch.setattr(cpu, "available_cores", lambda: 64)
    monkeypatch.setattr(cpu, "engine_device", lambda engine: EngineDevice(engine, device))
    name = "simulated" if prm == "simulated" else "p"
    cpu.share_cores(Config(generator="vllm", model_name="m", prm_name=name, prm=prm), 16)
    assert os.environ["OMP_NUM_THREADS"] == expected


def test_no_cores_are_divided_where_no_engine_spins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "")  # so that the end of the test restores it
    monkeypatch.delenv("OMP_NUM_THREADS")
    cpu.share_cores(Config(model_name="simulated", prm_name="simulated"), 16)
    assert "OMP_NUM_THREADS" not in os.environ


def test_models_are_looked_at_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """vLLM imported itself once more for each model, in a process of its own."""
    registry = {"_run_in_subprocess": lambda look: pytest.fail("in another process")}
    fake_vllm(monkeypatch, model_executor__models__registry=registry)
    cpu.inspect_models_here()
    module = sys.modules["vllm.model_executor.models.registry"]
    assert module._run_in_subprocess(os.getpid) == os.getpid()
    fake_vllm(monkeypatch, model_executor__models__registry={})
    cpu.inspect_models_here()  # a version that looks in another way
    assert not hasattr(sys.modules["vllm.model_executor.models.registry"], "_run_in_subprocess")
