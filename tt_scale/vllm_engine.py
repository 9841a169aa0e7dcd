"""A vLLM engine from birth to death: quiet, private, and never outliving the process that started it.

The engine runs in processes of its own. What they print goes to a file, from which the reason of a failure is read;
a user who sets VLLM_LOGGING_LEVEL sees everything instead. Ctrl-C reaches only this process, which then decides.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tt_scale.config import Config
from tt_scale.devices import visible
from tt_scale.dtypes import place_of, resolve_dtype
from tt_scale.errors import GeneratorError, MissingExtraError, TTScaleError
from tt_scale.models import prm_configs, weights_of
from tt_scale.vllm_log import EngineLog
from tt_scale.vllm_model import check_weights
from tt_scale.vllm_processes import EngineProcesses, shielded_from_interrupts
from tt_scale.vllm_reason import advice, sentence

__all__ = ["Engine", "engine_args", "on_cpu", "prepare_vllm"]

ENVIRONMENT = {
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "VLLM_WORKER_MULTIPROC_METHOD": "spawn",  # a fork would copy our threads' locks
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",  # otherwise all engines bind the same cores
}
"""What vLLM reads from the environment; what the user has set stays."""


def prepare_vllm(purpose: str) -> None:
    """Set what vLLM reads when it is first imported, and import it.

    Args:
        purpose: what it is needed for, for the message.

    Raises:
        MissingExtraError: vLLM is not installed.
    """
    if find_spec("vllm") is None:
        raise MissingExtraError("vllm", "gpu" if _has_nvidia() else "cpu", purpose)
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    _silence()
    import vllm.v1.engine.async_llm  # noqa: F401

    _silence()  # the import brought its own handlers


def _silence() -> None:
    """Turn off vLLM's logger in this process: what fails here comes back as an exception anyway."""
    if EngineLog.hidden():
        log = logging.getLogger("vllm")
        log.handlers[:] = [logging.NullHandler()]
        log.setLevel(logging.CRITICAL)


def on_cpu() -> bool:
    """Whether the installed vLLM runs on a CPU."""
    from vllm.platforms import current_platform

    return bool(current_platform.is_cpu())


def engine_args(config: Config, model: str, **own: Any) -> Any:
    """Say how to build an engine.

    Args:
        config: of the run.
        model: folder or hub name.
        own: fields of `AsyncEngineArgs` that differ for this engine.

    Returns:
        vLLM's `AsyncEngineArgs`.

    Raises:
        MissingExtraError: vLLM is not installed.
    """
    prepare_vllm(f"Running {model!r}")
    from vllm import AsyncEngineArgs

    shared: dict[str, Any] = {
        "model": model,
        "dtype": resolve_dtype(config.dtype, place_of("vllm"), model, config.quantization),
        "quantization": config.quantization,
        "max_model_len": config.max_model_len,
        "gpu_memory_utilization": config.gpu_mem_util,
        "tensor_parallel_size": config.tensor_parallel_size,
        "trust_remote_code": config.trust_remote_code,
        "seed": config.seed % 2**32,
        "enable_prefix_caching": True,
        "generation_config": "vllm",
        "disable_log_stats": True,
        "use_tqdm_on_load": False,
    }
    if on_cpu():
        os.environ.setdefault("OMP_NUM_THREADS", str(_threads(config)))
        shared |= _cpu_args(config)
    return AsyncEngineArgs(**{**shared, **own})


def _cpu_args(config: Config) -> dict[str, Any]:
    """What differs on a CPU: a fixed cache, small blocks, a fast start, and prompts that are read in one piece.

    vLLM ends with "CPU Generator does not use offset" when a seeded request's prompt is read in several pieces.
    """
    return {
        "kv_cache_memory_bytes": int(config.kv_cache_gib * 2**30),
        "block_size": 32,
        "enforce_eager": True,
        "enable_chunked_prefill": False,
        "max_num_batched_tokens": max(config.max_model_len, 4096),
    }


def _threads(config: Config) -> int:
    """Give each engine its share of the cores, less one for this process.

    OpenMP threads wait for each other by spinning: with one more than there are free cores an engine crawls.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    others = sum([len(weights_of(each)) for each in prm_configs(config)])
    return max(1, (cores - 1) // (1 + others))


class Engine:
    """One running vLLM engine.

    Args:
        model: its folder or hub name.
        make_args: gives the `AsyncEngineArgs`; called when it starts.
        gpus: that it may see; none for all.

    Attributes:
        llm: vLLM's `AsyncLLM` while it runs, else None.
    """

    def __init__(self, model: str, make_args: Callable[[], Any], gpus: Sequence[int] = ()) -> None:
        self.model = model
        self.llm: Any = None
        self._make_args = make_args
        self._gpus = gpus
        self._log = EngineLog()
        self._processes = EngineProcesses()

    async def start(self) -> None:
        """Build the engine; returns when it can serve.

        Raises:
            GeneratorError: it cannot be built; the message holds vLLM's own reason.
        """
        check_weights(self.model)
        self._processes.prepare()
        building = asyncio.ensure_future(asyncio.to_thread(self._build))
        try:
            while not building.done():
                await asyncio.wait([building], timeout=0.1)
                self._processes.notice()
            self.llm = building.result()
            self._processes.notice_workers()
            _silence()  # the engine brought them again
        except BaseException:
            await self._give_up(building)
            raise

    async def close(self) -> None:
        """End the engine and its processes; a second call does nothing."""
        llm, self.llm = self.llm, None
        if llm is not None:
            await asyncio.to_thread(llm.shutdown)
            _finish(llm)
        self._processes.kill()
        self._processes.release()
        self._log.close()

    def reason(self) -> str:
        """What the engine complained of, as one sentence; empty where it did not."""
        complaint = self._log.reason()
        return sentence(complaint) if complaint else ""

    def _build(self) -> Any:
        try:
            with self._log.collecting(), shielded_from_interrupts(), visible(self._gpus):
                args = self._make_args()
                from vllm.usage.usage_lib import UsageContext
                from vllm.v1.engine.async_llm import AsyncLLM

                # On a GPU the batch is as large as the card allows only for who says what it is for.
                purpose = UsageContext.ENGINE_CONTEXT if on_cpu() else UsageContext.LLM_CLASS
                return AsyncLLM.from_engine_args(args, usage_context=purpose)
        except TTScaleError:
            raise
        except Exception as error:
            reason = self._log.reason() or str(error)
            message = f"The model {self.model!r} cannot be started: {sentence(reason)}"
            raise GeneratorError(message, advice(reason)) from error

    async def _give_up(self, building: asyncio.Future[Any]) -> None:
        """End a start that failed or was cancelled; a build ends by itself once its processes are gone."""
        while not building.done():
            self._processes.notice()
            self._processes.kill()
            await asyncio.wait([building], timeout=0.1)
        if not building.cancelled() and building.exception() is None:
            self.llm = building.result()
        await self.close()


def _finish(llm: Any) -> None:
    """Do what vLLM's `shutdown` leaves to the garbage collector, where it warns, or fails while Python ends."""
    llm.shutdown = lambda timeout=None: None  # its __del__ calls it again
    resources = vars(getattr(llm.engine_core, "resources", None) or object)
    sockets = [value for name, value in resources.items() if name.endswith("_socket") and value is not None]
    if "ctx" in resources and all(socket.closed for socket in sockets):  # with an open one it would wait for ever
        resources["ctx"].destroy(linger=0)


def _has_nvidia() -> bool:
    return any(Path(device).exists() for device in ("/dev/nvidiactl", "/dev/dxg"))
