"""How vLLM is told of a PRM's head: as it knows it, converted from the language-model head, or under another name."""

from __future__ import annotations

from typing import Any

from tt_scale.errors import PRMError
from tt_scale.prm.adapters.base import Adapter, TokenHead
from tt_scale.prm.adapters.qwen_math import ARCHITECTURE
from tt_scale.prm.renaming import classifier_folder

__all__ = ["column_of", "conversion", "folder_for_vllm"]


def folder_for_vllm(model: str, adapter: Adapter, quantization: str | None = None, revision: str | None = None) -> str:
    """Give a folder or hub name that vLLM can load: the model itself, or a copy whose head has the name it knows.

    Args:
        model: folder or hub name.
        adapter: how it is asked.
        quantization: that vLLM is told; None leaves the weights as they are.
        revision: branch, tag or commit on the hub; None is the newest.

    Raises:
        PRMError: vLLM would take a plain head for a packed one, or pack it.
    """
    packed = (adapter.checkpoint.settings.get("quantization_config") or {}).get("quant_method")
    if packed and _is_native(adapter):
        raise PRMError(
            f"The weights of {adapter.checkpoint.name!r} are packed by {packed}; vLLM takes the head of a "
            f"{ARCHITECTURE} for packed then, which it is not.",
            "Name the checkpoint that is not packed.",
        )
    if quantization and not packed and not isinstance(adapter.head, TokenHead):
        raise PRMError(
            f"prm_quantization is {quantization!r}; of {adapter.checkpoint.name!r}, whose weights are not packed, vLLM "
            "would pack the head, too, and round every score.",
            "Leave out --prm-quantization, or type: --prm huggingface --prm-quantization bnb-8bit",
        )
    if isinstance(adapter.head, TokenHead) or _is_native(adapter) or adapter.head.layers == ("score",):
        return model
    return str(classifier_folder(model, adapter.checkpoint.name, adapter.head, revision))


def conversion(adapter: Adapter) -> dict[str, Any]:
    """Fields of `AsyncEngineArgs` that make an engine speak through the adapter's head."""
    if _is_native(adapter):
        return {}
    head, settings = adapter.head, adapter.checkpoint.settings
    if isinstance(head, TokenHead):
        spelled = adapter.checkpoint.tokens.tokenizer.convert_ids_to_tokens([head.negative, head.positive])
        overrides: dict[str, Any] = {"classifier_from_token": spelled, "method": "from_2_way_softmax"}
        return {"convert": "classify", "hf_overrides": overrides}
    family = _family(settings)
    # A "regression" would be given as it is; the adapter says sigmoid or softmax.
    told = {"architectures": [f"{family}ForCausalLM"], "problem_type": "single_label_classification"}
    return {"convert": "classify", "hf_overrides": told}


def column_of(adapter: Adapter) -> int:
    """Which number of a row means "right"; vLLM gives one number alone where there is one output or two tokens."""
    if isinstance(adapter.head, TokenHead):
        return 0
    return adapter.head.column


def _is_native(adapter: Adapter) -> bool:
    return ARCHITECTURE in (adapter.checkpoint.settings.get("architectures") or ())


def _family(settings: Any) -> str:
    """The beginning of the architecture's name: Qwen2 of Qwen2ForTokenClassification."""
    name: str = (settings.get("architectures") or ["Qwen2For"])[0]
    return name.partition("For")[0]
