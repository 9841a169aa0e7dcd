"""What can be known of the models of a run before anything is loaded or written.

Names that nothing bears, folders that are not there, a generator in the PRM's place, an adapter or a knob of it that
does not exist, a context longer than the model's own: each would else be found minutes later, behind a loaded model.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tt_scale.backends import ResolvedGenerator, ResolvedModels, ResolvedPRM, resolve
from tt_scale.config import Config
from tt_scale.engines.context_length import fitted, own_context
from tt_scale.engines.hub import cached_file_of, fetched_file, is_offline, leave_a_dead_hub
from tt_scale.engines.main_guard import check_main_guard
from tt_scale.engines.model_names import refuse_scorer_settings, resolve_model
from tt_scale.errors import ConfigError, GeneratorError, PRMError, TTScaleError, nearest
from tt_scale.generator.chat_template import no_chat_template
from tt_scale.pocket.weights import POCKET_MODELS
from tt_scale.prm.adapters.lookup import adapter_class, check_protocol
from tt_scale.registry import is_own_name, own_names

__all__ = ["check_models", "preflight", "preflight_prms"]

OWN_MODELS = (*POCKET_MODELS, "smollm2")
"""Models that come with tt_scale or with one of its packages, and have no revisions."""


def preflight(config: Config) -> Config:
    """Check the models of a run, and fill in the context that the generator will have.

    What lies on this machine is read here; of a model on the hub `config.json` is fetched, and nothing else.

    Args:
        config: of the run.

    Returns:
        The configuration; `max_model_len` may be another.

    Raises:
        TTScaleError: what the models are, or where, does not fit the configuration.
    """
    models = resolve(config)
    check_models(models)
    for each in models.prms:
        _check_adapter_name(each.config)
    settings = _settings_of_generator(models)
    _check_prms(models)
    return _with_context(models, settings)


def preflight_prms(config: Config) -> None:
    """Check the PRMs alone; errors as in `preflight`."""
    _check_prms(resolve(config))


def check_models(models: ResolvedModels) -> None:
    """Refuse names that do not belong together, and a script that an engine's processes would run again.

    Raises:
        ConfigError: a backend without a model of its own under the name of a model that it would not run, or one that
            starts processes in a script that would begin anew in each of them.
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
                "some.",
                "Type: --prm auto",
            )
    if config.base_url is not None and "base_url" not in models.generator.cls.config_keys:
        raise ConfigError(
            f"base_url is {config.base_url!r}; the generator {models.generator.backend!r} asks no server.",
            "Leave out --base-url, or type: --generator openai",
        )
    if config.prm_url is not None and not any("prm_url" in prm.cls.config_keys for prm in models.prms):
        raise ConfigError(
            f"prm_url is {config.prm_url!r}, but the PRM is {models.prm_backends!r}, which asks no server.",
            "Leave out --prm-url, or type: --prm http",
        )


def _check_own_name(role: str, found: ResolvedGenerator | ResolvedPRM, key: str, name: str) -> None:
    """A table must not name a model that never ran."""
    if found.backend == found.cls.own_name != name and not found.cls.engine:
        raise ConfigError(
            f"The {role} is {found.backend!r}, but {key} is {name!r}, which it does not run.",
            f"Type: --{key.replace('_', '-')} {found.backend}",
        )


def _settings_of_generator(models: ResolvedModels) -> dict[str, Any]:
    """Read them where one of our engines runs it; a backend of another package knows its own names."""
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
    """Refuse a base model in a folder of this machine; of a hub model the tokenizer says it when it is loaded."""
    folder = Path(name).expanduser()
    told = _read(folder / "tokenizer_config.json") if folder.is_dir() else {}
    beside = [folder / file for file in ("chat_template.jinja", "chat_template.json", "additional_chat_templates")]
    if told and not told.get("chat_template") and not any(file.exists() for file in beside):
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
    """Check the model of one PRM, where one of our engines runs it."""
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
    """Read the config.json of a model; empty where it has none, which its loader then says."""
    if name == "smollm2":
        _refuse_revision(key.replace("name", "revision"), revision, name)
        from tt_scale.engines.model_size import model_settings

        return dict(model_settings(name))
    source = _resolved(name, key)
    if Path(source).is_dir():
        _refuse_revision(key.replace("name", "revision"), revision, name)
        return _read(Path(source) / "config.json")
    cached = cached_file_of(source, "config.json", revision)
    if cached is not None:
        leave_a_dead_hub()
        return _read(cached)
    _refuse_unknown(name, key)
    return _fetched(name, key, revision)


def _resolved(name: str, key: str) -> str:
    """Find the folder of a model; an error is one of the model that the key names."""
    try:
        return resolve_model(name)
    except GeneratorError as error:
        raise (PRMError if key == "prm_name" else GeneratorError)(error.message, error.hint) from None


def _refuse_unknown(name: str, key: str) -> None:
    """Refuse a name that can only be one of ours, or a folder, and is neither."""
    if "/" not in name:
        known = (*OWN_MODELS, *(own_names("generators") if key == "model_name" else (*own_names("prms"), "none")))
        close = nearest(name, known)
        raise ConfigError(
            f"{key} is {name!r}, which is no model folder here and no model of that short name.",
            close if close.startswith("Did you mean") else f"Short names: {', '.join(known)}; on the hub owner/model.",
        )
    parent = Path(name).parent
    if parent.is_dir():
        raise ConfigError(
            f"{key} is {name!r}; the folder {str(parent)!r} is here, but there is no {Path(name).name!r} in it.",
            "Check the path, or give a hub name: owner/model",
        )


def _fetched(name: str, key: str, revision: str | None) -> dict[str, Any]:
    kind: type[TTScaleError] = PRMError if key == "prm_name" else GeneratorError
    whose = f"The {'PRM' if key == 'prm_name' else 'model'} {name!r}"
    hint = f"Check the name and the network, or give a local folder as --{key.replace('_', '-')}."
    if is_offline():
        raise kind(f"{whose} has no config.json on this machine, and HF_HUB_OFFLINE forbids to fetch it.", hint)
    try:
        return _read(fetched_file(name, "config.json", revision))
    except (OSError, ValueError) as error:
        told = type(error).__name__
        if told == "EntryNotFoundError":  # it keeps its settings elsewhere
            return {}
        if told == "RevisionNotFoundError":
            raise kind(f"{whose} has no revision {revision!r}.", "Name a branch, a tag or a commit of it.") from None
        if told == "GatedRepoError":
            raise kind(
                f"{whose} is gated: its owner wants its licence accepted.",
                f"Accept it at https://huggingface.co/{name}, then type: hf auth login",
            ) from None
        if told in ("RepositoryNotFoundError", "HFValidationError"):
            raise kind(f"{whose} is not on the Hugging Face hub, or is private.", hint) from None
        raise kind(f"{whose} is not on this machine, and the Hugging Face hub does not answer.", hint) from None


def _read(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _refuse_revision(key: str, revision: str | None, name: str) -> None:
    if revision is not None:
        raise ConfigError(
            f"{key} is {revision!r}, but {name!r} is not on the hub, so it has no revisions.",
            f"Leave out --{key.replace('_', '-')}.",
        )
