"""Copy of a checkpoint in which the scoring layer has the name that vLLM expects.

The copy is written once and kept in the cache folder; the weights of the base model are unchanged.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tt_scale.engines.cache import cache_folder
from tt_scale.errors import PRMError
from tt_scale.prm.adapters.base import LayerHead

__all__ = ["classifier_folder"]

COPIED_FILES = ("*.json", "*.txt", "*.model", "*.jinja")
"""Patterns of files beside the weights that a tokenizer may need."""


def classifier_folder(model: str, name: str, head: LayerHead, revision: str | None = None) -> Path:
    """Return a copy of a model as `...ForSequenceClassification`, and write it if it does not exist.

    Args:
        model: local folder or hub name.
        name: model name as given in the configuration, for messages.
        head: head with a single layer.
        revision: branch, tag or commit on the hub; None is the newest.

    Raises:
        PRMError: the head has several layers, or the folder has no weights.
    """
    if len(head.layers) != 1:
        raise PRMError(
            f"vLLM supports no model with the head {', '.join(head.layers)} of {name!r}.", "Type: --prm huggingface"
        )
    source = _local(model, revision)
    weights = sorted([*source.glob("*.safetensors"), *source.glob("pytorch_model*.bin")])
    if not weights:
        raise PRMError(f"The PRM {name!r} holds no weights.", "Copy the weights into its folder.")
    versions = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in weights]
    digest = hashlib.blake2b(repr((str(source), versions, head)).encode(), digest_size=8).hexdigest()
    target = cache_folder() / "prms" / f"{source.name}-{digest}"
    if not (target / "config.json").is_file():  # written last
        _write(source, weights, target, head.layers[0])
    return target


def _write(source: Path, weights: list[Path], target: Path, layer: str) -> None:
    from safetensors.torch import save_file

    target.mkdir(parents=True, exist_ok=True)
    for pattern in COPIED_FILES:
        for file in source.glob(pattern):
            if file.name != "config.json" and not file.name.endswith(".index.json"):
                shutil.copyfile(file, target / file.name)
    weight_map: dict[str, str] = {}
    outputs = 1
    for number, file in enumerate(weights, 1):
        shard = f"model-{number:05}-of-{len(weights):05}.safetensors"
        tensors = {_renamed(key, layer): tensor for key, tensor in _tensors(file)}
        outputs = len(tensors["score.weight"]) if "score.weight" in tensors else outputs
        save_file(tensors, target / shard, metadata={"format": "pt"})
        weight_map |= dict.fromkeys(tensors, shard)
    (target / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    _write_settings(source, target, outputs)


def _write_settings(source: Path, target: Path, outputs: int) -> None:
    settings: dict[str, Any] = json.loads((source / "config.json").read_text(encoding="utf-8"))
    settings.pop("auto_map", None)
    family = settings["model_type"].capitalize()
    labels = {str(number): f"LABEL_{number}" for number in range(outputs)}
    settings |= {
        "architectures": [f"{family}ForSequenceClassification"],
        "id2label": labels,
        "label2id": {text: int(number) for number, text in labels.items()},
    }
    (target / "config.json").write_text(json.dumps(settings, indent=2), encoding="utf-8")


def _renamed(key: str, layer: str) -> str:
    return f"score{key.removeprefix(layer)}" if key.startswith(f"{layer}.") else key


def _tensors(file: Path) -> Iterator[tuple[str, Any]]:
    if file.suffix == ".safetensors":
        from safetensors.torch import load_file

        yield from load_file(file).items()
        return
    import torch

    tensors = torch.load(file, weights_only=True, map_location="cpu")  # not the device that they were saved from
    yield from ((key, tensor.contiguous().clone()) for key, tensor in tensors.items())


def _local(model: str, revision: str | None) -> Path:
    if os.path.isdir(model):
        return Path(model)
    from huggingface_hub import snapshot_download

    return Path(snapshot_download(model, revision=revision))
