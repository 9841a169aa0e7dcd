"""Checkpoints in four bits, packed as AWQ packs them, beside the same numbers unpacked."""

from __future__ import annotations

import json
from pathlib import Path
from shutil import copytree
from typing import Any

GROUP = 32
"""Rows of a weight that share a scale."""
ORDER = (0, 2, 4, 6, 1, 3, 5, 7)
"""Columns of eight in the order in which an int32 holds them, lowest bits first."""


def save_awq(plain: Path, packed: Path, unpacked: Path) -> None:
    """Quantize the linear layers of a float32 checkpoint of one file.

    Args:
        plain: folder to read.
        packed: folder to write, for an engine that knows AWQ.
        unpacked: folder to write, with the numbers that the packed weights stand for.
    """
    from safetensors.torch import load_file, save_file

    weights = load_file(plain / "model.safetensors")
    small: dict[str, Any] = {}
    same: dict[str, Any] = {}
    for name, weight in weights.items():
        if ".layers." not in name or weight.ndim != 2:
            small[name] = same[name] = weight
            continue
        stem = name.removesuffix(".weight")
        codes, zeros, scales = _quantized(weight.T)
        small |= {
            f"{stem}.qweight": _packed(codes),
            f"{stem}.qzeros": _packed(zeros),
            f"{stem}.scales": scales.half().contiguous(),
        }
        spread = [each.repeat_interleave(GROUP, 0) for each in (zeros, scales)]
        same[name] = ((codes - spread[0]) * spread[1]).T.contiguous()
    for folder, found in ((packed, small), (unpacked, same)):
        copytree(plain, folder, dirs_exist_ok=True)
        save_file(found, folder / "model.safetensors", metadata={"format": "pt"})
    settings = json.loads((plain / "config.json").read_text())
    how = {"quant_method": "awq", "bits": 4, "group_size": GROUP, "zero_point": True, "version": "gemm"}
    (packed / "config.json").write_text(json.dumps(settings | {"quantization_config": how}))


def _quantized(weight: Any) -> tuple[Any, Any, Any]:
    """Codes [in, out] from 0 to 15, and zeros and scales of each group [groups, out]."""
    import torch

    groups = weight.reshape(-1, GROUP, weight.shape[1])
    low, high = groups.amin(1), groups.amax(1)
    scales = ((high - low) / 15).half().float()
    zeros = torch.round(-low / scales).clamp(0, 15)
    codes = torch.round(groups / scales[:, None] + zeros[:, None]).clamp(0, 15)
    return codes.reshape(weight.shape), zeros, scales


def _packed(codes: Any) -> Any:
    import torch

    eights = codes.to(torch.int64).reshape(len(codes), -1, 8)
    words = sum(eights[:, :, column] << (4 * place) for place, column in enumerate(ORDER))
    return torch.where(words >= 2**31, words - 2**32, words).to(torch.int32).contiguous()
