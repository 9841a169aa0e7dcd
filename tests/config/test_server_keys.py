"""The keys of servers: what they accept, and which runs they tell apart."""

from __future__ import annotations

import pytest

from tt_scale.backends import resolve
from tt_scale.bench.run.manifest import experiment, ignored_options
from tt_scale.config import Config, digest
from tt_scale.errors import ConfigError
from tt_scale.preflight import check_models


def test_addresses_are_one_text_or_a_list() -> None:
    assert Config(base_url=["http://a:1", "https://b/v1"]).base_url == "http://a:1, https://b/v1"
    for bad, told in (
        ("a:8000", "begins with http"),
        ("http://a, ftp://b", "begins with http"),
        ("", "contains no address"),
        ("http://me:word@a", "OPENAI_API_KEY"),
        ("http://a/v1?key=word", "OPENAI_API_KEY"),
    ):
        with pytest.raises(ConfigError, match=told):
            Config(base_url=bad)
    with pytest.raises(ConfigError, match="TT_SCALE_PRM_API_KEY"):
        Config(prm_url="http://me:word@a")
    for key, value in (("request_timeout", 0), ("max_retries", -1)):
        with pytest.raises(ConfigError, match=key):
            Config(**{key: value})


def test_addresses_select_the_server_backend() -> None:
    assert resolve(Config(base_url="http://a", prm_name="none")).generator.backend == "openai"
    assert resolve(Config(base_url="http://a", prm_name="none")).generator.weights == ()
    with pytest.raises(ConfigError, match=r"base_url is 'http://a'; the generator 'simulated' asks no server"):
        check_models(resolve(Config(base_url="http://a", model_name="simulated", prm_name="none")))


def digest_of(**own: object) -> str:
    return digest(experiment(Config(**{"prm_name": "none", "method": "greedy", **own}), "set", [], "grader"))


def test_where_a_server_stands_is_no_part_of_an_experiment() -> None:
    """A run may go on with another address; one with another tokenizer is another run, where a server reads it."""
    first = digest_of(base_url="http://a")
    assert digest_of(base_url="http://b, http://c", request_timeout=5, max_retries=0) == first
    assert digest_of(base_url="http://a", tokenizer="none") != first
    assert digest_of(model_name="simulated") == digest_of(model_name="simulated", tokenizer="none")
    assert ignored_options(Config(model_name="simulated", prm_name="none", tokenizer="none")) == ["tokenizer"]
