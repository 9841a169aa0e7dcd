"""The schema: what it accepts, what it says, and what makes two runs one experiment."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from tt_scale.bench.run.manifest import experiment, ignored_options
from tt_scale.config import GROUPS, PATH_KEYS, Config, digest
from tt_scale.config.declare import SEARCH
from tt_scale.config.listing import config_keys, keys_by_group, shown
from tt_scale.config.yaml_file import read_yaml
from tt_scale.errors import ConfigError
from tt_scale.registry import BUILT_IN, own_knobs, searcher_class

SIMULATED: dict[str, Any] = {"model_name": "simulated", "prm_name": "simulated"}


def test_command_line_wins_over_yaml_wins_over_defaults(tmp_path: Path) -> None:
    """The order of precedence is a promise."""
    path = tmp_path / "c.yaml"
    path.write_text("tau: 0.3\nagg: min\n")
    config = Config.from_yaml(path, tau=0.4)
    assert (config.tau, config.agg, config.max_steps) == (0.4, "min", 30)


def test_an_empty_file_gives_the_defaults(tmp_path: Path) -> None:
    """A recipe whose keys are all commented out is no error."""
    path = tmp_path / "c.yaml"
    path.write_text("# tau: 0.3\n")
    assert read_yaml(path) == {}
    assert Config.from_yaml(path) == Config()


@pytest.mark.parametrize(
    ("given", "key", "value"),
    [
        ({"datasets": "math500"}, "datasets", ("math500",)),
        ({"stop_tokens": "\n## Step"}, "stop_tokens", ("\n## Step",)),
        ({"stop_tokens": []}, "stop_tokens", ()),
        ({"prm_name": None}, "prm_name", "none"),
        ({"tau": "1e-1"}, "tau", 0.1),
        ({"adaptive": True}, "adaptive", "beta"),  # as YAML reads `on`
        ({"adaptive": False}, "adaptive", "off"),
        ({"adaptive": "true"}, "adaptive", "beta"),  # as a shell writes it
        ({"tau": "q0.50"}, "tau", "q0.5"),
        ({"tau": "Q.5"}, "tau", "q0.5"),
        ({"max_steps": "7"}, "max_steps", 7),
    ],
)
def test_common_spellings_of_values_are_accepted(given: dict[str, Any], key: str, value: object) -> None:
    """One data set needs no list, `null` is no PRM, and YAML reads 1e-1 as text."""
    assert getattr(Config(**given), key) == value


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"tua": 1}, "Unknown key 'tua'. Did you mean 'tau'?"),
        ({"zzzzzz": 1}, "Unknown key 'zzzzzz'. The nearest is "),
        ({"method": ["dvts", "mcts"]}, "method is a list (dvts, mcts); one Config has one method"),
        ({"dataset": "x"}, "Did you mean 'datasets'?"),
        ({"max_seconds": "high"}, "max_seconds is 'high', but should be a valid number."),
        ({"tau": "median"}, "tau is 'median', but should be a number from 0 to 1, or a quantile of the scores of"),
        ({"tau": "0.5q"}, "tau is '0.5q', but should be a number from 0 to 1, or a quantile"),
        ({"tau": "q1.5"}, "from q0 (all of them pass) to q1 (only the best passes), such as q0.5."),
        ({"tau": "q-0.5"}, "tau is 'q-0.5', but"),
        ({"tau": "qnan"}, "tau is 'qnan', but"),
        ({"tau": None}, "tau is None, but should be a valid number."),
        ({"tau": True}, "tau is True, a boolean; quote it to pass a string."),
        ({"N": True}, "N is True, a boolean, not a number."),
        ({"budget": False}, "budget is False, a boolean, not a number."),
        ({"stop_tokens": 3}, "stop_tokens is 3, but should be a text or a list of texts."),
        ({"tau": 2, "max_steps": 0}, "tau is 2, but should be less than or equal to 1. max_steps is 0, but"),
        ({"max_seconds": float("inf")}, "max_seconds is inf, but should be a finite number."),
        ({"datasets": []}, "datasets is empty: name at least one problem set."),
        ({"keeping_branches": 4, "max_total_branches": 3}, "keeping_branches is 4, but max_total_branches is 3"),
        ({"passing_minimum": 10}, "passing_minimum is 10, but max_total_branches is 9"),
        ({"passing_minimum": 10}, "Type: --passing-minimum 9"),
        ({"max_total_branches": 2, "keeping_branches": 1}, "passing_minimum is 3, but max_total_branches is 2"),
        ({"final_agg": "prd"}, "final_agg is 'prd'. Did you mean 'prod'?"),
    ],
)
def test_a_bad_value_is_named_with_what_is_allowed(given: dict[str, Any], told: str) -> None:
    """Pydantic's own messages are paragraphs with links."""
    with pytest.raises(ConfigError) as caught:
        Config(**given)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_only_the_method_that_reads_it_needs_a_possible_passing_minimum() -> None:
    """A key that nobody reads must not stop another method, nor a budget that sets it."""
    assert Config(method="beam_search", max_total_branches=2, keeping_branches=1).passing_minimum == 3
    assert Config(max_total_branches=2, keeping_branches=1, budget=2).passing_minimum == 3
    assert Config(passing_minimum=9).passing_minimum == 9


def test_a_configuration_cannot_be_changed_afterwards() -> None:
    """The digest of a run would then be that of another."""
    config = Config(max_steps=7)
    with pytest.raises(ConfigError, match=r"tau cannot be set.*config\.changed\(tau=0\.1\)"):
        config.tau = 0.1
    with pytest.raises(ConfigError, match="immutable"):
        del config.tau
    with pytest.raises(ConfigError, match=r"Unknown key 'tua'\. Did you mean 'tau'\?"):
        config.tua = 0.1
    changed = config.changed(tau=0.1)
    assert (config.tau, changed.tau, changed.max_steps) == (0.6, 0.1, 7)
    assert changed.model_fields_set == {"tau", "max_steps"}
    with pytest.raises(ConfigError, match="tau is 3"):
        config.changed(tau=3)


def test_an_unknown_key_names_one_other(capsys: pytest.CaptureFixture[str]) -> None:
    """A key like no other was answered with all hundred."""
    with pytest.raises(ConfigError) as caught:
        Config(zzzzzz=1)
    assert len(str(caught.value)) < 100


def test_every_key_has_a_group_a_description_and_a_default_that_is_allowed() -> None:
    """Help, example file and documentation are made from them."""
    keys = config_keys()
    assert [key.name for key in keys] == list(Config.model_fields)
    assert {key.group for key in keys} == set(GROUPS)
    assert [key.name for group in keys_by_group().values() for key in group] == [key.name for key in keys]
    assert [key.name for key in keys if not key.description.endswith(".")] == []
    assert Config(**{key.name: key.default for key in keys}) == Config()


def test_every_whole_number_of_a_method_counts_paths_or_is_a_depth() -> None:
    """Of paths there is a limit, since all of them are held in memory at once."""
    numbers = {key.name for key in config_keys() if key.kind == "integer" and key.group in (SEARCH, "Budget")}
    depths = {"backtrack_depth", "group_tokens", "lookahead", "max_backtracks", "max_steps", "num_iterations"}
    assert numbers == PATH_KEYS | depths | {"max_generated_tokens", "max_prm_tokens"}
    for name in PATH_KEYS - {"max_branches", "max_finished_branches"}:  # mere limits
        with pytest.raises(ConfigError, match=f"{name} is 1000000000, but should be less than or equal to 100000"):
            Config(**{name: 10**9})


def test_limits_and_kinds_are_read_from_the_schema() -> None:
    """A range that help repeats by hand drifts from the one that is checked."""
    keys = {key.name: key for key in config_keys()}
    facts = {name: (keys[name].kind, keys[name].limits) for name in ("tau", "top_p", "n_beams", "method_args", "dtype")}
    assert facts == {
        "tau": ("number or string", "0 to 1"),
        "top_p": ("number", "above 0, at most 1"),
        "n_beams": ("integer", "1 to 100000"),
        "method_args": ("mapping", ""),
        "dtype": ("auto|float16|bfloat16|float32", ""),
    }


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "unset"), (True, "true"), (("\n\n", "a"), "\\n\\n, a"), ("", '""'), (0.6, "0.6"), ({}, "{}")],
)
def test_values_are_shown_as_people_write_them(value: object, text: str) -> None:
    """Help texts showed `[None]` and `[('\\n\\n',)]`."""
    assert shown(value) == text


def test_every_knob_of_our_methods_is_a_key_with_the_same_default() -> None:
    """A knob outside the schema has no flag, no range and no line of help; two defaults are one too many."""
    fields = Config.model_fields
    for name in BUILT_IN["searchers"]:
        assert own_knobs(name) == []
        for knob in dataclasses.fields(searcher_class(name)):  # type: ignore[arg-type]
            assert knob.default == fields[knob.name].default, (name, knob.name)


def test_only_what_differs_from_the_default_counts_as_changed() -> None:
    """A file with every key would be warned about for every method's knobs."""
    config = Config(**SIMULATED, tau=0.6, lookahead=2, n_beams=None)
    assert config.non_defaults == {"model_name", "prm_name", "lookahead"}
    assert ignored_options(config) == ["lookahead"]


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"tau": 0.7}, False),
        ({"tau": "q0.6"}, False),
        ({"seed": 80}, False),
        ({"max_generated_tokens": 1000}, False),
        ({"prm_quality": 0.9}, False),
        ({"final_answer_prefix": "So"}, False),  # a field of self_consistency, but grading reads it for all
        ({"agg": "min"}, False),
        ({"selector": "majority"}, False),
        ({"temperature": 0.1}, True),  # collective has temp_origin
        ({"lookahead": 3}, True),  # of beam search
        ({"prm_confidence": "mean"}, True),  # of another PRM
        ({"concurrency": 1}, True),
        ({"output_dir": "elsewhere"}, True),
        ({"gpu_mem_util": 0.9}, True),
        ({"generator": "simulated"}, True),  # what auto resolves to
    ],
)
def test_only_what_can_change_a_number_makes_another_experiment(change: dict[str, Any], same: bool) -> None:
    """A resume refused for a folder name, or accepted for another seed, is wrong either way."""
    digests = {digest(experiment(Config(**{**SIMULATED, **each}), "simulated", [], "grader")) for each in ({}, change)}
    assert (len(digests) == 1) == same


@pytest.mark.parametrize("method", sorted(BUILT_IN["searchers"]))
def test_kept_paths_are_compared_with_proposed_ones_where_a_method_reads_both(method: str) -> None:
    """`particle_gibbs --max-total-branches 1` was refused for a key that it does not read."""
    names = {field.name for field in dataclasses.fields(searcher_class(method))}
    keys = {"method": method, "max_total_branches": 1, "passing_minimum": 1}
    if {"keeping_branches", "max_total_branches"} <= names:
        with pytest.raises(ConfigError, match="keeping_branches is 3, but max_total_branches is 1"):
            Config(**keys)
    else:
        assert Config(**keys).max_total_branches == 1
    with pytest.raises(ConfigError, match="keeping_branches is 2, but max_total_branches is 1"):
        Config(**keys, keeping_branches=2)
