"""Flags generated from the configuration schema, and help texts grouped by its headings."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import click

from tt_scale.config import DISTRIBUTED_KEYS
from tt_scale.config.listing import ConfigKey, config_keys, keys_by_group, shown

__all__ = [
    "HELP_WIDTH",
    "OF_FILES",
    "GroupedCommand",
    "NumberRange",
    "SolveCommand",
    "flags",
    "flags_of",
    "question_keys",
]

HELP_WIDTH = 100
REPEATABLE = ("method", "stop_tokens", "datasets")
CONFIG = (
    "A YAML file, or a recipe that `tt-scale list` names; an existing file wins over a recipe of the same name. "
    "Flags override its values."
)
METAVARS = {"integer": "INT", "number": "NUMBER", "number or string": "NUMBER|TEXT", "mapping": "{NAME: VALUE}"}


class NumberRange(click.FloatRange):
    """A range of numbers that refuses NaN, which compares as neither above nor below a limit."""

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> float:
        """Parse a number."""
        number = float(super().convert(value, parameter, context))
        if math.isnan(number):
            self.fail(f"{value!r} is not a number.", parameter, context)
        return number


class GroupedCommand(click.Command):
    """A command whose help is grouped by the headings of the schema."""

    def format_options(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options group by group, starting with those that are not keys."""
        options = [each for each in self.get_params(context) if isinstance(each, click.Option)]
        entries = {option.name: option.get_help_record(context) for option in options}
        groups = {group: [entries.pop(key.name, None) for key in keys] for group, keys in keys_by_group().items()}
        for heading, records in {"Options": list(entries.values()), **groups}.items():
            written = [record for record in records if record is not None]
            if written:
                with formatter.section(heading):
                    formatter.write_dl(written, col_max=32)


OF_A_RUN = (
    frozenset(
        ("concurrency", "output_dir", "run_tag", "retry_failed", "summary_csv", "detail_log", "verbose", "repeats")
    )
    | {"datasets", "split", "num_samples", "question_field", "answer_field", "distribute"}
    | DISTRIBUTED_KEYS
)
"""Keys of problem sets and run folders, which do not apply to a single question."""


OF_FILES = ("concurrency", "question_field")
"""Those of them that apply to a file of questions too."""


class SolveCommand(GroupedCommand):
    """A command for one question; its errors point flags of problem sets to `bench`."""

    def parse_args(self, context: click.Context, arguments: list[str]) -> list[str]:
        """Parse the arguments."""
        try:
            return super().parse_args(context, arguments)
        except click.NoSuchOption as error:
            name = error.option_name.lstrip("-").removeprefix("no-").replace("-", "_")
            if name not in OF_A_RUN | {"dataset"}:
                raise
            told = f"is a flag of bench, which runs problem sets; {context.info_name} takes questions."
            raise click.UsageError(f"{error.option_name} {told}", context) from None


def question_keys() -> list[ConfigKey]:
    """Configuration keys that are flags of a command for one question."""
    return [key for key in config_keys() if key.name not in OF_A_RUN]


def flags(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--config` and a flag for every key, in the order of the schema."""
    return flags_of(config_keys())(command)


def flags_of(keys: Sequence[ConfigKey]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add `--config` and a flag for each of the given keys, in their order."""

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for key in reversed(keys):
            command = _flag(key)(command)
        return click.option("--config", "config_file", metavar="FILE|RECIPE", help=CONFIG)(command)

    return add


def _flag(key: ConfigKey) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    flag = f"--{key.name.replace('_', '-')}"
    text = f"{key.description} [{'; '.join(filter(None, [shown(key.default), key.limits]))}]"
    if key.kind == "boolean":
        return click.option(f"{flag}/--no-{flag[2:]}", key.name, default=None, help=text)
    names = [flag, "--dataset"] if key.name == "datasets" else [flag]
    many = key.name in REPEATABLE
    metavar = METAVARS.get(key.kind, key.kind if "|" in key.kind else "TEXT")
    text = f"{text} Repeatable." if many else text
    return click.option(*names, key.name, multiple=many, default=None, metavar=metavar, help=text)
