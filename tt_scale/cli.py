"""The command line: `tt-scale bench | solve | list | doctor`.

Every key of the configuration is a flag, made from the schema, so that flags, YAML and Python cannot drift apart.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import Any, NoReturn, TypeVar

import click

from tt_scale._version import __version__
from tt_scale.cli_help import HELP_WIDTH, GroupedCommand, flags
from tt_scale.config import Config
from tt_scale.errors import ConfigError, EngineDeadError, TTScaleError
from tt_scale.registry import own_knobs
from tt_scale.yaml_file import read_yaml

__all__ = ["cli", "main"]

Result = TypeVar("Result")
SETTINGS = {
    "help_option_names": ["-h", "--help"],
    "token_normalize_func": lambda name: name.replace("_", "-"),
    "max_content_width": HELP_WIDTH,
}
INTERRUPTED, TERMINATED = 130, 143  # what shells expect: 128 + the number of the signal
RESUME = "What was finished is kept; the same command goes on from there."


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; a mistake of the user gives one message and exit status 2, never a traceback."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, ValueError):  # a stream that was replaced or closed
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    try:
        status = cli.main(args=arguments, prog_name="tt-scale", standalone_mode=False)
    except TTScaleError as error:
        _fail(str(error), error.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(error.exit_code)
    except click.ClickException as error:
        command = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "tt-scale"
        _fail(f"{error.format_message()} Type: {command} --help", error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        _fail("interrupted.", INTERRUPTED)
    except asyncio.CancelledError:
        _fail("terminated.", TERMINATED)
    except BrokenPipeError:  # the reader of our output had enough
        sys.stdout = None
        sys.exit(0)
    sys.exit(status if isinstance(status, int) else 0)


def _fail(message: str, status: int) -> NoReturn:
    click.echo(f"tt-scale: {message}", err=True)
    sys.exit(status)


@click.group(context_settings=SETTINGS)
@click.version_option(__version__, prog_name="tt-scale")
def cli() -> None:
    """Make a language model solve harder problems by searching at answer time."""


def _configs(config_file: str | None, values: dict[str, Any]) -> list[Config]:
    """One configuration for each method that was named; command line over YAML over defaults."""
    given = {key: _typed(key, value) for key, value in values.items() if value not in (None, ())}
    methods = given.pop("method", None)
    base = {**(read_yaml(config_file) if config_file else {}), **given}
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


def _only(config_file: str | None, values: dict[str, Any], command: str) -> Config:
    configs = _configs(config_file, values)
    if len(configs) > 1:
        raise ConfigError(f"{command} takes one --method.", "Use bench to compare several.")
    return configs[0]


def _typed(key: str, value: Any) -> Any:
    """Read what a shell cannot write: mappings, line breaks, and nothing at all."""
    if Config.model_fields[key].annotation == dict[str, Any]:
        import yaml

        try:
            return yaml.safe_load(value)
        except yaml.YAMLError:
            raise ConfigError(f"{key} is {value!r}; write it as {{name: value}}.") from None
    if key == "stop_tokens":
        return () if value == ("none",) else tuple(text.replace("\\n", "\n").replace("\\t", "\t") for text in value)
    if value == "none" and Config.model_fields[key].default is None:
        return None
    return value


def _wait_for(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine; a termination signal cancels it as Ctrl-C does, so that engines are closed."""

    async def guarded() -> Result:
        task = asyncio.ensure_future(work)
        for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
            if signal.getsignal(number) is signal.SIG_DFL:  # `nohup` ignores the second
                with suppress(NotImplementedError):  # Windows has no handlers in its loop
                    asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        return await task

    return asyncio.run(guarded())


@cli.command(cls=GroupedCommand)
@flags
def bench(config_file: str | None, **values: Any) -> int:
    """Run methods over benchmarks: accuracy against tokens.

    Give --method and --dataset several times to compare; the models are loaded once. The same command again goes on
    where the last one stopped.
    """
    from rich.console import Console

    from tt_scale.bench.session import bench as run_bench

    console = Console(width=None if sys.stdout.isatty() else 140)
    try:
        found = _wait_for(run_bench(_configs(config_file, values), console))
    except KeyboardInterrupt:
        _fail(f"interrupted. {RESUME}", INTERRUPTED)
    except asyncio.CancelledError:
        _fail(f"terminated. {RESUME}", TERMINATED)
    except EngineDeadError as error:
        _fail(f"{error} {RESUME}", error.exit_code)
    rows = [row for methods in found.values() for each in methods.values() for row in each]
    return int(bool(rows) and all(row.error for row in rows))


@cli.command(cls=GroupedCommand)
@click.argument("question")
@flags
def solve(question: str, config_file: str | None, **values: Any) -> int:
    """Search for the answer to one question, live."""
    from tt_scale.report.growth import print_growth, print_solution
    from tt_scale.solving import asolve

    config = _only(config_file, values, "solve")
    solution = _wait_for(asolve(question, config, watch=print_growth))
    print_solution(solution)
    return 0 if solution.answer is not None else 1


@cli.command(name="list")
def list_names() -> None:
    """List methods, generators, PRMs and problem sets."""
    from tt_scale.report.catalogue import print_catalogue

    print_catalogue()


@cli.command(cls=GroupedCommand)
@flags
def doctor(config_file: str | None, **values: Any) -> None:
    """Say what is installed, what is missing and what fits.

    Plans the memory of the two models of a configuration, without loading them.
    """
    from tt_scale.report.doctor import print_diagnosis

    print_diagnosis(_only(config_file, values, "doctor"))
