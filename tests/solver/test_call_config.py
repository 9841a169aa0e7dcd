"""What a call may change, and how its knobs join the configuration."""

from __future__ import annotations

from typing import Any

import pytest

from tt_scale.config import Config
from tt_scale.errors import ConfigError
from tt_scale.solver.call_config import call_config

CONFIG = Config(model_name="simulated", prm_name="simulated", method="dvts", N=8, tau=0.3)


def test_a_call_without_knobs_has_the_configuration_itself() -> None:
    config, searcher = call_config(CONFIG, {})
    assert config is CONFIG
    assert type(searcher).__name__.lower() == "dvts"


def test_knobs_win_and_the_rest_stays() -> None:
    config, _ = call_config(CONFIG, {"method": "best_of_n", "tau": 0.5})
    assert (config.method, config.tau, config.N) == ("best_of_n", 0.5, 8)
    assert CONFIG.method == "dvts"


def test_a_budget_takes_the_place_of_widths() -> None:
    """As on the command line; together they would contradict each other."""
    config, _ = call_config(CONFIG, {"method": "best_of_n", "budget": 5})
    assert config.budget == 5
    assert "N" not in config.model_fields_set


def test_another_method_does_not_get_the_arguments_of_this_one() -> None:
    own = CONFIG.model_copy(update={"method_args": {"strange": 1}})
    own.model_fields_set.add("method_args")
    config, _ = call_config(own, {"method": "best_of_n"})
    assert config.method_args == {}


@pytest.mark.parametrize(
    ("knobs", "told"),
    [
        ({"model_name": "other"}, "model_name is 'other' in a call, but 'simulated' since the models were opened"),
        ({"taus": 0.5}, "taus"),
        ({"tau": 7}, "tau"),
        ({"method": "dvtss"}, "dvts"),
    ],
)
def test_what_cannot_change_is_refused(knobs: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        call_config(CONFIG, knobs)


def test_a_key_of_the_models_may_be_named_with_its_own_value() -> None:
    """Programs that send a whole configuration with each call."""
    config, _ = call_config(CONFIG, {"model_name": "simulated", "tau": 0.4})
    assert config.tau == 0.4
