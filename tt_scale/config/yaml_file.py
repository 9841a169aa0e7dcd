"""Configuration files: one mapping of keys to values, in YAML."""

from __future__ import annotations

from collections import Counter
from pathlib import Path as FilePath
from typing import Any

from tt_scale.errors import ConfigError

__all__ = ["read_yaml", "yaml_value"]


def read_yaml(path: str | FilePath) -> dict[str, Any]:
    """Read the mapping in a YAML file; an empty file is an empty mapping.

    Raises:
        ConfigError: the file cannot be read, holds something else, or names a key twice.
    """
    import yaml

    try:
        text = FilePath(path).read_text(encoding="utf-8")
        values = yaml_value(text)
        node = yaml.compose(text, yaml.SafeLoader)
    except FileNotFoundError:
        raise ConfigError(f"There is no file {str(path)!r}.") from None
    except IsADirectoryError:
        raise ConfigError(f"{str(path)!r} is a folder, not a YAML file.") from None
    except UnicodeDecodeError:
        raise ConfigError(f"The configuration file {str(path)!r} is not valid UTF-8.") from None
    except OSError as error:
        raise ConfigError(f"The configuration file {str(path)!r} cannot be read: {error.strerror or error}.") from None
    except ValueError as error:
        raise ConfigError(f"{path} is not valid YAML: {error}.") from None
    values = {} if node is None else values
    if not isinstance(values, dict):
        raise ConfigError(f"{path} holds a {type(values).__name__}, not keys and values such as `tau: 0.6`.")
    if node is not None:
        _refuse_repeated(path, [str(key.value) for key, _ in node.value])
    return {str(key): value for key, value in values.items()}


def yaml_value(text: str) -> Any:
    """Read what a YAML text stands for.

    Raises:
        ValueError: it is no YAML, or holds what looks like a date or a number and is none.
    """
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except (ValueError, LookupError, AttributeError, TypeError) as error:  # of PyYAML's constructors
        raise ValueError(f"one of its values cannot be read ({error}); put it in quotes") from None


def _refuse_repeated(path: str | FilePath, keys: list[str]) -> None:
    """Refuse what YAML allows: of two values of one key the first would be dropped without a word."""
    twice = next((key for key, count in Counter(keys).items() if count > 1), None)
    if twice is not None:
        raise ConfigError(f"{path} sets {twice!r} twice.", "Keep one of them.")
