"""A connection to a Ray cluster, and how many replicas its nodes have room for.

Ray's usage statistics are off, and a cluster that is started here has no dashboard.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from tt_scale.backends import resolve
from tt_scale.bench.run.distribute.requirements import Requirements, requirements
from tt_scale.config import Config
from tt_scale.engines.machine import available_cores
from tt_scale.errors import ConfigError

__all__ = ["Node", "connected", "cores_of_each", "nodes", "own_cores", "require_room", "shares"]

ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_USAGE_STATS_PROMPT_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # the announced default; Ray warns where it is unset
}
"""What Ray reads when it is imported."""

OBJECT_STORE = 128 * 2**20
"""Bytes of shared memory of a cluster that is started here; records are smaller than what Ray puts there."""

PROBE_SECONDS = 10.0
"""For which a cluster's address may take to accept a connection; Ray itself waits for minutes."""

PRECISION = 10_000
"""Ray counts resources in ten-thousandths."""


@dataclass(frozen=True, slots=True)
class Node:
    """A node of the cluster.

    Attributes:
        address: its IP address.
        cpus: cores that Ray hands out there.
        gpus: GPUs that Ray hands out there.
    """

    address: str
    cpus: float
    gpus: float


@contextmanager
def connected(address: str | None) -> Iterator[None]:
    """Connect to a cluster, or start one on this machine, and end what was begun here.

    Args:
        address: "HOST:PORT", "auto" or "local"; None is RAY_ADDRESS, else a cluster that is started here. A program
            that is connected already stays so.

    Raises:
        ConfigError: there is no cluster, or it runs another version of Ray or Python.
    """
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    with _own_signals():
        import ray

        if ray.is_initialized():
            yield
            return
        _connect(address or os.environ.get("RAY_ADDRESS") or "local")
    try:
        yield
    finally:
        ray.shutdown()


def _connect(address: str, attempts: int = 2) -> None:
    """Connect, or start a cluster; a busy machine may not have started one within the time that Ray allows for it."""
    import ray

    local = address == "local"
    started_here = {"num_cpus": available_cores(), "object_store_memory": OBJECT_STORE, "include_dashboard": False}
    _probe(address)
    try:
        ray.init(
            address=address,
            namespace="tt_scale",
            log_to_driver=False,
            logging_level=logging.CRITICAL,  # what matters is raised; the rest is a page about a dashboard
            **(started_here if local else {}),
        )
    except Exception as error:  # noqa: BLE001 - Ray raises many kinds, bare exceptions among them
        ray.shutdown()
        if local and attempts > 1:
            return _connect(address, attempts - 1)
        reason = " ".join(str(error).split())[:300].rstrip(".")
        if local:
            raise ConfigError(
                f"Ray cannot be started on this machine: {reason}.", "Its logs are in /tmp/ray."
            ) from None
        raise ConfigError(
            f"The Ray cluster {address!r} cannot be used: {reason}.",
            "Run the command on a node of a running cluster (`ray start`), with its versions of Ray and Python.",
        ) from None


def _probe(address: str) -> None:
    """See that something listens at an address, as Ray takes minutes to give up."""
    if address in ("local", "auto"):
        return
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise ConfigError(
            f"The address of the Ray cluster is {address!r}; it is HOST:PORT, such as 10.0.0.1:6379, or auto."
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), PROBE_SECONDS).close()
    except OSError as error:
        raise ConfigError(
            f"No Ray cluster answers at {address!r}: {error.strerror or error}.",
            "Start one with `ray start --head`, or leave out --ray-address.",
        ) from None


@contextmanager
def _own_signals() -> Iterator[None]:
    """Keep Ray from replacing the handlers by which a command ends in an orderly way."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            with suppress(TypeError):  # a handler that was not set from Python
                signal.signal(number, handler)


def nodes() -> list[Node]:
    """The living nodes of the cluster."""
    import ray

    return [
        Node(each["NodeManagerAddress"], each["Resources"].get("CPU", 0.0), each["Resources"].get("GPU", 0.0))
        for each in ray.nodes()
        if each["Alive"]
    ]


def shares(config: Config) -> tuple[Requirements, float]:
    """What each replica gets of the cluster, and its cores.

    Raises:
        ConfigError: there is not so much.
    """
    models, there = resolve(config), nodes()
    needs = requirements(models, has_gpus=any(node.gpus for node in there))
    cpus = cores_of_each(there, needs, config.replicas)
    require_room(there, cpus, needs.gpus, config.replicas)
    return needs, cpus


def own_cores() -> int:
    """Cores that Ray assigned to this process, in whole ones; 0 outside of a replica, or where it has none."""
    ray = sys.modules.get("ray")
    if ray is None or not ray.is_initialized() or ray.get_runtime_context().get_actor_id() is None:
        return 0
    assigned = ray.get_runtime_context().get_assigned_resources().get("CPU", 0)
    return max(1, int(assigned)) if assigned else 0


def cores_of_each(there: Sequence[Node], needs: Requirements, replicas: int) -> float:
    """Cores of each replica: as asked for; else 1 beside a GPU, or the largest equal share with which all fit.

    Args:
        there: the nodes.
        needs: of a replica.
        replicas: at least 1.
    """
    if needs.cpus is not None:
        return needs.cpus
    if needs.gpus:
        return 1.0
    shares = {int(node.cpus * PRECISION / part) / PRECISION for node in there for part in range(1, replicas + 1)}
    fitting = [share for share in shares if share and _room(there, share, 0.0) >= replicas]
    return max(fitting, default=1.0)


def require_room(there: Sequence[Node], cpus: float, gpus: float, replicas: int) -> None:
    """Refuse more replicas than fit.

    Raises:
        ConfigError: they do not; the message names what was asked for and what there is.
    """
    room = _room(there, cpus, gpus)
    if room >= replicas:
        return
    asked = f"{replicas} replica{'s' * (replicas > 1)} of {_amounts(cpus, gpus)}{' each' * (replicas > 1)}"
    found = ", ".join([f"{node.address}: {_amounts(node.cpus, node.gpus)}" for node in there[:8]])
    more = f" and {len(there) - 8} more" if len(there) > 8 else ""
    raise ConfigError(
        f"{asked} were asked for; the Ray cluster has {len(there)} node{'s' * (len(there) != 1)} ({found}{more}), with "
        f"room for {room}.",
        f"Type: --replicas {room}"
        if room
        else "Start larger nodes, or lower --generator-gpus, --prm-gpus or --replica-cpus.",
    )


def _room(there: Sequence[Node], cpus: float, gpus: float) -> int:
    """Replicas that fit, each whole on one node."""
    return sum([_fitting(node, cpus, gpus) for node in there])


def _fitting(node: Node, cpus: float, gpus: float) -> int:
    counts = [int(have * PRECISION + 0.5) // int(need * PRECISION + 0.5) for have, need in _pairs(node, cpus, gpus)]
    return min(counts, default=0)


def _pairs(node: Node, cpus: float, gpus: float) -> list[tuple[float, float]]:
    """What the node has and a replica needs; several fractions share a GPU, but none lies on two."""
    per_gpu = 1 / (PRECISION // int(gpus * PRECISION + 0.5)) if 0 < gpus < 1 else gpus
    return [(have, need) for have, need in ((node.cpus, cpus), (node.gpus, per_gpu)) if need]


def _amounts(cpus: float, gpus: float) -> str:
    told = [f"{cpus:g} core{'s' * (cpus != 1)}"] if cpus or not gpus else []
    return " and ".join([*told, *([f"{gpus:g} GPU{'s' * (gpus != 1)}"] if gpus else [])])
