"""Widths derived from `budget`, one number for the compute of every method.

A budget of n is the cost of n sampled solutions. `Searcher.widths` of each method derives its widths from it; here they
are checked against the values that the user set, and written into the configuration, so that records contain them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tt_scale.config import Config
from tt_scale.errors import ConfigError

__all__ = ["at_least", "budgeted", "derived_widths"]


def derived_widths(config: Config, widths: Mapping[str, int]) -> Mapping[str, int]:
    """Check derived widths against those that the user set beside the budget.

    Raises:
        ConfigError: a width was set to another value.
    """
    given = {**{key: getattr(config, key) for key in config.model_fields_set}, **config.method_args}
    for knob, value in widths.items():
        if given.get(knob, value) not in (value, None):
            raise ConfigError(
                f"{knob} is {given[knob]}, but budget {config.budget} makes it {value} for {config.method}.",
                f"Omit {knob}, or type: --budget none",
            )
    return widths


def budgeted(config: Config, widths_of: Callable[[int], Mapping[str, int]]) -> Config:
    """Set the values that follow from the budget: the widths of the method, and the token limit.

    Args:
        config: the run's configuration; returned unchanged if it has no budget.
        widths_of: `Searcher.widths` of the method constructed from it.
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
    """Reject a budget below the smallest that a method supports.

    Raises:
        ConfigError: the budget is smaller.
    """
    if budget < smallest:
        raise ConfigError(f"budget is {budget}; {reason}.", f"The smallest is {smallest}: --budget {smallest}")
