"""Configuration files: one mapping of keys to values, in YAML.

A file is read in time that its length bounds: at most 100,000 characters, 10,000 values with what its aliases stand
for written out, 20 levels. What YAML would change without a word is refused: a key that is set twice at any level, a
number to base sixty (`1:30:00` is 5400 to YAML 1.1), and a whole number too long to be meant.
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
    """A mapping sets a key twice, and YAML would drop the first value."""


def read_yaml(path: str | FilePath) -> dict[str, Any]:
    """Read the mapping in a YAML file; an empty file is an empty mapping.

    Raises:
        ConfigError: the file cannot be read, holds something else, or names a key twice.
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
        raise ConfigError(f"{path} holds a {type(values).__name__}, not keys and values such as `tau: 0.6`.")
    return {str(key): value for key, value in values.items()}


def yaml_value(text: str) -> Any:
    """Read what a YAML text stands for; None where it is empty.

    Raises:
        ValueError: it is no YAML, holds what looks like a date or a number and is none, sets a key twice, or is longer,
            deeper or larger than a configuration can be.
    """
    import yaml

    if len(text) > _LONGEST:
        raise ValueError(f"it has more than {_LONGEST:,} characters, which no configuration needs")
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
        raise ValueError(f"one of its values cannot be read ({error}); put it in quotes") from None


class _RefusedError(Exception):
    """A text is YAML, and no configuration."""


@lru_cache(maxsize=1)
def _loader() -> type[yaml.SafeLoader]:
    """Make a loader that stops where a text is too deep or too large; PyYAML is imported once it is needed."""
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
        raise _RefusedError(f"it holds more than {_MOST_VALUES:,} values, those counted that its aliases stand for")


def _check(node: Any, known: dict[int, tuple[int, int]], around: set[int]) -> tuple[int, int]:
    """Check a node and what is in it.

    Args:
        node: of PyYAML.
        known: what is known of nodes by their `id`: an alias is the very node that it names.
        around: the `id` of the nodes that this one is in.

    Returns:
        How many levels and values it has with its aliases written out.
    """
    if id(node) in around:
        raise _RefusedError("one of its aliases stands for a value that it is a part of")
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
    """Refuse what YAML 1.1 reads as a number, and nobody writes as one."""
    if node.tag not in _NUMBERS:
        return
    if ":" in node.value:
        raise _RefusedError(
            f"YAML reads {shown(node.value)} as a number to base sixty; put it in quotes, or write the number"
        )
    if len(node.value) > _LONGEST_NUMBER:
        raise _RefusedError(f"the number {shown(node.value)} has more than {_LONGEST_NUMBER} characters")


def _refuse_repeated(node: Any) -> None:
    counts = Counter([key.value for key, _ in node.value if isinstance(key.value, str)])
    twice = next((key for key, count in counts.items() if count > 1), None)
    if twice is not None:
        raise _RepeatedKeyError(f"sets {shown(twice)} twice")
