"""The models that a server lists: each method, and each recipe, on the models that are loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tt_scale.base_classes import Generator
from tt_scale.config import Config
from tt_scale.config.declare import DATA
from tt_scale.config.listing import config_keys
from tt_scale.config.recipe_files import read_config, recipe_names, recipe_summary
from tt_scale.errors import TTScaleError, nearest
from tt_scale.registry import available, searcher_class, summary
from tt_scale.serve.faults import RequestError
from tt_scale.solver.call_config import CALL_KEYS, call_config

__all__ = ["DEFAULT", "VirtualModel", "find_model", "virtual_models"]

DEFAULT = "tt-scale"
"""The name of the server's own configuration."""


@dataclass(frozen=True, slots=True)
class VirtualModel:
    """A name that requests may have as `model`.

    Attributes:
        name: of a method or a recipe, or `DEFAULT`.
        description: one line.
        knobs: keys of the configuration that it changes.
    """

    name: str
    description: str
    knobs: Mapping[str, Any]


def virtual_models(config: Config, generator: Generator) -> dict[str, VirtualModel]:
    """List what can run on loaded models, by name.

    Args:
        config: of the server.
        generator: started.
    """
    own = VirtualModel(DEFAULT, f"{config.method}, as the server was started", {})
    methods = [VirtualModel(name, summary(searcher_class(name)), {"method": name}) for name in available("searchers")]
    recipes = [VirtualModel(name, recipe_summary(name), knobs) for name, knobs in _recipes(config).items()]
    listed = [own, *[model for model in (*methods, *recipes) if _can_run(model, config, generator)]]
    return {model.name: model for model in listed}


def find_model(models: Mapping[str, VirtualModel], name: str, status: int = 400) -> VirtualModel:
    """Look up a model; `status` is that of the error.

    Raises:
        RequestError: there is none of that name.
    """
    if name in models:
        return models[name]
    raise RequestError(status, f"There is no model {name!r}. {nearest(name, models)}", "model_not_found", "model")


def _recipes(config: Config) -> dict[str, dict[str, Any]]:
    """The recipes that name the loaded models and agree with how they were loaded; of each its knobs."""
    loaded = {key.name for key in config_keys() if key.experiment and key.group != DATA} - CALL_KEYS
    found = {}
    for name in recipe_names():
        recipe = Config(**{key: value for key, value in read_config(name).items() if key != "method"})
        if all(getattr(recipe, key) == getattr(config, key) for key in loaded & recipe.model_fields_set - {"dtype"}):
            found[name] = {key: value for key, value in _one_method(read_config(name)).items() if key in CALL_KEYS}
    return found


def _one_method(recipe: dict[str, Any]) -> dict[str, Any]:
    """Of a recipe for several methods take the first."""
    method = recipe.get("method")
    return {**recipe, "method": method[0]} if isinstance(method, list) else recipe


def _can_run(model: VirtualModel, config: Config, generator: Generator) -> bool:
    try:
        changed, searcher = call_config(config, model.knobs)
        generator.check_search(searcher, changed)
    except TTScaleError:
        return False
    return True
