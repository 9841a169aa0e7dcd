"""The largest search that a request may ask for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tt_scale.config import PATH_KEYS, Config
from tt_scale.errors import ConfigError
from tt_scale.serve.faults import RequestError

__all__ = ["check_own_paths", "check_paths"]

LONG = 1e15
"""Numbers from here on are not written out."""


def check_paths(knobs: Mapping[str, Any], most: int) -> None:
    """Refuse knobs of a request that ask for too many paths.

    Args:
        knobs: keys of the configuration, not checked yet.
        most: paths, at least 1.

    Raises:
        RequestError: one of them is larger.
    """
    for name in sorted(PATH_KEYS & knobs.keys()):
        value = _number(knobs[name])
        if value > most:
            seen = f"{value:,.0f}" if value < LONG else "too large"
            raise RequestError(400, f"{name} is {seen}; a request may ask for at most {most:,}.", "invalid_value", name)


def check_own_paths(config: Config, most: int) -> None:
    """Refuse a server whose own searches ask for more than a request may.

    Raises:
        ConfigError: a key that was set is larger, or the children of all beams together are.
    """
    values = {name: getattr(config, name) for name in sorted(PATH_KEYS & config.model_fields_set)}
    if config.n_beams and config.beam_width:
        values["n_beams x beam_width"] = config.n_beams * config.beam_width
    for name, value in values.items():
        if value is not None and value > most:
            raise ConfigError(
                f"{name} is {value:,}, but requests may ask for at most {most:,}.", f"Type: --max-paths {value}"
            )


def _number(value: Any) -> float:
    """A knob as a number, as far as it is one; what else it may be is checked with the configuration."""
    try:
        return float(value)
    except OverflowError:
        return float("inf")
    except (TypeError, ValueError):
        return 0.0
