"""Configurations from flags and YAML, and the exit status of a command."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Coroutine, Sequence
from typing import Any, NoReturn, TypeVar, get_args

import click

from tt_scale.bench.run.signals import TERMINATED, wait_for
from tt_scale.config import WIDTH_KEYS, Config, merged
from tt_scale.config.recipe_files import read_config
from tt_scale.config.yaml_file import yaml_value
from tt_scale.core.printable import one_line, printable
from tt_scale.errors import ConfigError, EngineDeadError
from tt_scale.registry import own_knobs

__all__ = [
    "INTERRUPTED",
    "RESUME",
    "TERMINATED",
    "configs",
    "fail",
    "given",
    "methods_of",
    "of_methods",
    "only",
    "quiet_keys",
    "resumable",
    "status_of",
]

Result = TypeVar("Result")
INTERRUPTED = 130  # what shells expect: 128 + the number of the signal
TEMPERATURES = frozenset({"temperature", "temp_origin", "temp_step"})
DISTRIBUTES = ("sweep", "doctor", "serve")
"""Commands that call `only` and search on replicas, or check whether that can be done."""

RESUME = "Finished work is kept; the same command resumes from there."


def configs(config_file: str | None, values: dict[str, Any]) -> list[Config]:
    """Make one configuration for each method; flags override YAML, YAML overrides defaults.

    Args:
        config_file: a YAML file, the name of a recipe, or None.
        values: flags by key; None and () stand for flags that were not given.

    Raises:
        ConfigError: an unknown key or an invalid value.
    """
    typed = given(values)
    file = {} if config_file is None else read_config(config_file)
    methods = typed.pop("method", None) or methods_of(file)
    return of_methods(merged(file, typed), methods)


def methods_of(file: dict[str, Any]) -> list[str] | None:
    """Remove a list of methods from the keys of a file; None if the file names a single method or none.

    Raises:
        ConfigError: the list is empty or contains something other than names.
    """
    named = file.get("method")
    if not isinstance(named, list):
        return None
    if not named or not all(isinstance(each, str) for each in named):
        raise ConfigError(f"method is {named!r}; it is a name, or a list of names.", "Write method: [best_of_n, dvts]")
    return [str(each) for each in file.pop("method")]


def quiet_keys(config_file: str | None, values: dict[str, Any]) -> frozenset[str]:
    """Keys of a file that cause no warning although no method of the run reads them.

    A recipe lists widths and temperatures of all methods with which it can be run, so that they are compared fairly;
    if a method is given as a flag, all keys of the file for other methods are intended.

    Args:
        config_file: a YAML file, the name of a recipe, or None.
        values: flags by key; None and () stand for flags that were not given.
    """
    if config_file is None:
        return frozenset()
    typed = given(values).keys()
    written = read_config(config_file).keys() - typed
    return frozenset(written if "method" in typed else written & (WIDTH_KEYS | TEMPERATURES))


def given(values: dict[str, Any]) -> dict[str, Any]:
    """Flags that were given, as values of the configuration."""
    return {key: _typed(key, value) for key, value in values.items() if value not in (None, ())}


def of_methods(base: dict[str, Any], methods: Sequence[str] | None) -> list[Config]:
    """Make one configuration per method from shared keys; None means the method named in the keys."""
    if methods is None:
        return [Config(**base)]
    arguments = base.pop("method_args", {})
    if not isinstance(arguments, dict):
        return [Config(**base, method_args=arguments)]
    return [Config(**{**base, "method": each, "method_args": _share(arguments, each, methods)}) for each in methods]


def _share(arguments: dict[str, Any], method: str, methods: Sequence[str]) -> dict[str, Any]:
    """The part of `method_args` for one of several methods; an unknown name goes to all methods, which reject it."""
    others = {knob for other in methods if other != method for knob in own_knobs(other)}
    return {knob: value for knob, value in arguments.items() if knob in own_knobs(method) or knob not in others}


def only(config_file: str | None, values: dict[str, Any], command: str) -> Config:
    """The configuration of a command that takes one method; errors as in `configs`.

    A file that distributes `bench` serves other commands, too: what works on one question or one example does so here.
    """
    by_method = configs(config_file, values)
    if len(by_method) > 1:
        raise ConfigError(f"{command} takes one --method.", "Use bench or compare for several.")
    config = by_method[0]
    if config.distribute == "none" or command in DISTRIBUTES:
        return config
    if values.get("distribute"):
        raise ConfigError(
            f"distribute is {config.distribute!r}, but {command} works in this process.",
            "bench, compare, sweep and serve search on replicas. Type: --distribute none",
        )
    return config.changed(distribute="none")


def _typed(key: str, value: Any) -> Any:
    """Parse values that a shell cannot express: mappings, line breaks, and null."""
    if Config.model_fields[key].annotation == dict[str, Any]:
        try:
            return yaml_value(value)
        except ValueError:
            raise ConfigError(f"{key} is {value!r}; write it as {{name: value}}.") from None
    if key == "stop_tokens":
        return () if value == ("none",) else tuple([_unescaped(text) for text in value])
    if value in ("none", "null") and type(None) in get_args(Config.model_fields[key].annotation):
        return None
    return value


def _unescaped(text: str) -> str:
    r"""Replace `\n` and `\t`, which a shell cannot express, unless a letter follows: `\nabla` is a LaTeX command."""
    return re.sub(r"\\([nt])(?![A-Za-z])", lambda match: {"n": "\n", "t": "\t"}[match[1]], text)


def resumable(work: Coroutine[Any, Any, Result], told: str = RESUME) -> Result:
    """Run a coroutine that keeps a journal; if it ends early, print how to resume and exit.

    Args:
        work: the coroutine.
        told: how to resume.
    """
    try:
        return wait_for(work)
    except KeyboardInterrupt:
        fail(f"interrupted. {told}", INTERRUPTED)
    except asyncio.CancelledError:
        fail(f"terminated. {told}", TERMINATED)
    except EngineDeadError as error:
        fail(f"{error} {told}", error.exit_code)


def status_of(errors: Sequence[str], what: str) -> int:
    """Return 1 and print a message if every search or solution of a command failed; 0 otherwise.

    Args:
        errors: one per search or solution; empty if it succeeded.
        what: the message, such as "every search failed".
    """
    if not errors or not all(errors):
        return 0
    click.echo(f"tt-scale: {what}; the first error: {one_line(errors[0])}", err=True)
    return 1


def fail(message: str, status: int) -> NoReturn:
    """Print one message and exit with a status."""
    click.echo(printable(f"tt-scale: {message}"), err=True)
    sys.exit(status)
