"""Request fields for sampling, by the dialect of a server."""

from __future__ import annotations

import pytest

from tt_scale.core.records import Sampling, StepRequest
from tt_scale.errors import ConfigError
from tt_scale.generator.openai.protocol import Dialect, require_plain_sampling

REQUEST = StepRequest((1,), Sampling(0.7, 0.9, 0, 0.0, 1.0), ("\n\n",), 50, seed=2**40 + 3)


def test_all_parameters_are_explicit() -> None:
    """A server's default top_k or penalty would change every sample without a trace in the record."""
    fields = Dialect().fields(REQUEST)
    assert fields == {
        "max_tokens": 50, "temperature": 0.7, "top_p": 0.9, "seed": 3, "stop": ["\n\n"], "top_k": -1, "min_p": 0.0,
        "repetition_penalty": 1.0,
    }  # fmt: skip
    assert Dialect().fields(REQUEST, wide_seed=True)["seed"] == 2**40 + 3
    assert "stop" not in Dialect().fields(REQUEST, stop=False)


def test_a_plain_dialect_sends_standard_fields_only() -> None:
    """OpenAI's own servers reject unknown fields."""
    fields = Dialect(extras=False, limit="max_completion_tokens").fields(REQUEST)
    assert set(fields) == {"max_completion_tokens", "temperature", "top_p", "seed", "stop"}


def test_parameters_that_a_server_does_not_accept_are_rejected() -> None:
    """Ignored, they would be recorded as if they had been applied."""
    sampling = {"top_k": 20, "min_p": 0.0, "repetition_penalty": 1.0}
    require_plain_sampling(Dialect(), sampling, "http://x")
    with pytest.raises(ConfigError, match=r"top_k is 20.*rejects requests with top_k.*Omit --top-k"):
        require_plain_sampling(Dialect(extras=False), sampling, "http://x")
    require_plain_sampling(Dialect(extras=False), {"top_k": 0, "min_p": 0, "repetition_penalty": 1}, "http://x")
