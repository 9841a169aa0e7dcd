"""PRMs that write before they judge: what they are given word for word, and a tiny model read independently."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path as FilePath
from typing import Any

import pytest
from margins import CLOSE
from tiny_models import save_generator, save_prm, save_tokenizer

from tt_scale.backends import resolve
from tt_scale.base_classes import Problem, Scores, Step, StepRequest
from tt_scale.config import Config
from tt_scale.core.path import Path
from tt_scale.errors import ConfigError, PRMError, SandboxError
from tt_scale.generator.language_model import Choice, LanguageModel
from tt_scale.generator.simulated import SimulatedGenerator
from tt_scale.generator.tokens import Tokens
from tt_scale.prm.generative.base import GenerativePRM
from tt_scale.prm.generative.genprm import GenPRM
from tt_scale.prm.generative.thinkprm import ThinkPRM
from tt_scale.registry import generator_class, prm_class
from tt_scale.sandbox import Limits, Result

pytestmark = [pytest.mark.hf, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

PROBLEM = Problem("p", "What is 12 + 30? Ignore <|im_end|>.", "42")
STEPS = ["Step 1: add 12 and 30.", "Get 42.", "Done."]
Writer = Callable[[str], str]


class Scripted(LanguageModel):
    """A language model that writes what a function of the prompt says, and finds "yes" likelier by `odds`."""

    def __init__(self, folder: FilePath, write: Writer, odds: float = 3.0, context: int = 100_000) -> None:
        self.tokens = Tokens.load(str(folder))
        self.context = context
        self.parameters = 1
        self.write = write
        self.odds = odds
        self.requests: list[StepRequest] = []
        self.prompts: list[str] = []
        self.asked: list[str] = []

    @classmethod
    def from_config(cls, config: Config) -> Scripted:
        raise NotImplementedError

    def text(self, ids: Sequence[int]) -> str:
        return str(self.tokens.tokenizer.decode(list(ids), clean_up_tokenization_spaces=False))

    async def generate(self, requests: Sequence[StepRequest]) -> list[Step]:
        self.requests += requests
        self.prompts += [self.text(request.ids) for request in requests]
        texts = [self.write(self.text(request.ids)) for request in requests]
        return [Step(text, self.tokens.encode(text), "stop", cached=5) for text in texts]

    async def choose(self, prompts: Sequence[tuple[int, ...]], choices: Sequence[int]) -> list[Choice]:
        self.asked += [self.text(prompt) for prompt in prompts]
        return [Choice((math.log(self.odds), 0.0), cached=7) for _ in prompts]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> FilePath:
    """A config.json and a tokenizer: all that a PRM reads of a model that is scripted."""
    found = tmp_path_factory.mktemp("scripted")
    save_generator(found)
    return found


def path_of(texts: Sequence[str], scores: tuple[float, ...] = ()) -> Path:
    return Path((0,) * len(texts), tuple([Step(f"{text}\n\n", (1,), "stop") for text in texts]), scores)


async def made(kind: type[GenerativePRM], model: LanguageModel, folder: FilePath, **knobs: Any) -> Any:
    config = Config(model_name=str(folder), prm_name=str(folder), prm_args=knobs)
    prm = kind.from_config(config, model)
    await prm.start()
    return prm


THINK_PROMPT = (
    "<|im_start|>user\nYou are given a math problem and a proposed step-by-step solution:\n\n[Math Problem]\n\n"
    "What is 12 + 30? Ignore <|im_end|>.\n\n[Solution]\n\n{steps}\n\n"
    "Review and critique each step in the proposed solution to determine whether each step is correct. "
    "If the solution is incomplete, only verify the provided steps.<|im_end|>\n<|im_start|>assistant\n"
    "\nLet's verify step by step:"
)


async def test_thinkprm_word_for_word(folder: FilePath) -> None:
    """A chain that talks on to a step that is not there would judge what nobody wrote."""
    wrote = {1: " Right.\n\nStep 2: I go on", 2: " Right.\nIs the solution correct? Yes", 3: " Hm.</think> So"}
    model = Scripted(folder, lambda prompt: wrote[prompt.count("\nStep ")])
    prm = await made(ThinkPRM, model, folder)
    first, rest = await prm.score(PROBLEM, [path_of(STEPS[:1]), path_of(STEPS, (0.5,))])
    prompts = [
        THINK_PROMPT.format(steps="\n".join(steps))
        for steps in (
            ["Step 1: add 12 and 30."],
            ["Step 1: add 12 and 30.", "Step 2: Get 42."],
            ["Step 1: add 12 and 30.", "Step 2: Get 42.", "Step 3: Done."],
        )
    ]
    assert model.prompts == prompts
    asked = "\nIs the solution correct?"
    assert model.asked == [
        f"{prompts[0]} Right.\n\n{asked}", f"{prompts[1]} Right.\n{asked}", f"{prompts[2]} Hm.{asked}"
    ]  # fmt: skip
    assert first.values == pytest.approx((0.75,))
    assert rest.values == pytest.approx((0.75, 0.75))
    # every token given and written counts, twice where the prompt is given again for the verdict
    given = len(model.requests[0].ids)
    verdict = len(model.tokens.encode(f" Right.\n\n{asked}"))
    assert first.tokens == given + len(model.tokens.encode(wrote[1])) + given + verdict
    assert first.cached == 5 + 7


async def test_special_tokens_of_data_are_text(folder: FilePath) -> None:
    model = Scripted(folder, lambda _: "fine")
    prm = await made(ThinkPRM, model, folder)
    await prm.score(PROBLEM, [path_of(["a <|im_end|> b"])])
    end = model.tokens.id_of("<|im_end|>")
    assert model.requests[0].ids.count(end) == 1  # that of the template


async def test_samples_are_averaged_and_repeat(folder: FilePath) -> None:
    """Chains with one seed would be one chain; seeds from a path's place would give two verdicts for one text."""
    model = Scripted(folder, lambda _: "fine")
    prm = await made(ThinkPRM, model, folder, samples=3)
    [whole] = await prm.score(PROBLEM, [path_of(STEPS[:2])])
    seeds = {(len(request.ids), request.seed) for request in model.requests}
    assert len(seeds) == len({seed for _, seed in seeds}) == 6
    model.requests.clear()
    other = Path((4, 2), path_of(STEPS[:2]).steps, (0.5,))
    [last] = await prm.score(PROBLEM, [other])
    assert len(model.requests) == 3
    assert {(len(request.ids), request.seed) for request in model.requests} < seeds
    assert whole.values[1:] == last.values


async def test_verdicts_of_samples(folder: FilePath) -> None:
    model = Scripted(folder, lambda _: "fine")
    drawn = iter([3.0, 1.0])  # odds: shares 0.75 and 0.5

    async def choose(prompts: Sequence[tuple[int, ...]], choices: Sequence[int]) -> list[Choice]:
        return [Choice((math.log(next(drawn)), 0.0))]

    model.choose = choose  # type: ignore[method-assign]
    prm = await made(ThinkPRM, model, folder, samples=2)
    [found] = await prm.score(PROBLEM, [path_of(STEPS[:1])])
    assert found.values == pytest.approx((0.625,))


async def test_too_long_is_said(folder: FilePath) -> None:
    """A verification that is cut short is none."""
    model = Scripted(folder, lambda _: "fine")
    prm = await made(ThinkPRM, model, folder, chain_tokens=50)
    await prm.score(PROBLEM, [path_of(STEPS)])
    longest = max(len(request.ids) for request in model.requests)
    for context, fits in ((longest + 50 + 64, True), (longest + 50 + 63, False)):
        model.context = context
        [found] = await prm.score(PROBLEM, [path_of(STEPS)])
        assert (len(found.values), found.too_long) == ((3, False) if fits else (0, True))


HEAD = "<|im_start|>system\nYou are a math teacher. Your task is to review and critique the paragraphs in solution step by step.<|im_end|>\n"  # noqa: E501
TURN = "<|im_start|>user\n{asked}<|im_end|>\n<|im_start|>assistant\n"
THOUGHT = "<analyze>\nLet's analyze the Paragraph {number} step by step: "
JUDGED = "<output>\n**Judgement**: $\\boxed{"


async def test_genprm_word_for_word(folder: FilePath) -> None:
    """Later paragraphs are judged after the critiques of the earlier ones, each ended by its likelier verdict."""
    model = Scripted(folder, lambda prompt: f"thought {prompt.count('<analyze>')}.</analyze>\n<verify>")
    prm = await made(GenPRM, model, folder)
    [first] = await prm.score(PROBLEM, [path_of(STEPS[:1])])
    opening = HEAD + TURN.format(asked=f"Question: {PROBLEM.question}\n\n{STEPS[0]}") + THOUGHT.format(number=1)
    assert model.prompts == [opening]
    assert model.asked == [f"{opening}thought 1.</analyze>\n{JUDGED}"]
    assert first.values == pytest.approx((0.75,))
    model.odds = 0.25
    [second] = await prm.score(PROBLEM, [path_of(STEPS[:2], (0.75,))])
    closing = (
        f"{model.asked[0]}Yes}}$\n</output>\n<|im_end|>\n" + TURN.format(asked=STEPS[1]) + THOUGHT.format(number=2)
    )
    assert model.prompts[1:] == [closing]  # one critique more, not two
    assert second.values == pytest.approx((0.2,))
    [third] = await prm.score(PROBLEM, [path_of(STEPS, (0.75, 0.2))])
    assert "boxed{No}$" in model.prompts[-1]
    assert len(third.values) == 1


async def test_genprm_forgotten_critiques_come_back(folder: FilePath) -> None:
    """Whole at once, one by one, or by a PRM that knows nothing of the path yet: the same chains, by their seeds."""
    model = Scripted(folder, lambda _: "fine</analyze>\n")
    [whole] = await (await made(GenPRM, model, folder)).score(PROBLEM, [path_of(STEPS)])
    seeds = [request.seed for request in model.requests]
    assert len(set(seeds)) == 3
    model.requests.clear()
    [last] = await (await made(GenPRM, model, folder)).score(PROBLEM, [path_of(STEPS, (0.5, 0.5))])
    assert [request.seed for request in model.requests] == seeds
    assert last.values == whole.values[2:]
    assert last.tokens == whole.tokens


async def test_genprm_forgets_without_harm(folder: FilePath, monkeypatch: pytest.MonkeyPatch) -> None:
    """Critiques of other paths may push out those of a path that is being judged; it is judged after its own."""
    prompts = []
    for remembered in (4096, 1):
        monkeypatch.setattr("tt_scale.prm.generative.genprm.MAX_CRITIQUES", remembered)
        model = Scripted(folder, lambda prompt: f"thought {prompt.count('<analyze>')}</analyze>\n")
        prm = await made(GenPRM, model, folder)
        await prm.score(PROBLEM, [path_of(STEPS), path_of(["Other.", *STEPS])])
        prompts.append(model.prompts)
    assert sorted(prompts[0]) == sorted(prompts[1])
    assert any("thought 3" in prompt for prompt in prompts[0])


async def test_genprm_runs_code_only_when_told(folder: FilePath, monkeypatch: pytest.MonkeyPatch) -> None:
    """Off by default; with it, the model sees what its code printed, and writes code three times at most."""
    ran: list[str] = []

    async def run(code: str) -> Result:
        ran.append(code)
        return Result("42\n", "", 0, Limits())

    monkeypatch.setattr("tt_scale.prm.generative.genprm.run_code", run)
    monkeypatch.setattr("tt_scale.prm.generative.genprm.require_sandbox", lambda: ran.append("checked"))

    def write(prompt: str) -> str:
        if prompt.endswith("step by step: "):
            return "hm</analyze>\n"
        return "print(12 + 30)\n```\n" if prompt.endswith("```python\n") else "Again:\n```python\nmore"

    model = Scripted(folder, write)
    await (await made(GenPRM, model, folder)).score(PROBLEM, [path_of(STEPS[:1])])
    assert ran == []
    await (await made(GenPRM, model, folder, code=True)).score(PROBLEM, [path_of(STEPS[:1])])
    assert ran == ["checked", *["print(12 + 30)"] * 3]
    said = model.asked[-1]
    block = "```python\nprint(12 + 30)\n```\n[Code Output]\n\n```\n42\n```\n"
    begun = "</analyze>\n<verify>\nLet's use python code to find any potential error:\n"
    assert f"{begun}{block}Again:\n{block}Again:\n{block}{JUDGED}" in said


async def test_genprm_without_a_sandbox_does_not_start(folder: FilePath, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line at the start, and not one for each problem; a sandbox that fails later fails a problem."""

    def missing(*_: object) -> None:
        raise SandboxError("There is no `bwrap` in PATH.", "Type: apt install bubblewrap.")

    async def broken(code: str) -> Result:
        raise SandboxError("bubblewrap did not create a sandbox.")

    model = Scripted(folder, lambda _: "x</analyze>\n```python\n1\n```\n")
    monkeypatch.setattr("tt_scale.prm.generative.genprm.require_sandbox", missing)
    with pytest.raises(PRMError, match=r"apt install bubblewrap\. Or leave `code` out of prm_args\."):
        await made(GenPRM, model, folder, code=True)
    monkeypatch.setattr("tt_scale.prm.generative.genprm.require_sandbox", lambda: None)
    monkeypatch.setattr("tt_scale.prm.generative.genprm.run_code", broken)
    prm = await made(GenPRM, model, folder, code=True)
    with pytest.raises(PRMError, match="did not create a sandbox"):
        await prm.score(PROBLEM, [path_of(STEPS[:1])])


async def test_genprm_too_long_in_the_middle(folder: FilePath) -> None:
    """Critiques are not known before they are written: the context may end behind any of them."""
    model = Scripted(folder, lambda _: "12 " * 300 + "</analyze>\n", context=1000)
    prm = await made(GenPRM, model, folder, chain_tokens=400)
    [found] = await prm.score(PROBLEM, [path_of(STEPS)])
    assert found.too_long
    assert found.values == ()
    assert found.tokens > 300  # what was written counts all the same


def greedy(folder: FilePath, text: str, most: int) -> tuple[str, Any]:
    """Let Transformers write the likeliest tokens one by one, and give them with a reader of next-token logits."""
    import torch
    from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()

    def encoded(said: str) -> list[int]:
        before, _, after = said.partition("<|im_end|>.")  # that of the question is text: cut in two
        halves = (f"{before}<", f"|im_end|>.{after}")
        return [token for half in halves for token in tokenizer.encode(half, add_special_tokens=False)]

    def logits(ids: list[int]) -> Any:
        with torch.no_grad():
            return model(torch.tensor([ids])).logits[0, -1]

    ids, written = encoded(text), []
    for _ in range(most):
        written.append(int(logits([*ids, *written]).argmax()))
        if written[-1] == tokenizer.eos_token_id:
            break

    def share(said: str, words: list[str]) -> float:
        chosen = [tokenizer.encode(word, add_special_tokens=False)[0] for word in words]
        return float(torch.softmax(logits(encoded(said))[chosen], -1)[0])

    return tokenizer.decode(written, skip_special_tokens=True), share


async def tiny_scores(folder: FilePath, kind: str, engine: str, steps: Sequence[str]) -> tuple[Scores, Scores]:
    """A model of its own, greedy; the same path twice."""
    config = Config(
        model_name=str(folder.parent / "other"), prm_name=str(folder), generator=engine, prm=kind, dtype="float32",
        max_model_len=1300, kv_cache_gib=0.25, prm_args={"temperature": 0.0, "chain_tokens": 12},
    )  # fmt: skip
    prm = prm_class(kind).from_config(config, generator_class(engine).from_config(config))
    try:
        await prm.start()
        [found] = await prm.score(PROBLEM, [path_of(steps)])
        [again] = await prm.score(PROBLEM, [path_of(steps)])
        assert prm.parameters > 10_000
    finally:
        await prm.close()
    return found, again


def tiny_expected(folder: FilePath, kind: str) -> float:
    if kind == "thinkprm":
        opening = THINK_PROMPT.format(steps=STEPS[0])
        chain, share = greedy(folder, opening, 12)
        wanted = share(f"{opening}{chain}\nIs the solution correct?", [" Yes", " No"])
    else:
        opening = HEAD + TURN.format(asked=f"Question: {PROBLEM.question}\n\n{STEPS[0]}") + THOUGHT.format(number=1)
        chain, share = greedy(folder, opening, 12)
        wanted = share(f"{opening}{chain}</analyze>\n{JUDGED}", ["Yes", "No"])
    assert 0.01 < wanted < 0.99
    return wanted


@pytest.mark.parametrize("kind", ["thinkprm", "genprm"])
async def test_tiny_model(tmp_path: FilePath, kind: str) -> None:
    """On Transformers, against a plain loop over the likeliest tokens."""
    folder = save_generator(tmp_path / "writer", context=1500)
    found, again = await tiny_scores(folder, kind, "huggingface", STEPS[:1])
    assert found.values == pytest.approx((tiny_expected(folder, kind),), abs=CLOSE)
    assert again.values == pytest.approx(found.values, abs=CLOSE)


@pytest.mark.vllm
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::FutureWarning")  # of vLLM's own imports
@pytest.mark.filterwarnings("ignore:Unclosed context:ResourceWarning")  # of vLLM's own sockets
@pytest.mark.parametrize("kind", ["thinkprm", "genprm"])
def test_tiny_model_on_vllm(tmp_path: FilePath, kind: str) -> None:
    """The same on vLLM, where what was read before is not computed again."""
    pytest.importorskip("vllm")
    folder = save_generator(tmp_path / "writer", context=1500)
    found, again = asyncio.run(tiny_scores(folder, kind, "vllm", STEPS[:1]))
    assert found.values == pytest.approx((tiny_expected(folder, kind),), abs=CLOSE)
    assert again.values == pytest.approx(found.values, abs=CLOSE)
    assert 0 < found.cached < again.cached < again.tokens == found.tokens


def test_found_by_name() -> None:
    for name, backend in (("launch/ThinkPRM-1.5B", "thinkprm"), ("GenPRM/GenPRM-7B", "genprm"), ("a/PRM", "vllm")):
        assert resolve(Config(prm_name=name, generator="vllm")).prm_backends == backend
    adapted = Config(prm_name="launch/ThinkPRM-1.5B", generator="vllm", prm_adapter="versa")
    assert resolve(adapted).prm_backends == "vllm"


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"prm_args": {"sample": 2}}, "'samples'"),
        ({"prm_args": {"code": True}}, "which this PRM does not have"),
        ({"prm_args": {"samples": 0}}, "1 or more"),
        ({"prm_args": {"samples": "two"}}, "do not fit"),
        ({"prm_args": {"samples": 2, "temperature": 0}}, "above 0"),
        ({"prm_device": "cuda:1"}, "--prm-device"),
    ],
)
def test_refused(folder: FilePath, keys: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(told)):
        ThinkPRM.from_config(Config(prm_name="x", **keys), Scripted(folder, str))


async def test_what_cannot_write_is_refused(tmp_path: FilePath, folder: FilePath) -> None:
    scorer = save_prm(tmp_path)
    prm = ThinkPRM.from_config(Config(prm_name=str(scorer)), Scripted(folder, str))
    with pytest.raises(PRMError, match="cannot generate text"):
        await prm.start()
    await prm.close()
    with pytest.raises(ConfigError, match="not a language model"):
        ThinkPRM.from_config(Config(model_name="simulated", prm_name=str(folder)), SimulatedGenerator())


async def test_words_of_the_verdict_must_be_tokens(tmp_path: FilePath, folder: FilePath) -> None:
    save_generator(tmp_path)
    model = Scripted(folder, str)
    model.tokens = Tokens(save_tokenizer(tmp_path, text=["nothing of that kind"]), "other")
    with pytest.raises(PRMError, match="' Yes'"):
        await made(ThinkPRM, model, tmp_path)


def test_costs_are_said() -> None:
    assert not ThinkPRM.causal
    assert set(ThinkPRM.knobs) < set(GenPRM.knobs)
    for kind in (ThinkPRM, GenPRM):
        taken = [getattr(base.__init__, "__kwdefaults__", None) or {} for base in kind.__mro__]
        assert set(kind.knobs) == {name for each in taken for name in each}
