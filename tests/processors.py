"""Machines as torch describes them, to be put in place of this one's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from tt_scale.engines import dtypes

FAST = {"vectors": "AVX512", "bf16": True, "fp16": True, "native": ("_is_avx512_bf16_supported",)}
"""A processor with native bfloat16: Intel from Cooper Lake on, AMD from Zen 4 on."""

SLOW = {"vectors": "AVX2", "bf16": False, "fp16": False, "native": ()}
"""One without AVX-512."""


def torch_on(
    *,
    vectors: str,
    bf16: bool,
    fp16: bool,
    native: tuple[str, ...],
    cards: tuple[tuple[int, int], ...] = (),
    fault: str = "",
) -> Any:
    """A torch that sees a processor, and GPUs of some compute capabilities, and fails to compute with some words."""

    def attention(*_: object, **__: object) -> None:
        if fault:
            raise RuntimeError(fault)

    products = SimpleNamespace(_is_mkldnn_bf16_supported=lambda: bf16, _is_mkldnn_fp16_supported=lambda: fp16)
    functional = SimpleNamespace(linear=lambda states, _: states, scaled_dot_product_attention=attention)
    return SimpleNamespace(
        ops=SimpleNamespace(mkldnn=products),
        backends=SimpleNamespace(cpu=SimpleNamespace(get_cpu_capability=lambda: vectors)),
        cpu=SimpleNamespace(**dict.fromkeys(native, lambda: True)),
        cuda=SimpleNamespace(is_available=lambda: bool(cards), get_device_capability=lambda number: cards[number]),
        version=SimpleNamespace(hip=None),
        nn=SimpleNamespace(functional=functional),
        ones=lambda _, dtype: {(0, 0): dtype},
        inference_mode=nullcontext,
        bfloat16="bfloat16",
        float16="float16",
    )


@contextmanager
def machine(patch: pytest.MonkeyPatch, torch: Any, *, vllm_on_cpu: bool = True, arch: str = "x86_64") -> Iterator[None]:
    """Let the choice of a type see another machine."""
    with patch.context() as patched:
        for name in ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"):
            patched.delenv(name, raising=False)
        patched.setattr(dtypes, "_torch", lambda: torch)
        patched.setattr(dtypes, "_vllm_on_cpu", lambda: vllm_on_cpu)
        patched.setattr(dtypes.platform, "machine", lambda: arch)
        _forget()
        yield
    _forget()


def _forget() -> None:
    for remembered in (dtypes.fast_types, dtypes._settings, dtypes._fault):
        remembered.cache_clear()
