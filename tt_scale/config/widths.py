"""One number for the compute of every method: `budget`, from which each derives its widths.

A budget of n is what n sampled solutions cost. Each method says in `Searcher.widths` which of its knobs follow from
it; here they are checked against what the user gave and written into the configuration, so that records say what ran.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tt_scale.config import Config
from tt_scale.errors import ConfigError

__all__ = ["at_least", "budgeted", "derived_widths"]


def derived_widths(config: Config, widths: Mapping[str, int]) -> Mapping[str, int]:
    """Check widths against those that a user gave beside the budget; equal ones are no contradiction.

    Raises:
        ConfigError: a knob was given another value.
    """
    given = {**{key: getattr(config, key) for key in config.model_fields_set}, **config.method_args}
    for knob, value in widths.items():
        if given.get(knob, value) not in (value, None):
            raise ConfigError(
                f"{knob} is {given[knob]}, but budget {config.budget} makes it {value} for {config.method}: "
                "one of the two decides.",
                f"Leave {knob} out, or type: --budget none",
            )
    return widths


def budgeted(config: Config, widths_of: Callable[[int], Mapping[str, int]]) -> Config:
    """Write into a configuration what its budget stands for: the widths of its method, and the limit of tokens.

    Args:
        config: of the run; the same comes back where it has no budget.
        widths_of: `Searcher.widths` of the method that was made from it.
    """
    if config.budget is None:
        return config
    known = type(config).model_fields
    widths = widths_of(config.budget)
    own = {knob: value for knob, value in widths.items() if knob not in known}
    changes: dict[str, Any] = {knob: value for knob, value in widths.items() if knob in known}
    changes["method_args"] = {**config.method_args, **own}
    changes["max_generated_tokens"] = config.limits.max_generated_tokens
    return config.model_copy(update=changes)


def at_least(budget: int, smallest: int, reason: str) -> None:
    """Refuse a budget under the smallest that a method can keep.

    Raises:
        ConfigError: it is smaller.
    """
    if budget < smallest:
        raise ConfigError(f"budget is {budget}; {reason}.", f"The smallest is {smallest}: --budget {smallest}")
