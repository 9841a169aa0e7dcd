"""Weights in fewer bits, as the configuration asks for them, in a generator and in a PRM."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from quantized import save_awq
from tiny_models import save_generator
from tiny_prms import FAMILIES

from tt_scale.base_classes import PRM, Problem, Sampling, Step, StepRequest
from tt_scale.config import Config
from tt_scale.core.path import Path as Solution
from tt_scale.errors import ConfigError
from tt_scale.generator.simulated import SimulatedGenerator
from tt_scale.pocket import pocket_math
from tt_scale.pocket.problems import as_problem

pytestmark = [pytest.mark.hf, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

engine = pytest.mark.filterwarnings(
    "ignore::FutureWarning", "ignore::UserWarning", "ignore:Unclosed context:ResourceWarning"
)
"""Of vLLM's own imports and sockets."""

SUM = Problem("p", "What is 12 + 30?", "42")
STEPS = [f"Step {number}: add {number} and get the number {number + 12}." for number in range(1, 7)]
BFLOAT16 = 0.1
"""Eight bits of mantissa, through two layers, in a product whose order of sums and inner type are the processor's: .04
without and .067 with AMX."""


async def scores_of(prm: PRM, problem: Problem, texts: list[str]) -> tuple[float, ...]:
    path = Solution((0,), tuple([Step(f"{text}\n\n", (1,), "stop") for text in texts]))
    [scores] = await prm.score(problem, [path])
    return scores.values


async def scored(prm: PRM) -> tuple[float, ...]:
    try:
        await prm.start()
        return await scores_of(prm, SUM, STEPS)
    finally:
        await prm.close()


def apart(some: Any, others: Any) -> float:
    return max([abs(one - other) for one, other in zip(some, others, strict=True)])


@pytest.mark.vllm
@engine
@pytest.mark.slow
@pytest.mark.parametrize("name", ["math-shepherd", "token-classifier"])
def test_awq_prm(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The scores are those of the packed numbers, and not of the weights that they were made from."""
    pytest.importorskip("vllm")
    from tt_scale.prm.huggingface import HuggingFacePRM
    from tt_scale.prm.vllm import VLLMPRM

    monkeypatch.setenv("TT_SCALE_CACHE", str(tmp_path / "cache"))
    family = FAMILIES[name]
    (tmp_path / "plain").mkdir()
    family.save(tmp_path / "plain")
    save_awq(tmp_path / "plain", tmp_path / "packed", tmp_path / "unpacked")

    def config(folder: str, **keys: Any) -> Config:
        asked = {"prm_adapter": family.name, "prm_args": dict(family.args)}
        return Config(prm_name=str(tmp_path / folder), max_model_len=512, kv_cache_gib=0.25, **asked, **keys)

    exact, before = [
        asyncio.run(scored(HuggingFacePRM.from_config(config(each, dtype="float32"), SimulatedGenerator())))
        for each in ("unpacked", "plain")
    ]
    found = asyncio.run(
        scored(VLLMPRM.from_config(config("packed", dtype="bfloat16", prm_quantization="awq"), SimulatedGenerator()))
    )
    assert apart(found, exact) < BFLOAT16
    assert apart(found, exact) < apart(found, before) / 2


@pytest.mark.vllm
@pytest.mark.slow
@engine
def test_awq_generator(tmp_path: Path) -> None:
    """As of the PRM: the log-probabilities of what is drawn."""
    pytest.importorskip("vllm")
    import torch
    from transformers import AutoModelForCausalLM

    from tt_scale.generator.vllm import VLLMGenerator

    plain = save_generator(tmp_path / "plain")
    save_awq(plain, tmp_path / "packed", tmp_path / "unpacked")

    async def drawn() -> tuple[tuple[int, ...], Step]:
        generator = VLLMGenerator.from_config(
            Config(
                model_name=str(tmp_path / "packed"), quantization="awq", dtype="bfloat16", max_model_len=256,
                kv_cache_gib=0.25, prm_name="judge",
            )
        )  # fmt: skip
        try:
            await generator.start()
            prompt = generator.prompt(SUM, "")
            [step] = await generator.generate([StepRequest(prompt, Sampling(1.0), (), 24, seed=1, top_logprobs=2)])
            return prompt, step
        finally:
            await generator.close()

    def logprobs(folder: str) -> list[float]:
        model = AutoModelForCausalLM.from_pretrained(tmp_path / folder, dtype=torch.float32).eval()
        with torch.no_grad():
            logits = model(torch.tensor([prompt + step.ids])).logits[0, len(prompt) - 1 : -1]
        found: list[float] = logits.log_softmax(-1).gather(-1, torch.tensor(step.ids)[:, None])[:, 0].tolist()
        return found

    prompt, step = asyncio.run(drawn())
    assert apart(step.logprobs, logprobs("unpacked")) < 2 * BFLOAT16
    assert apart(step.logprobs, logprobs("unpacked")) < apart(step.logprobs, logprobs("plain")) / 2


@pytest.mark.parametrize(
    ("asked", "kind", "most"), [("bnb-8bit", "Linear8bitLt", 0.01), ("bitsandbytes", "Linear4bit", 0.06)]
)
def test_bitsandbytes_prm(asked: str, kind: str, most: float) -> None:
    """The shipped PRM in fewer bits says nearly the same, and not quite; its head stays as it is."""
    pytest.importorskip("bitsandbytes")
    from tt_scale.prm.huggingface import HuggingFacePRM

    problems = pocket_math(12)

    async def verdicts(prm: HuggingFacePRM) -> tuple[list[float], set[str]]:
        try:
            await prm.start()
            kinds = {type(each).__name__ for each in prm._reader._model.base.modules()}  # type: ignore[union-attr]
            each = [await scores_of(prm, as_problem(problem), list(problem.steps)) for problem in problems]
            return [score for scores in each for score in scores], kinds
        finally:
            await prm.close()

    def made(**keys: Any) -> HuggingFacePRM:
        return HuggingFacePRM.from_config(
            Config(prm_name="pocket-prm", dtype="float32", max_model_len=512, kv_cache_gib=0.25, **keys),
            SimulatedGenerator(),
        )

    exact, plain_kinds = asyncio.run(verdicts(made()))
    found, kinds = asyncio.run(verdicts(made(prm_quantization=asked)))
    assert kind in kinds - plain_kinds
    gaps = [abs(one - other) for one, other in zip(found, exact, strict=True)]
    assert 1e-4 < sum(gaps) / len(gaps) < most


def test_packing_needs_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    from tt_scale.engines.transformers import quantization
    from tt_scale.pocket import model_folder

    monkeypatch.setattr(quantization, "find_spec", lambda name: None)
    config = Config(model_name="pocket-gen", quantization="bnb-8bit")
    with pytest.raises(ConfigError, match="bitsandbytes is not installed"):
        quantization.quantization(config, str(model_folder("pocket-gen")))
