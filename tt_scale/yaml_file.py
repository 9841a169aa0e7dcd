"""Configuration files: one mapping of keys to values, in YAML."""

from __future__ import annotations

from collections import Counter
from pathlib import Path as FilePath
from typing import Any

from tt_scale.errors import ConfigError

__all__ = ["read_yaml"]


def read_yaml(path: str | FilePath) -> dict[str, Any]:
    """Read the mapping in a YAML file; an empty file is an empty mapping.

    Raises:
        ConfigError: the file cannot be read, holds something else, or names a key twice.
    """
    import yaml

    try:
        node = yaml.compose(FilePath(path).read_text(encoding="utf-8"), yaml.SafeLoader)
        values = yaml.SafeLoader("").construct_document(node) if node else {}
    except FileNotFoundError:
        raise ConfigError(f"There is no configuration file {str(path)!r}.", "Start from config/example.yaml.") from None
    except UnicodeDecodeError:
        raise ConfigError(f"The configuration file {str(path)!r} is no UTF-8 text.") from None
    except OSError as error:
        raise ConfigError(f"The configuration file {str(path)!r} cannot be read: {error.strerror or error}.") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is no valid YAML: {' '.join(str(error).split())}.") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path} holds a {type(values).__name__}, not keys and values such as `tau: 0.6`.")
    if node is not None:
        _refuse_repeated(path, [str(key.value) for key, _ in node.value])
    return {str(key): value for key, value in values.items()}


def _refuse_repeated(path: str | FilePath, keys: list[str]) -> None:
    """Refuse what YAML allows: of two values of one key the first would be dropped without a word."""
    twice = next((key for key, count in Counter(keys).items() if count > 1), None)
    if twice is not None:
        raise ConfigError(f"{path} sets {twice!r} twice.", "Keep one of them.")
