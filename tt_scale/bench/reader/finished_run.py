"""A run as comparisons see it: what it is, its numbers, and what computed it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

from tt_scale.base_classes import Searcher
from tt_scale.bench.record import Row
from tt_scale.bench.run.manifest import METHOD_KEYS, rules_in_force
from tt_scale.bench.run.origin import Origin
from tt_scale.config import Config
from tt_scale.errors import ConfigError
from tt_scale.models import make_searcher

__all__ = ["FinishedRun"]

OF_A_METHOD = METHOD_KEYS | {"method", "method_args", "budget", "max_generated_tokens"}
IN_PROBLEMS = frozenset({"split", "num_samples", "question_field", "answer_field"})
"""Keys of reading and sampling problems, which may differ; the resulting problems must be the same."""


@dataclass(frozen=True)
class FinishedRun:
    """A finished run, read from its folder.

    Attributes:
        folder: the run folder.
        experiment: configuration keys that determine the results.
        config: all configuration keys.
        rows: one per search.
        origin: versions and hardware that computed it.
    """

    folder: FilePath
    experiment: Mapping[str, Any]
    config: Mapping[str, Any]
    rows: Sequence[Row]
    origin: Origin

    @property
    def shared(self) -> dict[str, Any]:
        """Keys that must be equal in compared runs; the temperature is that of the first step."""
        keys = {key: value for key, value in self.experiment.items() if key not in OF_A_METHOD | IN_PROBLEMS}
        keys["search_rules"] = rules_in_force(self.experiment)
        temperature = self.experiment.get("temperature", self.experiment.get("temp_origin"))
        return keys if temperature is None else {**keys, "temperature": temperature}

    @property
    def searcher(self) -> Searcher | None:
        """Its method; None if this version cannot construct it."""
        try:
            return make_searcher(Config(**self.config))
        except ConfigError:
            return None
