"""What can be known of models in a second is said in a second, and no folder is made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from commands import Command, snapshot

pytest.importorskip("transformers")

import tt_scale.engines.hub
from tt_scale.config import Config
from tt_scale.engines.context_length import fitted, own_context
from tt_scale.errors import ConfigError, GeneratorError, PRMError, TTScaleError
from tt_scale.preflight import preflight

pytestmark = pytest.mark.hf

POCKET = {"model_name": "pocket-gen", "prm_name": "pocket-prm", "generator": "huggingface"}


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(capsys)


@pytest.fixture
def silent_hub(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A hub that never answers; gives the attempts."""
    attempts: list[float] = []
    monkeypatch.setattr(tt_scale.engines.hub, "PAUSE", 0.0)
    monkeypatch.setattr(tt_scale.engines.hub, "_responds", lambda: bool(attempts.append(0.0)))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    return attempts


class FakeHub:
    """A hub with one file: config.json of each model and revision; remembers what was asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.models: dict[tuple[str, str | None], Any] = {}
        self.asked: list[tuple[str, str, str | None]] = []

    def fetch(self, name: str, file: str, revision: str | None = None, **_: Any) -> str:
        self.asked.append((name, file, revision))
        found = self.models[name, revision]
        if isinstance(found, Exception):
            raise found
        path = self.folder / "config.json"
        path.write_text(json.dumps(found))
        return str(path)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeHub:
    fake = FakeHub(tmp_path)
    monkeypatch.setattr(tt_scale.engines.hub, "_responds", lambda: True)
    monkeypatch.setattr("huggingface_hub.hf_hub_download", fake.fetch)
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_, **__: None)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    return fake


ROWS = {
    # what was typed after `bench --generator huggingface --method best_of_n --dataset svamp` -> what is said
    "near a short name": ("--model-name pocketgen", "model_name is 'pocketgen'", "Did you mean 'pocket-gen'?"),
    "near another short name": ("--model-name smolm2", "Did you mean 'smollm2'?"),
    "near the simulated world": ("--model-name simulate", "Did you mean 'simulated'?"),
    "near nothing": ("--model-name zzz", "neither a model folder here nor the short name", "pocket-gen", "owner/model"),
    "a PRM near a short name": ("--model-name pocket-gen --prm-name pocketprm", "Did you mean 'pocket-prm'?"),
    "a judge misspelt": ("--model-name pocket-gen --prm-name jugde", "Did you mean 'judge'?"),
    "no folder": ("--model-name ./nowhere", "no model folder './nowhere'"),
    "no folder for a PRM": ("--model-name pocket-gen --prm-name ./nowhere", "no model folder './nowhere'"),
    "no such folder beside others": ("--model-name models/nowhere", "'models' exists", "no 'nowhere' in it"),
    "an adapter misspelt": (
        "--model-name pocket-gen --prm-name pocket-prm --prm-adapter qwen-mat",
        "prm_adapter is 'qwen-mat'",
        "Did you mean 'qwen-math'?",
    ),
    "a knob that the adapter lacks": (
        '--model-name pocket-gen --prm-name pocket-prm --prm-args {"teg":"x"}',
        "'teg'",
    ),
    "a generator in the PRM's place": (
        "--model-name pocket-gen --prm-name pocket-gen",
        "prm_name is 'pocket-gen', a LlamaForCausalLM, a generator",
        "--prm judge",
    ),
    "a PRM in the generator's place": (
        "--model-name pocket-prm --prm-name pocket-prm",
        "model_name is 'pocket-prm', a Qwen2ForProcessRewardModel",
        "scores text and cannot generate",
    ),
    "more context than there is": (
        "--model-name pocket-gen --prm-name pocket-prm --max-model-len 600",
        "max_model_len is 600",
        "is 512",
        "--max-model-len 512",
    ),
    "a revision of what is no hub model": (
        "--model-name pocket-gen --prm-name pocket-prm --model-revision main",
        "model_revision is 'main'",
        "has no revisions",
    ),
    "a revision of a PRM that is none": (
        "--model-name pocket-gen --prm-name pocket-prm --prm-revision main",
        "prm_revision is 'main'",
        "has no revisions",
    ),
    "a revision of the simulated world": (
        "--model-name simulated --generator simulated --prm-name simulated --model-revision main",
        "has no revisions",
    ),
    "one revision too many": (
        "--model-name pocket-gen --prm-name pocket-prm,simulated --prm-revision a,b,c",
        "prm_revision names 3 revisions for 2 PRMs",
    ),
    "a typo without network": ("--model-name qwen/typo", "'qwen/typo' is not on this machine", "cannot be reached"),
    "a PRM's typo without network": (
        "--model-name pocket-gen --prm-name qwen/typo",
        "The PRM 'qwen/typo' is not on this machine",
        "--prm-name",
    ),
}


@pytest.mark.parametrize(("typed", "told"), [(row[0], row[1:]) for row in ROWS.values()], ids=list(ROWS))
def test_a_mistake_about_models_is_found_at_once(
    command: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    silent_hub: list[float],
    typed: str,
    told: tuple[str, ...],
) -> None:
    """Each was found minutes later, behind a loaded generator, or after half a minute of retries."""
    (tmp_path / "models").mkdir()
    monkeypatch.chdir(tmp_path)
    shared = ("--generator", "huggingface") if "--generator" not in typed else ()
    answer = command("bench", *shared, "--method", "best_of_n", "--dataset", "svamp", "--num-samples", "2",
                     *typed.split())  # fmt: skip
    assert answer.status == 2
    assert answer.err.startswith("tt-scale: ")
    assert answer.err.count("\n") == 1
    assert [each for each in told if each not in answer.err] == []
    assert snapshot(tmp_path) == {}
    assert len(silent_hub) <= 2


@pytest.mark.parametrize(
    "arguments",
    [
        ("solve", "What is 2 + 3?"),
        ("compare", "--dataset", "svamp", "--method", "best_of_n"),
        ("sweep", "--dataset", "svamp", "--random", "2", "--method", "collective"),
        ("prm-eval", "pocketprm", "--dataset", "svamp"),
        ("prm-check", "pocketprm"),
    ],
)
def test_every_command_looks_first(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    """What only bench said at once was as late as ever elsewhere."""
    monkeypatch.chdir(tmp_path)
    prm = () if arguments[0].startswith("prm") else ("--prm-name", "pocketprm")
    answer = command(*arguments, "--model-name", "pocket-gen", "--generator", "huggingface", *prm)
    assert answer.status == 2
    assert "'pocketprm'" in answer.err
    assert "Did you mean 'pocket-prm'?" in answer.err
    assert snapshot(tmp_path) == {}


def test_the_default_context_is_lowered_with_a_line(caplog: pytest.LogCaptureFixture) -> None:
    """3072 tokens were refused for a model that reads 512, though nobody had asked for 3072."""
    found = preflight(Config(**POCKET))
    assert found.max_model_len == 512
    assert [record.message for record in caplog.records] == [
        "max_model_len is lowered from 3072 to 512, the context length of pocket-gen."
    ]
    caplog.clear()
    assert preflight(found) == found
    assert preflight(Config(**POCKET, max_model_len=300)).max_model_len == 300
    assert not caplog.records


def test_null_takes_the_models_own_context() -> None:
    """`null` was no integer."""
    assert preflight(Config(**POCKET, max_model_len=None)).max_model_len == 512
    simulated = Config(model_name="simulated", prm_name="simulated", max_model_len=None)
    assert preflight(simulated).max_model_len == 3072


@pytest.mark.parametrize(
    ("settings", "own"),
    [
        ({"max_position_embeddings": 4096}, 4096),
        ({"n_positions": 1024}, 1024),
        ({"text_config": {"max_position_embeddings": 8192}}, 8192),
        ({"max_position_embeddings": 4096, "rope_scaling": {"type": "linear", "factor": 4.0}}, 16384),
        ({"max_position_embeddings": 4096, "rope_scaling": None}, 4096),
        ({"max_position_embeddings": 131072, "rope_scaling": {"rope_type": "llama3", "factor": 8.0}}, 131072),
        (
            {
                "max_position_embeddings": 32768,
                "rope_scaling": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768},
            },
            131072,
        ),
        ({"max_position_embeddings": 131072, "rope_scaling": {"type": "longrope", "factor": 32.0}}, 131072),
        ({"hidden_size": 16}, None),
        ({}, None),
    ],
)
def test_a_models_own_context(settings: dict[str, Any], own: int | None) -> None:
    """As vLLM reads it: a stretched rope multiplies what is stated, unless it is stated stretched."""
    assert own_context(settings) == own


def test_a_context_that_nobody_knows() -> None:
    """Neither the user nor the model says how much it reads."""
    with pytest.raises(ConfigError, match=r"max_model_len is null.*--max-model-len"):
        fitted(Config(max_model_len=None), None)
    assert fitted(Config(), None).max_model_len == 3072


LLAMA = {"architectures": ["LlamaForCausalLM"], "max_position_embeddings": 2048}
PRM = {"architectures": ["Qwen2ForProcessRewardModel"], "max_position_embeddings": 4096}


def test_what_is_fetched_is_said_in_one_line(hub: FakeHub, caplog: pytest.LogCaptureFixture) -> None:
    """Only config.json is fetched, of the revision that was named."""
    hub.models = {("owner/model", "v1"): LLAMA, ("owner/Qwen2.5-Math-PRM", "v2"): PRM}
    config = Config(
        model_name="owner/model", model_revision="v1", prm_name="owner/Qwen2.5-Math-PRM", prm_revision="v2",
        generator="huggingface",
    )  # fmt: skip
    assert preflight(config).max_model_len == 2048
    assert hub.asked == [("owner/model", "config.json", "v1"), ("owner/Qwen2.5-Math-PRM", "config.json", "v2")]
    assert [record.message for record in caplog.records] == [
        "Fetching owner/model from the Hugging Face hub ...",
        "Fetching owner/Qwen2.5-Math-PRM from the Hugging Face hub ...",
        "max_model_len is lowered from 3072 to 2048, the context length of owner/model.",
    ]


def _error(name: str) -> Exception:
    return type(name, (OSError,), {})("a page of text")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        ("RepositoryNotFoundError", "The model 'owner/model' is not on the Hugging Face hub, or is private. Check"),
        ("GatedRepoError", "is gated: its licence must be accepted. Accept it at"),
        ("RevisionNotFoundError", "has no revision 'v1'. Name a branch, a tag or a commit"),
        ("ConnectionError", "is not on this machine, and the Hugging Face hub cannot be reached"),
    ],
)
def test_what_the_hub_refuses(hub: FakeHub, error: str, told: str) -> None:
    """Pages of traceback, of which one word matters."""
    hub.models = {("owner/model", "v1"): _error(error)}
    with pytest.raises(GeneratorError) as caught:
        preflight(Config(model_name="owner/model", model_revision="v1", prm_name="none", generator="huggingface"))
    assert told in str(caught.value)


def test_a_generator_on_the_hub_as_prm(hub: FakeHub) -> None:
    """Its config.json says so before a byte of weights is fetched."""
    hub.models = {("owner/model", None): LLAMA, ("owner/other", None): LLAMA}
    with pytest.raises(PRMError, match="'owner/other', a LlamaForCausalLM, a generator"):
        preflight(Config(model_name="owner/model", prm_name="owner/other", generator="huggingface"))


def test_offline_by_wish(monkeypatch: pytest.MonkeyPatch) -> None:
    """HF_HUB_OFFLINE is obeyed, and named."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr(tt_scale.engines.hub, "_responds", lambda: pytest.fail("the hub was asked"))
    with pytest.raises(TTScaleError, match="HF_HUB_OFFLINE"):
        preflight(Config(model_name="owner/model", prm_name="none", generator="huggingface"))


def test_a_base_model_is_refused(tmp_path: Path) -> None:
    """Every problem of the run failed with this message, one by one."""
    (tmp_path / "config.json").write_text(json.dumps(LLAMA))
    (tmp_path / "tokenizer_config.json").write_text('{"eos_token": "</s>"}')
    config = Config(model_name=str(tmp_path), prm_name="none", generator="huggingface")
    with pytest.raises(GeneratorError, match=r"no chat template.*instruct version"):
        preflight(config)
    (tmp_path / "chat_template.jinja").write_text("{{ messages[0]['content'] }}")
    assert preflight(config).max_model_len == 2048
