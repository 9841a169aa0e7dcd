"""Subsets of ProcessBench that are shipped with the package; see `data/ATTRIBUTION.md` for their source."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType

from tt_scale.errors import ProblemSetError
from tt_scale.prm_eval.labelled import GivenSet
from tt_scale.prm_eval.solutions_file import read_rows
from tt_scale.problems.local import parse_jsonl

__all__ = ["PROCESSBENCH", "processbench"]

PROCESSBENCH: Mapping[str, str] = MappingProxyType(
    {
        "processbench-gsm8k": "d61e55f140910bd14e02db6df99a875cf9bef0c84b56d3f828cb8a7e69a4072f",
        "processbench-math": "c299e72184a09d842e9b98ba309704fbdfa598e9c06655ea1ace6a4aedbcc647",
    }
)
"""Names to the SHA-256 of their files."""


def processbench(name: str) -> GivenSet:
    r"""Read a subset of 400 or 1000 rows such as this one.

    {"id": "math-0", "question": "Determine the remainder of 194 (mod 11).",
     "steps": ["To determine the remainder of 194 (mod 11), I'll perform the following steps: ... = 11 × 17 + 9.",
               "Since we're looking for the remainder (mod 11), ... is: \\boxed{9}."],
     "label": 0, "final_answer_correct": false, "generator": "Meta-Llama-3-8B-Instruct"}

    Raises:
        ProblemSetError: the file is not what was shipped.
    """
    file = files("tt_scale.prm_eval").joinpath("data").joinpath(f"{name}.jsonl.gz")
    data = file.read_bytes() if file.is_file() else b""
    if hashlib.sha256(data).hexdigest() != PROCESSBENCH[name]:
        raise ProblemSetError(f"The set {name!r} is damaged: {str(file)!r} is not what was shipped.", "Install again.")
    return read_rows(name, parse_jsonl(name, gzip.decompress(data)), "first wrong step as judged by people")
