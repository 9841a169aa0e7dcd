"""Map a PRM's scoring head to vLLM's pooling API.

vLLM supports the head natively, converts the language-model head, or loads a copy of the checkpoint in which the head
is renamed.
"""

from __future__ import annotations

from typing import Any

from tt_scale.errors import PRMError
from tt_scale.prm.adapters.base import Adapter, TokenHead
from tt_scale.prm.adapters.qwen_math import ARCHITECTURE
from tt_scale.prm.renaming import classifier_folder

__all__ = ["column_of", "conversion", "folder_for_vllm"]


def folder_for_vllm(model: str, adapter: Adapter, quantization: str | None = None, revision: str | None = None) -> str:
    """Return a folder or hub name that vLLM can load: the model itself, or a copy whose head is named as vLLM expects.

    Args:
        model: folder or hub name.
        adapter: adapter of the model.
        quantization: vLLM's quantization method; None leaves the weights as they are.
        revision: branch, tag or commit on the hub; None is the newest.

    Raises:
        PRMError: vLLM would load an unquantized head as quantized, or quantize it.
    """
    packed = (adapter.checkpoint.settings.get("quantization_config") or {}).get("quant_method")
    if packed and _is_native(adapter):
        raise PRMError(
            f"The weights of {adapter.checkpoint.name!r} are quantized with {packed}; vLLM then treats the head of a "
            f"{ARCHITECTURE} as quantized too, which it is not.",
            "Name the checkpoint that is not quantized.",
        )
    if quantization and not packed and not isinstance(adapter.head, TokenHead):
        raise PRMError(
            f"prm_quantization is {quantization!r}, but the weights of {adapter.checkpoint.name!r} are not quantized: "
            "vLLM would quantize the head as well, and round every score.",
            "Omit --prm-quantization, or type: --prm huggingface --prm-quantization bnb-8bit",
        )
    if isinstance(adapter.head, TokenHead) or _is_native(adapter) or adapter.head.layers == ("score",):
        return model
    return str(classifier_folder(model, adapter.checkpoint.name, adapter.head, revision))


def conversion(adapter: Adapter) -> dict[str, Any]:
    """Return the fields of `AsyncEngineArgs` that make an engine apply the adapter's head."""
    if _is_native(adapter):
        return {}
    head, settings = adapter.head, adapter.checkpoint.settings
    if isinstance(head, TokenHead):
        token_strings = adapter.checkpoint.tokens.tokenizer.convert_ids_to_tokens([head.negative, head.positive])
        overrides: dict[str, Any] = {"classifier_from_token": token_strings, "method": "from_2_way_softmax"}
        return {"convert": "classify", "hf_overrides": overrides}
    family = _family(settings)
    # vLLM applies no activation to a "regression"; as a classification it applies sigmoid or softmax.
    overrides = {"architectures": [f"{family}ForCausalLM"], "problem_type": "single_label_classification"}
    return {"convert": "classify", "hf_overrides": overrides}


def column_of(adapter: Adapter) -> int:
    """Return the index of "right" in a row of vLLM's output; a single output and a two-token head give one value."""
    if isinstance(adapter.head, TokenHead):
        return 0
    return adapter.head.column


def _is_native(adapter: Adapter) -> bool:
    return ARCHITECTURE in (adapter.checkpoint.settings.get("architectures") or ())


def _family(settings: Any) -> str:
    """Return the model family in an architecture's name: Qwen2 for Qwen2ForTokenClassification."""
    name: str = (settings.get("architectures") or ["Qwen2For"])[0]
    return name.partition("For")[0]
