"""The tree of a record as columns: equal things stand side by side, so that they compress well.

`docs/journal.md` describes every column.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, chain, pairwise
from typing import Any

from tt_scale.core.budget import Usage

__all__ = ["Columns", "Node", "groups", "packed_tree", "unpacked_tree"]

Node = Mapping[str, Any]
"""One path of a tree, as `record.py` writes it."""

Columns = dict[str, Any]

SPENT = tuple(Usage.__dataclass_fields__)
STEP = ("ended", "temperature", "cached", "seed")


def packed_tree(tree: Sequence[Node]) -> Columns:
    """Turn the nodes of a tree into columns."""
    steps = [step for node in tree for step in node["steps"]]
    columns: Columns = {key: [node[key] for node in tree] for key in ("key", "state", "score", "from")}
    columns["steps"] = [len(node["steps"]) for node in tree]
    columns["scored"] = [len(node["scores"]) for node in tree]
    columns["scores"] = [score for node in tree for score in node["scores"]]
    for mark in ("cut", "forced"):
        columns[mark] = [place for place, node in enumerate(tree) if node.get(mark)]
    columns["parts"] = [[place, node["parts"]] for place, node in enumerate(tree) if "parts" in node]
    columns["usage"] = {count: [node["usage"].get(count, 0) for node in tree] for count in SPENT}
    columns["text"] = [step["text"] for step in steps]
    columns["tokens"] = [len(step["ids"]) for step in steps]
    columns["ids"] = list(chain.from_iterable([step["ids"] for step in steps]))
    columns["error"] = [[place, step["error"]] for place, step in enumerate(steps) if "error" in step]
    columns |= {key: [step[key] for step in steps] for key in STEP}
    return _without_empty(columns)


def unpacked_tree(columns: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Turn columns back into nodes."""
    steps = _unpacked_steps(columns)
    scores = groups(columns.get("scores", []), columns.get("scored", []))
    grouped = groups(steps, columns.get("steps", []))
    usage = columns.get("usage", {})
    parts = dict(columns.get("parts", []))
    marks = {mark: set(columns.get(mark, [])) for mark in ("cut", "forced")}
    return [
        {
            "key": key,
            "state": state,
            **{mark: True for mark, places in marks.items() if place in places},
            "score": score,
            "from": kept,
            "scores": next(scores),
            **({"parts": parts[place]} if place in parts else {}),
            "usage": {count: spent[place] for count, spent in usage.items() if spent[place]},
            "steps": next(grouped),
        }
        for place, (key, state, score, kept) in enumerate(
            zip(*[columns.get(each, []) for each in ("key", "state", "score", "from")], strict=True)
        )
    ]


def _unpacked_steps(columns: Mapping[str, Any]) -> list[dict[str, Any]]:
    errors = dict(columns.get("error", []))
    ids = groups(columns.get("ids", []), columns.get("tokens", []))
    rows = zip(columns.get("text", []), ids, *[columns.get(key, []) for key in STEP], strict=True)
    return [
        {
            "text": text,
            "ids": own,
            "ended": ended,
            "seed": seed,
            "temperature": temperature,
            "cached": cached,
            **({"error": errors[place]} if place in errors else {}),
        }
        for place, (text, own, ended, temperature, cached, seed) in enumerate(rows)
    ]


def groups(values: Sequence[Any], counts: Sequence[int]) -> Iterator[list[Any]]:
    """Cut a column into pieces of so many values."""
    ends = [0, *accumulate(counts)]
    if ends[-1] != len(values):
        raise ValueError(f"a column has {len(values)} values where {ends[-1]} belong")
    return (list(values[begin:end]) for begin, end in pairwise(ends))


def _without_empty(columns: Columns) -> Columns:
    """Leave out what says nothing: empty columns, and counts that are 0 throughout."""
    kept = {key: value for key, value in columns.items() if value or value == 0}
    if "usage" in kept:
        kept["usage"] = {count: values for count, values in kept["usage"].items() if any(values)}
    return kept
