"""Searches through a proxy that breaks answers of real servers: they end as without it, and cost the same."""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

pytest.importorskip("openai")
pytest.importorskip("fastapi")
pytest.importorskip("prometheus_client")
pytest.importorskip("uvicorn")

from engines import small
from fake_servers import proxied
from serve.running import running

from tt_scale.config import Config
from tt_scale.core.path import Path as SolutionPath
from tt_scale.core.solution import Solution
from tt_scale.pocket import model_folder, pocket_math
from tt_scale.pocket.problems import as_problem
from tt_scale.solver.async_solver import AsyncSolver

FAULTS = ("drop", "cut", "500", "429", "503", "json", "counts")
SHARE = 0.3


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tt_scale.engines.endpoints.retries.FIRST_WAIT", 0.01)
    for name in ("OPENAI_API_KEY", "TT_SCALE_GENERATOR_API_KEY", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


def at_random(faults: tuple[str, ...]) -> Callable[[], str]:
    """A few good answers, each fault once, then three answers in ten."""
    chance, first = Random(7), deque(["", "", "", "", *faults])
    return lambda: first.popleft() if first else chance.choice(faults) if chance.random() < SHARE else ""


@contextmanager
def broken(upstream: str, faults: tuple[str, ...]) -> Iterator[tuple[str, Counter[str]]]:
    """The address of a proxy before a server, and the faults that it made, filled at the end."""
    made: Counter[str] = Counter()
    with proxied(upstream, at_random(faults)) as proxy:
        yield proxy.url, made
        made.update(proxy.made)


async def solved(config: Config, questions: list[str]) -> list[Solution]:
    """One question after the other, without what depends on the clock and on what was cached."""
    solver, found = AsyncSolver(config), []
    try:
        await solver.open()
        for question in questions:
            solution = await solver.solve(question)
            assert not solution.error
            usage = replace(solution.usage, seconds=0.0, flops=0.0, cached_prompt_tokens=0, cached_prm_tokens=0)
            found.append(replace(solution, usage=usage))
    finally:
        await solver.close()
    return found


def trees(solutions: list[Solution]) -> list[Any]:
    """Everything but cache hits."""
    return [(solution.answer, solution.usage, [*map(plain, solution.outcome.pool)]) for solution in solutions]


def plain(path: SolutionPath) -> SolutionPath:
    return replace(path, steps=tuple([replace(step, cached=0) for step in path.steps]))


@pytest.mark.hf
async def test_whole_answers_of_our_own_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its virtual models sample for another search, whose answers are those of a quiet line."""
    questions = [f"Simulated problem {number}: level 3, 5 steps." for number in range(3)]
    known = [{"role": "user", "content": questions[0]}]  # the simulated world answers no others, so not the probe's
    monkeypatch.setattr("tt_scale.generator.openai.chat_probing.ASKED", known)
    keys: dict[str, Any] = {"model_name": "greedy", "generator": "openai", "prm_name": "none", "N": 4}
    with running() as server:
        config = Config(**keys, method="self_consistency", max_retries=30, max_model_len=4096, base_url=server.url)
        quiet = await solved(config, questions)
        with broken(server.url, FAULTS) as (url, made):
            found = await solved(config.changed(base_url=url), questions)
    assert set(made) == set(FAULTS)
    assert all(len(solution.outcome.pool) == 4 for solution in quiet)
    assert trees(found) == trees(quiet)


@pytest.mark.vllm
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
async def test_steps_and_scores_of_vllm(tmp_path: Path) -> None:
    """Generator and PRM behind vLLM's own servers, both lines broken, with bodies that come too slowly among it."""
    pytest.importorskip("vllm")
    from vllm_servers import vllm_server

    questions = [as_problem(each).question for each in pocket_math(20)[:20:5]]
    pooler = json.dumps({"task": "token_classify", "tok_pooling_type": "ALL"})
    pooling = ("--runner", "pooling", "--pooler-config", pooler)
    faults = (*FAULTS, "slow")
    with (
        vllm_server(model_folder("pocket-gen"), tmp_path / "gen", "--served-model-name", "pocket-gen") as generator,
        vllm_server(model_folder("pocket-prm"), tmp_path / "prm", *pooling) as prm,
    ):
        keys = {"prm_name": "pocket-prm", "method": "beam_search", "N": 4, "max_tokens": 120, "num_iterations": 4}
        config = small(**keys, base_url=generator, prm_url=prm, max_retries=30, request_timeout=12.0)
        quiet = await solved(config, questions)
        with broken(generator, faults) as (url, made), broken(prm, faults) as (prm_url, made_of_prm):
            found = await solved(config.changed(base_url=url, prm_url=prm_url), questions)
    assert set(made) == set(made_of_prm) == set(faults)
    assert sum([len(solution.outcome.pool) for solution in quiet]) > len(questions)
    assert trees(found) == trees(quiet)
