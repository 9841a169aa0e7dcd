"""Recipes of a sweep: every combination of a grid, or combinations drawn at random by seed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import product
from random import Random
from typing import Any

from tt_scale.bench.compare.variants import Variant, check_knobs, with_knobs
from tt_scale.bench.run.idle_knobs import idle_knobs
from tt_scale.config import WIDTH_KEYS, Config
from tt_scale.config.listing import ConfigKey, keys_by_group
from tt_scale.errors import ConfigError
from tt_scale.models import make_searcher
from tt_scale.registry import searcher_class

__all__ = ["DEFAULT", "default_grid", "grid_recipes", "random_recipes"]

DEFAULT = "default"
"""Label of the unchanged configuration."""

NOT_TRIED = frozenset({"N", "max_steps", "num_iterations", "selector", "wider_beams"})
"""Keys that are not varied without a grid: limits that only end a search, the selector, remainders of a budget."""

TRIES = 50


@dataclass(frozen=True)
class Range:
    """Values between two bounds, both included; integers if both bounds are integers."""

    low: float
    high: float

    def draw(self, random: Random) -> float:
        """Draw a value, rounded to two decimals."""
        if isinstance(self.low, int) and isinstance(self.high, int):
            return random.randint(self.low, self.high)
        return round(random.uniform(self.low, self.high), 2)

    @property
    def size(self) -> int:
        """Number of different values that can be drawn."""
        whole = isinstance(self.low, int) and isinstance(self.high, int)
        return round((self.high - self.low) * (1 if whole else 100)) + 1


def grid_recipes(config: Config, grid: Mapping[str, Any]) -> list[Variant]:
    """Every valid combination of a grid, the unchanged configuration first.

    Args:
        config: configuration of one method.
        grid: knob -> its values.

    Raises:
        ConfigError: an unknown knob, a range, or a value that is valid in no combination.
    """
    spaces, unchanged = _spaces(config, grid), _unchanged(config)
    for knob, space in spaces.items():
        if isinstance(space, Range):
            raise ConfigError(f"{knob} is a range, which needs --random.", "Add --random 20, or list its values.")
    lists = {knob: space for knob, space in spaces.items() if not isinstance(space, Range)}
    valid, first_error = _valid(config, [dict(zip(lists, each, strict=True)) for each in product(*lists.values())])
    recipes = list({each.label: each for each in [unchanged, *valid]}.values())
    for knob, values in lists.items():
        tried = [getattr(each.config, knob, each.config.method_args.get(knob)) for each in recipes]
        if any(value not in tried for value in values):
            raise first_error or _idle(config, knob)
    return recipes


def _idle(config: Config, knob: str) -> ConfigError:
    return ConfigError(
        f"{knob} has no effect on {config.method} in any recipe of this grid, given its other knobs.",
        f"Leave {knob} out, or also vary the knobs that give it an effect.",
    )


def random_recipes(config: Config, grid: Mapping[str, Any], count: int) -> list[Variant]:
    """Draw distinct combinations at random by the run's seed, the unchanged configuration first.

    Args:
        config: configuration of one method.
        grid: knob -> its values, or `{from: 0.2, to: 0.8}`; empty for all knobs of the method.
        count: combinations to draw, at least 1; fewer are returned if there are no more. Drawn values of knobs without
            effect beside the others are ignored.

    Raises:
        ConfigError: an unknown knob, an invalid range, or no valid combination.
    """
    spaces = _spaces(config, grid or default_grid(config))
    random = Random(config.seed)
    drawn: dict[str, Variant] = {}
    seen: set[str] = set()
    first_error: ConfigError | None = None
    total = math.prod([space.size if isinstance(space, Range) else len(space) for space in spaces.values()])
    for _ in range(TRIES * count):
        knobs = {
            knob: space.draw(random) if isinstance(space, Range) else random.choice(space)
            for knob, space in spaces.items()
        }
        valid, error = _valid(config, [knobs])
        first_error = first_error or error
        drawn.update({each.label: each for each in valid})
        seen.add(repr(knobs))
        if count == len(drawn) or total == len(seen):
            break
    if not drawn and first_error is not None:
        raise first_error
    return [_unchanged(config), *drawn.values()]


def default_grid(config: Config) -> dict[str, Any]:
    """Default grid of a random search: the method's own search keys, over their whole range.

    Counts range from 1 to twice their default, shares over [0, 1]. With a budget, widths are not varied.

    Raises:
        ConfigError: the method has no such key.
    """
    own = {field.name for field in fields(searcher_class(config.method))}  # type: ignore[arg-type]
    excluded = NOT_TRIED | (WIDTH_KEYS if config.budget is not None else frozenset())
    keys = [key for key in keys_by_group()["Search"] if key.name in own - excluded]
    grid = {key.name: space for key in keys if (space := _whole_range(key)) is not None}
    if not grid:
        raise ConfigError(f"{config.method} has no knob with a default range.", "Name some: --grid grid.yaml")
    return grid


def _whole_range(key: ConfigKey) -> Any:
    if key.kind == "boolean":
        return [False, True]
    if key.kind == "integer" and isinstance(key.default, int):
        return {"from": 0 if key.limits == "at least 0" else 1, "to": 2 * max(key.default, 1)}
    if key.kind in ("number", "number or string") and key.limits == "0 to 1":
        return {"from": 0.0, "to": 1.0}
    return None


def _spaces(config: Config, grid: Mapping[str, Any]) -> dict[str, Range | list[Any]]:
    """Check every knob of a grid and the bounds of its ranges; return the values of each."""
    if not grid:
        raise ConfigError("The grid is empty.", "Write tau: [0.4, 0.5, 0.6]")
    spaces: dict[str, Range | list[Any]] = {}
    for knob, given in grid.items():
        space = _range(knob, given) if isinstance(given, dict) else given
        check_knobs({knob: ["range"] if isinstance(space, Range) else space}, [config.method])
        if isinstance(space, Range) and isinstance(space.high, float):
            with_knobs(config, {knob: space.low}), with_knobs(config, {knob: space.high})
        spaces[knob] = space
    return spaces


def _range(knob: str, given: Mapping[str, Any]) -> Range:
    low, high = given.get("from"), given.get("to")
    numbers = all(isinstance(bound, int | float) and math.isfinite(bound) for bound in (low, high))
    if set(given) != {"from", "to"} or not numbers or low > high:  # type: ignore[operator]
        raise ConfigError(
            f"{knob} is {dict(given)!r}; a range has two finite, ascending numbers.",
            f"Write {knob}: {{from: 0.2, to: 0.8}}",
        )
    return Range(low, high)  # type: ignore[arg-type]


def _valid(config: Config, combinations: Sequence[Mapping[str, Any]]) -> tuple[list[Variant], ConfigError | None]:
    """Valid combinations that differ from the unchanged configuration, and the error of the first invalid one."""
    valid, first_error = [], None
    unchanged = config.experiment()
    for knobs in combinations:
        try:
            idle = idle_knobs(with_knobs(config, knobs))
            effective = {knob: value for knob, value in knobs.items() if knob not in idle}
            changed = with_knobs(config, effective)
            make_searcher(changed)
        except ConfigError as error:
            first_error = first_error or error
            continue
        if changed.experiment() != unchanged:
            valid.append(Variant(" ".join([f"{knob}={value}" for knob, value in effective.items()]), None, changed))
    return valid, first_error


def _unchanged(config: Config) -> Variant:
    return Variant(DEFAULT, None, config)
