"""What a sweep tries: every combination of a small grid, or a seeded random draw of them."""

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
"""The label of the recipe that changes nothing."""

NOT_TRIED = frozenset({"N", "max_steps", "num_iterations", "selector", "wider_beams"})
"""Limits that only end a search, who chooses the answer, what a budget leaves over: left alone without a grid."""

TRIES = 50


@dataclass(frozen=True)
class Range:
    """Values between two bounds, both included; whole where both bounds are whole."""

    low: float
    high: float

    def draw(self, random: Random) -> float:
        """One of them, to two decimals."""
        if isinstance(self.low, int) and isinstance(self.high, int):
            return random.randint(self.low, self.high)
        return round(random.uniform(self.low, self.high), 2)

    @property
    def size(self) -> int:
        """How many different values can be drawn."""
        whole = isinstance(self.low, int) and isinstance(self.high, int)
        return round((self.high - self.low) * (1 if whole else 100)) + 1


def grid_recipes(config: Config, grid: Mapping[str, Any]) -> list[Variant]:
    """Every combination of a grid that can run, the unchanged configuration first.

    Args:
        config: of one method.
        grid: knob -> its values.

    Raises:
        ConfigError: an unknown knob, a range, or a value that runs in no combination.
    """
    spaces, unchanged = _spaces(config, grid), _unchanged(config)
    for knob, space in spaces.items():
        if isinstance(space, Range):
            raise ConfigError(f"{knob} is a range, which a grid cannot hold.", "Add --random 20, or list its values.")
    lists = {knob: space for knob, space in spaces.items() if not isinstance(space, Range)}
    found, refusal = _possible(config, [dict(zip(lists, each, strict=True)) for each in product(*lists.values())])
    recipes = list({each.label: each for each in [unchanged, *found]}.values())
    for knob, values in lists.items():
        tried = [getattr(each.config, knob, each.config.method_args.get(knob)) for each in recipes]
        if any(value not in tried for value in values):
            raise refusal or _idle(config, knob)
    return recipes


def _idle(config: Config, knob: str) -> ConfigError:
    return ConfigError(
        f"{knob} changes nothing for {config.method} in any recipe of this grid, as its other knobs are set.",
        f"Leave {knob} out, or vary what makes it matter.",
    )


def random_recipes(config: Config, grid: Mapping[str, Any], count: int) -> list[Variant]:
    """Draw combinations at random, no two alike, the unchanged configuration first; the run's seed decides.

    Args:
        config: of one method.
        grid: knob -> its values, or `{from: 0.2, to: 0.8}`; empty takes all knobs of the method.
        count: combinations to draw, at least 1; fewer come back where there are no more. Of each drawn one the knobs
            that change nothing beside the others stay as they are.

    Raises:
        ConfigError: an unknown knob, a bad range, or no combination that can run.
    """
    spaces = _spaces(config, grid or default_grid(config))
    random = Random(config.seed)
    drawn: dict[str, Variant] = {}
    seen: set[str] = set()
    refusal: ConfigError | None = None
    total = math.prod([space.size if isinstance(space, Range) else len(space) for space in spaces.values()])
    for _ in range(TRIES * count):
        knobs = {
            knob: space.draw(random) if isinstance(space, Range) else random.choice(space)
            for knob, space in spaces.items()
        }
        found, fault = _possible(config, [knobs])
        refusal = refusal or fault
        drawn.update({each.label: each for each in found})
        seen.add(repr(knobs))
        if count == len(drawn) or total == len(seen):
            break
    if not drawn and refusal is not None:
        raise refusal
    return [_unchanged(config), *drawn.values()]


def default_grid(config: Config) -> dict[str, Any]:
    """What a random search varies where nobody says it: the method's own search keys, over their whole range.

    Counts go from 1 to twice their default, shares over [0, 1]. With a budget, widths are left to it.

    Raises:
        ConfigError: the method has no such key.
    """
    its = {field.name for field in fields(searcher_class(config.method))}  # type: ignore[arg-type]
    left = NOT_TRIED | (WIDTH_KEYS if config.budget is not None else frozenset())
    keys = [key for key in keys_by_group()["Search"] if key.name in its - left]
    found = {key.name: space for key in keys if (space := _whole_range(key)) is not None}
    if not found:
        raise ConfigError(f"{config.method} has no knob that is varied by itself.", "Name some: --grid grid.yaml")
    return found


def _whole_range(key: ConfigKey) -> Any:
    if key.kind == "boolean":
        return [False, True]
    if key.kind == "integer" and isinstance(key.default, int):
        return {"from": 0 if key.limits == "at least 0" else 1, "to": 2 * max(key.default, 1)}
    if key.kind in ("number", "number or string") and key.limits == "0 to 1":
        return {"from": 0.0, "to": 1.0}
    return None


def _spaces(config: Config, grid: Mapping[str, Any]) -> dict[str, Range | list[Any]]:
    """Check every knob of a grid, and the bounds of ranges."""
    if not grid:
        raise ConfigError("The grid is empty.", "Write tau: [0.4, 0.5, 0.6]")
    found: dict[str, Range | list[Any]] = {}
    for knob, given in grid.items():
        space = _range(knob, given) if isinstance(given, dict) else given
        check_knobs({knob: ["range"] if isinstance(space, Range) else space}, [config.method])
        if isinstance(space, Range) and isinstance(space.high, float):
            with_knobs(config, {knob: space.low}), with_knobs(config, {knob: space.high})
        found[knob] = space
    return found


def _range(knob: str, given: Mapping[str, Any]) -> Range:
    low, high = given.get("from"), given.get("to")
    numbers = all(isinstance(bound, int | float) and math.isfinite(bound) for bound in (low, high))
    if set(given) != {"from", "to"} or not numbers or low > high:  # type: ignore[operator]
        raise ConfigError(
            f"{knob} is {dict(given)!r}; a range has two numbers.", f"Write {knob}: {{from: 0.2, to: 0.8}}"
        )
    return Range(low, high)  # type: ignore[arg-type]


def _possible(config: Config, combinations: Sequence[Mapping[str, Any]]) -> tuple[list[Variant], ConfigError | None]:
    """Those that can run and change something, and why the first of the others cannot."""
    found, refusal = [], None
    unchanged = config.experiment()
    for knobs in combinations:
        try:
            idle = idle_knobs(with_knobs(config, knobs))
            told = {knob: value for knob, value in knobs.items() if knob not in idle}
            changed = with_knobs(config, told)
            make_searcher(changed)
        except ConfigError as error:
            refusal = refusal or error
            continue
        if changed.experiment() != unchanged:
            found.append(Variant(" ".join([f"{knob}={value}" for knob, value in told.items()]), None, changed))
    return found, refusal


def _unchanged(config: Config) -> Variant:
    return Variant(DEFAULT, None, config)
