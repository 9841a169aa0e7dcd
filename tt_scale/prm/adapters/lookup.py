"""Which adapter reads for a model: by what the user says, by the model's name, or by its architecture."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any, cast

from tt_scale.config import Config
from tt_scale.engines.model_names import read_settings
from tt_scale.errors import ConfigError, PRMError, nearest
from tt_scale.generator.tokens import Tokens
from tt_scale.prm.adapters.base import Adapter, Checkpoint
from tt_scale.registry import available, family_backend, load

__all__ = [
    "adapter_class",
    "adapter_knobs",
    "check_knobs",
    "check_protocol",
    "find_adapter",
    "open_adapter",
    "settings_of",
]


def adapter_class(name: str) -> type[Adapter]:
    """Find a PRM adapter by name, or by `module:class`.

    Raises:
        ConfigError: there is none of that name, or it cannot be imported.
    """
    return cast("type[Adapter]", load("prm_adapters", name, "prm_adapter", Adapter))


def adapter_knobs(adapter: type[Adapter]) -> list[str]:
    """What `prm_args` can set of an adapter: its keyword arguments, in their order."""
    found = inspect.signature(adapter).parameters.items()
    return [name for name, each in found if each.kind is each.KEYWORD_ONLY]


def open_adapter(config: Config, model: str) -> Adapter:
    """Read what a PRM says of itself, and make its adapter.

    Args:
        config: of the run; read are `prm_name`, `prm_revision`, `prm_adapter`, `prm_args` and `stop_tokens`.
        model: local folder or hub name that `prm_name` stands for.

    Raises:
        PRMError: no config.json, no adapter for it, or not the tokenizer that the protocol needs.
        ConfigError: `prm_adapter` or `prm_args` name what does not exist, or an aggregate is not for this PRM.
    """
    name = config.prm_name
    settings = settings_of(name, model, config.prm_revision)
    found = check_protocol(config, settings)
    tokens = Tokens.load(model, trust_remote_code=config.trust_remote_code, revision=config.prm_revision)
    try:
        return found(Checkpoint(name, tokens, settings, config.stop_tokens), **config.prm_args)
    except TypeError as error:
        raise ConfigError(f"prm_args do not fit the adapter: {error}.") from None


def check_protocol(config: Config, settings: Mapping[str, Any]) -> type[Adapter]:
    """Find the adapter of a PRM, and check the knobs that it was given; nothing is loaded.

    Args:
        config: of the run; read are `prm_name`, `prm_adapter` and `prm_args`.
        settings: config.json of the PRM.

    Raises:
        PRMError: no adapter is known for it.
        ConfigError: `prm_adapter` or `prm_args` name something that does not exist, or lack something.
    """
    found = find_adapter(config.prm_adapter, config.prm_name, settings)
    check_knobs(adapter_knobs(found), config.prm_args)
    _check_needed(found, config.prm_args)
    _refuse_aggregates(found, config)
    return found


def _refuse_aggregates(adapter: type[Adapter], config: Config) -> None:
    """Refuse every aggregate that looks at steps of which a PRM says nothing."""
    for key, agg in (("agg", config.agg), ("final_agg", config.final_agg)):
        if adapter.finished_only and agg not in ("last", None):
            raise ConfigError(
                f"{key} is {agg!r}; the PRM {config.prm_name!r} judges whole solutions, and only the last step has its "
                "verdict.",
                f"Type: --{key.replace('_', '-')} last",
            )


def settings_of(name: str, model: str, revision: str | None = None) -> dict[str, Any]:
    """Read what a PRM says of itself.

    Args:
        name: as the configuration has it.
        model: local folder or hub name that it stands for.
        revision: branch, tag or commit on the hub; None is the newest.

    Raises:
        PRMError: it has no config.json.
    """
    try:
        return read_settings(model, revision)
    except (OSError, ValueError) as error:
        line = str(error).strip().splitlines()[0].rstrip(".")
        raise PRMError(
            f"The PRM {name!r} has no config.json that can be read: {line}.", "Check the name, or give a local folder."
        ) from error


def find_adapter(asked: str, name: str, settings: Mapping[str, Any]) -> type[Adapter]:
    """Choose the adapter.

    Args:
        asked: its name or dotted path; "auto" goes by the model.
        name: of the model; the last part of it counts.
        settings: its config.json.

    Raises:
        PRMError: nothing is known that reads for it: a generator, say.
        ConfigError: there is no adapter of that name.
    """
    if asked != "auto":
        return adapter_class(asked)
    known = [adapter_class(each) for each in available("prm_adapters")]
    own = PurePath(name).name.lower()
    architectures = settings.get("architectures") or ["model that does not say what it is"]
    for each in known:
        if own.startswith(each.names):
            return each
    for each in known:
        if set(each.architectures) & set(architectures):
            return each
    if family_backend(name):
        raise PRMError(
            f"No adapter reads for prm_name {name!r}; the backend {family_backend(name)!r} does.",
            f"Leave out --prm, or type: --prm {family_backend(name)}",
        )
    what = ", a generator" if any(each.endswith("ForCausalLM") for each in architectures) else ""
    raise PRMError(
        f"prm_name is {name!r}, a {', '.join(architectures)}{what}; no adapter is known for it.",
        f"Name its protocol with --prm-adapter ({', '.join(available('prm_adapters'))}), or let a generator judge: "
        "--prm judge",
    )


def check_knobs(knobs: Sequence[str], given: Mapping[str, Any]) -> None:
    """Refuse knobs that an adapter or a PRM has not.

    Raises:
        ConfigError: `prm_args` holds one.
    """
    for name in given:
        if name not in knobs:
            raise ConfigError(
                f"prm_args holds {name!r}, which is no knob of this PRM.",
                nearest(name, knobs) if knobs else "It has none.",
            )


def _check_needed(adapter: type[Adapter], given: Mapping[str, Any]) -> None:
    knobs = inspect.signature(adapter).parameters.items()
    needed = [name for name, each in knobs if each.kind is each.KEYWORD_ONLY and each.default is each.empty]
    missing = [name for name in needed if name not in given]
    if missing:
        typed = ", ".join([f"{name}: ..." for name in missing])
        raise ConfigError(f"This adapter needs {', '.join(missing)} in prm_args.", f"Type: --prm-args '{{{typed}}}'")
