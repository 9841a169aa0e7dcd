"""A server on several replicas: Ray Serve starts them on a cluster, routes requests to them and replaces what dies."""

from __future__ import annotations

import asyncio
import logging
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from typing import Any

from tt_scale import errors
from tt_scale.bench.run.distribute.cluster import connected, shares
from tt_scale.bench.run.distribute.requirements import check_distribution, replica_config
from tt_scale.bench.run.events import Reporter, Warned, loading
from tt_scale.bench.run.open_models import loaded_names
from tt_scale.config import Config
from tt_scale.core.printable import one_line
from tt_scale.errors import ConfigError, EngineDeadError, GeneratorError, MissingExtraError, TTScaleError
from tt_scale.preflight import preflight
from tt_scale.serve.replica import APPLICATION, DEPLOYMENT, Replica
from tt_scale.serve.run import IDLE_SECONDS, bind, on_signals
from tt_scale.serve.settings import ServeSettings
from tt_scale.solver.async_solver import AsyncSolver

__all__ = ["require_ray_serve", "serve_replicas"]

BESIDE_SEARCHES = 64
"""Requests of a replica beside those that it searches or that wait: for health, metrics, models."""

LOOK_EVERY = 0.5
"""Seconds between two looks at the replicas."""

CLOSE_SECONDS = 10.0
"""What Ray may need beside `drain` to end replicas."""

PURPOSE = "serve --distribute ray"

OWN_ERROR = re.compile(r"^tt_scale\.errors\.(\w+): (.+)$", re.MULTILINE)
"""An error of ours in a traceback, which is all that Ray Serve returns of a replica that cannot start."""


def require_ray_serve() -> None:
    """Refuse to go on without Ray Serve.

    Raises:
        MissingExtraError: Ray is not installed, or without Serve.
        ConfigError: it is too old.
    """
    if find_spec("ray") is None:
        raise MissingExtraError("ray", "ray-serve", PURPOSE)
    try:
        from ray import serve
        from ray.serve.handle import DeploymentHandle
    except ImportError as error:
        raise MissingExtraError(error.name or "ray.serve", "ray-serve", PURPOSE) from None
    if not hasattr(DeploymentHandle, "broadcast") or not hasattr(serve, "get_deployment_handle"):
        import ray

        raise ConfigError(f"{PURPOSE} needs Ray 2.60; {ray.__version__} is installed.", "Type: pip install -U ray")


async def serve_replicas(
    config: Config,
    settings: ServeSettings,
    host: str,
    port: int,
    drain: float,
    report: Reporter,
    ready: Callable[[int, int], None],
) -> None:
    """Serve on `replicas` replicas until SIGTERM or Ctrl-C; then let them finish what is under way.

    Args:
        config: models, method and knobs, the number of replicas and the resources of each.
        settings: of the server; concurrency, queue and limits are those of each replica.
        host: address of the cluster's head node to listen at.
        port: 0 for a free one.
        drain: seconds that requests under way may take after the signal; a second signal ends them at once.
        report: is told that replicas load, and how many are left when one died.
        ready: called with the number of models and the port once all replicas answer.

    Raises:
        TTScaleError: the configuration cannot run, the cluster has no room, or a replica cannot start.
    """
    check_distribution(config)
    AsyncSolver(config.changed(distribute="none"))
    await asyncio.to_thread(preflight, config)
    with bind(host, port) as taken:
        port = taken.getsockname()[1]
    with connected(config.ray_address):
        _require_free_head()
        try:
            count = f"{config.replicas} replica{'s' * (config.replicas > 1)}"
            with loading(report, f"{loaded_names(config) or config.model_name} on {count}"), _cancelled_by_sigterm():
                _deploy(config, settings, {"host": host, "port": port}, drain)
                await _until_running()
            ended, again = asyncio.Event(), asyncio.Event()
            with on_signals([signal.SIGTERM, signal.SIGINT], lambda: (again if ended.is_set() else ended).set()):
                ready(await _model_count(), port)
                await _watched(ended, config.replicas, report)
                await _deleted(drain, again)
        finally:
            with suppress(Exception):  # where the cluster is gone, nothing is left to end
                await _deleted(0.0, asyncio.Event())
                _serve().shutdown()


def _serve() -> Any:
    """Ray Serve, which prints pages unless it is told not to."""
    from ray import serve

    logging.getLogger("ray.serve").setLevel(logging.CRITICAL)  # what matters is raised or reported
    return serve


def _require_free_head() -> None:
    """Refuse to run elsewhere than on the head node, where Ray Serve listens, and beside another application.

    Raises:
        ConfigError: this is another node, or Ray Serve runs already.
    """
    import ray

    here = ray.util.get_node_ip_address()
    heads = [node["NodeManagerAddress"] for node in ray.nodes() if "node:__internal_head__" in node["Resources"]]
    if heads and here not in heads:
        raise ConfigError(f"Ray Serve listens on the head node, {heads[0]}; this is {here}.", "Run the command there.")
    running = sorted(_serve().status().applications)
    if running:
        raise ConfigError(
            f"Ray Serve runs on this cluster already, with the application {running[0]!r}.",
            "Type: serve shutdown, or start another cluster",
        )


@contextmanager
def _cancelled_by_sigterm() -> Iterator[None]:
    """Break off loading at SIGTERM; Ctrl-C does that by itself."""
    task = asyncio.current_task()
    assert task is not None
    with on_signals([signal.SIGTERM], task.cancel):
        yield


def _deploy(config: Config, settings: ServeSettings, address: dict[str, Any], drain: float) -> None:
    """Ask Ray Serve for the replicas; it starts them from now on."""
    serve = _serve()
    needs, cpus = shares(config)
    quiet = {"log_level": "ERROR", "enable_access_log": False}
    serve.start(
        proxy_location="HeadOnly",
        http_options={**address, "keep_alive_timeout_s": IDLE_SECONDS},
        logging_config=quiet,
    )
    deployment = serve.deployment(
        serve.ingress()(Replica),
        name=DEPLOYMENT,
        num_replicas=config.replicas,
        ray_actor_options={"num_cpus": cpus, "num_gpus": needs.gpus},
        max_ongoing_requests=settings.concurrency + settings.max_queue + BESIDE_SEARCHES,
        graceful_shutdown_wait_loop_s=0.1,
        graceful_shutdown_timeout_s=drain,
        health_check_period_s=5.0,
        max_constructor_retry_count=1,
        logging_config=quiet,
    )
    target = serve.RunTarget(deployment.bind(replica_config(config, needs), settings), name=APPLICATION)
    serve.run_many([target], wait_for_applications_running=False)


def _application() -> Any:
    """State of the replicas.

    Raises:
        EngineDeadError: the cluster is gone, or somebody else has ended the server.
    """
    from ray.exceptions import RayError

    try:
        found = _serve().status().applications.get(APPLICATION)
    except RayError as error:
        raise EngineDeadError(f"The Ray cluster can no longer be used: {one_line(str(error))[:200]}") from None
    if found is None:
        raise EngineDeadError("The server was ended by another program on the cluster, such as `serve shutdown`.")
    return found


async def _until_running() -> None:
    """Wait until all replicas answer.

    Raises:
        TTScaleError: one cannot start.
    """
    while (found := _application()).status != "RUNNING":
        if found.status == "DEPLOY_FAILED":
            raise _failure("\n".join([found.message, *[each.message for each in found.deployments.values()]]))
        await asyncio.sleep(LOOK_EVERY)


def _failure(message: str) -> TTScaleError:
    """The error for replicas that cannot start."""
    own = OWN_ERROR.findall(message)
    if own:
        name, text = own[-1]
        kind = ConfigError if issubclass(getattr(errors, name, TTScaleError), ConfigError) else GeneratorError
        return kind(f"A replica cannot start: {text}")
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    return GeneratorError(
        f"The replicas cannot start: {(lines[-1] if lines else 'Ray Serve names no reason').rstrip('.')}.",
        "Logs: /tmp/ray/session_latest/logs/serve",
    )


async def _model_count() -> int:
    handle = _serve().get_deployment_handle(DEPLOYMENT, APPLICATION)
    return int(await handle.models.remote())


async def _watched(ended: asyncio.Event, count: int, report: Reporter) -> None:
    """Report how many replicas answer whenever that changes, until the end is asked for."""
    before = count
    while not ended.is_set():
        states = _application().deployments[DEPLOYMENT].replica_states
        answering = states.get("RUNNING", 0)
        if answering != before:
            lost = " Another one is started." if answering < before else ""
            report(Warned(f"{answering} of {count} replicas answer.{lost}"))
        before = answering
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(ended.wait(), LOOK_EVERY)


async def _deleted(drain: float, again: asyncio.Event) -> None:
    """End the replicas; wait for what they still do, unless the end is asked for again."""
    serve = _serve()
    if APPLICATION not in serve.status().applications:
        return
    serve.delete(APPLICATION, _blocking=False)
    until = time.monotonic() + drain + CLOSE_SECONDS
    while APPLICATION in serve.status().applications and time.monotonic() < until and not again.is_set():
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(again.wait(), LOOK_EVERY)
