"""Small files of recorded samples, made by hand."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

PRM = "maker/prm"

ONE = [("5", True, [0.2, 0.9]), ("7", False, [0.8, 0.8]), ("7", False, [0.1, 0.05]), ("5", True, [0.3, 0.2, 0.1])]
"""By the last step the right first one is best, by the product a wrong one; at three, wrong ones are the majority."""

TWO = [("5", True, [0.9]), ("3", False, [0.4]), ("5", True, [0.5]), ("3", False, [0.1])]


def sample(answer: str, right: bool, scores: list[float], tokens: int | None = 10, **more: Any) -> dict[str, Any]:
    """A sample of one paragraph, whatever the number of its scores."""
    counted = {} if tokens is None else {"tokens": tokens}
    text = more.pop("text", rf"3 + 2, so \boxed{{{answer}}}.")
    return {"text": text, **counted, "correct": right, "scores": {PRM: scores}, **more}


def row(samples: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    """A problem whose answer is 5."""
    return {"question": "What is 2 + 3?", "answer": "5", "samples": samples, **more}


def rows(**more: Any) -> list[dict[str, Any]]:
    """Two problems of four samples each; more goes into every sample."""
    return [
        row([sample(*each, **more) for each in samples], id=f"p{number}", level=number)
        for number, samples in enumerate((ONE, TWO), 1)
    ]


def write_set(path: Path, *lines: dict[str, Any]) -> str:
    """Write a file, compressed where its name says so, and give its name."""
    data = "".join([json.dumps(line) + "\n" for line in lines]).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return str(path)
