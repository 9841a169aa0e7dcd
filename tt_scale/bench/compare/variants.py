"""Methods x knob values x budgets: every configuration that a comparison or a sweep runs, checked before any is run."""

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
"""The keys that a comparison may vary, as far as a method looks at them; models, problems and grader stay the same."""

LONGEST_NAME = 120
"""Characters of a folder's name, so that it stays under the limit of file systems with set and digest added."""


@dataclass(frozen=True)
class Variant:
    """One configuration among several.

    Attributes:
        label: the method and what was varied of it: "collective tau=0.4".
        budget: compute in units of one sampled solution; None where the method's own knobs say it.
        config: the whole of it.
    """

    label: str
    budget: int | None
    config: Config

    @property
    def folder(self) -> str:
        """What its run folder is called, beside the problem set."""
        parts = [*self.label.split(), *([f"budget={self.budget}"] if self.budget is not None else [])]
        whole = "-".join(parts)
        return whole if len(whole) <= LONGEST_NAME else f"{whole[:LONGEST_NAME]}-{digest({'label': whole})}"


def variants(configs: Sequence[Config], vary: Mapping[str, Sequence[Any]], budgets: Sequence[int]) -> list[Variant]:
    """Cross methods with the values of their knobs and with budgets.

    Args:
        configs: one for each method.
        vary: knob -> its values; a method that has no such knob is not varied by it.
        budgets: in units of one sampled solution; empty leaves every method its own widths, as does a method that
            cannot use more compute.

    Raises:
        ConfigError: a method named twice, a knob that no method here has, or a value that it does not take.
    """
    _refuse_repeated("method", [config.method for config in configs])
    check_knobs(vary, [config.method for config in configs])
    found = []
    for config in configs:
        own = {knob: values for knob, values in vary.items() if knob in knobs_of(config.method)}
        takes_budget = budgets and make_searcher(config).widths(max(budgets))
        spent: Sequence[int | None] = budgets if takes_budget else [None]
        for values in product(*own.values()):
            knobs = dict(zip(own, values, strict=True))
            label = " ".join([config.method, *(f"{knob}={_written(value)}" for knob, value in knobs.items())])
            found += [
                Variant(label, budget, with_knobs(config, knobs if budget is None else {**knobs, "budget": budget}))
                for budget in spent
            ]
    return found


def with_knobs(config: Config, knobs: Knobs) -> Config:
    """Change knobs: keys of the configuration, or those that only the method knows.

    Raises:
        ConfigError: a value that the configuration does not take.
    """
    keys = {knob: value for knob, value in knobs.items() if knob in Config.model_fields}
    others = {knob: value for knob, value in knobs.items() if knob not in keys}
    if others:
        keys["method_args"] = {**config.method_args, **others}
    return config.changed(**keys)


def knobs_of(method: str) -> frozenset[str]:
    """What may be varied of a method: its knobs, and the keys of sampling, search and budget that all look at."""
    its = {field.name for field in fields(searcher_class(method))}  # type: ignore[arg-type]
    return frozenset((SHARED - METHOD_KEYS) | (SHARED & its) | set(own_knobs(method)))


def read_knobs(texts: Sequence[str]) -> dict[str, list[Any]]:
    """Read `tau=0.4,0.6` as a shell passes it, once for each knob.

    Raises:
        ConfigError: something that is no name and values, or a knob named twice.
    """
    _refuse_repeated("knob", [text.partition("=")[0] for text in texts])
    found = {}
    for text in texts:
        knob, _, values = text.partition("=")
        if not knob or not values.strip():
            raise ConfigError(f"--vary is {text!r}; it takes a knob and its values.", "Type: --vary tau=0.4,0.6")
        found[knob.replace("-", "_")] = [_read(value.strip()) for value in values.split(",")]
    return found


def _read(text: str) -> Any:
    """A number, a truth value or nothing where it is written as one; else the word as it stands."""
    try:
        return None if text == "none" else json.loads(text)
    except ValueError:
        return text


def read_budgets(given: Any) -> list[int]:
    """Read budgets: a number, a list of them, or `1,2,4` as a shell passes it; sorted.

    Raises:
        ConfigError: something that is no whole number above 0, or one that is named twice.
    """
    parts = given.split(",") if isinstance(given, str) else given if isinstance(given, list | tuple) else [given]
    found = []
    for part in parts:
        text = str(part).strip()
        if not text.isdecimal() or int(text) < 1:
            raise ConfigError(f"budget is {text!r}; budgets are whole numbers from 1.", "Type: --budget 1,2,4,8")
        found.append(int(text))
    _refuse_repeated("budget", found)
    return sorted(found)


def check_knobs(vary: Mapping[str, Sequence[Any]], methods: Sequence[str]) -> None:
    """Refuse what is varied in vain.

    Raises:
        ConfigError: a knob that none of the methods has, or no list of different values.
    """
    known = {knob for method in methods for knob in knobs_of(method)}
    for knob, values in vary.items():
        if knob not in known and knob in Config.model_fields and knob not in SHARED:
            raise ConfigError(
                f"{knob!r} cannot be varied: what is compared has it in common.", f"Type: --{knob.replace('_', '-')}"
            )
        if knob not in known:
            raise ConfigError(f"{knob!r} is no knob of {', '.join(methods)}.", nearest(knob, known))
        if not isinstance(values, list | tuple) or not values:
            raise ConfigError(f"{knob} is {values!r}; a list of values is needed.", f"Write {knob}: [..., ...]")
        _refuse_repeated(f"value of {knob}", values)


def _refuse_repeated(what: str, values: Sequence[Any]) -> None:
    told = [_written(value) for value in values]
    twice = next((value for value in told if told.count(value) > 1), None)
    if twice is not None:
        raise ConfigError(f"The {what} {twice!r} is named twice.", "Keep one of them.")


def _written(value: Any) -> str:
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)
