"""Selection of a model's adapter: by configuration, by the model's name, or by its architecture."""

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
        ConfigError: there is no adapter of that name, or it cannot be imported.
    """
    return cast("type[Adapter]", load("prm_adapters", name, "prm_adapter", Adapter))


def adapter_knobs(adapter: type[Adapter]) -> list[str]:
    """List what `prm_args` can set of an adapter: its keyword-only arguments, in order."""
    parameters = inspect.signature(adapter).parameters.items()
    return [name for name, each in parameters if each.kind is each.KEYWORD_ONLY]


def open_adapter(config: Config, model: str) -> Adapter:
    """Create the adapter of a PRM from its `config.json` and tokenizer.

    Args:
        config: configuration of the run; uses `prm_name`, `prm_revision`, `prm_adapter`, `prm_args`, `stop_tokens`.
        model: local folder or hub name that `prm_name` resolves to.

    Raises:
        PRMError: the model has no config.json, no adapter, or not the tokenizer that the adapter needs.
        ConfigError: `prm_adapter` or `prm_args` name something unknown, or an aggregate does not suit this PRM.
    """
    name = config.prm_name
    settings = settings_of(name, model, config.prm_revision)
    adapter = check_protocol(config, settings)
    tokens = Tokens.load(model, trust_remote_code=config.trust_remote_code, revision=config.prm_revision)
    try:
        return adapter(Checkpoint(name, tokens, settings, config.stop_tokens), **config.prm_args)
    except TypeError as error:
        raise ConfigError(f"prm_args do not fit the adapter: {error}.") from None


def check_protocol(config: Config, settings: Mapping[str, Any]) -> type[Adapter]:
    """Find the adapter of a PRM and validate `prm_args` against it; nothing is loaded.

    Args:
        config: configuration of the run; uses `prm_name`, `prm_adapter` and `prm_args`.
        settings: content of the PRM's config.json.

    Raises:
        PRMError: there is no adapter for the PRM.
        ConfigError: `prm_adapter` or `prm_args` name something unknown, or a required argument is missing.
    """
    adapter = find_adapter(config.prm_adapter, config.prm_name, settings)
    check_knobs(adapter_knobs(adapter), config.prm_args)
    _check_required(adapter, config.prm_args)
    _check_aggregates(adapter, config)
    return adapter


def _check_aggregates(adapter: type[Adapter], config: Config) -> None:
    """Refuse aggregates over steps if a PRM scores only the last step."""
    for key, agg in (("agg", config.agg), ("final_agg", config.final_agg)):
        if adapter.finished_only and agg not in ("last", None):
            raise ConfigError(
                f"{key} is {agg!r}; the PRM {config.prm_name!r} scores whole solutions, and only their last step has "
                "the score.",
                f"Type: --{key.replace('_', '-')} last",
            )


def settings_of(name: str, model: str, revision: str | None = None) -> dict[str, Any]:
    """Read the `config.json` of a PRM.

    Args:
        name: model name as given in the configuration, for messages.
        model: local folder or hub name that it resolves to.
        revision: branch, tag or commit on the hub; None is the newest.

    Raises:
        PRMError: there is no readable config.json.
    """
    try:
        return read_settings(model, revision)
    except (OSError, ValueError) as error:
        line = str(error).strip().splitlines()[0].rstrip(".")
        raise PRMError(
            f"The PRM {name!r} has no readable config.json: {line}.", "Check the name, or give a local folder."
        ) from error


def find_adapter(adapter_name: str, model_name: str, settings: Mapping[str, Any]) -> type[Adapter]:
    """Select the adapter of a model.

    Args:
        adapter_name: name or dotted path of an adapter; "auto" selects by model name, then by architecture.
        model_name: name of the model; only its last component is compared.
        settings: content of the model's config.json.

    Raises:
        PRMError: no adapter matches the model, for example because it is a generator.
        ConfigError: there is no adapter of that name.
    """
    if adapter_name != "auto":
        return adapter_class(adapter_name)
    adapters = [adapter_class(each) for each in available("prm_adapters")]
    base_name = PurePath(model_name).name.lower()
    architectures = settings.get("architectures") or ["model of unnamed architecture"]
    for each in adapters:
        if base_name.startswith(each.names):
            return each
    for each in adapters:
        if set(each.architectures) & set(architectures):
            return each
    if family_backend(model_name):
        raise PRMError(
            f"There is no adapter for prm_name {model_name!r}; the backend {family_backend(model_name)!r} runs it.",
            f"Omit --prm, or type: --prm {family_backend(model_name)}",
        )
    suffix = ", a generator" if any(each.endswith("ForCausalLM") for each in architectures) else ""
    raise PRMError(
        f"prm_name is {model_name!r}, a {', '.join(architectures)}{suffix}; there is no adapter for it.",
        f"Name an adapter with --prm-adapter ({', '.join(available('prm_adapters'))}), or let a generator judge: "
        "--prm judge",
    )


def check_knobs(knobs: Sequence[str], prm_args: Mapping[str, Any]) -> None:
    """Refuse entries of `prm_args` that an adapter or a PRM does not have.

    Raises:
        ConfigError: there is such an entry.
    """
    for name in prm_args:
        if name not in knobs:
            raise ConfigError(
                f"prm_args contains {name!r}, which this PRM does not have.",
                nearest(name, knobs) if knobs else "It takes no prm_args.",
            )


def _check_required(adapter: type[Adapter], prm_args: Mapping[str, Any]) -> None:
    parameters = inspect.signature(adapter).parameters.items()
    required = [name for name, each in parameters if each.kind is each.KEYWORD_ONLY and each.default is each.empty]
    missing = [name for name in required if name not in prm_args]
    if missing:
        example = ", ".join([f"{name}: ..." for name in missing])
        raise ConfigError(f"This adapter needs {', '.join(missing)} in prm_args.", f"Type: --prm-args '{{{example}}}'")
