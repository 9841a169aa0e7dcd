"""Samples and results as lm-evaluation-harness logs them (`--log_samples`, version 0.4).

FOLDER/MODEL/samples_TASK_TIME.jsonl    one line for each search
FOLDER/MODEL/results_TIME.json          accuracy and its standard error
"""

from __future__ import annotations

import json
import re
from hashlib import sha256
from pathlib import Path
from typing import Any

from tt_scale.bench.export.solutions import solutions
from tt_scale.bench.reader.run_data import RunData
from tt_scale.bench.reader.search_record import SearchRecord
from tt_scale.core.atomic_file import replacing
from tt_scale.problems.local import name_of

__all__ = ["write_lm_eval"]

METRIC = "exact_match"


def write_lm_eval(run: RunData, folder: Path) -> list[Path]:
    """Write both files.

    Args:
        run: to export; at least one search.
        folder: exists.

    Returns:
        The files.

    Raises:
        OSError: a file cannot be written.
    """
    task, stamp = _plain(_task(run)), _plain(str(run.manifest.get("started", "unknown")).replace(":", "-"))
    own = folder / _plain(_model(run))
    own.mkdir(exist_ok=True)
    samples, results = own / f"samples_{task}_{stamp}.jsonl", own / f"results_{stamp}.json"
    with replacing(samples) as file:
        for search in run.searches():
            file.write(json.dumps(_sample(run, search), ensure_ascii=False) + "\n")
    with replacing(results) as file:
        json.dump(_results(run, task), file, ensure_ascii=False, indent=2)
    return [samples, results]


def _sample(run: RunData, search: SearchRecord) -> dict[str, Any]:
    row = search.row
    doc = {
        "id": row.id,
        "question": search.question,
        "answer": row.gold,
        "level": row.level,
        "subject": search.subject,
        "repeat": row.repeat,
    }
    texts = [each.text for each in solutions(search)]
    prompt = search.question
    return {
        "doc_id": row.index,
        "doc": doc,
        "target": row.gold,
        "arguments": {"gen_args_0": {"arg_0": prompt, "arg_1": _generation(run)}},
        "resps": [texts],
        "filtered_resps": [row.answer or ""],
        "filter": str(search.selector or "none"),
        "metrics": [METRIC],
        "doc_hash": _hashed(json.dumps(doc, indent=2, ensure_ascii=False)),
        "prompt_hash": _hashed(prompt),
        "target_hash": _hashed(row.gold),
        METRIC: float(row.correct),
    }


def _generation(run: RunData) -> dict[str, Any]:
    """How solutions were sampled, under the names that the harness has."""
    config = run.manifest["config"]
    known = {"temperature": "temperature", "top_p": "top_p", "max_gen_toks": "max_tokens"}
    return {"method": run.method, **{name: config[key] for name, key in known.items() if key in config}}


def _results(run: RunData, task: str) -> dict[str, Any]:
    rights = [float(row.correct) for row in run.rows]
    mean = sum(rights) / len(rights)
    error = (sum([(right - mean) ** 2 for right in rights]) / max(len(rights) - 1, 1) / len(rights)) ** 0.5
    metrics = {"alias": task, f"{METRIC},none": mean, f"{METRIC}_stderr,none": error}
    config = {
        "task": task,
        "output_type": "generate_until",
        "repeats": run.experiment["repeats"],
        "metric_list": [{"metric": METRIC, "aggregation": "mean", "higher_is_better": True}],
        "metadata": dict(run.experiment),
    }
    return {
        "results": {task: metrics},
        "configs": {task: config},
        "versions": {task: 0},
        "n-shot": {task: 0},
        "higher_is_better": {task: {METRIC: True}},
        "n-samples": {task: {"original": run.wanted, "effective": len(rights)}},
        "config": {"model": "tt_scale", "model_args": _model(run), "random_seed": run.manifest["config"].get("seed")},
        "git_hash": run.manifest.get("commit"),
        "model_name": _model(run),
        "model_source": "tt_scale",
    }


def _model(run: RunData) -> str:
    return str(run.experiment.get("model_name", "unknown"))


def _task(run: RunData) -> str:
    return f"{name_of(str(run.experiment.get('dataset', 'unknown')))}-{run.method}"


def _plain(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._+=-]+", "-", text).strip("-.") or "unknown"


def _hashed(text: Any) -> str:
    return sha256(str(text).encode("utf-8", "surrogatepass")).hexdigest()
