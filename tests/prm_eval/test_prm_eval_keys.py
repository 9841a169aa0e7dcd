"""What an evaluation must start and what its scores depend on, for PRMs that are several or that write."""

from __future__ import annotations

from typing import Any

import pytest

from tt_scale.backends import resolve
from tt_scale.config import Config
from tt_scale.errors import ConfigError
from tt_scale.prm.inspection.score_check import engines
from tt_scale.prm_eval.keys import reads_generator, scoring_keys


@pytest.mark.parametrize(
    ("keys", "reads"),
    [
        ({"prm_name": "x/y-PRM"}, False),
        ({"prm_name": "x/ThinkPRM-7B"}, False),
        ({"prm_name": "a/b"}, True),  # the generator's engine scores
        ({"prm_name": "a/b", "prm": "thinkprm"}, True),  # the generator itself writes
        ({"prm_name": "x/y-PRM, x/EurusPRM-1"}, False),
        ({"prm_name": "x/y-PRM, judge"}, True),
    ],
)
def test_who_needs_the_generator(keys: dict[str, Any], reads: bool) -> None:
    """A judge beside another PRM was given a generator that nobody had started, or one was started for nothing."""
    config = Config(model_name="a/b", generator="vllm", **keys)
    assert reads_generator(resolve(config)) is reads


def test_scores_of_several_depend_on_each_and_on_how_they_are_combined() -> None:
    config = Config(model_name="a/b", generator="vllm", prm_name="confidence, x/y-PRM", prm_combine="min")
    keys = scoring_keys(config, resolve(config))
    assert (keys["prm"], keys["prm_combine"]) == ("confidence, vllm", "min")
    assert "prm_confidence" in keys
    assert "prm_quality" not in keys
    alone = Config(generator="vllm", prm_name="x/y-PRM")
    assert "prm_combine" not in scoring_keys(alone, resolve(alone))


@pytest.mark.parametrize(
    "keys", [{"prm_name": "x/ThinkPRM-7B"}, {"prm_name": "x/y", "prm": "eurus"}, {"prm_name": "a, b"}]
)
def test_prm_check_says_what_it_cannot_look_at(keys: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"prm-eval|one at a time"):
        engines(Config(**keys))
