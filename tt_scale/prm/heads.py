"""Loading of PRM weights on Transformers: the base model and the scoring head.

No code from a checkpoint is executed: a head is a stack of linear layers, or two rows of the language-model head, and
both are implemented here. Heads compute in float32, as vLLM's do.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tt_scale.engines.model_names import at_revision
from tt_scale.engines.transformers.parameters import count_parameters
from tt_scale.errors import PRMError
from tt_scale.prm.adapters.base import Head, LayerHead, ScoringInput, TokenHead

__all__ = ["load_causal", "load_scorer", "read_layers", "read_output_embeddings"]

INDEXES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
FILES = ("model.safetensors", "pytorch_model.bin")


class Scorer:
    """A base model with a scoring head that computes the probability of "right".

    Args:
        base: the model without a head.
        layers: weight [out, in] and bias [out] of each layer; a bias may be None.
        column: output of the last layer's softmax that means "right"; a single output goes through a sigmoid.

    Attributes:
        base: the model without a head.
    """

    def __init__(self, base: Any, layers: Sequence[tuple[Any, Any]], column: int) -> None:
        self.base = base
        device = next(base.parameters()).device
        self._layers = [(w.float().to(device), None if b is None else b.float().to(device)) for w, b in layers]
        self._column = column

    @property
    def parameters(self) -> int:
        """Number of parameters of the base model."""
        return count_parameters(self.base)

    def values(self, hidden: Any, scoring_input: ScoringInput) -> Any:
        """Turn last hidden states [positions, width] into probabilities [positions]; see `ScoreReadout`."""
        import torch

        values = hidden.float()
        for number, (weight, bias) in enumerate(self._layers):
            values = torch.nn.functional.linear(torch.relu(values) if number else values, weight, bias)
        if values.shape[-1] == 1:
            return torch.sigmoid(values[..., 0])
        return torch.softmax(values, dim=-1)[..., self._column]


def load_scorer(name: str, source: str, head: Head, how: Mapping[str, Any]) -> Scorer:
    """Load base model and head.

    Args:
        name: model name as given in the configuration, for messages.
        source: folder or hub name.
        head: the scoring head.
        how: keyword arguments of `from_pretrained`: dtype, device, quantization and revision.

    Raises:
        PRMError: the checkpoint lacks weights of the base model or the head; a randomly initialised head scores noise.
    """
    import torch
    from transformers import AutoModel

    if isinstance(head, TokenHead):
        model = load_causal(name, source, how)
        rows = model.get_output_embeddings()
        chosen = torch.tensor([head.negative, head.positive], device=rows.weight.device)
        bias = getattr(rows, "bias", None)
        layers = [(rows.weight[chosen].detach(), None if bias is None else bias[chosen].detach())]
        return Scorer(model.base_model.eval(), layers, 1)
    layers = read_layers(name, source, head, how.get("revision"))
    model, loading = AutoModel.from_pretrained(source, output_loading_info=True, **how)
    _check_complete(name, loading["missing_keys"])
    return Scorer(model.eval(), layers, head.column)


def read_layers(name: str, source: str, head: LayerHead, revision: str | None = None) -> list[tuple[Any, Any]]:
    """Read the layers of a head; also a check, since engines may initialise missing layers randomly.

    Args:
        name: model name as given in the configuration, for messages.
        source: folder or hub name.
        head: the scoring head.
        revision: branch, tag or commit on the hub; None is the newest.

    Returns:
        Weight [out, in] and bias [out] or None of each layer [layers].

    Raises:
        PRMError: a layer has no weights, or the last one lacks the output that the adapter uses.
    """
    keys = [f"{layer}.{part}" for layer in head.layers for part in ("weight", "bias")]
    tensors = read_tensors(name, source, keys, revision)
    _check_complete(name, [f"{layer}.weight" for layer in head.layers if f"{layer}.weight" not in tensors])
    layers = [(tensors[f"{layer}.weight"], tensors.get(f"{layer}.bias")) for layer in head.layers]
    outputs = len(layers[-1][0])
    if outputs > 1 and head.column >= outputs:
        raise PRMError(f"The head of {name!r} has {outputs} outputs; its adapter uses number {head.column}.")
    return layers


def read_output_embeddings(name: str, source: str, revision: str | None = None) -> tuple[Any, Any]:
    """Read the language-model head only; with tied weights, these are the input embeddings.

    Args:
        name: model name as given in the configuration, for messages.
        source: folder or hub name.
        revision: as in `read_layers`.

    Returns:
        Weight [vocabulary, width] and bias [vocabulary] or None.

    Raises:
        PRMError: the checkpoint has no weights of it.
    """
    from transformers import AutoConfig

    tied = AutoConfig.from_pretrained(source, **at_revision(revision)).tie_word_embeddings
    head = LayerHead(("model.embed_tokens" if tied else "lm_head",), 0)
    [layer] = read_layers(name, source, head, revision)
    return layer


def load_causal(name: str, source: str, how: Mapping[str, Any]) -> Any:
    """Load a causal language model and check that no weights are missing; arguments and errors as in `load_scorer`."""
    from transformers import AutoModelForCausalLM

    model, loading = AutoModelForCausalLM.from_pretrained(source, output_loading_info=True, **how)
    _check_complete(name, loading["missing_keys"])
    return model.eval()


def _check_complete(name: str, missing: Sequence[str]) -> None:
    if missing:
        raise PRMError(
            f"The PRM {name!r} has no weights for {', '.join(sorted(missing)[:4])}.",
            "Give a folder with the whole checkpoint, or name its adapter. Type: --prm-adapter NAME",
        )


def read_tensors(name: str, source: str, keys: Sequence[str], revision: str | None = None) -> dict[str, Any]:
    """Read the named tensors of a checkpoint, without loading the others.

    Args:
        name: model name as given in the configuration, for messages.
        source: folder or hub name.
        keys: names of the tensors; those not in the checkpoint are omitted from the result.
        revision: as in `read_layers`.

    Raises:
        PRMError: there is no weight file.
    """
    files: dict[Path, list[str]] = {}
    for key, file in _files_of_tensors(name, source, keys, revision).items():
        files.setdefault(file, []).append(key)
    tensors: dict[str, Any] = {}
    for file, file_keys in files.items():
        tensors |= _read_file(file, file_keys)
    return tensors


def _files_of_tensors(name: str, source: str, keys: Sequence[str], revision: str | None) -> dict[str, Path]:
    """Map each tensor to the file that contains it; an unsharded file may contain any of them."""
    for index in INDEXES:
        file = _fetch(source, index, revision)
        if file is not None:
            weight_map = json.loads(file.read_text(encoding="utf-8"))["weight_map"]
            shards = {key: _fetch(source, weight_map[key], revision) for key in keys if key in weight_map}
            return {key: shard for key, shard in shards.items() if shard is not None}
    for single in FILES:
        file = _fetch(source, single, revision)
        if file is not None:
            return dict.fromkeys(keys, file)
    raise PRMError(f"The PRM {name!r} holds no weights ({', '.join(FILES)}).", "Copy the weights into its folder.")


def _fetch(source: str, file: str, revision: str | None) -> Path | None:
    from transformers.utils import cached_file

    path = cached_file(source, file, _raise_exceptions_for_missing_entries=False, **at_revision(revision))
    return Path(path) if path else None


def _read_file(file: Path, keys: Sequence[str]) -> dict[str, Any]:
    if file.suffix == ".safetensors":
        from safetensors import safe_open

        with safe_open(file, framework="pt") as opened:
            return {key: opened.get_tensor(key) for key in keys if key in opened.keys()}  # noqa: SIM118
    import torch

    tensors = torch.load(file, map_location="cpu", weights_only=True, mmap=True)
    return {key: tensors[key].clone() for key in keys if key in tensors}
