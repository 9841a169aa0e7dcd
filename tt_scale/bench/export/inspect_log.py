"""A run as a log of inspect_ai, in its JSON form: `inspect view` opens it, `read_eval_log` reads it."""

from __future__ import annotations

import json
from hashlib import blake2b
from pathlib import Path
from shutil import copyfileobj
from tempfile import TemporaryFile
from typing import Any

from tt_scale._version import __version__
from tt_scale.bench.export.solutions import ExportedSolution, solutions
from tt_scale.bench.reader.run_data import RunData
from tt_scale.bench.reader.search_record import Row, SearchRecord
from tt_scale.bench.stats.metrics import summarise
from tt_scale.core.atomic_file import replacing
from tt_scale.problems.local import name_of

__all__ = ["write_inspect"]

VERSION = 2
"""Of the log format."""
SCORER = "math_verify"
VALUES = {"correct": "C", "wrong": "I", "no_answer": "N", "ungraded": "N"}


def write_inspect(run: RunData, folder: Path) -> list[Path]:
    """Write the log.

    Args:
        run: to export; at least one search.
        folder: exists.

    Returns:
        The file.

    Raises:
        OSError: it cannot be written.
    """
    path = folder / f"{_stamp(run).replace(':', '-')}_{_task(run)}_{_id(run)}.json"
    # readers of the head alone stop at the samples, and the head states how many there are
    with replacing(path) as file, TemporaryFile("w+", encoding="utf-8", newline="", dir=folder) as samples:
        count = 0
        for count, search in enumerate(run.searches(), 1):
            samples.write(("" if count == 1 else ",\n") + json.dumps(_sample(run, search), ensure_ascii=False))
        samples.seek(0)
        head = json.dumps(_head(run, count), ensure_ascii=False, indent=1)
        file.write(head.removesuffix("\n}") + ',\n "samples": [\n')
        copyfileobj(samples, file)
        file.write("\n]}\n")
    return [path]


def _head(run: RunData, count: int) -> dict[str, Any]:
    finished = not run.partial
    return {
        "version": VERSION,
        "status": "success" if finished else "cancelled",
        "eval": _eval(run),
        "plan": {"name": run.method, "steps": [{"solver": run.method, "params": _knobs(run)}], "config": {}},
        "results": _results(run, count),
        "stats": {"started_at": _stamp(run), "completed_at": _stamp(run), "model_usage": {_model(run): _total(run)}},
    }


def _eval(run: RunData) -> dict[str, Any]:
    return {
        "eval_id": _id(run),
        "run_id": _id(run),
        "created": _stamp(run),
        "task": _task(run),
        "task_id": _id(run),
        "task_version": 0,
        "task_args": {},
        "dataset": {
            "name": str(run.experiment.get("dataset")),
            "samples": len(run.problems),
            "sample_ids": list(run.problems),
            "shuffled": False,
        },
        "model": _model(run),
        "model_args": {},
        "config": {"epochs": int(run.experiment["repeats"])},
        "packages": {"tt_scale": __version__, **run.manifest.get("versions", {})},
        "metadata": dict(run.experiment),
    }


def _results(run: RunData, count: int) -> dict[str, Any]:
    summary = summarise("all", run.rows)
    values = {"accuracy": summary.accuracy, "low_95": summary.low, "high_95": summary.high}
    metrics = {name: {"name": name, "value": value, "params": {}} for name, value in values.items()}
    return {
        "total_samples": run.wanted,
        "completed_samples": count,
        "scores": [{"name": SCORER, "scorer": SCORER, "params": {}, "metrics": metrics}],
    }


def _sample(run: RunData, search: SearchRecord) -> dict[str, Any]:
    row = search.row
    complete = solutions(search)
    chosen = next((each for each in complete if each.chosen), None)
    return {
        "id": row.id,
        "epoch": row.repeat + 1,
        "input": search.question,
        "target": row.gold,
        "messages": [
            {"role": "user", "content": search.question},
            *([{"role": "assistant", "content": chosen.text, "model": _model(run)}] if chosen else []),
        ],
        "output": _output(run, chosen, row),
        "scores": {SCORER: _score(search)},
        "metadata": {
            "level": row.level,
            "subject": search.subject,
            "stopped": row.stopped,
            "telemetry": dict(row.telemetry),
            "solutions": [_summary(each) for each in complete],
        },
        "model_usage": {_model(run): _usage(row)},
        "total_time": row.usage.seconds,
        **({"error": {"message": row.error, "traceback": "", "traceback_ansi": ""}} if row.error else {}),
    }


def _output(run: RunData, chosen: ExportedSolution | None, row: Row) -> dict[str, Any]:
    message = {"role": "assistant", "content": chosen.text if chosen else "", "model": _model(run)}
    reason = "stop" if chosen and chosen.state == "finished" else "max_tokens"
    return {
        "model": _model(run),
        "choices": [{"message": message, "stop_reason": reason}],
        "completion": message["content"],
        "usage": _usage(row),
    }


def _score(search: SearchRecord) -> dict[str, Any]:
    row, member = search.row, search.chosen
    pool = f"{row.right} of {len(search.pool)} solutions in the pool are right"
    grade = f"{row.grade}; {pool}; selected by {search.selector or 'nothing'}"
    score = {} if member is None else {"prm_score": member.score}
    return {
        "value": VALUES[row.grade],
        "answer": row.answer,
        "explanation": row.error or f"{grade}.",
        "metadata": {"grade": row.grade, **score},
    }


def _summary(each: ExportedSolution) -> dict[str, Any]:
    member = each.member
    return {
        "key": each.key,
        "state": each.state,
        "text": each.text,
        "step_scores": list(each.scores),
        "tokens": each.tokens,
        "answer": None if member is None else member.answer,
        "grade": None if member is None else member.grade,
        "score": None if member is None else member.score,
    }


def _usage(row: Row) -> dict[str, int]:
    return {
        "input_tokens": row.usage.prompt_tokens,
        "output_tokens": row.usage.generated_tokens,
        "total_tokens": row.usage.prompt_tokens + row.usage.generated_tokens,
    }


def _total(run: RunData) -> dict[str, int]:
    usages = [_usage(row) for row in run.rows]
    return {name: sum([usage[name] for usage in usages]) for name in usages[0]}


def _knobs(run: RunData) -> dict[str, Any]:
    return {key: value for key, value in run.manifest["config"].items() if value is not None}


def _model(run: RunData) -> str:
    return str(run.experiment.get("model_name", "unknown"))


def _task(run: RunData) -> str:
    name = name_of(str(run.experiment.get("dataset", "unknown")))
    return "".join([sign if sign.isascii() and (sign.isalnum() or sign in "._-") else "-" for sign in name])


def _stamp(run: RunData) -> str:
    return str(run.manifest.get("started", "1970-01-01T00:00:00+00:00"))


def _id(run: RunData) -> str:
    """Identify a run by what it is, so that it is exported under the same name again."""
    text = json.dumps(dict(run.experiment), sort_keys=True) + _stamp(run)
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=11).hexdigest()
