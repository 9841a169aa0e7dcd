"""From the fields of a request to the knobs of its search."""

from __future__ import annotations

from typing import Any

import pytest

from tt_scale import Config
from tt_scale.serve.overrides import read_request
from tt_scale.serve.schema import ChatRequest
from tt_scale.serve.settings import SamplingRule
from tt_scale.serve.virtual_models import VirtualModel

CONFIG = Config(model_name="simulated", prm_name="simulated")
RECIPE = VirtualModel("hot", "A recipe.", {"method": "collective", "temp_origin": 1.1, "top_k": 7})


@pytest.mark.parametrize(
    ("sampling", "fields", "expected", "not_followed"),
    [
        ("fixed", {}, {"temp_origin": 1.1, "top_k": 7}, ()),
        ("fixed", {"temp_origin": 1.5}, {"temp_origin": 1.1, "top_k": 7}, ("temp_origin",)),
        ("fixed", {"top_k": 3, "seed": 5}, {"temp_origin": 1.1, "top_k": 7}, ("seed", "top_k")),
        ("follow", {"temp_origin": 1.5}, {"temp_origin": 1.5, "top_k": 7}, ()),
        ("follow", {"temperature": 0.5}, {"temperature": 0.5, "temp_origin": 0.5, "top_k": 7}, ()),
        ("follow", {"top_k": 3, "seed": 5, "tau": 0.3}, {"temp_origin": 1.1, "top_k": 3, "seed": 5, "tau": 0.3}, ()),
    ],
)
def test_sampling_of_a_recipe(
    sampling: SamplingRule, fields: dict[str, Any], expected: dict[str, Any], not_followed: tuple[str, ...]
) -> None:
    """With fixed sampling, what is said to be ignored must not be searched with."""
    request = ChatRequest(model="hot", messages=[{"role": "user", "content": "2 + 2?"}], **fields)
    wanted = read_request(request, RECIPE, CONFIG, sampling)
    assert wanted.knobs == {"method": "collective", **expected}
    assert wanted.not_followed == not_followed
