"""A revision that was named reaches everything that is loaded of a model, on both engines, and the manifest."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("transformers")

import transformers
import transformers.utils

import tt_scale.engines.vllm.engine as engine
from tt_scale.backends import resolve
from tt_scale.bench.run.manifest import experiment
from tt_scale.config import Config
from tt_scale.engines.model_names import read_settings
from tt_scale.engines.transformers.quantization import quantization
from tt_scale.generator.tokens import Tokens
from tt_scale.pocket.weights import model_folder
from tt_scale.prm.adapters.lookup import open_adapter
from tt_scale.prm.heads import load_scorer, read_output_embeddings

pytestmark = pytest.mark.hf

HUB = {"owner/pocket-gen": "pocket-gen", "owner/Qwen2.5-Math-PRM-pocket": "pocket-prm"}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, str | None]]:
    """Models of a hub that are the pocket models; gives who asked for what of which revision."""
    seen: list[tuple[str, str, str | None]] = []
    real = transformers.utils.cached_file

    def cached_file(name: str, file: str, revision: str | None = None, **named: Any) -> str | None:
        if name not in HUB:
            found: str | None = real(name, file, **named)
            return found
        seen.append((name, file, revision))
        path = Path(model_folder(HUB[name])) / file
        if not path.exists() and named.get("_raise_exceptions_for_missing_entries", True):
            raise OSError(f"there is no {file}")
        return str(path) if path.exists() else None

    monkeypatch.setattr("transformers.utils.cached_file", cached_file)
    for cls in ("AutoConfig", "AutoTokenizer", "AutoModel", "AutoModelForCausalLM", "PreTrainedTokenizerFast"):
        monkeypatch.setattr(getattr(transformers, cls), "from_pretrained", _local(getattr(transformers, cls), seen))
    return seen


def _local(cls: Any, seen: list[tuple[str, str, str | None]]) -> Callable[..., Any]:
    real = cls.from_pretrained

    def from_pretrained(source: str, *args: Any, revision: str | None = None, **named: Any) -> Any:
        if source in HUB:
            seen.append((source, cls.__name__, revision))
            return real(str(model_folder(HUB[source])), *args, **named)
        return real(source, *args, **named)

    return from_pretrained


def test_a_tokenizer_is_of_the_revision(asked: list[tuple[str, str, str | None]]) -> None:
    """A chat template that was corrected later is another prompt."""
    Tokens.load("owner/pocket-gen", revision="v1")
    assert {file for _, file, _ in asked} >= {"tokenizer_config.json", "generation_config.json"}
    assert {revision for _, _, revision in asked} == {"v1"}


def test_settings_and_quantization_are_of_the_revision(asked: list[tuple[str, str, str | None]]) -> None:
    """config.json of the main branch beside weights of another."""
    read_settings("owner/pocket-gen", "v1")
    config = Config(model_name="owner/pocket-gen", model_revision="v1", quantization="awq")
    with pytest.raises(Exception, match="not quantized"):
        quantization(config, "owner/pocket-gen")
    assert {revision for _, _, revision in asked} == {"v1"}


async def test_a_generator_on_transformers_is_of_the_revision(asked: list[tuple[str, str, str | None]]) -> None:
    """Tokenizer, settings and weights alike."""
    from tt_scale.generator.huggingface import HuggingFaceGenerator

    config = Config(model_name="owner/pocket-gen", model_revision="v1", dtype="float32", max_model_len=128)
    generator = HuggingFaceGenerator.from_config(config)
    await generator.start()
    await generator.close()
    assert ("owner/pocket-gen", "AutoModelForCausalLM", "v1") in asked
    assert {revision for _, _, revision in asked} == {"v1"}


def test_a_prm_is_of_the_revision(asked: list[tuple[str, str, str | None]]) -> None:
    """Adapter, tokenizer, base and head."""
    name = "owner/Qwen2.5-Math-PRM-pocket"
    config = Config(prm_name=name, prm_revision="v2", prm_adapter="qwen-math")
    adapter = open_adapter(config, name)
    load_scorer(name, name, adapter.head, {"revision": "v2"})
    assert (name, "AutoModel", "v2") in asked
    assert any(file.startswith("model") for _, file, _ in asked)
    assert {revision for _, _, revision in asked} == {"v2"}


def test_a_head_alone_is_of_the_revision(asked: list[tuple[str, str, str | None]]) -> None:
    """The implicit PRM reads the output embeddings beside vLLM's engine."""
    read_output_embeddings("owner/pocket-gen", "owner/pocket-gen", "v3")
    assert {revision for _, _, revision in asked} == {"v3"}


@pytest.mark.parametrize(
    ("own", "told"),
    [
        ({}, {"revision": "v1", "tokenizer_revision": "v1", "code_revision": "v1"}),
        (
            engine.revision_args("owner/prm", "v2"),
            {"revision": "v2", "tokenizer_revision": "v2", "code_revision": "v2"},
        ),
    ],
)
def test_vllm_is_given_the_revision(monkeypatch: pytest.MonkeyPatch, own: dict[str, Any], told: dict[str, str]) -> None:
    """Weights, tokenizer and remote code; a PRM's engine has its own."""
    monkeypatch.setattr(engine, "prepare_vllm", lambda _: None)
    monkeypatch.setattr(engine, "on_cpu", lambda: False)
    monkeypatch.setitem(sys.modules, "vllm", SimpleNamespace(AsyncEngineArgs=lambda **args: args))
    args = engine.engine_args(Config(model_revision="v1", prm_revision="v2"), "owner/model", **own)
    assert {key: args[key] for key in told} == told


def test_a_folder_has_no_revision(tmp_path: Path) -> None:
    """A copy with a renamed head is made of the revision and has none itself."""
    assert set(engine.revision_args(str(tmp_path), "v1").values()) == {None}


def test_revisions_stand_in_the_manifest() -> None:
    """Two runs of different revisions are two experiments."""
    config = Config(
        model_name="pocket-gen", prm_name="pocket-prm", generator="huggingface", model_revision="v1", prm_revision="v2"
    )
    found = experiment(config, "owner/set@v3", [], "grader")
    assert (found["model_revision"], found["prm_revision"], found["dataset"]) == ("v1", "v2", "owner/set@v3")


@pytest.mark.parametrize(
    ("keys", "revisions"),
    [
        ({"prm_name": "a/b"}, [None]),
        ({"prm_name": "a/b", "prm_revision": "v1"}, ["v1"]),
        ({"prm_name": "a/b, c/d", "prm_revision": "v1"}, ["v1", "v1"]),
        ({"prm_name": "a/b, c/d", "prm_revision": "v1, v2"}, ["v1", "v2"]),
        ({"prm_name": ["a/b", "c/d"], "prm_revision": ["v1", "v2"]}, ["v1", "v2"]),
        ({"prm_name": "m/m", "model_revision": "v0"}, ["v0"]),
        ({"prm_name": "m/m", "model_revision": "v0", "prm_revision": "v1"}, ["v1"]),
    ],
)
def test_each_prm_has_its_revision(keys: dict[str, Any], revisions: list[str | None]) -> None:
    """One for all or one each; unset is the generator's where both are one model."""
    config = Config(**{"model_name": "m/m", "generator": "huggingface", "prm": "huggingface", **keys})
    assert [each.config.prm_revision for each in resolve(config).prms] == revisions


@pytest.mark.parametrize(("revision", "backend"), [(None, "generator"), ("v0", "generator"), ("v1", "huggingface")])
def test_another_revision_is_another_model(revision: str | None, backend: str) -> None:
    """A PRM of another state of the generator's model was scored by the generator."""
    keys = {"model_name": "m/m", "prm_name": "m/m", "model_revision": "v0", "generator": "huggingface"}
    assert resolve(Config(**keys, prm_revision=revision)).prm_backends == backend


@pytest.mark.parametrize(
    ("keys", "source"),
    [
        ({}, ("served/name", "v1")),
        ({"tokenizer": "other/name"}, ("other/name", "v1")),
        ({"tokenizer": "other/name@v2"}, ("other/name", "v2")),
        ({"tokenizer": "none"}, ("", None)),
        ({"model_name": "alias"}, ("", None)),
        ({"model_name": "alias", "tokenizer": "other/name@v2", "model_revision": None}, ("other/name", "v2")),
    ],
)
def test_a_tokenizer_has_a_revision_of_its_own(keys: dict[str, Any], source: tuple[str, str | None]) -> None:
    """That of another repository was asked for at the model's revision, which it need not have."""
    from tt_scale.generator.openai.starting import tokenizer_source

    assert tokenizer_source(Config(**{"model_name": "served/name", "model_revision": "v1", **keys})) == source


def test_a_folder_with_a_sign_is_a_folder(tmp_path: Path) -> None:
    """A folder `tokenizer@home` exists as it is written."""
    from tt_scale.generator.openai.starting import tokenizer_source

    (tmp_path / "own@home").mkdir()
    folder = str(tmp_path / "own@home")
    assert tokenizer_source(Config(model_name="alias", tokenizer=folder)) == (folder, None)
