"""Linear layers that round as on no processor: what `pytest --other-rounding` runs tests on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from typing import Any
from unittest.mock import patch

SIZE = 5e-7
"""Of what is added, against the size of a layer's outputs: a few units in the last place of float32, and more than
kernels for other vector instructions, or for other batches, differ by."""


@contextmanager
def other_rounding() -> Iterator[None]:
    """Add noise to what linear layers give in float32: other noise for each shape of a batch, the same each time.

    A comparison that holds on one processor because two batches happen to be summed alike fails here.
    """
    import torch

    linear = torch.nn.functional.linear

    def noisy(rows: Any, weight: Any, bias: Any = None) -> Any:
        out = linear(rows, weight, bias)
        if out.dtype != torch.float32 or out.device.type != "cpu" or not out.numel():
            return out
        shapes = repr((tuple(rows.shape), tuple(weight.shape))).encode()
        stream = torch.Generator().manual_seed(int.from_bytes(blake2b(shapes, digest_size=6).digest(), "big"))
        size = SIZE * out.detach().square().mean().sqrt()
        return out + size * torch.randn(out.shape, generator=stream)

    with patch.object(torch.nn.functional, "linear", noisy):
        yield
