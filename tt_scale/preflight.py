"""Checks of a run's models before anything is loaded or written.

Detects unknown names, missing folders, a generator configured as the PRM, an unknown adapter or adapter knob, and a
context longer than the model's own, all of which would otherwise fail minutes later, after a model was loaded.
"""

from __future__ import annotations

import json
import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tt_scale.backends import ResolvedGenerator, ResolvedModels, ResolvedPRM, resolve
from tt_scale.config import Config
from tt_scale.engines.context_length import fitted, own_context
from tt_scale.engines.hub import cached_hub_file, fetch_hub_file, go_offline_if_unreachable, is_offline
from tt_scale.engines.main_guard import check_main_guard
from tt_scale.engines.model_names import refuse_scorer_settings, resolve_model
from tt_scale.errors import ConfigError, GeneratorError, MissingExtraError, PRMError, TTScaleError, nearest
from tt_scale.generator.chat_template import no_chat_template
from tt_scale.pocket.weights import POCKET_MODELS
from tt_scale.prm.adapters.lookup import adapter_class, check_protocol
from tt_scale.registry import is_own_name, own_names

__all__ = ["check_models", "preflight", "preflight_prms"]

OWN_MODELS = (*POCKET_MODELS, "smollm2")
"""Models that are shipped with tt_scale or one of its packages, and have no revisions."""


def preflight(config: Config) -> Config:
    """Check the models of a run, and set the context of the generator.

    Local files are read; of a model on the hub, only `config.json` is downloaded.

    Args:
        config: the run's configuration.

    Returns:
        The configuration, with `max_model_len` adjusted where needed.

    Raises:
        TTScaleError: a model does not exist or does not fit the configuration.
    """
    models = resolve(config)
    check_models(models)
    for each in models.prms:
        _check_adapter_name(each.config)
    settings = _settings_of_generator(models)
    _check_prms(models)
    return _with_context(models, settings)


def preflight_prms(config: Config) -> None:
    """Check only the PRMs; errors as in `preflight`."""
    _check_prms(resolve(config))


def check_models(models: ResolvedModels) -> None:
    """Reject model names that contradict their backends, and scripts that an engine's processes would run again.

    Raises:
        ConfigError: a backend without weights has the name of a model that it would not run, or a backend starts
            processes in a script without a main guard.
    """
    config = models.config
    _check_own_name("generator", models.generator, "model_name", config.model_name)
    backends: list[ResolvedGenerator | ResolvedPRM] = [models.generator, *models.prms]
    for each in backends:
        if each.cls.starts_processes:
            check_main_guard("vLLM" if each.cls.engine == "vllm" else f"The backend {each.backend!r}")
    for prm in models.prms:
        _check_own_name("PRM", prm, "prm_name", prm.name)
        if prm.name != prm.backend and prm.cls.engine and prm.weights and is_own_name("prms", prm.name):
            raise ConfigError(
                f"prm_name is {prm.name!r}, which has no weights of its own, but prm is {prm.backend!r}, which loads "
                "weights.",
                "Type: --prm auto",
            )
    if config.base_url is not None and "base_url" not in models.generator.cls.config_keys:
        raise ConfigError(
            f"base_url is {config.base_url!r}; the generator {models.generator.backend!r} asks no server.",
            "Omit --base-url, or type: --generator openai",
        )
    if config.answer_rule is not None and "answer_rule" not in models.generator.cls.config_keys:
        raise ConfigError(
            f"answer_rule is {config.answer_rule!r}; the generator {models.generator.backend!r} samples new solutions, "
            "which state their answer in a box or after final_answer_prefix.",
            "Omit --answer-rule, or type: --generator recorded",
        )
    if config.prm_url is not None and not any("prm_url" in prm.cls.config_keys for prm in models.prms):
        raise ConfigError(
            f"prm_url is {config.prm_url!r}, but the PRM is {models.prm_backends!r}, which uses no server.",
            "Omit --prm-url, or type: --prm http",
        )


def _check_own_name(role: str, resolved: ResolvedGenerator | ResolvedPRM, key: str, name: str) -> None:
    """Reject a model name that the backend ignores: result tables would name a model that never ran."""
    if resolved.backend == resolved.cls.own_name != name and not resolved.cls.engine:
        raise ConfigError(
            f"The {role} is {resolved.backend!r}, but {key} is {name!r}, which it does not run.",
            f"Type: --{key.replace('_', '-')} {resolved.backend}",
        )


def _settings_of_generator(models: ResolvedModels) -> dict[str, Any]:
    """Read the generator's config.json if a built-in engine runs it; other backends check their own model names."""
    config, cls = models.config, models.generator.cls
    if models.generator.backend == cls.own_name:
        _refuse_revision("model_revision", config.model_revision, config.model_name)
    if not cls.engine:
        return {}
    settings = _settings(config.model_name, "model_name", config.model_revision)
    refuse_scorer_settings(settings, config.model_name)
    _check_chat_template(config.model_name)
    return settings


def _check_chat_template(name: str) -> None:
    """Reject a local model without a chat template; for a hub model, loading the tokenizer reports it."""
    folder = Path(name).expanduser()
    settings = _read(folder / "tokenizer_config.json") if os.path.isdir(folder) else {}
    files = [folder / file for file in ("chat_template.jinja", "chat_template.json", "additional_chat_templates")]
    if settings and not settings.get("chat_template") and not any(file.exists() for file in files):
        raise no_chat_template(name)


def _with_context(models: ResolvedModels, settings: dict[str, Any]) -> Config:
    config, cls = models.config, models.generator.cls
    if config.max_model_len is None and cls.default_context is not None:
        return config.model_copy(update={"max_model_len": cls.default_context})
    if not cls.engine:
        return config
    own = own_context(settings)
    unpacked_later = config.model_name == "smollm2" and own is None
    return config if unpacked_later else fitted(config, own)


def _check_adapter_name(config: Config) -> None:
    if config.prm_adapter != "auto":
        adapter_class(config.prm_adapter)


def _check_prms(models: ResolvedModels) -> None:
    for each in models.prms:
        _check_adapter_name(each.config)
        _check_prm(each)


def _check_prm(prm: ResolvedPRM) -> None:
    """Check the model of one PRM if a built-in engine runs it."""
    config = prm.config
    if is_own_name("prms", prm.name):
        _refuse_revision("prm_revision", config.prm_revision, prm.name)
        return
    if not prm.cls.engine:
        return
    settings = _settings(prm.name, "prm_name", config.prm_revision)
    if "prm_adapter" in prm.cls.config_keys and settings:
        check_protocol(config, settings)


def _settings(name: str, key: str, revision: str | None) -> dict[str, Any]:
    """Read the config.json of a model; empty if it has none, which its loader then reports."""
    if name == "smollm2":
        _refuse_revision(key.replace("name", "revision"), revision, name)
        from tt_scale.engines.model_size import model_settings

        return dict(model_settings(name))
    source = _resolved(name, key)
    if os.path.isdir(source):
        _refuse_revision(key.replace("name", "revision"), revision, name)
        return _read(Path(source) / "config.json")
    cached = cached_hub_file(source, "config.json", revision)
    if cached is not None:
        go_offline_if_unreachable()
        return _read(cached)
    _refuse_unknown(name, key)
    return _fetched(name, key, revision)


def _resolved(name: str, key: str) -> str:
    """Resolve a model name; an error is a `PRMError` for `prm_name`, a `GeneratorError` otherwise."""
    try:
        return resolve_model(name)
    except GeneratorError as error:
        raise (PRMError if key == "prm_name" else GeneratorError)(error.message, error.hint) from None


def _refuse_unknown(name: str, key: str) -> None:
    """Reject a name without a slash that is neither a short name nor a folder, and a path that does not exist."""
    if "/" not in name:
        known = (*OWN_MODELS, *(own_names("generators") if key == "model_name" else (*own_names("prms"), "none")))
        close = nearest(name, known)
        raise ConfigError(
            f"{key} is {name!r}, which is neither a model folder here nor the short name of a model.",
            close if close.startswith("Did you mean") else f"Short names: {', '.join(known)}; on the hub owner/model.",
        )
    parent = Path(name).parent
    if os.path.isdir(parent):
        raise ConfigError(
            f"{key} is {name!r}; the folder {str(parent)!r} exists, but there is no {Path(name).name!r} in it.",
            "Check the path, or give a hub name: owner/model",
        )


def _fetched(name: str, key: str, revision: str | None) -> dict[str, Any]:
    kind: type[TTScaleError] = PRMError if key == "prm_name" else GeneratorError
    subject = f"The {'PRM' if key == 'prm_name' else 'model'} {name!r}"
    hint = f"Check the name and the network, or give a local folder as --{key.replace('_', '-')}."
    if find_spec("huggingface_hub") is None:
        raise MissingExtraError("huggingface_hub", "hf", f"{subject} is no folder here, and a model from the hub")
    if is_offline():
        raise kind(f"{subject} has no config.json on this machine, and HF_HUB_OFFLINE forbids downloading it.", hint)
    try:
        return _read(fetch_hub_file(name, "config.json", revision))
    except (OSError, ValueError) as error:
        error_name = type(error).__name__
        if error_name == "EntryNotFoundError":  # its settings are in another file
            return {}
        if error_name == "RevisionNotFoundError":
            raise kind(f"{subject} has no revision {revision!r}.", "Name a branch, a tag or a commit of it.") from None
        if error_name == "GatedRepoError":
            raise kind(
                f"{subject} is gated: its licence must be accepted.",
                f"Accept it at https://huggingface.co/{name}, then type: hf auth login",
            ) from None
        if error_name in ("RepositoryNotFoundError", "HFValidationError"):
            raise kind(f"{subject} is not on the Hugging Face hub, or is private.", hint) from None
        raise kind(f"{subject} is not on this machine, and the Hugging Face hub cannot be reached.", hint) from None


def _read(file: Path) -> dict[str, Any]:
    try:
        settings = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return settings if isinstance(settings, dict) else {}


def _refuse_revision(key: str, revision: str | None, name: str) -> None:
    if revision is not None:
        raise ConfigError(
            f"{key} is {revision!r}, but {name!r} is not on the hub, so it has no revisions.",
            f"Omit --{key.replace('_', '-')}.",
        )
