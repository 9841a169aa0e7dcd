"""Recipes: configuration files that are part of the package, addressed by name."""

from __future__ import annotations

import difflib
import os
from importlib.resources import files
from pathlib import Path as FilePath
from typing import Any

from tt_scale.config.yaml_file import read_yaml
from tt_scale.errors import ConfigError

__all__ = ["EXAMPLE", "config_path", "read_config", "recipe_names", "recipe_path", "recipe_summary", "template_path"]

EXAMPLE = "example"
"""Name of the template that lists every key with its default; it is not a recipe."""


def recipe_names() -> list[str]:
    """The names of all recipes, sorted."""
    return sorted([path.name.removesuffix(".yaml") for path in _folder("recipes").glob("*.yaml")])


def recipe_path(name: str) -> FilePath:
    """The file of a recipe.

    Raises:
        ConfigError: there is no recipe of that name.
    """
    if name not in recipe_names():
        raise ConfigError(f"There is no recipe {name!r}.", _similar(name))
    return _folder("recipes") / f"{name}.yaml"


def recipe_summary(name: str) -> str:
    """Summary of a recipe: its first line; errors as in `recipe_path`."""
    return recipe_path(name).read_text(encoding="utf-8").partition("\n")[0].removeprefix("#").strip()


def template_path(name: str) -> FilePath:
    """Path of a template for a new configuration: a recipe or `EXAMPLE`; errors as in `recipe_path`."""
    return _folder("example.yaml") if name == EXAMPLE else recipe_path(name)


def read_config(name: str | FilePath) -> dict[str, Any]:
    """Read a configuration file or a recipe; errors as in `config_path` and `read_yaml`."""
    return read_yaml(config_path(name))


def config_path(name: str | FilePath) -> FilePath:
    """Find a configuration.

    Args:
        name: a path, or the name of a recipe; an existing file takes precedence over a recipe.

    Raises:
        ConfigError: there is neither a file nor a recipe of that name.
    """
    path, text = FilePath(name), str(name)
    if not os.path.isfile(path) and text in recipe_names():
        return recipe_path(text)
    if not text or not _may_exist(path):
        raise ConfigError(f"There is no configuration file or recipe {text!r}.", _similar(text))
    return path


def _may_exist(path: FilePath) -> bool:
    """Whether the error of opening a path can be another one than that it is missing."""
    try:
        path.stat()
    except (FileNotFoundError, ValueError):  # a path cannot contain NUL
        return False
    except OSError:
        return True
    return True


def _similar(name: str) -> str:
    """Suggest a similar recipe: `pocket` for `pocke` and for `config/pocket.yaml`."""
    stem = name.rpartition("/")[2].removesuffix(".yaml")
    close = difflib.get_close_matches(stem, recipe_names(), n=1)
    return f"Did you mean {close[0]!r}?" if close else "Type: tt-scale list"


def _folder(name: str) -> FilePath:
    return FilePath(str(files("tt_scale.config") / name))
