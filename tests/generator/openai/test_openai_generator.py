"""The generator behind a server: what is asked, what is made of answers, for every kind of server."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("openai")
pytest.importorskip("transformers")

from fake_servers import Fake, serving, words
from tiny_tokenizers import byte_level

from tt_scale.base_classes import Problem, Sampling, Step, StepRequest
from tt_scale.config import Config
from tt_scale.core.text_id import TextId
from tt_scale.errors import ConfigError, EngineDeadError, GeneratorError, MissingExtraError
from tt_scale.generator.openai.generator import OpenAIGenerator, whole_answer_methods
from tt_scale.generator.tokens import Tokens
from tt_scale.models import make_searcher
from tt_scale.solver import asolve
from tt_scale.space.search_space import SearchSpace

pytestmark = pytest.mark.hf

QUESTION = "What is 12 and 30?"
PROBLEM = Problem("p", QUESTION, "42")
WARM = Sampling(0.7)
SEED = 2**47 + 12345
POCKET = Tokens.load("pocket-gen")

KINDS: dict[str, dict[str, Any]] = {
    "ids, as vLLM": {"tokens": POCKET, "takes_ids": True, "returns_ids": True, "end_field": "stop_reason"},
    "ids, the end unnamed": {"tokens": POCKET, "takes_ids": True, "returns_ids": True},
    "ids in prompts, as older SGLang": {"tokens": POCKET, "takes_ids": True, "end_field": "matched_stop"},
    "text, stop strings kept": {"tokens": POCKET, "end_field": "stop_reason", "keeps_stop": True},
    "text, as llama.cpp": {"tokens": POCKET},
    "text, strict": {"tokens": POCKET, "strict": True},
    "chat, as vLLM": {"completions": False, "continues": "continue_final_message", "end_field": "stop_reason"},
    "chat, as Ollama": {"completions": False, "continues": "any"},
    "chat, as Mistral": {"completions": False, "continues": "prefix"},
}
CONTINUING = [*KINDS]


@pytest.fixture(autouse=True)
def _no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "TT_SCALE_GENERATOR_API_KEY", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


@contextmanager
def server(kind: str, **own: Any) -> Iterator[Fake]:
    with serving(Fake(**{**KINDS[kind], **own})) as fake:
        yield fake


def config_for(*fakes: Fake, **own: Any) -> Config:
    keys = {"model_name": "pocket-gen", "prm_name": "none", "base_url": ", ".join([fake.url for fake in fakes])}
    return Config(**{**keys, "max_model_len": 512, "max_retries": 2, **own})


@asynccontextmanager
async def started(*fakes: Fake, **own: Any) -> AsyncIterator[OpenAIGenerator]:
    generator = OpenAIGenerator.from_config(config_for(*fakes, **own))
    try:
        await generator.start()
        for fake in fakes:
            fake.asked.clear()
        yield generator
    finally:
        await generator.close()
        await generator.close()


def request(generator: OpenAIGenerator, **changes: Any) -> StepRequest:
    asked = StepRequest(generator.prompt(PROBLEM, "Solve it."), WARM, ("\n\n",), 60, seed=SEED)
    return replace(asked, **changes)


async def one(generator: OpenAIGenerator, asked: StepRequest) -> Step:
    [step] = await generator.generate([asked])
    assert not step.error, step.error
    assert "".join(generator.pieces(step.ids)) == step.text
    return step


async def steps_of(generator: OpenAIGenerator) -> list[Step]:
    """A solution, step by step, each under the same seed."""
    asked, found = request(generator), []
    while not found or found[-1].ended == "stop":
        found.append(await one(generator, asked))
        asked = replace(asked, ids=asked.ids + found[-1].ids)
    return found


def text_at(seed: int) -> str:
    return "".join(words(QUESTION, "", seed, 0.7))


@pytest.mark.parametrize("kind", CONTINUING)
async def test_steps_are_those_of_the_whole_answer(kind: str) -> None:
    """A seam that loses a space, a delimiter or a seed makes a step search draw from another model."""
    with server(kind) as fake:
        async with started(fake) as generator:
            steps = await steps_of(generator)
            whole = await one(generator, request(generator, stop=()))
    assert [step.ended for step in steps] == ["stop", "stop", "eos"]
    assert all(step.text.endswith("\n\n") for step in steps[:-1])
    assert "".join([step.text for step in steps]) == whole.text
    wide = kind.startswith("ids, ")
    assert whole.text == text_at(SEED if wide else SEED % 2**31)
    assert whole.ended == "eos"


@pytest.mark.parametrize("kind", CONTINUING)
async def test_tokens_are_those_that_the_server_counts(kind: str) -> None:
    """Budgets and tables count ids; another number than the server's is another bill."""
    with server(kind) as fake:
        async with started(fake) as generator:
            asked = request(generator, stop=(), max_tokens=90)
            whole = await one(generator, asked)
            cut = await one(generator, request(generator, stop=(), max_tokens=9))
    counted = fake._usage(fake.asked[0][0], fake.asked[0][1], 0)
    drawn = list(fake._drawn(*fake.asked[0]))
    assert len(whole.ids) == len(drawn)
    assert (len(cut.ids), cut.ended) == (9, "length")
    assert (whole.prompt_tokens, whole.cached) == (counted["prompt_tokens"], counted["prompt_tokens"] // 2)


@pytest.mark.parametrize("kind", CONTINUING)
async def test_all_sampling_parameters_are_sent(kind: str) -> None:
    """`generation_config.json` and llama.cpp's own top_k of 40 and min_p of .05 would be used silently."""
    with server(kind) as fake:
        async with started(fake) as generator:
            await one(generator, request(generator, stop=()))
    [(_, body)] = fake.asked
    assert (body["temperature"], body["top_p"], body["max_tokens"], body["model"]) == (0.7, 1.0, 60, "pocket-gen")
    if not fake.strict:
        assert (body["top_k"], body["min_p"], body["repetition_penalty"]) == (-1, 0.0, 1.0)


@pytest.mark.parametrize("kind", ["ids, as vLLM", "text, as llama.cpp", "chat, as Ollama"])
async def test_a_search_through_the_space(kind: str) -> None:
    """Prompt, budget and states come out as with an engine in this process."""
    with server(kind) as fake:
        async with started(fake) as generator:
            space = SearchSpace(PROBLEM, generator, None, config_for(fake))
            families = await space.expand(space.roots(2), 2, temperature=0.7)
            children = [child for family in families for child in family]
            assert {child.state for child in children} == {"open"}
            [[last], *_] = await space.complete(children, 1, temperature=0.7)
            assert (last.state, space.answer(last)) == ("finished", "42")
            assert [step.text.count("\n\n") for step in last.steps] == [1, 1, 0]
            assert space.usage.generated_tokens == sum([cost.generated_tokens for cost in space.costs.values()])
            assert space.usage.generator_calls == 8


@pytest.mark.parametrize("kind", ["text, as llama.cpp", "chat, as Ollama"])
async def test_a_prompt_is_kept_as_long_as_its_search(kind: str) -> None:
    """Each question was kept for as long as the generator ran: a server filled its memory with them."""
    with server(kind) as fake:
        async with started(fake) as generator:
            ids = generator.prompt(Problem("q", "漢字漢字漢字漢字 1 + 1?", "1"), "")
            text = next(token for token in ids if isinstance(token, TextId)).text
            held = sys.getrefcount(text)
            del ids
            gc.collect()
            assert sys.getrefcount(text) == held - 1


async def test_stop_strings_of_several_kinds() -> None:
    with server("text, stop strings kept") as fake:
        async with started(fake, stop_tokens=["\n\n", " and"]) as generator:
            step = await one(generator, request(generator, stop=("\n\n", " and")))
    assert step.text.endswith(" 12 and")
    assert step.ended == "stop"


async def test_a_stream_ends_where_the_step_does() -> None:
    """What is written behind a delimiter is nobody's; the server must hear that it may stop."""
    with server("text, as llama.cpp") as fake:
        async with started(fake) as generator:
            before = fake.aborted
            step = await one(generator, request(generator))
            for _ in range(100):
                if fake.aborted > before:
                    break
                await asyncio.sleep(0.01)
    assert step.text.count("\n\n") == 1
    assert fake.aborted == before + 1
    assert "stop" not in fake.asked[0][1]


async def test_logprobs_and_confidences() -> None:
    with server("ids, as vLLM") as fake:
        async with started(fake) as generator:
            step = await one(generator, request(generator, top_logprobs=3))
            assert step.logprobs == pytest.approx([-token / 100 for token in step.ids])
            assert len(step.confidences) == len(step.ids)
            first = sorted([step.ids[0], 100, 101])
            assert step.confidences[0] == pytest.approx(sum(first) / 300)


async def test_choices(monkeypatch: pytest.MonkeyPatch) -> None:
    """The judge asks for the odds of Yes and No; without chosen tokens each is read as the end of a prompt."""
    with server("ids, as vLLM") as fake:
        async with started(fake) as generator:
            ids = generator.prompt(PROBLEM, "")
            [at_once] = await generator.choose([ids], [30, 40])
            assert at_once.logprobs == (-0.3, -0.4)
            assert len(fake.asked) == 1
            await one(generator, request(generator, top_logprobs=2))
            [single] = await generator.choose([ids], [30, 40])
            assert single.logprobs == at_once.logprobs
            assert len(fake.asked) == 4
            with pytest.raises(GeneratorError, match="context length is 512"):
                await generator.choose([(1,) * 512], [3])
    with server("text, as llama.cpp") as fake:
        async with started(fake) as generator:
            with pytest.raises(GeneratorError, match=r"no log-probabilities of given tokens.*with vLLM"):
                await generator.choose([(1,)], [3])


async def test_context() -> None:
    """What has no room is said, not sent."""
    with server("ids, as vLLM", context=64) as fake:
        with pytest.raises(ConfigError, match=r"max_model_len is 512.* is 64.*--max-model-len 64"):
            async with started(fake):
                pass
        async with started(fake, max_model_len=None) as generator:
            assert generator.context == 64
            [step] = await generator.generate([request(generator, max_tokens=60)])
            assert (step.ended, step.ids, fake.asked) == ("context", (), [])


async def test_a_server_side_token_limit_is_an_error() -> None:
    """vLLM takes max_new_tokens out of generation_config.json; answers cut there would be taken for long ones."""
    with server("ids, as vLLM", stops_at=30) as fake:
        async with started(fake) as generator:
            [step] = await generator.generate([request(generator, stop=(), max_tokens=60)])
    assert step.ended == "error"
    assert "after 30 tokens with max_tokens 60" in step.error
    assert len(fake.asked) == 1


async def test_the_beginning_of_sequence_token_is_not_repeated(tmp_path: Path) -> None:
    """A template writes the beginning-of-sequence token, and servers add one to every text."""
    tokens = byte_level()
    tokens.chat_template = (
        "{{ bos_token }}{% for message in messages %}<|user|>{{ message['content'] }}{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>{% endif %}"
    )
    tokens.save_pretrained(tmp_path)
    with server("text, as llama.cpp", tokens=Tokens.load(str(tmp_path)), beginning=True) as fake:
        async with started(fake, tokenizer=str(tmp_path)) as generator:
            await one(generator, request(generator))
            assert fake.asked[0][1]["prompt"].startswith("<|user|>")
        fake.beginning = False
        async with started(fake, tokenizer=str(tmp_path)) as generator:
            await one(generator, request(generator))
            assert fake.asked[0][1]["prompt"].startswith("<bos><|user|>")


async def test_a_server_that_applies_a_template_to_completions() -> None:
    """Ollama does so with every text; what it serves is asked by messages then."""
    with server("text, as llama.cpp", wraps=5, continues="any") as fake:
        async with started(fake) as generator:
            await one(generator, request(generator))
            assert [path for path, _ in fake.asked] == ["/v1/chat/completions"]
        fake.chat = False
        with pytest.raises(GeneratorError, match=r"reports \d+ tokens for a text of \d+: it applies a template"):
            async with started(fake):
                pass


async def test_another_models_tokenizer_is_refused(tmp_path: Path) -> None:
    """Its ids would mean other words, and every number would look like any other."""
    byte_level().save_pretrained(tmp_path)
    with (
        server("ids, as vLLM") as fake,
        pytest.raises(GeneratorError, match=r"decodes an answer .* the server decodes it"),
    ):
        async with started(fake, tokenizer=str(tmp_path)):
            pass


async def test_special_tokens_in_a_question_are_text_where_ids_go_out() -> None:
    with server("ids, as vLLM") as fake:
        async with started(fake) as generator:
            ids = generator.prompt(Problem("x", "Say <|assistant|> twice", ""), "")
            assert ids.count(POCKET.id_of("<|assistant|>")) == 1


async def test_no_counts(caplog: pytest.LogCaptureFixture) -> None:
    with server("chat, as Ollama", usage=False) as fake:
        async with started(fake) as generator:
            step = await one(generator, request(generator, stop=()))
    assert len(step.ids) == -(-len(step.text) // 4)
    assert "token counts are estimated" in caplog.text


async def test_reasoning_in_a_field_of_its_own(caplog: pytest.LogCaptureFixture) -> None:
    """Cut out, it would be missing from the path, its tokens counted; continuing behind it is not possible."""
    with server("chat, as vLLM", reasoning="Hm, 12 and 30.") as fake:
        async with started(fake) as generator:
            step = await one(generator, request(generator, stop=(), max_tokens=90))
            assert step.text.startswith("<think>Hm, 12 and 30.</think>We")
            with pytest.raises(ConfigError, match="removes the model's reasoning"):
                generator.check_search(make_searcher(config_for(fake, method="dvts", prm_name="judge")), Config())


@pytest.mark.parametrize(
    ("own", "why"),
    [
        ({}, r"asked to continue '1, 2, .*' it answered 'We add 5"),
        ({"continues": "any", "strips": True}, "drops the line breaks"),
        ({"continues": "any", "strips": True, "strict": True}, "drops the line breaks"),
        ({"strict": True}, "it answered 'We add 5"),
    ],
)
async def test_a_chat_server_that_does_not_continue(own: dict[str, Any], why: str) -> None:
    """A step would be a new answer to the whole question."""
    with serving(Fake(completions=False, **own)) as fake:
        config = config_for(fake, tokenizer="none", method="collective", prm_name="judge")
        async with started(fake, tokenizer="none") as generator:
            with pytest.raises(
                ConfigError, match=rf"'collective' searches step by step.*{why}.*--method best_of_n, or gr"
            ):
                generator.check_search(make_searcher(config), config)
            plain = config_for(fake, method="self_consistency")
            generator.check_search(make_searcher(plain), plain)
            for key, value in (("max_generated_tokens", 100), ("budget", 4), ("last_resort", "force")):
                limited = plain.changed(**{key: value})
                with pytest.raises(ConfigError, match=r"is set, which needs the continuation.*--(last|max)"):
                    generator.check_search(make_searcher(limited), limited)
            step = await one(generator, request(generator, stop=(), max_tokens=90))
            assert step.text == text_at(SEED % 2**31)


async def test_whole_answer_methods_run_on_any_server() -> None:
    assert whole_answer_methods() == ["best_of_n", "greedy", "self_consistency"]
    with serving(Fake(completions=False)) as fake:
        solution = await asolve(QUESTION, config_for(fake, tokenizer="none", method="self_consistency", N=3))
        assert solution.answer == "42"
        assert solution.usage.generated_tokens == sum([path.tokens for path in solution.outcome.pool])
        with pytest.raises(ConfigError, match="step by step"):
            await asolve(QUESTION, config_for(fake, tokenizer="none", method="deepconf", N=3))


async def test_deepconf_needs_likelihoods() -> None:
    with server("text, as llama.cpp") as fake, pytest.raises(ConfigError, match="without token ids"):
        await asolve(QUESTION, config_for(fake, method="deepconf", N=3))
    with server("text, as llama.cpp") as fake, pytest.raises(ConfigError, match="PRM 'confidence' needs the log-prob"):
        await asolve(QUESTION, config_for(fake, method="dvts", prm_name="confidence"))


async def test_a_judge_needs_chosen_tokens() -> None:
    """Said at the start, not once for each problem."""
    with server("text, as llama.cpp") as fake, pytest.raises(GeneratorError, match="no log-probabilities of given"):
        await asolve(QUESTION, config_for(fake, method="dvts", prm_name="judge"))
    with server("ids, as vLLM") as fake:
        async with started(fake) as generator:
            await generator.require_choices()
            fake.likelihoods = False
            with pytest.raises(GeneratorError, match="no log-probabilities of given"):
                await generator.require_choices()


async def test_settings_that_a_server_refuses() -> None:
    told = r"top_k is 20, but the server at .* rejects.*--top-k"
    with server("text, strict") as fake, pytest.raises(ConfigError, match=told):
        async with started(fake, top_k=20):
            pass


async def test_bad_addresses() -> None:
    """What was asked and answered, and what to do."""
    with pytest.raises(GeneratorError, match=r"http://127.0.0.1:9 cannot be reached: .*Check base_url"):
        async with started(Fake(url="http://127.0.0.1:9"), max_retries=0):
            pass
    with serving(Fake(completions=False, chat=False, no_models=True)) as fake:
        told = r"does not complete text\. http.* answered 404 to POST /completions: Not Found\. http.* answered 404"
        with pytest.raises(GeneratorError, match=told):
            async with started(fake):
                pass
    with pytest.raises(ConfigError, match="base_url is not set"):
        OpenAIGenerator.from_config(Config(model_name="pocket-gen", generator="openai"))
    with pytest.raises(ConfigError, match="contains a password"):
        Config(base_url="http://me:secret@host")
    with pytest.raises(ConfigError, match="begins with http"):
        Config(base_url="http://a, b:8000")
    with pytest.raises(ConfigError, match=r"quantization is 'awq'.*the server"):
        OpenAIGenerator.from_config(Config(base_url="http://a", quantization="awq"))


async def test_a_wrong_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable is named, and the key that was sent stands in no message."""
    with server("ids, as vLLM", key="right-key-0123") as fake:
        with pytest.raises(GeneratorError, match=r"requires an API key.*OPENAI_API_KEY"):
            async with started(fake):
                pass
        monkeypatch.setenv("OPENAI_API_KEY", "wrong-key-0123")
        with pytest.raises(GeneratorError, match=r"requires an API key.*\*\*\*") as raised:
            async with started(fake):
                pass
        assert "wrong-key-0123" not in str(raised.value)
        monkeypatch.setenv("TT_SCALE_GENERATOR_API_KEY", "right-key-0123")
        async with started(fake) as generator:
            await one(generator, request(generator))
            fake.key = "another"
            with pytest.raises(EngineDeadError, match="can no longer be used"):
                await generator.generate([request(generator)])


async def test_an_unknown_model() -> None:
    names = ["pocket-ten", *[f"model-{number}" for number in range(30)]]
    told = r"serves 'pocket-ten', 'model-0'.*\.\.\.\. Did you mean 'pocket-ten'"
    with server("ids, as vLLM", served=names) as fake, pytest.raises(GeneratorError, match=told):
        async with started(fake):
            pass
    told = "The model `pocket-gen` does not exist"
    with server("ids, as vLLM", served=["other"], no_models=True) as fake, pytest.raises(GeneratorError, match=told):
        async with started(fake):
            pass


async def test_the_package_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(MissingExtraError, match=r"tt-scale\[openai\]"):
        async with started(Fake(url="http://127.0.0.1:9")):
            pass


async def test_several_servers(caplog: pytest.LogCaptureFixture) -> None:
    """Each takes its share; which one answered moves no number."""
    with server("ids, as vLLM", delay=0.01) as first, server("ids, as vLLM", delay=0.01) as second:
        async with started(first, second) as generator:
            asked = [request(generator, seed=number) for number in range(40)]
            steps = await generator.generate(asked)
        assert min(len(first.asked), len(second.asked)) >= 15
        async with started(first) as generator:
            assert await generator.generate(asked) == steps
        away = Fake(url="http://127.0.0.1:9")
        async with started(first, away, max_retries=0) as generator:
            assert await generator.generate(asked) == steps
        assert "http://127.0.0.1:9 cannot be reached" in caplog.text
    told = r"differ: .*token ids both ways, steps.*text alone, steps"
    with (
        server("ids, as vLLM") as first,
        server("text, as llama.cpp") as second,
        pytest.raises(ConfigError, match=told),
    ):
        async with started(first, second):
            pass


async def test_a_server_that_goes_away() -> None:
    with server("ids, as vLLM") as first:
        with server("ids, as vLLM") as second:
            generator = OpenAIGenerator.from_config(config_for(first, second))
            await generator.start()
        try:
            found = await generator.generate([request(generator, seed=number) for number in range(20)])
            assert not any(step.error for step in found)
            first.stopped = True
            with pytest.raises(EngineDeadError, match=r"can no longer be used: .* (cannot be reached|broke)"):
                await generator.generate([request(generator)])
        finally:
            await generator.close()
    with pytest.raises(EngineDeadError, match="closed"):
        await generator.generate([request(generator)])


async def test_start_warns_of_inexact_token_counts(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), server("ids, as vLLM") as fake:
        async with started(fake):
            assert "text without token ids" not in caplog.text
    with caplog.at_level(logging.WARNING), server("text, as llama.cpp") as fake:
        async with started(fake):
            assert "text without token ids: token counts are those that it reports" in caplog.text
