"""Mapping of a PRM's head to vLLM's pooling API, with adapters that have nothing but a head."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tt_scale.errors import PRMError
from tt_scale.prm.adapters.base import LayerHead, TokenHead
from tt_scale.prm.adapters.qwen_math import ARCHITECTURE
from tt_scale.prm.renaming import _renamed, classifier_folder
from tt_scale.prm.vllm_heads import column_of, conversion, folder_for_vllm


def adapter(head: Any, **settings: Any) -> Any:
    names = SimpleNamespace(convert_ids_to_tokens=lambda ids: [f"<{token}>" for token in ids])
    checkpoint = SimpleNamespace(name="a/prm", settings=settings, tokens=SimpleNamespace(tokenizer=names))
    return SimpleNamespace(head=head, checkpoint=checkpoint)


def test_a_native_head_needs_no_conversion() -> None:
    """Converted twice, vLLM would look for a layer that the checkpoint does not have."""
    native = adapter(LayerHead(("score.0", "score.2"), column=1), architectures=[ARCHITECTURE])
    assert conversion(native) == {}
    assert folder_for_vllm("folder", native) == "folder"


def test_a_head_of_two_tokens_is_read_from_the_language_model() -> None:
    """The order of the tokens decides which one means "right"."""
    two = adapter(TokenHead(positive=7, negative=3))
    overrides = conversion(two)["hf_overrides"]
    assert overrides == {"classifier_from_token": ["<3>", "<7>"], "method": "from_2_way_softmax"}
    assert column_of(two) == 0
    assert folder_for_vllm("folder", two, quantization="awq") == "folder"


def test_a_classifier_keeps_its_column() -> None:
    """The first column of two is the probability of "wrong"."""
    classifier = adapter(LayerHead(("score",), column=1), architectures=["Qwen3ForTokenClassification"])
    assert column_of(classifier) == 1
    assert conversion(classifier)["hf_overrides"]["architectures"] == ["Qwen3ForCausalLM"]


def test_heads_that_vllm_would_quantize_are_rejected() -> None:
    """Every score would be rounded to a few bits."""
    packed = {"quantization_config": {"quant_method": "awq"}, "architectures": [ARCHITECTURE]}
    with pytest.raises(PRMError, match="quantized with awq"):
        folder_for_vllm("folder", adapter(LayerHead(("score",)), **packed))
    with pytest.raises(PRMError, match=r"prm_quantization is 'awq'.*--prm huggingface"):
        folder_for_vllm("folder", adapter(LayerHead(("score",))), quantization="awq")


def test_the_layer_of_the_head_is_renamed_and_no_other() -> None:
    """A layer whose name begins alike (`v_head2`) must keep its name."""
    names = ["v_head.summary.weight", "v_head2.weight", "model.v_head.weight"]
    assert [_renamed(name, "v_head.summary") for name in names] == ["score.weight", *names[1:]]
    with pytest.raises(PRMError, match=r"the head a, b of 'a/prm'"):
        classifier_folder("folder", "a/prm", LayerHead(("a", "b")))
