"""vLLM's own server: the trees of the engine in this process, by token ids; chat and text beside."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("vllm")
pytest.importorskip("openai")

from engines import small
from tiny_prms import FAMILIES
from vllm_servers import vllm_server

from tt_scale.base_classes import PRM, Generator, Problem, Sampling, Step, StepRequest
from tt_scale.config import Config
from tt_scale.core.path import Path as Solution
from tt_scale.generator.openai.generator import OpenAIGenerator
from tt_scale.models import make_searcher, open_models
from tt_scale.pocket import model_folder, pocket_math
from tt_scale.pocket.problems import as_problem
from tt_scale.prm.server import PoolingServerPRM
from tt_scale.space.search_space import SearchSpace

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]

PROBLEMS = [as_problem(each) for each in pocket_math(20)[:20:5]]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    log = tmp_path_factory.mktemp("server") / "log"
    with vllm_server(model_folder("pocket-gen"), log, "--served-model-name", "pocket-gen") as address:
        yield address


def config_for(**own: Any) -> Config:
    keys = {"prm_name": "confidence", "method": "beam_search", "max_tokens": 120, "num_iterations": 4}
    return small(**{**keys, **own})


async def trees(config: Config, models: tuple[Generator, PRM | None]) -> list[Any]:
    """What a search by log-probabilities draws, one problem at a time, with what it costs."""
    found = []
    for problem in PROBLEMS:
        space = SearchSpace(problem, *models, config)
        outcome = await make_searcher(config).search(space)
        found.append((space.nodes, outcome, replace(space.usage, seconds=0.0)))
    return found


async def test_the_trees_of_the_engine_in_this_process(url: str) -> None:
    """Seeds, ids, log-probabilities, scores, cache hits and FLOPs: a run may move to a server and back."""
    served = config_for(base_url=url)
    async with open_models(served) as models:
        assert isinstance(models[0], OpenAIGenerator)
        over_http = await trees(served, models)
    own = config_for()
    async with open_models(own) as models:
        in_process = await trees(own, models)
    for (nodes, outcome, usage), (own_nodes, own_outcome, own_usage) in zip(over_http, in_process, strict=True):
        assert [without_counts(node) for node in nodes] == [without_counts(node) for node in own_nodes]
        assert outcome.stopped == own_outcome.stopped
        assert replace(usage, cached_prompt_tokens=0, flops=0) == replace(own_usage, cached_prompt_tokens=0, flops=0)
    assert sum(usage.cached_prompt_tokens for *_, usage in over_http) > 1000


def without_counts(path: Solution) -> Solution:
    """Without cache hits, which depend on what was asked before."""
    return replace(path, steps=tuple([replace(step, cached=0, prompt_tokens=0) for step in path.steps]))


async def drawn(url: str, **own: Any) -> list[Step]:
    """The first step of each problem, and the second behind it, under one seed."""
    generator = OpenAIGenerator.from_config(config_for(base_url=url, prm_name="none", method="greedy", **own))
    try:
        await generator.start()
        steps = []
        for problem in PROBLEMS:
            asked = StepRequest(generator.prompt(problem, ""), Sampling(0.8), ("\n\n",), 60, seed=17)
            [first] = await generator.generate([asked])
            [second] = await generator.generate([replace(asked, ids=asked.ids + first.ids)])
            steps += [first, second]
        return steps
    finally:
        await generator.close()


async def test_chat_says_the_same(url: str) -> None:
    """The server's template and `continue_final_message` give the prompt that is rendered here."""
    by_ids, by_chat = await drawn(url), await drawn(url, tokenizer="none")
    assert [step.text for step in by_ids] == [step.text for step in by_chat]
    assert [step.ended for step in by_ids] == [step.ended for step in by_chat]
    assert [len(step.ids) for step in by_ids] == [len(step.ids) for step in by_chat]
    assert [step.prompt_tokens for step in by_ids] == [step.prompt_tokens for step in by_chat]


async def test_choices(url: str) -> None:
    """In one request or one by one, as in this process; the judge lives on them."""
    generator = OpenAIGenerator.from_config(config_for(base_url=url))
    try:
        await generator.start()
        ids = generator.prompt(PROBLEMS[0], "")
        [at_once] = await generator.choose([ids], [20, 30, 40])
        await generator._chooser.separate()
        [single] = await generator.choose([ids], [20, 30, 40])
    finally:
        await generator.close()
    assert single.logprobs == pytest.approx(at_once.logprobs, abs=1e-4)


async def test_a_prm_that_answers_with_a_token(tmp_path: Path) -> None:
    """Served as a language model it scores as its authors' code does, and the cache has the steps before."""
    folder = tmp_path / "versa"
    folder.mkdir()
    FAMILIES["versa"].save(folder)
    texts = [f"add the numbers {number} and get {number + 3}." for number in range(9)]
    steps = tuple([Step(f"{text}\n\n", (1,), "stop") for text in texts])
    problem = Problem("p", "What is 12 + 30?", "42")
    with vllm_server(folder, tmp_path / "log") as url:
        config = small(prm_name=str(folder), prm_url=url, prm_adapter="versa")
        prm = PoolingServerPRM.from_config(config, None)  # type: ignore[arg-type]
        try:
            await prm.start()
            [whole] = await prm.score(problem, [Solution((0,) * 9, steps)])
            [last] = await prm.score(problem, [Solution((0,) * 9, steps, whole.values[:8])])
        finally:
            await prm.close()
    expected = FAMILIES["versa"].read(folder, problem.question, texts)
    assert whole.values == pytest.approx(expected, abs=1e-4)
    assert last.values == pytest.approx(expected[8:], abs=1e-4)
    assert last.cached > last.tokens / 2
