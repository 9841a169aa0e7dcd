"""What `prm-check` tells of a PRM that is in order, and of ones that are not."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from commands import Answer, Command
from margins import CLOSE
from tiny_models import save_generator, save_prm
from tiny_prms import FAMILIES

from tt_scale.base_classes import Scores
from tt_scale.config import Config
from tt_scale.engines.dtypes import TYPES
from tt_scale.generator.tokens import Tokens
from tt_scale.prm.adapters.base import Adapter, Checkpoint, LayerHead
from tt_scale.prm.adapters.lookup import open_adapter
from tt_scale.prm.adapters.qwen_math import QwenMath
from tt_scale.prm.inspection.example import EXAMPLE, Example
from tt_scale.prm.inspection.layout_check import layout_remarks, tokenize_example
from tt_scale.prm.inspection.score_check import comparable, score_remarks, spread, tolerance

pytestmark = [pytest.mark.hf, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

WRONG_PLACE = '''
from tt_scale.prm.adapters.qwen_math import QwenMath


class Growing(QwenMath):
    """Says the question once for each step."""

    def layout(self, question, steps):
        return super().layout(f"{question} " * len(steps), steps)
'''


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_prm(tmp_path_factory.mktemp("prm"))


@pytest.fixture
def check(capsys: pytest.CaptureFixture[str], folder: Path) -> object:
    def typed(*arguments: str) -> Answer:
        return Command(capsys)("prm-check", str(folder), "--prm", "huggingface", *arguments)

    return typed


def adapter_of(folder: Path, kind: type[Adapter] = QwenMath, **knobs: object) -> Adapter:
    return kind(Checkpoint("tiny", Tokens.load(str(folder)), {}), **knobs)


def test_scored_tokens_are_shown_with_their_positions(check: object, folder: Path) -> None:
    """A score that is read one token off is still a number: only the ids around the place tell."""
    answer = check("--question", "What is 1 + 1?", "--step", "It is 2.", "--step", "So 2.", "--wrong", "So 3.")
    assert answer.status == 0, answer.err
    tag = adapter_of(folder).tag
    lines = answer.out.splitlines()
    assert sum(f"[{tag}]" in line and line.split()[0] == "id" for line in lines) == 2
    assert sum("[<extra_0>]" in line for line in lines) == 2
    look = tokenize_example(adapter_of(folder), Example("What is 1 + 1?", ("It is 2.", "So 2.")))
    for position in look.positions:
        assert look.ids[position] == tag
        assert any(f"[{position}]" in line for line in lines)
    assert "qwen-math, selected by the architecture Qwen2ForProcessRewardModel" in answer.out
    assert "Both ways agree within 0.0001" in answer.out
    assert "float32, for this comparison (--dtype sets another)" in answer.out
    assert "It is 2.<extra_0>So 2.<extra_0>" in answer.out
    assert "3 wrong" not in answer.out
    assert "2 wrong: So 3." in answer.out


def test_the_scores_are_the_models(check: object, folder: Path) -> None:
    """A check that prints other numbers than a search would get is worth nothing."""
    import asyncio

    from tt_scale.generator.simulated import SimulatedGenerator
    from tt_scale.prm.huggingface import HuggingFacePRM
    from tt_scale.prm.inspection.example import path_of

    async def scored() -> Scores:
        prm = HuggingFacePRM.from_config(Config(prm_name=str(folder), dtype="float32"), SimulatedGenerator())
        await prm.start()
        [scores] = await prm.score(EXAMPLE.problem, [path_of(EXAMPLE.steps, ("\n\n",))])
        await prm.close()
        return scores

    rows = re.findall(r"^ *\d .* (0\.\d{6}) +(0\.\d{6}) *$", check().out, re.MULTILINE)
    whole, by_step = zip(*rows[: len(EXAMPLE.steps)], strict=True)  # a last row is of the wrong step
    expected = pytest.approx(asyncio.run(scored()).values, abs=CLOSE)
    assert tuple(map(float, whole)) == expected
    assert tuple(map(float, by_step)) == expected
    assert len(rows) == len(EXAMPLE.steps) + 1


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_supported_families_cause_no_warning(tmp_path: Path, name: str) -> None:
    """A warning that is always there is read by nobody."""
    family = FAMILIES[name]
    family.save(tmp_path)
    config = Config(prm_name=str(tmp_path), prm_adapter=family.name, prm_args=dict(family.args))
    adapter = open_adapter(config, str(tmp_path))
    look = tokenize_example(adapter, EXAMPLE)
    assert layout_remarks(adapter, EXAMPLE, look) == []
    assert len(look.positions) == 3
    assert len(look.pieces) == len(look.ids)


class Obedient(QwenMath):
    """Tokenises a question as it stands."""

    def layout(self, question: str, steps: Sequence[str]) -> tuple[list[int], list[int]]:
        ids = list(self.checkpoint.tokens.encode(question))
        positions = []
        for step in steps:
            ids += [*self._text.encode(step), self.tag]
            positions.append(len(ids) - 1)
        return ids, positions


class Trailing(Obedient):
    """Reads the last token of a step, whatever it is, and two tokens that end it."""

    tail: str = ""

    def layout(self, question: str, steps: Sequence[str]) -> tuple[list[int], list[int]]:
        ids = list(self._text.encode(question))
        positions = []
        for step in steps:
            ids += self._text.encode(step + self.tail)
            positions.append(len(ids) - 1)
        return ids, positions


class TwoTokens(Trailing):
    """Ends a step with two tokens."""

    tail = "!?"


def test_special_tokens_in_data_cause_a_warning(folder: Path) -> None:
    """A question with `<|im_end|>` in it ends its own turn, and nobody sees it."""
    adapter = adapter_of(folder, Obedient)
    [told] = layout_remarks(adapter, EXAMPLE, tokenize_example(adapter, EXAMPLE))
    assert "would be encoded as special tokens" in told
    assert "<extra_0>" in told


def test_a_mark_of_several_tokens_causes_a_warning(folder: Path) -> None:
    """The tag of a PRM is one token in the vocabulary that it was trained with."""
    example = Example("?", ("a b", "c 7"))
    adapter = adapter_of(folder, TwoTokens)
    [warning] = layout_remarks(adapter, example, tokenize_example(adapter, example))
    assert "has 2 tokens here" in warning
    assert "'!'" in warning
    adapter = adapter_of(folder, Trailing)
    [warning] = layout_remarks(adapter, example, tokenize_example(adapter, example))
    assert "a different token is scored after each step" in warning


def test_positions_out_of_order_are_rejected(folder: Path) -> None:
    """Scores would be handed to other steps than they were read for."""
    from tt_scale.errors import PRMError

    class Backwards(QwenMath):
        def layout(self, question: str, steps: Sequence[str]) -> tuple[list[int], list[int]]:
            ids, positions = super().layout(question, steps)
            return ids, positions[::-1]

    with pytest.raises(PRMError, match="expected one per step, ascending"):
        tokenize_example(adapter_of(folder, Backwards), EXAMPLE)


def test_differing_scores_end_with_status_1(check: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A layout that changes as steps are added scores a search otherwise than a benchmark of whole solutions."""
    (tmp_path / "wrong_place.py").write_text(WRONG_PLACE)
    monkeypatch.syspath_prepend(str(tmp_path))
    answer = check("--prm-adapter", "wrong_place:Growing")
    assert answer.status == 1
    assert "NOT the same: Transformers by step by 0." in answer.out
    assert "encoded differently once another follows" in answer.out
    assert "wrong_place:Growing, as configured" in answer.out
    sys.modules.pop("wrong_place")


def test_implausible_scores_cause_a_warning() -> None:
    """A random head, or the wrong label, gives numbers between 0 and 1, too."""
    example = Example("?", ("a", "b"), "c")
    assert score_remarks(example, [(0.9, 0.8), (0.9, 0.1)]) == []
    assert "all scores are 0.5000" in score_remarks(example, [(0.5, 0.5), (0.5, 0.5)])[0]
    assert (
        "the right last step scores 0.1000 and the wrong one 0.8000"
        in score_remarks(example, [(0.9, 0.1), (0.9, 0.8)])[0]
    )
    assert score_remarks(Example("?", ("a",)), [(0.5,)]) == []


def test_the_reference_is_the_last_way() -> None:
    """Differences are measured from the plainest reading."""
    found = spread({"a": [(0.1, 0.5)], "b": [(0.1, 0.2)], "c": [(0.1, 0.3)]})
    assert found == {"a": pytest.approx(0.2), "b": pytest.approx(0.1), "c": 0.0}


def test_a_configured_dtype_is_kept() -> None:
    """Rounding of 16 bits would hide a place that is one token off; asked for, it is kept and allowed for."""
    assert comparable(Config()).dtype == "float32"
    assert tolerance(comparable(Config())) == 1e-4
    assert comparable(Config(dtype="bfloat16")).dtype == "bfloat16"
    packed = comparable(Config(prm_name="pocket-prm", generator="huggingface", prm_quantization="awq"))
    assert packed.dtype in TYPES  # what it would run in
    assert tolerance(comparable(Config(dtype="bfloat16"))) == 0.02


def test_a_judge_shows_its_prompt(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A PRM that is asked in words has no place to show; its words are what can be wrong."""
    folder = str(save_generator(tmp_path))
    answer = Command(capsys)(
        "prm-check", "judge", "--model-name", folder, "--generator", "huggingface", "--max-model-len", "512"
    )
    assert answer.status in (0, 1)  # random weights may prefer either
    assert "Is step 3 correct? Answer with one word, Yes or No." in answer.out
    assert "no token position of a step's score" in answer.out
    assert "ways agree" in answer.out


ROWS = {
    "a generator": (["GENERATOR"], "a LlamaForCausalLM, a generator; there is no adapter"),
    "nobody": (["nobody/nothing"], "'nobody/nothing' has no config.json"),
    "no folder": (["/nowhere/prm"], "no model folder '/nowhere/prm'"),
    "no model": (["none"], "no model behind the PRM 'none'"),
    "a simulated one": (["simulated"], "no model behind the PRM 'simulated'"),
    "an unknown adapter": (["FOLDER", "--prm-adapter", "qwen"], "Did you mean 'qwen-math'?"),
    "an unknown backend": (["FOLDER", "--prm", "vlm"], "Did you mean 'vllm'?"),
    "a knob that is missing": (["FOLDER", "--prm-adapter", "binary-tag"], "needs tag in prm_args"),
    "a knob too many": (["FOLDER", "--prm-args", "{tga: 1}"], "contains 'tga'"),
    "no mapping": (["FOLDER", "--prm-args", "3"], "prm_args is 3"),
    "a token that is none": (
        ["FOLDER", "--prm-adapter", "binary-tag", "--prm-args", "{tag: x, positive: good}"],
        "has no single token 'good'",
    ),
    "no layer": (
        ["FOLDER", "--prm-adapter", "token-classifier", "--prm-args", "{layer: head}"],
        "no weights for head.weight",
    ),
    "no steps": (["FOLDER", "--question", "x"], "0 steps"),
    "no question": (["FOLDER", "--step", "x"], "no question"),
    "a blank step": (["FOLDER", "--question", "x", "--step", "y", "--step", " "], "--step number 2 is blank"),
    "too long": (["FOLDER", "--prm-max-model-len", "32"], "is 32"),
}


@pytest.mark.parametrize(("typed", "told"), list(ROWS.values()), ids=list(ROWS))
def test_a_mistake_gives_one_message(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    folder: Path,
    typed: list[str],
    told: str,
) -> None:
    """Tracebacks of engines are what a newcomer with a new PRM would meet first."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    if typed[0] == "GENERATOR":
        save_generator(tmp_path)
    names = {"FOLDER": str(folder), "GENERATOR": str(tmp_path)}
    engine = [] if "--prm" in typed else ["--prm", "huggingface"]
    answer = Command(capsys)("prm-check", *[names.get(each, each) for each in typed], *engine)
    assert answer.status == 2
    assert answer.err.startswith("tt-scale: ")
    assert answer.err.count("\n") == 1
    assert told in answer.err


def test_an_engine_that_fails_does_not_hide_the_other(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    """A PRM that one engine cannot run is worth seeing on the other; the status says that something is wrong."""
    from tt_scale.errors import PRMError
    from tt_scale.prm.vllm import VLLMPRM

    async def refused(self: object) -> None:
        raise PRMError("vLLM supports no such head.")

    monkeypatch.setattr(VLLMPRM, "start", refused)
    monkeypatch.setattr("tt_scale.backends.find_spec", lambda name: True)
    answer = Command(capsys)("prm-check", str(folder))
    assert answer.status == 1
    assert "vLLM cannot run it: vLLM supports no such head." in answer.out
    assert "Both ways agree" in answer.out


def test_layer_heads_name_their_layers(check: object, folder: Path) -> None:
    """The layer that speaks is half of a protocol."""
    assert isinstance(QwenMath.head, LayerHead)
    assert json.loads((folder / "config.json").read_text())["num_labels"] == 2
    assert "layers score.0, score.2; output 1 means correct" in check().out


def test_the_list_shows_every_adapter(capsys: pytest.CaptureFixture[str]) -> None:
    """A protocol that nobody can find is written a second time."""
    from tt_scale.prm.adapters.lookup import adapter_class
    from tt_scale.registry import BUILT_IN

    out = Command(capsys)("list").out
    section = out[out.index("PRM adapters") : out.index("Problem sets")]
    for name in BUILT_IN["prm_adapters"]:
        assert any(line.split()[:1] == [name] for line in section.splitlines())
        assert adapter_class(name).summary in section
    assert "prm_args: tag, positive, negative" in section
