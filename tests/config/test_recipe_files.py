"""Recipes by name: from the command line, from Python, and beside files of the same name."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import SIMULATED, Command

from tt_scale.config import Config
from tt_scale.config.recipe_files import config_path, recipe_names, recipe_path, recipe_summary, template_path
from tt_scale.errors import ConfigError


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.chdir(tmp_path)
    return Command(capsys)


@pytest.mark.parametrize("name", recipe_names())
def test_a_recipe_is_found_by_name(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Recipes were part of a clone only, and their paths were relative to it."""
    monkeypatch.chdir(tmp_path)
    assert config_path(name) == recipe_path(name)
    assert Config.from_yaml(name) == Config.from_yaml(recipe_path(name))
    assert Config.from_yaml(name, seed=5).seed == 5


def test_the_names_of_recipes() -> None:
    """A recipe that is renamed breaks commands in other people's scripts."""
    pair = "llama3.2-1b_qwen2.5-math-prm-7b_math500_"
    searches = [f"{pair}{method}" for method in ("beam_search", "best_of_n", "collective", "independent")]
    assert recipe_names() == ["cpu", *searches, "pocket", "qwen2.5-3b-awq_matharena_collective"]
    assert template_path("example").name == "example.yaml"


@pytest.mark.parametrize("name", recipe_names())
def test_a_summary_is_one_sentence(name: str) -> None:
    """`tt-scale list` shows the first line of the file."""
    summary = recipe_summary(name)
    assert summary.endswith(".")
    assert summary.count(". ") == 0
    assert 40 < len(summary) < 120


def test_a_file_of_that_name_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has a file `pocket` means it; a folder of that name, such as that of a run, is no configuration."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cpu").mkdir()
    assert config_path("cpu") == recipe_path("cpu")
    (tmp_path / "pocket").write_text("tau: 0.123\n")
    assert Config.from_yaml("pocket").tau == 0.123
    assert config_path("./pocket").read_text() == "tau: 0.123\n"
    (tmp_path / "pocket.yaml").write_text("tau: 0.321\n")
    assert Config.from_yaml("pocket.yaml").tau == 0.321


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("pocke", "There is no configuration file or recipe 'pocke'. Did you mean 'pocket'?"),
        ("pocket.yaml", "Did you mean 'pocket'?"),
        ("config/pocket.yaml", "Did you mean 'pocket'?"),
        ("zzz", "There is no configuration file or recipe 'zzz'. Type: tt-scale list"),
        ("", "There is no configuration file or recipe ''."),
        ("a\0b", "There is no configuration file or recipe"),
        ("recipes/../cpu", "no configuration file or recipe 'recipes/../cpu'. Did you mean 'cpu'?"),
        (".", "'.' is a folder, not a YAML file."),
        ("file/x", "'file/x' cannot be read: Not a directory."),
        ("x" * 300, "cannot be read: File name too long."),
    ],
)
def test_an_unknown_recipe_causes_a_suggestion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, told: str
) -> None:
    """Paths of the time when recipes lay in a clone, slips of the keyboard, and what is no file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError) as caught:
        Config.from_yaml(name)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


COMMANDS = (
    ("bench", *SIMULATED, "--dataset", "simulated", "--num-samples", "2"),
    ("compare", *SIMULATED, "--dataset", "simulated", "--num-samples", "2"),
    ("sweep", *SIMULATED, "--dataset", "simulated", "--num-samples", "9", "--random", "1"),
    ("solve", *SIMULATED, "Simulated problem 7: level 3, 5 steps."),
    ("prm-eval", "simulated", "--model-name", "simulated", "--dataset", "simulated", "--num-samples", "2"),
    ("calibrate", "simulated", "--model-name", "simulated", "--dataset", "simulated", "--num-samples", "2"),
)


@pytest.mark.parametrize("typed", COMMANDS, ids=lambda typed: typed[0])
def test_every_command_takes_a_recipe(command: Command, typed: tuple[str, ...]) -> None:
    """One that read the file by itself would not find it."""
    assert command(*typed, "--config", "pocket").err == ""
    answer = command(*typed, "--config", "pocke")
    assert answer.status == 2
    assert "There is no configuration file or recipe 'pocke'. Did you mean 'pocket'?" in answer.err


@pytest.mark.parametrize("typed", [("prm-check", "pocket-prm"), ("doctor",)], ids=["prm-check", "doctor"])
def test_a_wrong_name_is_refused(command: Command, typed: tuple[str, ...]) -> None:
    """These load models or their libraries, so that only the refusal is cheap."""
    answer = command(*typed, "--config", "pocke")
    assert answer.err == "tt-scale: There is no configuration file or recipe 'pocke'. Did you mean 'pocket'?\n"


def test_list_shows_recipes(command: Command) -> None:
    """The names are longer than anybody guesses."""
    lines = command("list").out.splitlines()
    for name in recipe_names():
        assert any(line.split()[:1] == [name] and line.endswith(recipe_summary(name)) for line in lines)
