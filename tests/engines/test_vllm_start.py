"""The pocket pair in two real engines on a CPU: what processes they take, what they leave, what they answer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("vllm")

pytestmark = [pytest.mark.vllm, pytest.mark.slow]

PROGRAM = """
import asyncio, json, os, sys

async def main():
    import psutil
    from tt_scale.engines.vllm import cpu as vllm_cpu
    from tt_scale.config import Config
    from tt_scale.models import open_models
    from tt_scale.solver import asolve
    from tt_scale.engines.vllm.engine import on_cpu

    if "workers" in sys.argv:
        vllm_cpu._single_process_executor = lambda: None
    config = Config(model_name="pocket-gen", prm_name="pocket-prm", generator="vllm", prm="vllm", dtype="float32",
                    max_model_len=512, max_tokens=160, kv_cache_gib=0.1, method="beam_search",
                    max_total_branches=4, keeping_branches=2)
    async with open_models(config) as models:
        names = [" ".join(each.cmdline()) for each in psutil.Process().children(recursive=True)]
        threads = os.environ["OMP_NUM_THREADS"]
        found = await asolve("A tin holds 12 pens. How many pens do 3 tins hold?", config, models=models)
        print(json.dumps({"cpu": on_cpu(), "processes": names, "threads": threads,
                          "texts": [path.text for path in found.outcome.pool],
                          "scores": [round(path.score, 3) for path in found.outcome.pool]}))

if __name__ == "__main__":
    asyncio.run(main())
"""


def started(tmp_path: Path, *arguments: str) -> dict[str, Any]:
    temporary = tmp_path / "temporary"
    temporary.mkdir(exist_ok=True)
    script = tmp_path / "start.py"
    script.write_text(PROGRAM)
    environment = {**os.environ, "TMPDIR": str(temporary), "XDG_CACHE_HOME": str(tmp_path / f"cache{arguments}")}
    environment.pop("VLLM_CACHE_ROOT", None)
    environment.pop("OMP_NUM_THREADS", None)
    done = subprocess.run(
        [sys.executable, str(script), *arguments],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert list(temporary.iterdir()) == []
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    if not found["cpu"]:
        pytest.skip("this vLLM runs on a GPU")
    return found


def test_one_process_for_each_engine_answers_as_two_do(tmp_path: Path) -> None:
    """vLLM's worker process imports everything once more and takes 160 MiB of /dev/shm; the answers are the same."""
    alone, with_workers = started(tmp_path), started(tmp_path, "workers")
    assert len([name for name in alone["processes"] if "VLLM::EngineCore" in name]) == 2
    assert not [name for name in alone["processes"] if "Worker" in name]
    assert len([name for name in with_workers["processes"] if "Worker" in name]) == 2
    assert int(alone["threads"]) >= 1
    assert alone["texts"]
    assert (alone["texts"], alone["scores"]) == (with_workers["texts"], with_workers["scores"])
