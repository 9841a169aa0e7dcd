"""Resolution of model names: hub names, local folders, and the built-in models."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from tt_scale.errors import GeneratorError

__all__ = ["at_revision", "read_settings", "refuse_scorer", "refuse_scorer_settings", "resolve_model"]

_SCORERS = ("RewardModel", "PrmModel", "EnsemblePRM", "ForSequenceClassification", "ForTokenClassification")
"""How the names of architectures end that score text and cannot write it."""


def resolve_model(name: str) -> str:
    """Turn a model name into what engines load: a folder that exists, or a hub name.

    Args:
        name: hub name (`owner/model`), local folder, `pocket-gen`, `pocket-prm`, or `smollm2`.

    Raises:
        GeneratorError: it is written like a folder and there is none.
        ConfigError: it is a pocket model whose files are damaged, or `smollm2`, and that cannot be unpacked.
    """
    from tt_scale.pocket.weights import POCKET_MODELS, model_folder

    if name == "smollm2":
        from tt_scale.engines.smollm2 import smollm2_folder

        return str(smollm2_folder())
    if name in POCKET_MODELS:
        return str(model_folder(name))
    path = Path(name).expanduser()
    if path.is_dir():
        return str(path)
    if path.is_file():
        raise GeneratorError(
            f"The model {name!r} is a file.", "Give the folder that holds config.json and the weights."
        )
    if name.startswith(("/", ".", "~")) or name.count("/") > 1 or "\\" in name:
        raise GeneratorError(f"There is no model folder {name!r}.", "Check the path, or give a hub name: owner/model")
    return name


def at_revision(revision: str | None) -> dict[str, str]:
    """Return the `revision` argument of Transformers and huggingface_hub; empty for the newest revision."""
    return {} if revision is None else {"revision": revision}


def read_settings(model: str, revision: str | None = None, *, local: bool = False) -> dict[str, Any]:
    """Read `config.json` of a model.

    Args:
        model: local folder or hub name.
        revision: branch, tag or commit on the hub; None is the newest.
        local: look no further than this machine.

    Raises:
        OSError: there is none, here or on the hub.
        ValueError: it is no mapping in JSON.
    """
    folder = Path(model)
    file = folder / "config.json" if folder.is_dir() else _fetched_settings(model, revision, local)
    found = json.loads(file.read_text(encoding="utf-8"))
    if not isinstance(found, dict):
        raise ValueError(f"it holds a {type(found).__name__}, not keys and values")
    kinds = found.get("architectures")
    if kinds is not None and not (isinstance(kinds, list) and all(isinstance(kind, str) for kind in kinds)):
        raise ValueError(f"its architectures are {kinds!r}, not a list of names")
    return found


def _fetched_settings(model: str, revision: str | None, local: bool) -> Path:
    if local:
        from huggingface_hub import try_to_load_from_cache

        found = try_to_load_from_cache(model, "config.json", revision=revision)
        if not isinstance(found, str):
            raise FileNotFoundError(f"config.json of {model!r} is not on this machine")
        return Path(found)
    from transformers.utils import cached_file

    return Path(cached_file(model, "config.json", **at_revision(revision)))


def refuse_scorer(model: str, name: str, revision: str | None = None) -> None:
    """Refuse a scoring model as generator: its language-model head would be randomly initialised.

    Args:
        model: local folder or hub name.
        name: as the configuration has it.
        revision: as of `read_settings`.

    Raises:
        GeneratorError: it is a reward model or a classifier. What cannot be read is left to the engine to refuse.
    """
    with suppress(OSError, ValueError):
        refuse_scorer_settings(read_settings(model, revision), name)


def refuse_scorer_settings(settings: Mapping[str, Any], name: str) -> None:
    """The same for a config.json that was read before; errors as in `refuse_scorer`."""
    told = settings.get("architectures")
    found = [kind for kind in told if isinstance(kind, str)] if isinstance(told, list) else []
    if any(each.endswith(_SCORERS) for each in found):
        raise GeneratorError(
            f"model_name is {name!r}, a {', '.join(found)}: it scores text and cannot write any.",
            "Give it as --prm-name, and a causal language model as --model-name.",
        )
