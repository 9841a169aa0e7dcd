"""Run folders made by hand, as `bench` would have written them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

STORED = Path(__file__).parent / "data" / "old_run" / "manifest.json"

HOSTILE = (
    "<script>document.title = 'owned'</script>",
    "</script><img src=x onerror=\"document.title='owned'\">",
    "\x1b[31mred\x1b]0;owned\x07 \x9b2J \u202eesrever\u200b",
    '=HYPERLINK("http://example.com","x")',
    r"$\text{</math><script>alert(1)</script>}$ and $\href{javascript:alert(1)}{x}$ and $" + "{" * 5000,
    "| a | [b](javascript:c) `d` \\end{tabular} & % # _ ~ ^",
)
"""Texts that are text everywhere, or somebody is owned."""


def node(key: str, text: str, score: float = 0.5, **more: Any) -> dict[str, Any]:
    """A path of one step, or of several where `steps` gives their texts."""
    texts = more.pop("steps", [text])
    ended = more.pop("ended", "stop")
    return {
        "key": key,
        "state": "open",
        "score": score,
        "from": max(key.count(".") - 1, 0),
        "scores": [score] * len(texts),
        "usage": {"generated_tokens": 4 * len(texts)},
        "steps": [
            {"text": each, "ids": [1, 2, 3, 4], "ended": ended, "seed": 7, "temperature": 0.7, "cached": 0}
            for each in texts
        ],
        **more,
    }


def member(key: str, answer: str | None, grade: str, score: float = 0.5, number: int = 0) -> dict[str, Any]:
    """A path of a pool; `number` is the class of its answer."""
    return {"key": key, "answer": answer, "class": number, "grade": grade, "score": score, "tokens": 8}


def record(index: int, tree: list[dict[str, Any]], pool: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    """A search whose answer is that of the best of its pool."""
    best = max(pool, key=lambda each: float(each["score"]), default=None)
    tokens = sum([each["usage"]["generated_tokens"] for each in tree])
    return {
        "index": index,
        "id": f"p-{index}",
        "repeat": 0,
        "level": index % 3 + 1,
        "subject": ("algebra", "geometry")[index % 2],
        "question": f"What is {index} + {index}?",
        "gold": str(2 * index),
        "answer": best["answer"] if best else None,
        "grade": best["grade"] if best else "no_answer",
        "selector": "best",
        "selectors": {"best": {"1": best["grade"]}} if best else {},
        "stopped": "enough",
        "error": "",
        "usage": {"generated_tokens": tokens, "generator_calls": len(tree), "prm_tokens": 50, "seconds": 0.5 + index},
        "telemetry": {"steps": 2, "nodes": len(tree), "pool": len(pool), "wasted_tokens": 0},
        "pool": pool,
        "events": [],
        "tree": tree,
        **more,
    }


def retried(index: int, texts: tuple[str, str] = ("One.\n\n", "Two.\n\n"), answer: str | None = None) -> dict[str, Any]:
    """A search of `collective` that retried once.

    0.0 ─ 0.0.0 (fails)     1.0 ─ 1.0.0 (passes, protected)
        └ 0.0.1, 0.0.2 (equal, fail)   1.0.1 = the answer, 1.0.2 in the pool
    """
    answer = str(2 * index) if answer is None else answer
    grade = "correct" if answer == str(2 * index) else "wrong"
    tree = [
        node("0.0", texts[0], 0.9),
        node("1.0", texts[0], 0.8),
        node("0.0.0", texts[1], 0.2),
        node("1.0.0", texts[1], 0.7),
        node("0.0.1", "Three.\n\n", 0.1),
        node("0.0.2", "Three.\n\n", 0.1),
        node("1.0.1", rf"So it is \boxed{{{answer}}}.", 0.9, state="finished", ended="eos"),
        node("1.0.2", rf"So it is \boxed{{{answer}}}.", 0.9, state="finished", ended="eos"),
    ]
    pool = [member("1.0.1", answer, grade, 0.9), member("1.0.2", answer, grade, 0.9)]
    events = [
        {"kind": "backtrack", "keys": ["0.0", "1.0"], "created": 4},
        {"kind": "retry", "keys": ["0.0", "1.0"], "created": 4},
    ]
    return record(index, tree, pool, events=events)


def write_run(folder: Path, records: list[dict[str, Any]], *, wanted: int | None = None, **experiment: Any) -> Path:
    """A run folder with these records.

    Args:
        folder: of the run.
        records: of its journal.
        wanted: problems of the whole set; as many as there are records where it is None.
        experiment: keys that differ from those of a stored run.
    """
    manifest = json.loads(STORED.read_text(encoding="utf-8"))
    count = len(records) if wanted is None else wanted
    own = {"method": "collective", "tau": 0.6, "problems": f"{count} (abc)", "dataset": "made-by-hand", **experiment}
    manifest["experiment"] |= own
    manifest["config"] |= {key: value for key, value in own.items() if key in manifest["config"]}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    lines = "".join([json.dumps(each) + "\n" for each in records])
    (folder / "problems.jsonl").write_text(lines, encoding="utf-8")
    return folder
