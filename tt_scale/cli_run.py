"""What every command does with what was typed: configurations from flags and YAML, and an end that closes engines."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine, Sequence
from typing import Any, NoReturn, TypeVar

import click

from tt_scale.config import Config, merged
from tt_scale.errors import ConfigError, EngineDeadError
from tt_scale.registry import own_knobs
from tt_scale.waiting import wait_for
from tt_scale.yaml_file import read_yaml, yaml_value

__all__ = ["INTERRUPTED", "TERMINATED", "configs", "fail", "given", "of_methods", "only", "resumable"]

Result = TypeVar("Result")
INTERRUPTED, TERMINATED = 130, 143  # what shells expect: 128 + the number of the signal
RESUME = "What was finished is kept; the same command goes on from there."


def configs(config_file: str | None, values: dict[str, Any]) -> list[Config]:
    """Make one configuration for each method that was named; command line over YAML over defaults.

    Args:
        config_file: a YAML file, or None.
        values: flags by key; None and () were not typed.

    Raises:
        ConfigError: a key or a value that cannot be.
    """
    typed = given(values)
    methods = typed.pop("method", None)
    return of_methods(merged({} if config_file is None else read_yaml(config_file), typed), methods)


def given(values: dict[str, Any]) -> dict[str, Any]:
    """The flags that were typed, as the configuration takes them."""
    return {key: _typed(key, value) for key, value in values.items() if value not in (None, ())}


def of_methods(base: dict[str, Any], methods: Sequence[str] | None) -> list[Config]:
    """Make one configuration for each method out of keys that they share; None stands for the method of the keys."""
    if methods is None:
        return [Config(**base)]
    arguments = base.pop("method_args", {})
    if not isinstance(arguments, dict):
        return [Config(**base, method_args=arguments)]
    return [Config(**{**base, "method": each, "method_args": _share(arguments, each, methods)}) for each in methods]


def _share(arguments: dict[str, Any], method: str, methods: Sequence[str]) -> dict[str, Any]:
    """Give one of several methods its part of `method_args`; what none knows goes to all, which complain."""
    others = {knob for other in methods if other != method for knob in own_knobs(other)}
    return {knob: value for knob, value in arguments.items() if knob in own_knobs(method) or knob not in others}


def only(config_file: str | None, values: dict[str, Any], command: str) -> Config:
    """The configuration of a command that takes one method; errors as in `configs`."""
    found = configs(config_file, values)
    if len(found) > 1:
        raise ConfigError(f"{command} takes one --method.", "Use bench or compare for several.")
    return found[0]


def _typed(key: str, value: Any) -> Any:
    """Read what a shell cannot write: mappings, line breaks, and nothing at all."""
    if Config.model_fields[key].annotation == dict[str, Any]:
        try:
            return yaml_value(value)
        except ValueError:
            raise ConfigError(f"{key} is {value!r}; write it as {{name: value}}.") from None
    if key == "stop_tokens":
        return () if value == ("none",) else tuple(text.replace("\\n", "\n").replace("\\t", "\t") for text in value)
    if value == "none" and Config.model_fields[key].default is None:
        return None
    return value


def resumable(work: Coroutine[Any, Any, Result]) -> Result:
    """Run work that keeps a journal: whatever ends it early is told with the way to go on."""
    try:
        return wait_for(work)
    except KeyboardInterrupt:
        fail(f"interrupted. {RESUME}", INTERRUPTED)
    except asyncio.CancelledError:
        fail(f"terminated. {RESUME}", TERMINATED)
    except EngineDeadError as error:
        fail(f"{error} {RESUME}", error.exit_code)


def fail(message: str, status: int) -> NoReturn:
    """Print one message and end with a status."""
    click.echo(f"tt-scale: {message}", err=True)
    sys.exit(status)
