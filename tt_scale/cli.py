"""The command line: `tt-scale bench | solve | list | doctor`.

Every key of the configuration is a flag, made from the schema, so that flags, YAML and Python cannot drift apart.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

import click
from pydantic.fields import FieldInfo

from tt_scale._version import __version__
from tt_scale.config import GROUPS, Config, read_yaml
from tt_scale.errors import ConfigError, TTScaleError

__all__ = ["cli", "main"]

Result = TypeVar("Result")
SETTINGS = {"help_option_names": ["-h", "--help"], "token_normalize_func": lambda name: name.replace("_", "-")}


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; a mistake of the user gives one message and exit status 2, never a traceback."""
    try:
        status = cli.main(args=arguments, prog_name="tt-scale", standalone_mode=False)
    except TTScaleError as error:
        click.echo(f"tt-scale: {error}", err=True)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt, asyncio.CancelledError):
        click.echo("tt-scale: interrupted. What was finished is kept; the same command goes on from there.", err=True)
        sys.exit(130)
    sys.exit(status if isinstance(status, int) else 0)


@click.group(context_settings=SETTINGS)
@click.version_option(__version__, prog_name="tt-scale")
def cli() -> None:
    """Make a language model solve harder problems by searching at answer time."""


def _flags(command: Any) -> Any:
    """Add `--config` and a flag for every key, in the order of the schema."""
    for key, field in reversed(Config.model_fields.items()):
        command = _flag(key, field)(command)
    return click.option("--config", "config_file", metavar="FILE", help="YAML file; flags win over it.")(command)


def _flag(key: str, field: FieldInfo) -> Any:
    flag = key if key == "N" else key.replace("_", "-")
    names = [f"--{flag}"] + (["--dataset"] if key == "datasets" else [])
    text = f"{field.description} [{field.default!r}]"
    if field.annotation is bool:
        return click.option(f"--{flag}/--no-{flag}", key, default=None, help=text)
    many = isinstance(field.default, tuple) or key == "method"
    return click.option(*names, key, multiple=many, default=None, metavar="TEXT" if many else "VALUE", help=text)


def _configs(config_file: str | None, values: dict[str, Any]) -> list[Config]:
    """One configuration for each method that was named; command line over YAML over defaults."""
    given = {key: _typed(key, value) for key, value in values.items() if value not in (None, ())}
    methods = given.pop("method", None)
    base = {**(read_yaml(config_file) if config_file else {}), **given}
    if methods is None:
        return [Config(**base)]
    return [Config(**{**base, "method": method}) for method in methods]


def _typed(key: str, value: Any) -> Any:
    if key == "method_args":
        import yaml

        try:
            return yaml.safe_load(value)
        except yaml.YAMLError:
            raise ConfigError(f"method_args is {value!r}; write it as {{name: value}}.") from None
    if key == "stop_tokens":  # a shell has no easy way to type a line break
        return tuple(text.replace("\\n", "\n").replace("\\t", "\t") for text in value)
    if value == "none" and Config.model_fields[key].default is None:
        return None
    return value


def _wait_for(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine; a termination signal cancels it as Ctrl-C does, so that engines are closed."""

    async def guarded() -> Result:
        task = asyncio.ensure_future(work)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await task

    return asyncio.run(guarded())


@cli.command()
@_flags
def bench(config_file: str | None, **values: Any) -> int:
    """Run methods over benchmarks and print accuracy against the tokens it cost.

    Give --method and --dataset several times to compare; the models are loaded once. The same command again goes on
    where the last one stopped.
    """
    from rich.console import Console

    from tt_scale.bench.session import bench as run_bench

    console = Console(width=None if sys.stdout.isatty() else 140)
    found = _wait_for(run_bench(_configs(config_file, values), console))
    rows = [row for methods in found.values() for each in methods.values() for row in each]
    return int(bool(rows) and all(row.error for row in rows))


@cli.command()
@click.argument("question")
@_flags
def solve(question: str, config_file: str | None, **values: Any) -> int:
    """Search for the answer to one question, showing the paths as they grow."""
    from tt_scale.report.growth import print_growth, print_solution
    from tt_scale.solving import asolve

    configs = _configs(config_file, values)
    if len(configs) > 1:
        raise ConfigError("solve takes one --method.", "Use bench to compare several.")
    solution = _wait_for(asolve(question, configs[0], watch=print_growth))
    print_solution(solution)
    return 0 if solution.answer is not None else 1


@cli.command(name="list")
def list_names() -> None:
    """List methods, generators, PRMs and problem sets, a line each."""
    from tt_scale.report.catalogue import print_catalogue

    print_catalogue()


@cli.command()
@_flags
def doctor(config_file: str | None, **values: Any) -> None:
    """Say what is installed, what is missing and how to get it, and plan the memory of the two models."""
    from tt_scale.report.doctor import print_diagnosis

    print_diagnosis(_configs(config_file, values)[0])


def option_groups() -> dict[str, list[str]]:
    """The keys under each heading, for the documentation."""
    groups: dict[str, list[str]] = {group: [] for group in GROUPS}
    for key, field in Config.model_fields.items():
        assert isinstance(field.json_schema_extra, dict)
        groups[str(field.json_schema_extra["group"])].append(key)
    return groups
