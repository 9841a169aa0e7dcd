"""Counters for Prometheus."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from tt_scale.core.solution import Solution

__all__ = ["Metrics"]

SECONDS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)


class Metrics:
    """What a server has done since it started, in a registry of its own.

    Args:
        gauges: values read at each scrape, by name.
    """

    def __init__(self, gauges: dict[str, Callable[[], float]]) -> None:
        self._registry = CollectorRegistry()
        for name, read in gauges.items():
            text = name.replace("_", " ")
            Gauge(f"tt_scale_{name}", f"Now: {text}.", registry=self._registry).set_function(read)
        self._requests = self._counter("requests", "Requests by path and status.", "path", "status")
        self._cancelled = self._counter("cancelled_searches", "Searches that ended as their client went away.")
        self._failed = self._counter("failed_searches", "Searches without an answer, by the code of the error.", "code")
        self._generated = self._counter("generated_tokens", "Tokens sampled, those of dropped paths too.", "model")
        self._wasted = self._counter("wasted_tokens", "Sampled tokens on no path of a pool.", "model")
        self._prm = self._counter("prm_tokens", "Tokens that the PRM was given.", "model")
        self._stopped = self._counter("searches", "Searches by why they ended.", "model", "stopped")
        self._seconds = Histogram(
            "tt_scale_search_seconds", "Wall time of a search.", ["model"], buckets=SECONDS, registry=self._registry
        )

    def searched(self, model: str, solution: Solution) -> None:
        """Count a finished search."""
        usage = solution.usage
        self._generated.labels(model).inc(usage.generated_tokens)
        self._wasted.labels(model).inc(solution.wasted_tokens)
        self._prm.labels(model).inc(usage.prm_tokens)
        self._stopped.labels(model, solution.outcome.stopped).inc()
        self._seconds.labels(model).observe(usage.seconds)

    def failed(self, code: str) -> None:
        """Count a search without an answer; the status of a stream that began does not tell it."""
        self._failed.labels(code).inc()

    def answered(self, path: str, status: int) -> None:
        """Count a request."""
        self._requests.labels(path, str(status)).inc()

    def cancelled(self) -> None:
        """Count a search whose client went away."""
        self._cancelled.inc()

    def text(self) -> bytes:
        """All of it in Prometheus's format."""
        return generate_latest(self._registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"tt_scale_{name}", text, labels, registry=self._registry)
