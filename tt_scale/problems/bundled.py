"""Problem sets that are part of the package; `data/ATTRIBUTION.md` names their sources.

The loaders return raw rows; all rows of a set have the same fields.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.resources import files
from types import MappingProxyType

from tt_scale.problems.local import parse_jsonl
from tt_scale.problems.rows import RawRow

__all__ = ["BUNDLED", "gsm8k", "math500", "svamp"]


def math500() -> list[RawRow]:
    r"""Read MATH-500; 500 rows such as this one.

    {"id": "test/intermediate_algebra/1994.json",
     "question": "Define\n\\[p = \\sum_{k = 1}^\\infty \\frac{1}{k^2} \\quad \\text{and} \\quad q =
                  \\sum_{k = 1}^\\infty \\frac{1}{k^3}.\\]Find a way to write\n\\[\\sum_{j = 1}^\\infty
                  \\sum_{k = 1}^\\infty \\frac{1}{(j + k)^3}\\]in terms of $p$ and $q.$",
     "answer": "p - q", "level": 5, "subject": "Intermediate Algebra"}
    """
    return _read("math500")


def gsm8k() -> list[RawRow]:
    """Read the test part of GSM8K; 1319 rows such as this one.

    {"id": "gsm8k-test-1",
     "question": "A robe takes 2 bolts of blue fiber and half that much white fiber.  How many bolts in total does it
                  take?",
     "answer": "3"}
    """
    return _read("gsm8k")


def svamp() -> list[RawRow]:
    """Read SVAMP; 1000 rows such as this one.

    {"id": "chal-2",
     "question": "Dan had $ 3 left with him after he bought a candy bar. If he had $ 4 at the start. How much did the
                  candy bar cost?",
     "answer": "1", "subject": "Subtraction"}
    """
    return _read("svamp")


BUNDLED: Mapping[str, Callable[[], list[RawRow]]] = MappingProxyType(
    {"math500": math500, "gsm8k": gsm8k, "svamp": svamp}
)
"""Names to loaders."""


def _read(name: str) -> list[RawRow]:
    data = files("tt_scale.problems").joinpath("data").joinpath(f"{name}.jsonl").read_bytes()
    return parse_jsonl(name, data)
