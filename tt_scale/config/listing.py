"""The keys of the configuration as `--help`, `example.yaml` and the documentation show them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from tt_scale.config import GROUPS, Config

__all__ = ["ConfigKey", "config_keys", "keys_by_group", "shown"]


@dataclass(frozen=True, slots=True)
class ConfigKey:
    """One key.

    Attributes:
        name: as in YAML and Python; the flag is the same with hyphens.
        group: one of `GROUPS`.
        description: one line.
        default: its value if none is given.
        kind: "string", "integer", "number", "boolean", "mapping", "list of strings", "number or string", or the values
            allowed: "a|b".
        limits: the range, "0 to 1"; empty if there is none.
        experiment: whether it can change a result.
    """

    name: str
    group: str
    description: str
    default: Any
    kind: str
    limits: str
    experiment: bool


@cache
def config_keys() -> tuple[ConfigKey, ...]:
    """All keys, in the order of the schema."""
    return tuple([_key(name, field) for name, field in Config.model_fields.items()])


def keys_by_group() -> dict[str, list[ConfigKey]]:
    """The keys under each heading, in order."""
    keys = config_keys()
    return {group: [key for key in keys if key.group == group] for group in GROUPS}


def shown(value: Any) -> str:
    r"""Write a value as help texts show it: `0.6`, `last`, `\n\n`, `a, b`; "unset" for None."""
    if value is None:
        return "unset"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ", ".join([shown(each) for each in value])
    return str(value).replace("\n", "\\n") or '""'


def _key(name: str, field: FieldInfo) -> ConfigKey:
    extra = field.json_schema_extra
    assert isinstance(extra, dict)
    return ConfigKey(
        name=name,
        group=str(extra["group"]),
        description=field.description or "",
        default=field.default,
        kind=_kind(field.annotation),
        limits=_limits(field),
        experiment=bool(extra["experiment"]),
    )


def _kind(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return "|".join(get_args(annotation))
    if get_origin(annotation) is tuple:
        return "list of strings"
    if get_origin(annotation) is dict:
        return "mapping"
    words = [_kind(each) for each in get_args(annotation) if get_origin(each) is Literal]
    if words:
        return words[0]
    names = {int: "integer", float: "number", bool: "boolean", str: "string"}
    kinds = (annotation, *(_alternative(each)[0] for each in get_args(annotation)))
    return " or ".join([names[each] for each in kinds if each in names])


def _alternative(annotation: Any) -> tuple[Any, list[Any]]:
    """Split one member of a union into its type and its limits."""
    if get_origin(annotation) is not Annotated:
        return annotation, []
    kind, *limits = get_args(annotation)
    return kind, [bound for each in limits if isinstance(each, FieldInfo) for bound in each.metadata]


def _limits(field: FieldInfo) -> str:
    words = {"ge": "at least", "gt": "above", "le": "at most"}
    limits = [*field.metadata, *(bound for each in get_args(field.annotation) for bound in _alternative(each)[1])]
    bounds = {name: getattr(each, name) for each in limits for name in words if hasattr(each, name)}
    if {"ge", "le"} <= bounds.keys():
        return f"{bounds['ge']} to {bounds['le']}"
    return ", ".join([f"{words[name]} {bound}" for name, bound in bounds.items()])
