"""Parsing of responses of OpenAI-compatible servers."""

from __future__ import annotations

from typing import Any

import pytest

from tt_scale.engines.endpoints.faults import RequestFault
from tt_scale.generator.openai.answers import (
    Counts,
    End,
    choice_of,
    clean_text,
    counts_of,
    end_of,
    logprobs_by_id,
    piece_of,
    text_of,
)


@pytest.mark.parametrize(
    ("choice", "stop", "end"),
    [
        ({"finish_reason": "length"}, ["\n"], End("length", reason="length")),
        ({"finish_reason": "eos_token"}, ["\n"], End("eos", reason="eos_token")),
        ({"finish_reason": "abort"}, [], End("failed", reason="abort")),
        ({"finish_reason": "stop"}, [], End("eos", reason="stop")),
        ({"finish_reason": "stop"}, ["\n"], End("unknown", reason="stop")),
        ({"finish_reason": "stop", "stop_reason": "\n"}, ["\n"], End("stop", "\n", "stop")),
        ({"finish_reason": "stop", "matched_stop": "\n"}, ["\n"], End("stop", "\n", "stop")),
        ({"finish_reason": "stop", "stop_reason": None}, ["\n"], End("eos", reason="stop")),
    ],
)
def test_finish_reasons(choice: dict[str, Any], stop: list[str], end: End) -> None:
    """A step that ended at a delimiter taken for a finished solution, or the other way round."""
    assert end_of(choice, stop) == end


def test_reasoning_in_another_field_is_put_back() -> None:
    """A solution without its reasoning would be scored and counted as a short one."""
    message = {"content": "So 7.", "reasoning_content": "2+5"}
    assert text_of({"message": message}) == "<think>2+5</think>So 7."
    assert text_of({"message": {"content": None}}) == ""
    assert text_of({"text": "So 7."}) == "So 7."
    assert piece_of({"delta": {"content": None}}) == piece_of({"delta": {}}) == ""
    assert clean_text("a\ud83d") == "a?"


def test_counts() -> None:
    """Counts of another request, or counts that a gateway made up, would be charged."""
    usage = {"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 50}}
    assert counts_of({"usage": usage}, "So 7.", 10) == Counts(9, 2, 9)
    assert counts_of({}, "So 7.", 10) == Counts()
    with pytest.raises(RequestFault, match="reports 11 tokens"):
        counts_of({"usage": {"completion_tokens": 11}}, "So 7.", 10)
    with pytest.raises(RequestFault, match="reports 1 tokens for 1000 characters"):
        counts_of({"usage": {"completion_tokens": 1}}, "x" * 1000, 10)
    with pytest.raises(RequestFault, match="has True as prompt_tokens"):
        counts_of({"usage": {"prompt_tokens": True}}, "", 10)


@pytest.mark.parametrize("answer", [{}, {"choices": []}, {"choices": [3]}, {"choices": [{"text": "a"}]}])
def test_responses_without_a_complete_choice_are_damaged(answer: dict[str, Any]) -> None:
    """A response that was cut off taken for an empty step."""
    with pytest.raises(RequestFault) as fault:
        choice_of(answer)
    assert fault.value.kind == "damaged"


def test_logprobs_by_id() -> None:
    """Log-probabilities by token text cannot be assigned to ids: two ids may have one text."""
    assert logprobs_by_id({"token_id:17": -0.5}) == {17: -0.5}
    for other in ({"yes": -0.5}, {}, None, {"token_id:x": -0.5}):
        with pytest.raises(RequestFault):
            logprobs_by_id(other)
