"""One flat, validated schema: YAML, command line and Python use the same keys.

Precedence: command line, then YAML, then the defaults here. An unknown key or a value out of range is an error
that says what is allowed; an option that the chosen method would ignore is a warning.

Imports `core` and `errors` alone.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path as FilePath
from typing import Any
from urllib.parse import urlsplit

from pydantic import ValidationError, ValidationInfo, field_validator, model_validator

from tt_scale.config.budget import BudgetKeys
from tt_scale.config.data import MATH_ARENA, DataKeys
from tt_scale.config.declare import GROUPS
from tt_scale.config.model import ModelKeys
from tt_scale.config.recipe_files import read_config
from tt_scale.config.runtime import UNSET_DTYPE, RuntimeKeys
from tt_scale.config.sampling import SamplingKeys
from tt_scale.config.search import MethodKeys, SearchKeys
from tt_scale.core.aggregate import AGGREGATES
from tt_scale.core.budget import Budget
from tt_scale.core.printable import shown
from tt_scale.core.records import Sampling
from tt_scale.core.selection import SELECTORS
from tt_scale.errors import ConfigError, nearest

__all__ = [
    "DISTRIBUTED_KEYS",
    "GROUPS",
    "MATH_ARENA",
    "PATH_KEYS",
    "WIDTH_KEYS",
    "Config",
    "digest",
    "merged",
    "split_names",
]


LARGEST = 256
"""Bits of a whole number, as a key may have it."""

DISTRIBUTED_KEYS = frozenset(("generator_gpus", "prm_gpus", "ray_address", "replica_cpus", "replicas"))
"""Keys that apply only to searches on replicas."""

KEY_VARIABLES = {"base_url": "OPENAI_API_KEY", "prm_url": "TT_SCALE_PRM_API_KEY"}
"""The environment variable for the key of a server whose address a key of the configuration holds."""


_KEEPING = frozenset({"beam_search", "collective", "dvts", "gumbel", "mcts"})
"""Methods that keep `keeping_branches` of the `max_total_branches` paths that they propose."""


class Config(RuntimeKeys, DataKeys, BudgetKeys, MethodKeys, SearchKeys, SamplingKeys, ModelKeys):
    """Everything that decides what a run does; its keys are declared in the modules beside.

    Raises:
        ConfigError: a key that does not exist, a value out of range, or a combination that cannot run.
    """

    def __init__(self, **values: Any) -> None:
        unknown = [key for key in values if key not in type(self).model_fields]
        if unknown:
            raise ConfigError(f"Unknown key {shown(unknown[0])}.", nearest(unknown[0], type(self).model_fields))
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise ConfigError(_explain(error)) from None

    def __setattr__(self, name: str, value: Any) -> None:
        if name in type(self).model_fields:
            raise ConfigError(
                f"{name} cannot be set: a Config is immutable, since it identifies its run.",
                f"Create another one with config.changed({name}={shown(value)}).",
            )
        if not name.startswith("_"):
            raise ConfigError(f"Unknown key {shown(name)}.", nearest(name, type(self).model_fields))
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        raise ConfigError(
            f"{name} cannot be deleted: a Config is immutable.",
            "Create another one with config.changed(...), or a new Config.",
        )

    @field_validator("method", mode="before")
    @classmethod
    def _one_method(cls, value: Any) -> Any:
        if isinstance(value, list | tuple):
            shown = ", ".join(map(str, value))
            raise ValueError(f"is a list ({shown}); one Config has one method, bench and compare take several")
        return value

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_value(cls, value: Any, info: ValidationInfo) -> Any:
        assert info.field_name is not None
        kind = cls.model_fields[info.field_name].annotation
        if isinstance(value, bool) and kind is not bool:
            number = kind in (int, float, int | None, float | None)
            raise ValueError(f"is {value}, a boolean{', not a number' if number else '; quote it to pass a string'}")
        return value

    @field_validator("*", mode="before")
    @classmethod
    def _whole_characters(cls, value: Any) -> Any:
        """Reject NUL, which no file name contains, and lone surrogates, as from a shell with another encoding."""
        if isinstance(value, int) and value.bit_length() > LARGEST:
            raise ValueError(f"is a number of {value.bit_length():,} bits; allowed: at most {LARGEST} bits")
        if invalid := next(
            (match[0] for text in _texts(value) if (match := re.search("[\0\ud800-\udfff]", text))), None
        ):
            raise ValueError(f"contains {shown(invalid)}, which is not allowed in text")
        return value

    @field_validator("model_name", "output_dir", "summary_csv")
    @classmethod
    def _no_empty_path(cls, value: str | None) -> str | None:
        if value == "":
            raise ValueError("is empty, which is no path")
        return value

    @field_validator("prm_name", "prm_adapter", "prm_revision", mode="before")
    @classmethod
    def _one_text(cls, value: Any, info: ValidationInfo) -> Any:
        """Join a list to one text, as tables show it: `a, b`."""
        if value is None:
            return {"prm_name": "none", "prm_adapter": "auto"}.get(str(info.field_name))
        if isinstance(value, list | tuple) and all(isinstance(each, str) for each in value):
            value = ",".join(value)
        return ", ".join(split_names(value)) if isinstance(value, str) and "," in value else value

    @field_validator("prm_name")
    @classmethod
    def _possible_ensemble(cls, value: str) -> str:
        names = split_names(value)
        if len(names) > 1 and ("none" in names or len(set(names)) < len(names)):
            raise ValueError(f"is {shown(value)}: an ensemble consists of different PRMs, each once, without `none`")
        return value

    @field_validator("adaptive", mode="before")
    @classmethod
    def _yaml_off(cls, value: Any) -> Any:
        """Undo that YAML reads `on` and `off` as booleans."""
        return {"true": "beta", "false": "off"}.get(str(value).lower(), value)

    @field_validator("datasets", "stop_tokens", "reasoning_tags", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("prm_device")
    @classmethod
    def _device(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"cpu|cuda(:\d+)?", value):
            raise ValueError(f"is {shown(value)}. Allowed: cpu, cuda, cuda:0, cuda:1, ...")
        return value

    @field_validator("base_url", "prm_url", mode="before")
    @classmethod
    def _one_text_of_addresses(cls, value: Any) -> Any:
        return (
            ", ".join(value)
            if isinstance(value, list | tuple) and all(isinstance(each, str) for each in value)
            else value
        )

    @field_validator("base_url", "prm_url")
    @classmethod
    def _addresses(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and not split_names(value):
            raise ValueError("contains no address; omit it, or use one that begins with http:// or https://")
        for each in split_names(value or ""):
            _check_address(each, KEY_VARIABLES[str(info.field_name)])
        return value

    @field_validator("agg", "final_agg")
    @classmethod
    def _known_aggregate(cls, value: str | None) -> str | None:
        if value is not None and value not in AGGREGATES:
            raise ValueError(f"is {shown(value)}. {nearest(value, AGGREGATES)}")
        return value

    @field_validator("selector")
    @classmethod
    def _known_selector(cls, value: str | None) -> str | None:
        if value is not None and value not in SELECTORS:
            raise ValueError(f"is {shown(value)}. {nearest(value, SELECTORS)}")
        return value

    @field_validator("stop_tokens")
    @classmethod
    def _no_empty_delimiter(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if any(not delimiter for delimiter in value):
            raise ValueError("contains an empty delimiter; write [] for no delimiters")
        return value

    @field_validator("reasoning_tags")
    @classmethod
    def _pairs_of_tags(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(value) % 2 or not all(map(str.strip, value)):
            raise ValueError(
                f"is {list(value)}; allowed: pairs of an opening tag and its closing tag. "
                "In YAML: reasoning_tags: ['<plan>', '</plan>']"
            )
        return value

    @model_validator(mode="before")
    @classmethod
    def _no_delimiters(cls, values: Any) -> Any:
        """With `step_tokens`, default to no delimiters; `_one_step_unit` rejects both together."""
        if isinstance(values, Mapping) and values.get("step_tokens") is not None:
            return {"stop_tokens": (), **values}
        return values

    @model_validator(mode="after")
    def _one_step_unit(self) -> Config:
        setting = f"step_tokens is {self.step_tokens}"
        if self.step_tokens is None:
            return self
        if self.stop_tokens:
            raise ValueError(
                f"{setting} and stop_tokens is {list(self.stop_tokens)}, but only one of them can end steps. "
                "Type: --stop-tokens none (in YAML, stop_tokens: [])"
            )
        if self.k_tokens < self.step_tokens:
            raise ValueError(
                f"{setting}, but k_tokens is {self.k_tokens}: it would cut every step. "
                f"Type: --k-tokens {self.step_tokens}"
            )
        if self.warmup:
            raise ValueError(f"{setting}, but warmup is true, which leaves the first step longer. Type: --no-warmup")
        return self

    @model_validator(mode="after")
    def _distributed(self) -> Config:
        """A key of replicas without `distribute` is a mistake; beside `distribute: none` it is switched off."""
        given = sorted(DISTRIBUTED_KEYS & self.model_fields_set)
        if given and "distribute" not in self.model_fields_set:
            raise ValueError(
                f"{given[0]} is {shown(getattr(self, given[0]))}, but searches take place in this process. "
                "Type: --distribute ray"
            )
        return self

    @model_validator(mode="after")
    def _possible(self) -> Config:
        asked = self.method in _KEEPING or "keeping_branches" in self.model_fields_set
        if asked and self.keeping_branches > self.max_total_branches:
            raise ValueError(
                f"keeping_branches is {self.keeping_branches}, but max_total_branches is {self.max_total_branches}: "
                "no more paths can be kept than are proposed"
            )
        if self.method == "collective" and self.budget is None and self.passing_minimum > self.max_total_branches:
            raise ValueError(
                f"passing_minimum is {self.passing_minimum}, but max_total_branches is {self.max_total_branches}: "
                "no retry could propose that many steps. "
                f"Type: --passing-minimum {self.max_total_branches}"
            )
        if not self.datasets:
            raise ValueError("datasets is empty: name at least one problem set")
        return self

    @classmethod
    def from_yaml(cls, path: str | FilePath, **overrides: Any) -> Config:
        """Read a YAML file or a recipe.

        Args:
            path: path of the file, or name of a recipe such as "pocket"; an existing file takes precedence.
            overrides: values that override those of the file.

        Raises:
            ConfigError: the file cannot be read, is not a mapping, or contains an invalid key or value.
        """
        return cls(**merged(read_config(path), overrides))

    def sampling(self, temperature: float) -> Sampling:
        """The sampling parameters at a temperature."""
        return Sampling(temperature, self.top_p, self.top_k, self.min_p, self.repetition_penalty)

    @property
    def prm_names(self) -> tuple[str, ...]:
        """The PRMs that `prm_name` lists, usually one."""
        return split_names(self.prm_name) or ("none",)

    @property
    def has_prm(self) -> bool:
        """Whether there is a PRM; with several, `prm` is only the backend of those whose name implies none."""
        return self.prm_names != ("none",) and (self.prm != "none" or len(self.prm_names) > 1)

    @property
    def context(self) -> int:
        """`max_model_len` as a number.

        Raises:
            ConfigError: it is None, and the model's context length was not determined yet.
        """
        if self.max_model_len is None:
            raise ConfigError(
                "max_model_len is null, and the context length of the model is unknown.", "Set it to a number."
            )
        return self.max_model_len

    @property
    def one_model(self) -> bool:
        """Whether the PRM is the generator's model, in the same revision."""
        return self.prm_name == self.model_name and self.prm_revision in (None, self.model_revision)

    @property
    def limits(self) -> Budget:
        """Limits of one problem; a `budget` of n solutions limits tokens to n x `max_tokens` by default."""
        most = self.max_generated_tokens
        if most is None and self.budget is not None:
            most = self.budget * self.max_tokens
        return Budget(most, self.max_prm_tokens, self.max_seconds)

    def changed(self, **values: Any) -> Config:
        """Create a validated copy with other values; keys at their default remain unset.

        Raises:
            ConfigError: a key is unknown, or a value or combination is invalid.
        """
        return type(self)(**{**{key: getattr(self, key) for key in self.model_fields_set}, **values})

    @property
    def non_defaults(self) -> frozenset[str]:
        """Keys that were set to another value than the default."""
        fields = type(self).model_fields
        return frozenset([key for key in self.model_fields_set if getattr(self, key) != fields[key].default])

    def experiment(self, ignore: frozenset[str] = frozenset()) -> dict[str, Any]:
        """Keys that can change a result, except those in `ignore`; they identify a run."""
        fields = type(self).model_fields
        values = self.model_dump(mode="json")
        values["dtype"] = self.dtype or UNSET_DTYPE  # as in older runs, in which `dtype` could not be unset
        if self.answer_rule is None:
            ignore |= {"answer_rule"}  # as in older runs, which did not have this key
        return {
            key: value
            for key, value in values.items()
            if key not in ignore and _extra(fields[key].json_schema_extra)["experiment"]
        }


def _texts(value: Any) -> Iterator[str]:
    """All texts in a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from _texts([*value, *value.values()])
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _texts(each)


def _check_address(address: str, variable: str) -> None:
    try:
        parts = urlsplit(address)
        _ = parts.port, (parts.hostname or "").encode("idna")
    except ValueError as error:  # such as a port above 65535, or a label of the host name that is too long
        raise ValueError(f"is {shown(address)}, which is not an address: {error}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"is {shown(address)}; an address begins with http:// or https:// and names a server")
    if parts.username or parts.password or parts.query:
        raise ValueError(
            f"contains a password or a query, which would be written into the run folder; use the variable {variable}"
        )


def split_names(text: str) -> tuple[str, ...]:
    """Split a comma-separated list of names."""
    return tuple([name.strip() for name in text.split(",") if name.strip()])


def merged(file: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Merge values of a user over those of a file; a user's `budget` also replaces the widths of the file."""
    kept = file
    if given.get("budget") is not None:
        kept = {key: value for key, value in file.items() if key not in WIDTH_KEYS}
    return {**kept, **given}


def _extra(extra: Any) -> Mapping[str, Any]:
    assert isinstance(extra, dict)
    return extra


WIDTH_KEYS = frozenset(
    [name for name, field in Config.model_fields.items() if _extra(field.json_schema_extra)["width"]]
)
"""Keys that methods derive from `budget`."""

PATH_KEYS = frozenset([name for name, field in Config.model_fields.items() if _extra(field.json_schema_extra)["paths"]])
"""Keys that count paths: `budget` and the widths."""


def digest(experiment: Mapping[str, Any]) -> str:
    """Hash of an experiment, in twelve hex digits."""
    text = json.dumps(experiment, sort_keys=True, ensure_ascii=False)
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()


def _explain(error: ValidationError) -> str:
    """Format the faults of a validation as sentences, each with its key."""
    parts = []
    for fault in error.errors():
        message = fault["msg"].removeprefix("Value error, ")
        if not fault["loc"]:
            parts.append(message)
            continue
        key = str(fault["loc"][0])
        if fault["type"] == "value_error":
            parts.append(f"{key} {message}")
        else:
            message = message.removeprefix("Input ").partition(", unable to parse")[0]
            message = message.replace("a valid tuple", "a text or a list of texts")
            parts.append(f"{key} is {shown(fault['input'])}, but {message}")
    return " ".join(f"{part.rstrip('.?')}{'?' if part.endswith('?') else '.'}" for part in parts)
