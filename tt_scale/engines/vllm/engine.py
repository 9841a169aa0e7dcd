"""Lifecycle of a vLLM engine: start, monitoring, shutdown.

The engine runs in its own processes, which never outlive the process that started them. Their output goes to a file,
from which the cause of a failure is read; with VLLM_LOGGING_LEVEL it goes to the terminal instead. Ctrl-C reaches only
this process, which shuts the engine down. Its temporary files lie in a folder that is removed with it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tt_scale.config import Config
from tt_scale.engines.dtypes import engine_device, resolve_dtype
from tt_scale.engines.load_errors import advice, sentence
from tt_scale.engines.main_guard import check_main_guard
from tt_scale.engines.scratch import Scratch, place_caches
from tt_scale.engines.transformers.loading import quiet_torch
from tt_scale.engines.vllm.checkpoint import check_weights
from tt_scale.engines.vllm.cpu import cpu_args, engine_threads, inspect_models_here
from tt_scale.engines.vllm.devices import visible
from tt_scale.engines.vllm.log import EngineLog
from tt_scale.engines.vllm.processes import EngineProcesses, shielded_from_interrupts
from tt_scale.errors import GeneratorError, MissingExtraError, TTScaleError

__all__ = ["Engine", "engine_args", "on_cpu", "prepare_vllm", "revision_args"]

ENVIRONMENT = {
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "VLLM_WORKER_MULTIPROC_METHOD": "spawn",  # a fork would copy the locks of other threads
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",  # otherwise all engines bind the same cores
}
"""Environment variables that vLLM reads; those that the user has set are kept."""

START_LOCK = threading.Lock()
"""Held while an engine's processes start, since output and environment of this process are changed for them."""


def prepare_vllm(purpose: str) -> None:
    """Set the environment that vLLM reads when it is imported, and import it.

    Args:
        purpose: what it is needed for, for the message.

    Raises:
        MissingExtraError: vLLM is not installed.
        ConfigError: the running script has no main guard.
        GeneratorError: vLLM is installed but cannot be imported.
    """
    if find_spec("vllm") is None:
        raise MissingExtraError("vllm", "gpu" if _has_nvidia() else "cpu", purpose)
    check_main_guard()
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    quiet_torch()
    place_caches()
    _silence()
    _import_vllm()
    _silence()  # the import installs its own handlers


def _import_vllm() -> None:
    try:
        import vllm.v1.engine.async_llm  # noqa: F401
    except Exception as error:  # an installation, or an environment, can break the import in any way
        raise GeneratorError(
            f"vLLM cannot be imported: {sentence(error)}",
            advice(error) or "Install it again, or use Transformers. Type: --generator huggingface --prm huggingface",
        ) from error


def _silence() -> None:
    """Disable vLLM's logger in this process; failures here are raised as exceptions."""
    if EngineLog.hidden():
        log = logging.getLogger("vllm")
        log.handlers[:] = [logging.NullHandler()]
        log.setLevel(logging.CRITICAL)


def on_cpu() -> bool:
    """Whether the installed vLLM runs on a CPU."""
    from vllm.platforms import current_platform

    return bool(current_platform.is_cpu())


def engine_args(config: Config, model: str, **own: Any) -> Any:
    """Build the arguments of an engine.

    Args:
        config: the run's configuration.
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
        "dtype": resolve_dtype(config.dtype, engine_device("vllm"), model, config.quantization, config.model_revision),
        "quantization": config.quantization,
        "max_model_len": config.max_model_len,
        "gpu_memory_utilization": config.gpu_mem_util,
        "tensor_parallel_size": config.tensor_parallel_size,
        "trust_remote_code": config.trust_remote_code,
        **revision_args(model, config.model_revision),
        "seed": config.seed % 2**32,
        "enable_prefix_caching": True,
        "generation_config": "vllm",
        "disable_log_stats": True,
        "use_tqdm_on_load": False,
    }
    if on_cpu():
        os.environ.setdefault("OMP_NUM_THREADS", str(engine_threads(config)))
        inspect_models_here()
        shared |= cpu_args(config)
    return AsyncEngineArgs(**{**shared, **own})


def revision_args(model: str, revision: str | None) -> dict[str, str | None]:
    """Fields of `AsyncEngineArgs` for the revision of weights, tokenizer and remote code; None for a local folder.

    Args:
        model: folder or hub name.
        revision: branch, tag or commit on the hub; None is the newest.
    """
    pinned = None if Path(model).is_dir() else revision
    return {"revision": pinned, "tokenizer_revision": pinned, "code_revision": pinned}


class Engine:
    """A vLLM engine and its processes.

    Args:
        model: folder or hub name.
        make_args: returns the `AsyncEngineArgs`; called when the engine starts.
        gpus: indices of the visible GPUs; empty for all.

    Attributes:
        llm: vLLM's `AsyncLLM` while it runs, else None.
        on_output: called whenever the engine outputs tokens or scores of any request.
    """

    def __init__(self, model: str, make_args: Callable[[], Any], gpus: Sequence[int] = ()) -> None:
        self.model = model
        self.llm: Any = None
        self.on_output: Callable[[], None] = lambda: None
        self._make_args = make_args
        self._gpus = gpus
        self._log = EngineLog()
        self._processes = EngineProcesses()
        self._scratch = Scratch()
        self._building: asyncio.Future[Any] | None = None

    async def launch(self) -> None:
        """Begin to build the engine; return once its process runs, or failed to start. A second call does nothing.

        Raises:
            GeneratorError: the model's folder is incomplete, or no folder for temporary files is writable.
        """
        if self._building is not None:
            return
        check_weights(self.model)
        async with _exclusive_start():
            with self._log.collecting(), self._scratch.in_use(), visible(self._gpus):
                self._processes.prepare(self._scratch.make())
                self._building = asyncio.ensure_future(asyncio.to_thread(self._build))
                try:
                    while not self._building.done() and not self._processes.detect():
                        await asyncio.wait([self._building], timeout=0.05)
                except BaseException:
                    await self.close()
                    raise

    async def start(self) -> None:
        """Build the engine; return once it can serve requests.

        Raises:
            GeneratorError: it cannot be built; the message contains vLLM's reason.
        """
        await self.launch()
        assert self._building is not None
        try:
            await asyncio.wait([self._building])
            self.llm = self._building.result()
            self._processes.detect_workers()
            self._observe(self.llm)
            _silence()  # the engine installs handlers again
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Shut down the engine and its processes, also during a start; a second call does nothing."""
        building, self._building = self._building, None
        if building is not None and self.llm is None:
            self.llm = await self._abort(building)
        llm, self.llm = self.llm, None
        if llm is not None:
            await asyncio.to_thread(llm.shutdown)
            _release_sockets(llm)
        self._processes.kill()
        self._processes.release()
        self._log.close()
        self._scratch.remove()

    def reason(self) -> str:
        """Error message of the engine, or how it ended, with advice; empty if unknown."""
        cause = self._log.reason() or self._processes.died() or self._processes.ended()
        return f"{sentence(_capitalized(cause))} {advice(cause)}".strip() if cause else ""

    def died(self) -> str:
        """Describe how the engine ended unexpectedly, as a sentence with advice; empty while it runs."""
        if self.llm is None:
            return ""
        ended = self._processes.died()
        if not (ended or self.llm.errored):
            return ""
        reason = self._log.reason() or ended or "its process reported an error"
        return f"{sentence(reason)} {advice(reason)}".strip()

    def _observe(self, llm: Any) -> None:
        """Call `on_output` for each output of the engine, since our requests return nothing before their end."""
        processor = getattr(llm, "output_processor", None)
        process = getattr(processor, "process_outputs", None)
        if processor is None or process is None:  # in this version only finished requests show progress
            return

        def process_and_notify(*args: Any, **kwargs: Any) -> Any:
            self.on_output()
            return process(*args, **kwargs)

        processor.process_outputs = process_and_notify

    def _build(self) -> Any:
        try:
            with shielded_from_interrupts():
                args = self._make_args()
                from vllm.usage.usage_lib import UsageContext
                from vllm.v1.engine.async_llm import AsyncLLM

                # The default batch size on a GPU depends on the usage context; this is that of `vllm.LLM`.
                purpose = UsageContext.ENGINE_CONTEXT if on_cpu() else UsageContext.LLM_CLASS
                return AsyncLLM.from_engine_args(args, usage_context=purpose)
        except TTScaleError:
            raise
        except Exception as error:
            reason = self._log.reason() or self._processes.ended() or str(error)
            message = f"The model {self.model!r} cannot be started: {sentence(reason)}"
            raise GeneratorError(message, advice(reason)) from error

    async def _abort(self, building: asyncio.Future[Any]) -> Any:
        """Abort a start that failed or was cancelled: the build returns once its processes are killed."""
        while not building.done():
            self._processes.detect()
            self._processes.kill()
            await asyncio.wait([building], timeout=0.1)
        return building.result() if not building.cancelled() and building.exception() is None else None


@asynccontextmanager
async def _exclusive_start() -> AsyncIterator[None]:
    """Hold `START_LOCK`, also across event loops."""
    while not START_LOCK.acquire(blocking=False):  # noqa: ASYNC110  (an asyncio lock belongs to one event loop)
        await asyncio.sleep(0.05)
    try:
        yield
    finally:
        START_LOCK.release()


def _release_sockets(llm: Any) -> None:
    """Release what vLLM's `shutdown` leaves to the garbage collector, which warns, or fails while Python exits."""
    llm.shutdown = lambda timeout=None: None  # its __del__ calls it again
    resources = vars(getattr(llm.engine_core, "resources", None) or object)
    sockets = [value for name, value in resources.items() if name.endswith("_socket") and value is not None]
    if "ctx" in resources and all(socket.closed for socket in sockets):  # it would wait forever for an open one
        resources["ctx"].destroy(linger=0)


def _capitalized(text: str) -> str:
    return text[:1].upper() + text[1:]


def _has_nvidia() -> bool:
    return any(Path(device).exists() for device in ("/dev/nvidiactl", "/dev/dxg"))
