"""A replica of the server on a Ray cluster: a solver with the server's application, in a process of its own.

Ray Serve starts it, sends it requests, and replaces it when it dies.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from fastapi import FastAPI

from tt_scale.bench.run.distribute.cluster import own_cores
from tt_scale.bench.run.events import silent
from tt_scale.config import Config
from tt_scale.engines.vllm.cpu import share_cores
from tt_scale.serve.app import make_app
from tt_scale.serve.merged_metrics import merged
from tt_scale.serve.open_files import raise_open_files
from tt_scale.serve.service import Service
from tt_scale.serve.settings import ServeSettings
from tt_scale.solver.async_solver import AsyncSolver

__all__ = ["APPLICATION", "DEPLOYMENT", "Replica"]

APPLICATION, DEPLOYMENT = "tt_scale", "searches"
"""Names in Ray Serve."""

PEER_SECONDS = 5.0
"""For which the other replicas may take to say their state; those that do not are left out."""


class Replica:
    """A deployment of Ray Serve; `serve.ingress()` makes it answer HTTP.

    Args:
        config: of the server, as in one process.
        settings: of the server; concurrency and queue are those of each replica.

    Raises:
        TTScaleError: the models cannot be opened.
    """

    async def __init__(self, config: Config, settings: ServeSettings) -> None:  # type: ignore[misc]  # Serve awaits it
        raise_open_files()
        if cores := own_cores():
            share_cores(config, cores)
        self._solver = AsyncSolver(config, silent)
        self._service = Service(self._solver, settings)
        try:
            await self._solver.open()
            await self._service.open()
        except BaseException:
            await self._solver.close()
            raise

    async def __del__(self) -> None:
        """Close the models; Ray Serve awaits it when a replica ends in an orderly way."""
        solver = getattr(self, "_solver", None)
        if solver is not None:
            await solver.close()

    def __serve_build_asgi_app__(self) -> FastAPI:
        """Return the application, as `serve.ingress()` asks for it."""
        return make_app(self._service, self)

    def check_health(self) -> None:
        """Tell Ray Serve to replace this replica where its models cannot be loaded again.

        Raises:
            RuntimeError: they cannot.
        """
        if self._service.lost:
            raise RuntimeError(self._service.lost)

    def models(self) -> int:
        """Number of names that requests may have as `model`."""
        return len(self._service.models)

    def own_state(self) -> str:
        """State of this replica."""
        return self._service.state

    def own_metrics(self) -> tuple[str, bytes]:
        """Name and metrics of this replica."""
        from ray import serve

        return str(serve.get_replica_context().replica_tag), self._service.metrics.text()

    async def health(self) -> dict[str, Any]:
        """State of the server: that of its best replica, and how many are in which."""
        counts = Counter(await self._of_all("own_state", self.own_state()))
        status = next(state for state in ("ok", "loading", "draining") if counts[state])
        return {"status": status, "replicas": dict(counts)}

    async def metrics(self) -> bytes:
        """Metrics of all replicas."""
        return merged(dict(await self._of_all("own_metrics", self.own_metrics())))

    async def _of_all(self, method: str, own: Any) -> list[Any]:
        """What a method returns in all replicas; where they cannot be asked, in this one."""
        from ray import serve

        response = serve.get_deployment_handle(DEPLOYMENT, APPLICATION).broadcast(method)
        try:
            answers = await response.results_async(timeout_s=PEER_SECONDS, return_exceptions=True)
        except (TimeoutError, asyncio.TimeoutError):
            return [own]
        return [answer for answer in answers if not isinstance(answer, BaseException)] or [own]
