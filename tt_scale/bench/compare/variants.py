"""Variants of a comparison or sweep: methods x knob values x budgets, all validated before any is run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import product
from typing import Any

from tt_scale.bench.run.manifest import METHOD_KEYS
from tt_scale.config import Config, digest
from tt_scale.config.listing import keys_by_group
from tt_scale.errors import ConfigError, nearest
from tt_scale.models import make_searcher
from tt_scale.registry import own_knobs, searcher_class

__all__ = ["Variant", "check_knobs", "read_budgets", "read_knobs", "variants", "with_knobs"]

Knobs = Mapping[str, Any]

SHARED = frozenset([key.name for group in ("Sampling", "Search", "Budget") for key in keys_by_group()[group]]) - {
    "budget"
}
"""Keys that a comparison may vary, if the method reads them; models, problems and grader stay the same."""

LONGEST_NAME = 120
"""Maximum characters of a folder name, below the limit of file systems with problem set and digest added."""


@dataclass(frozen=True)
class Variant:
    """One configuration among several.

    Attributes:
        label: the method and its varied knobs: "collective tau=0.4".
        budget: compute in units of one sampled solution; None if the method's own knobs determine it.
        config: the complete configuration.
    """

    label: str
    budget: int | None
    config: Config

    @property
    def folder(self) -> str:
        """Name of its run folder, without the problem set."""
        parts = [*self.label.split(), *([f"budget={self.budget}"] if self.budget is not None else [])]
        name = "-".join(parts)
        return name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}-{digest({'label': name})}"


def variants(configs: Sequence[Config], vary: Mapping[str, Sequence[Any]], budgets: Sequence[int]) -> list[Variant]:
    """Build all combinations of methods, values of their knobs, and budgets.

    Args:
        configs: one configuration per method.
        vary: knob -> its values; ignored for methods without that knob.
        budgets: in units of one sampled solution; if empty, or for a method that cannot use more compute, the method
            keeps its own widths.

    Raises:
        ConfigError: a method is named twice, no method has a knob, or a value is invalid.
    """
    _refuse_repeated("method", [config.method for config in configs])
    check_knobs(vary, [config.method for config in configs])
    combinations = []
    for config in configs:
        own = {knob: values for knob, values in vary.items() if knob in knobs_of(config.method)}
        takes_budget = budgets and make_searcher(config).widths(max(budgets))
        spent: Sequence[int | None] = budgets if takes_budget else [None]
        for values in product(*own.values()):
            knobs = dict(zip(own, values, strict=True))
            label = " ".join([config.method, *(f"{knob}={_written(value)}" for knob, value in knobs.items())])
            combinations += [
                Variant(label, budget, with_knobs(config, knobs if budget is None else {**knobs, "budget": budget}))
                for budget in spent
            ]
    return combinations


def with_knobs(config: Config, knobs: Knobs) -> Config:
    """Change knobs: configuration keys, or knobs of the method in `method_args`.

    Raises:
        ConfigError: a value is invalid.
    """
    keys = {knob: value for knob, value in knobs.items() if knob in Config.model_fields}
    others = {knob: value for knob, value in knobs.items() if knob not in keys}
    if others:
        keys["method_args"] = {**config.method_args, **others}
    return config.changed(**keys)


def knobs_of(method: str) -> frozenset[str]:
    """Keys that may be varied for a method: its knobs, and the shared keys of sampling, search and budget."""
    own = {field.name for field in fields(searcher_class(method))}  # type: ignore[arg-type]
    return frozenset((SHARED - METHOD_KEYS) | (SHARED & own) | set(own_knobs(method)))


def read_knobs(texts: Sequence[str]) -> dict[str, list[Any]]:
    """Parse values of `--vary` such as `tau=0.4,0.6`, one for each knob.

    Raises:
        ConfigError: a text is not a name with values, or a knob is named twice.
    """
    _refuse_repeated("knob", [text.partition("=")[0] for text in texts])
    knobs = {}
    for text in texts:
        knob, _, values = text.partition("=")
        if not knob or not values.strip():
            raise ConfigError(f"--vary is {text!r}; it takes a knob and its values.", "Type: --vary tau=0.4,0.6")
        knobs[knob.replace("-", "_")] = [_read(value.strip()) for value in values.split(",")]
    return knobs


def _read(text: str) -> Any:
    """Parse a number, a boolean or null; any other text is a string."""
    try:
        return None if text == "none" else json.loads(text)
    except ValueError:
        return text


def read_budgets(given: Any) -> list[int]:
    """Parse budgets: an integer, a list of them, or a text such as `1,2,4`; sorted.

    Raises:
        ConfigError: a budget is not an integer above 0, or is named twice.
    """
    parts = given.split(",") if isinstance(given, str) else given if isinstance(given, list | tuple) else [given]
    budgets = []
    for part in parts:
        text = str(part).strip()
        if not text.isdecimal() or int(text) < 1:
            raise ConfigError(f"budget is {text!r}; budgets are integers from 1.", "Type: --budget 1,2,4,8")
        budgets.append(int(text))
    _refuse_repeated("budget", budgets)
    return sorted(budgets)


def check_knobs(vary: Mapping[str, Sequence[Any]], methods: Sequence[str]) -> None:
    """Check the names and values of varied knobs.

    Raises:
        ConfigError: none of the methods has a knob, or its values are not a list of different values.
    """
    known = {knob for method in methods for knob in knobs_of(method)}
    for knob, values in vary.items():
        if knob not in known and knob in Config.model_fields and knob not in SHARED:
            raise ConfigError(
                f"{knob!r} cannot be varied: all runs of a comparison share it.", f"Type: --{knob.replace('_', '-')}"
            )
        if knob not in known:
            raise ConfigError(f"{knob!r} is not a knob of {', '.join(methods)}.", nearest(knob, known))
        if not isinstance(values, list | tuple) or not values:
            raise ConfigError(f"{knob} is {values!r}; a list of values is needed.", f"Write {knob}: [..., ...]")
        _refuse_repeated(f"value of {knob}", values)


def _refuse_repeated(kind: str, values: Sequence[Any]) -> None:
    texts = [_written(value) for value in values]
    duplicate = next((text for text in texts if texts.count(text) > 1), None)
    if duplicate is not None:
        raise ConfigError(f"The {kind} {duplicate!r} is named twice.", "Keep one of them.")


def _written(value: Any) -> str:
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)
