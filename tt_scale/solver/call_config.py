"""The configuration of one call: that of the solver with other knobs, checked like a configuration file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tt_scale.base_classes import Searcher
from tt_scale.config import Config, merged
from tt_scale.config.declare import BUDGET, SAMPLING, SEARCH
from tt_scale.config.listing import config_keys
from tt_scale.core.printable import shown
from tt_scale.errors import ConfigError
from tt_scale.models import make_searcher

__all__ = ["CALL_KEYS", "call_config"]

CALL_KEYS = frozenset([key.name for key in config_keys() if key.group in (SAMPLING, SEARCH, BUDGET)]) | {
    "final_answer_prefix", "method", "method_args", "path_end", "reasoning_tags", "seed", "system_prompt",
}  # fmt: skip
"""The keys that a call may change. All others decide what is loaded, or are read while it is loaded."""


def call_config(config: Config, knobs: Mapping[str, Any]) -> tuple[Config, Searcher]:
    """Lay the knobs of a call over a configuration, and make its search method.

    A `budget` takes the place of the widths of the configuration, as on the command line. Another method does not get
    the `method_args` of the configuration.

    Raises:
        ConfigError: a key that does not exist or cannot change while the models are open, a value out of range, or a
            method that cannot run.
    """
    if not knobs:
        return config, make_searcher(config)
    for name in sorted(knobs.keys() & type(config).model_fields.keys() - CALL_KEYS):
        if knobs[name] != getattr(config, name):
            raise ConfigError(
                f"{name} is {shown(knobs[name])} in a call, but {shown(getattr(config, name))} since the models were "
                "opened; it cannot change while they are open.",
                "Leave it out, or open a second Solver.",
            )
    given = {key: getattr(config, key) for key in config.model_fields_set}
    if knobs.get("method", config.method) != config.method:
        given.pop("method_args", None)
    changed = Config(**merged(given, knobs))
    return changed, make_searcher(changed)
