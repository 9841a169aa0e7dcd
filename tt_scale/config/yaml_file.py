"""Reader of configuration files: one mapping of keys to values, in YAML.

Limits: 100,000 characters, 10,000 values after expansion of aliases, 20 levels. Input that YAML would change silently
is rejected: repeated keys at any level, sexagesimal numbers (`1:30:00` is 5400 in YAML 1.1), and very long integers.
"""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

from tt_scale.core.printable import shown
from tt_scale.errors import ConfigError

if TYPE_CHECKING:
    import yaml

__all__ = ["read_yaml", "yaml_value"]

_LONGEST = 100_000
_MOST_VALUES = 10_000
_DEEPEST = 20
_LONGEST_NUMBER = 80
_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")


class _RepeatedKeyError(ValueError):
    """A mapping contains a key twice; YAML would drop the first value."""


def read_yaml(path: str | FilePath) -> dict[str, Any]:
    """Read the mapping in a YAML file; an empty file is an empty mapping.

    Raises:
        ConfigError: the file cannot be read, is not a mapping, or contains a key twice.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(_LONGEST * 4 + 1)
        values = yaml_value(data.decode("utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"There is no file {str(path)!r}.") from None
    except IsADirectoryError:
        raise ConfigError(f"{str(path)!r} is a folder, not a YAML file.") from None
    except UnicodeDecodeError:
        raise ConfigError(f"The configuration file {str(path)!r} is not valid UTF-8.") from None
    except OSError as error:
        raise ConfigError(f"The configuration file {str(path)!r} cannot be read: {error.strerror or error}.") from None
    except _RepeatedKeyError as error:
        raise ConfigError(f"{path} {error}.", "Keep one of them.") from None
    except ValueError as error:
        raise ConfigError(f"{path} is not valid YAML: {error}.") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(f"{path} contains a {type(values).__name__}, not keys and values such as `tau: 0.6`.")
    return {str(key): value for key, value in values.items()}


def yaml_value(text: str) -> Any:
    """Parse YAML; None if the text is empty.

    Raises:
        ValueError: it is not valid YAML, contains an invalid date or number or a repeated key, or exceeds a limit.
    """
    import yaml

    if len(text) > _LONGEST:
        raise ValueError(f"it has more than {_LONGEST:,} characters, the limit")
    try:
        loader = _loader()(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _check(node, {}, set())
        return loader.construct_document(node)
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except _RefusedError as error:
        raise ValueError(str(error)) from None
    except _RepeatedKeyError:
        raise
    except (ValueError, LookupError, AttributeError, TypeError) as error:  # of PyYAML's constructors
        raise ValueError(f"one of its values cannot be parsed ({error}); quote it to pass a string") from None


class _RefusedError(Exception):
    """The text is valid YAML, but exceeds a limit or is ambiguous."""


@lru_cache(maxsize=1)
def _loader() -> type[yaml.SafeLoader]:
    """Create a loader with limits on depth and size; PyYAML is imported on first use."""
    import yaml

    class Loader(yaml.SafeLoader):
        level, values = 0, 0

        def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
            self.level += 1
            self.values += 1
            _bound(self.level, self.values)
            node = super().compose_node(parent, index)
            self.level -= 1
            return node

    return Loader


def _bound(levels: int, values: int) -> None:
    if levels > _DEEPEST:
        raise _RefusedError(f"it is nested more than {_DEEPEST} levels deep")
    if values > _MOST_VALUES:
        raise _RefusedError(f"it contains more than {_MOST_VALUES:,} values, including those that its aliases repeat")


def _check(node: Any, known: dict[int, tuple[int, int]], around: set[int]) -> tuple[int, int]:
    """Check a node and its children.

    Args:
        node: node of PyYAML.
        known: sizes of checked nodes by `id`: an alias is the same object as its anchor.
        around: `id` of the nodes that contain this one.

    Returns:
        Number of levels and of values, with aliases expanded.
    """
    if id(node) in around:
        raise _RefusedError("one of its aliases refers to a value that contains it")
    if id(node) in known:
        return known[id(node)]
    if isinstance(node.value, str):
        _check_number(node)
        return 1, 1
    pairs = node.id == "mapping"
    if pairs:
        _refuse_repeated(node)
    parts = [part for pair in node.value for part in pair] if pairs else node.value
    around.add(id(node))
    sizes = [_check(part, known, around) for part in parts]
    around.discard(id(node))
    levels = 1 + max([deep for deep, _ in sizes], default=0)
    values = 1 + sum([many for _, many in sizes])
    _bound(levels, values)
    known[id(node)] = levels, values
    return levels, values


def _check_number(node: Any) -> None:
    """Reject texts that YAML 1.1 reads as a number unexpectedly."""
    if node.tag not in _NUMBERS:
        return
    if ":" in node.value:
        raise _RefusedError(
            f"YAML reads {shown(node.value)} as a sexagesimal number; quote it to pass a string, or write the number"
        )
    if len(node.value) > _LONGEST_NUMBER:
        raise _RefusedError(f"the number {shown(node.value)} has more than {_LONGEST_NUMBER} characters")


def _refuse_repeated(node: Any) -> None:
    counts = Counter([key.value for key, _ in node.value if isinstance(key.value, str)])
    twice = next((key for key, count in counts.items() if count > 1), None)
    if twice is not None:
        raise _RepeatedKeyError(f"sets {shown(twice)} twice")
