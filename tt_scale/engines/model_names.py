"""Resolution of model names: hub names, local folders, and the built-in models."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from tt_scale.errors import GeneratorError

__all__ = ["at_revision", "read_settings", "refuse_scorer", "refuse_scorer_settings", "resolve_model"]

_SCORERS = ("RewardModel", "PrmModel", "EnsemblePRM", "ForSequenceClassification", "ForTokenClassification")
"""Suffixes of architecture names of models that score text and cannot generate it."""


def resolve_model(name: str) -> str:
    """Resolve a model name to an existing folder or a hub name, as engines load them.

    Args:
        name: hub name (`owner/model`), local folder, `pocket-gen`, `pocket-prm`, or `smollm2`.

    Raises:
        GeneratorError: the name looks like a path, and there is no such folder.
        ConfigError: the files of a pocket model are damaged, or `smollm2` cannot be unpacked.
    """
    from tt_scale.pocket.weights import POCKET_MODELS, model_folder

    if name == "smollm2":
        from tt_scale.engines.smollm2 import smollm2_folder

        return str(smollm2_folder())
    if name in POCKET_MODELS:
        return str(model_folder(name))
    path = Path(os.path.expanduser(name))
    if os.path.isdir(path):  # False, also of a name that is too long
        return str(path)
    if os.path.isfile(path):
        raise GeneratorError(
            f"The model {name!r} is a file.", "Name the folder that contains config.json and the weights."
        )
    if name.startswith(("/", ".", "~")) or name.count("/") > 1 or "\\" in name:
        raise GeneratorError(f"There is no model folder {name!r}.", "Check the path, or use a hub name: owner/model")
    return name


def at_revision(revision: str | None) -> dict[str, str]:
    """Return the `revision` argument of Transformers and huggingface_hub; empty for the newest revision."""
    return {} if revision is None else {"revision": revision}


def read_settings(model: str, revision: str | None = None, *, local: bool = False) -> dict[str, Any]:
    """Read `config.json` of a model.

    Args:
        model: local folder or hub name.
        revision: branch, tag or commit on the hub; None is the newest.
        local: whether to use cached files only.

    Raises:
        OSError: the file does not exist, or cannot be fetched.
        ValueError: it is not a JSON object.
    """
    folder = Path(model)
    file = folder / "config.json" if os.path.isdir(folder) else _fetched_settings(model, revision, local)
    settings = json.loads(file.read_text(encoding="utf-8"))
    if not isinstance(settings, dict):
        raise ValueError(f"it contains a {type(settings).__name__}, not an object")
    names = settings.get("architectures")
    if names is not None and not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        raise ValueError(f"its architectures are {names!r}, not a list of names")
    return settings


def _fetched_settings(model: str, revision: str | None, local: bool) -> Path:
    if local:
        from huggingface_hub import try_to_load_from_cache

        path = try_to_load_from_cache(model, "config.json", revision=revision)
        if not isinstance(path, str):
            raise FileNotFoundError(f"config.json of {model!r} is not on this machine")
        return Path(path)
    from transformers.utils import cached_file

    return Path(cached_file(model, "config.json", **at_revision(revision)))


def refuse_scorer(model: str, name: str, revision: str | None = None) -> None:
    """Reject a scoring model as generator: its language-model head would be randomly initialised.

    A config.json that cannot be read passes; the engine reports it.

    Args:
        model: local folder or hub name.
        name: name as configured.
        revision: as for `read_settings`.

    Raises:
        GeneratorError: the model is a reward model or a classifier.
    """
    with suppress(OSError, ValueError):
        refuse_scorer_settings(read_settings(model, revision), name)


def refuse_scorer_settings(settings: Mapping[str, Any], name: str) -> None:
    """Like `refuse_scorer`, for the content of a config.json."""
    stated = settings.get("architectures")
    architectures = [each for each in stated if isinstance(each, str)] if isinstance(stated, list) else []
    if any(each.endswith(_SCORERS) for each in architectures):
        raise GeneratorError(
            f"model_name is {name!r}, a {', '.join(architectures)}: it scores text and cannot generate it.",
            "Use it as --prm-name, and a causal language model as --model-name.",
        )
