"""Samples with step scores as a data set of Hugging Face: `datasets.load_dataset(FOLDER)` reads it.

FOLDER/README.md            the card, with the types of all columns
FOLDER/data/train.jsonl     one line for each complete solution
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tt_scale.bench.export.solutions import solutions
from tt_scale.bench.reader.run_data import RunData
from tt_scale.bench.reader.search_record import SearchRecord
from tt_scale.core.atomic_file import replacing

__all__ = ["COLUMNS", "write_hugging_face"]

COLUMNS: Mapping[str, str | list[str]] = {
    "problem_id": "string",
    "repeat": "int64",
    "question": "string",
    "gold": "string",
    "level": "int64",
    "subject": "string",
    "key": "string",
    "state": "string",
    "text": "string",
    "steps": ["string"],
    "step_scores": ["float64"],
    "score": "float64",
    "answer": "string",
    "grade": "string",
    "in_pool": "bool",
    "chosen": "bool",
    "tokens": "int64",
}
"""Columns and their types; a type in a list is that of a list's items."""


def write_hugging_face(run: RunData, folder: Path) -> list[Path]:
    """Write the data set.

    Args:
        run: to export; at least one search.
        folder: exists.

    Returns:
        The files.

    Raises:
        OSError: a file cannot be written.
    """
    data, card = folder / "data" / "train.jsonl", folder / "README.md"
    data.parent.mkdir(exist_ok=True)
    with replacing(data) as file:
        for search in run.searches():
            for line in _lines(search):
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
    with replacing(card) as file:
        file.write(_card(run))
    return [data, card]


def _lines(search: SearchRecord) -> Iterator[dict[str, Any]]:
    row = search.row
    for each in solutions(search):
        member = each.member
        yield {
            "problem_id": row.id,
            "repeat": row.repeat,
            "question": search.question,
            "gold": row.gold,
            "level": row.level,
            "subject": search.subject,
            "key": each.key,
            "state": each.state,
            "text": each.text,
            "steps": list(each.steps),
            "step_scores": list(each.scores),
            "score": None if member is None else member.score,
            "answer": None if member is None else member.answer,
            "grade": None if member is None else member.grade,
            "in_pool": member is not None,
            "chosen": each.chosen,
            "tokens": each.tokens,
        }


def _card(run: RunData) -> str:
    features = "\n".join([_feature(name, kind) for name, kind in COLUMNS.items()])
    experiment = run.experiment
    return f"""---
configs:
- config_name: default
  data_files:
  - split: train
    path: data/train.jsonl
dataset_info:
  config_name: default
  features:
{features}
---

# Solutions of {len(run.problems):,} problems by {experiment["method"]}

Complete solutions of a run of tt_scale, one a line, with the scores that the PRM gave to their steps, the answer and
its grade. Generator: {experiment.get("model_name")}; PRM: {experiment.get("prm_name")}; problem set:
{experiment.get("dataset")}; grader: {experiment.get("grader")}. Licences: those of problem set and models.

`state` is `truncated` where a limit ended a solution. `score`, `answer` and `grade` are null for solutions that are not
in the pool from which the answer was selected; `chosen` marks the one whose answer it was. `level` and `subject` are
null where the problem set has none.
"""


def _feature(name: str, kind: str | list[str]) -> str:
    if isinstance(kind, list):
        return f"  - name: {name}\n    list: {kind[0]}"
    return f"  - name: {name}\n    dtype: {kind}"
