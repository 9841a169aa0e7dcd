"""The largest search that a request may ask for."""

from __future__ import annotations

import pytest

from tt_scale import Config, ConfigError
from tt_scale.config import PATH_KEYS
from tt_scale.serve.faults import RequestError
from tt_scale.serve.largest import check_own_paths, check_paths


@pytest.mark.parametrize("value", [11, 10**9, 10**400, 1e9, "11"])
@pytest.mark.parametrize("name", sorted(PATH_KEYS))
def test_every_width_has_the_limit(name: str, value: object) -> None:
    """A request for 10^9 paths ended the server, for want of memory."""
    with pytest.raises(RequestError) as refused:
        check_paths({"tau": 0.5, name: value}, 10)
    assert (refused.value.status, refused.value.param) == (400, name)
    assert refused.value.message.endswith("; a request may ask for at most 10.")
    assert len(refused.value.message) < 120


@pytest.mark.parametrize("value", [10, 1, None, [7], "ten", {}, float("nan"), -5])
def test_what_is_within_it_or_no_number_goes_on_to_the_configuration(value: object) -> None:
    check_paths({"budget": value, "max_steps": 10**9}, 10)


def test_a_server_whose_own_searches_are_larger_does_not_start() -> None:
    with pytest.raises(ConfigError, match=r"budget is 2,000, .* at most 1,024\. Type: --max-paths 2000"):
        check_own_paths(Config(budget=2000), 1024)
    with pytest.raises(ConfigError, match=r"n_beams x beam_width is 10,000, .* Type: --max-paths 10000"):
        check_own_paths(Config(method="beam_search", n_beams=100, beam_width=100), 1024)
    check_own_paths(Config(budget=1024), 1024)
    check_own_paths(Config(), 1)  # what a method has by default is checked where it expands
