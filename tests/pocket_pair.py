"""The shipped pair at work: the same solutions and scores are asked of every engine that can run it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from margins import assert_decided

from tt_scale.base_classes import Sampling, Step, StepRequest
from tt_scale.config import Config
from tt_scale.core.path import Path
from tt_scale.pocket import model_folder, pocket_math
from tt_scale.pocket.problems import as_problem

PROBLEMS = pocket_math(20)
CONFIG = Config(model_name="pocket-gen", prm_name="pocket-prm", dtype="float32", max_model_len=512, kv_cache_gib=0.25)


async def sampled(generator: Any) -> tuple[list[Step], list[tuple[StepRequest, Step]]]:
    """Greedy solutions, and what was asked for and drawn at a temperature at which unlikely tokens are."""
    greedy = [
        StepRequest(generator.prompt(as_problem(each), "Solve it."), Sampling(0.0), (), 160, 1, top_logprobs=20)
        for each in PROBLEMS
    ]
    wild = Sampling(2.0, repetition_penalty=1.3)
    hot = [replace(each, sampling=wild, max_tokens=40, top_logprobs=2) for each in greedy[:5]]
    steps = await generator.generate(greedy)
    assert_decided(model_folder("pocket-gen"), greedy, steps)
    return steps, list(zip(hot, await generator.generate(hot), strict=True))


def assert_same_solutions(steps: list[Step], others: list[Step]) -> None:
    """The same tokens, as likely."""
    assert [step.ids for step in steps] == [step.ids for step in others]
    assert [step.text for step in steps] == [step.text for step in others]
    for step, other in zip(steps, others, strict=True):
        assert step.logprobs == pytest.approx(other.logprobs, abs=1e-3)
        assert step.confidences == pytest.approx(other.confidences, abs=1e-3)


def assert_likelihoods(drawn: list[tuple[StepRequest, Step]]) -> None:
    """Against a plain forward of the model over prompt and tokens."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(model_folder("pocket-gen"), dtype=torch.float32)
    outside = 0
    for request, step in drawn:
        with torch.no_grad():
            logits = model(torch.tensor([request.ids + step.ids])).logits[0, len(request.ids) - 1 : -1]
        expected = torch.log_softmax(logits, dim=-1)
        likeliest = expected.topk(2, dim=-1)
        own = expected.gather(-1, torch.tensor(step.ids)[:, None]).squeeze(-1)
        assert step.logprobs == pytest.approx(own.tolist(), abs=1e-3)
        assert step.confidences == pytest.approx((-likeliest.values.mean(dim=-1)).tolist(), abs=1e-3)
        outside += sum(token not in best for token, best in zip(step.ids, likeliest.indices.tolist(), strict=True))
    assert outside > 5


async def scored(prm: Any) -> list[list[float]]:
    """Right solutions, and the same with the last operation's numbers spoilt; step by step, as a search asks."""
    found = []
    for each in PROBLEMS[:10]:
        spoilt = [*each.steps[:-2], each.steps[-2].replace(" = ", " = 9"), each.steps[-1]]
        for texts in (each.steps, spoilt):
            known: tuple[float, ...] = ()
            for end in range(1, len(texts) + 1):
                path = Path((0,), tuple(Step(f"{text}\n\n", (1,), "stop") for text in texts[:end]), known)
                [scores] = await prm.score(as_problem(each), [path])
                known += scores.values
            found.append(list(known))
    return found


async def opened(model: Any, ask: Any) -> Any:
    """Start a model, ask it, and close it."""
    try:
        await model.start()
        return await ask(model)
    finally:
        await model.close()
