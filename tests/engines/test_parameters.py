"""Counts of parameters: one way for every backend, whatever a family calls its sizes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tt_scale.engines.model_size import model_size

GPT2: dict[str, Any] = {
    "model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "n_embd": 768, "n_head": 12, "n_layer": 12,
    "n_positions": 1024, "vocab_size": 50257,
}  # fmt: skip
QWEN2: dict[str, Any] = {
    "model_type": "qwen2", "architectures": ["Qwen2ForTokenClassification"], "hidden_size": 64,
    "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "vocab_size": 100, "tie_word_embeddings": False, "quantization_config": {"quant_method": "awq", "bits": 4},
}  # fmt: skip
QWEN2_LAYER = (64 * 64 + 64) + 2 * (64 * 32 + 32) + 64 * 64 + 3 * 64 * 128 + 2 * 64
"""Queries, keys and values with biases, output, gated feed-forward, two norms."""


@pytest.mark.hf
@pytest.mark.parametrize(
    ("settings", "head", "count"),
    [
        (GPT2, True, 124_439_808),  # as published; its head is its table of tokens
        (GPT2, False, 124_439_808),
        (QWEN2, False, 2 * QWEN2_LAYER + 64 + 100 * 64),
        (QWEN2, True, 2 * QWEN2_LAYER + 64 + 2 * 100 * 64),
        ({"model_type": "of-nobody"}, True, 0),
        ({}, True, 0),
    ],
)
def test_an_architecture_is_counted_without_weights(settings: dict[str, Any], head: bool, count: int) -> None:
    """A PRM that calls its sizes as GPT-2 does ended with a KeyError; packed weights counted as if they were whole."""
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from tt_scale.engines.transformers.parameters import parameters_by_settings

    assert parameters_by_settings(settings, head=head) == count


@pytest.mark.hf
def test_a_loaded_model_and_its_settings_give_the_same_number() -> None:
    """The estimate of FLOPs must not depend on the engine."""
    pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    from tt_scale.engines.transformers.parameters import count_parameters, parameters_by_settings

    config = transformers.GPT2Config(n_embd=32, n_head=2, n_layer=2, vocab_size=50, n_positions=16)
    model = transformers.GPT2LMHeadModel(config)
    assert count_parameters(model) == parameters_by_settings(config.to_dict()) > 0


def test_memory_is_planned_for_a_gpt2_without_torch(tmp_path: Path) -> None:
    """The doctor knew no size of a GPT-2 whose weights are not there yet."""
    (tmp_path / "config.json").write_text(json.dumps(GPT2), encoding="utf-8")
    size = model_size("some-model", "float32", folder=tmp_path)
    assert (size.source, size.parameters) == ("config", pytest.approx(124_439_808, rel=2e-3))
    assert size.kv_bytes == 2 * 12 * 768 * 4
