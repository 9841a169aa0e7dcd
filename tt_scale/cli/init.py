"""`tt-scale init`: write a configuration file to start from."""

from __future__ import annotations

import os
import shlex
from pathlib import Path as FilePath

import click

from tt_scale.config.recipe_files import EXAMPLE, template_path
from tt_scale.core.printable import printable
from tt_scale.errors import ConfigError

__all__ = ["init"]


@click.command()
@click.argument("name", default=EXAMPLE, metavar="[RECIPE]")
@click.option("--output", metavar="FILE", help="The file to write. [RECIPE.yaml in the current folder]")
def init(name: str, output: str | None) -> None:
    """Write a configuration file to start from.

    RECIPE is a name that `tt-scale list` shows; without it, example.yaml is written, which lists every key with its
    default and an explanation. An existing file is never overwritten.
    """
    if output == "":
        raise ConfigError("--output is empty.", f"Type: tt-scale init {shlex.quote(name)} --output mine.yaml")
    path = FilePath(f"{name}.yaml" if output is None else output)
    _write_new(path, template_path(name).read_text(encoding="utf-8"), name)
    click.echo(printable(f"Wrote {path}. Edit it, then type: tt-scale bench --config {shlex.quote(str(path))}"))


def _write_new(path: FilePath, text: str, name: str) -> None:
    """Write a file that does not exist yet.

    Raises:
        ConfigError: the file exists, or cannot be written.
    """
    elsewhere = f"tt-scale init {shlex.quote(name)} --output"
    if os.path.isdir(path):
        inside = shlex.quote(str(path / f"{name}.yaml"))
        raise ConfigError(f"{str(path)!r} is a folder, not a file to write.", f"Type: {elsewhere} {inside}")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise ConfigError(
            f"{str(path)!r} exists and is not overwritten.", f"Delete it, or type: {elsewhere} another.yaml"
        ) from None
    except FileNotFoundError:
        raise ConfigError(
            f"There is no folder {str(path.parent)!r}.", f"Type: mkdir -p {shlex.quote(str(path.parent))}"
        ) from None
    except (OSError, ValueError) as error:  # ValueError: no name that the system has
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"{str(path)!r} cannot be written: {reason}.", f"Type: {elsewhere} PATH") from None
