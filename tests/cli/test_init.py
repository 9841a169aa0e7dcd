"""`tt-scale init`: a file to start from, never written over another."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
from commands import Command, snapshot

from tt_scale.config import Config
from tt_scale.config.recipe_files import recipe_names, recipe_path


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.chdir(tmp_path)
    return Command(capsys)


@pytest.mark.parametrize("name", recipe_names())
def test_a_recipe_is_copied(command: Command, tmp_path: Path, name: str) -> None:
    """The copy behaves as the recipe does, comments included."""
    answer = command("init", name)
    path = f"{name}.yaml"
    assert (answer.status, answer.err) == (0, "")
    assert answer.out == f"Wrote {path}. Edit it, then type: tt-scale bench --config {path}\n"
    assert (tmp_path / path).read_text(encoding="utf-8") == recipe_path(name).read_text(encoding="utf-8")


@pytest.mark.parametrize("typed", [(), ("example",)])
def test_without_a_name_every_key_is_written(command: Command, tmp_path: Path, typed: tuple[str, ...]) -> None:
    """The commented example is what a newcomer edits."""
    answer = command("init", *typed)
    assert (answer.status, answer.out.splitlines()[-1].partition(".")[0]) == (0, "Wrote example")
    assert Config.from_yaml(tmp_path / "example.yaml") == Config()


def test_the_printed_command_runs(command: Command, tmp_path: Path) -> None:
    """Also where the path has to be quoted for the shell."""
    (tmp_path / "my runs").mkdir()
    typed = command("init", "pocket", "--output", "my runs/it's mine.yaml").out.partition("type: tt-scale ")[2]
    simulated = ("--model-name", "simulated", "--prm-name", "simulated", "--dataset", "simulated", "--dtype", "auto")
    assert command(*shlex.split(typed), *simulated, "--num-samples", "2").status == 0


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("init", "'example.yaml' exists and is not overwritten. Delete it, or type: tt-scale init example --output"),
        ("init pocket --output mine.yaml", "'mine.yaml' exists and is not overwritten"),
        ("init pocket --output link.yaml", "'link.yaml' exists and is not overwritten"),
        ("init pocket --output folder", "'folder' is a folder, not a file to write. Type: tt-scale init pocket "
         "--output folder/pocket.yaml"),
        ("init pocket --output=", "--output is empty. Type: tt-scale init pocket --output mine.yaml"),
        ("init pocket --output none/x.yaml", "There is no folder 'none'. Type: mkdir -p none"),
        ("init pocket --output mine.yaml/x.yaml", "'mine.yaml/x.yaml' cannot be written: Not a directory."),
        (f"init pocket --output {'x' * 300}", "cannot be written: File name too long."),
        ("init pocke", "There is no recipe 'pocke'. Did you mean 'pocket'?"),
        ("init pocket.yaml", "There is no recipe 'pocket.yaml'. Did you mean 'pocket'?"),
        ("init a/pocket", "There is no recipe 'a/pocket'. Did you mean 'pocket'?"),
        ("init ../zzz", "There is no recipe '../zzz'. Type: tt-scale list"),
        ("init pocket cpu", "unexpected extra argument (cpu)"),
        ("init --name pocket", "No such option"),
    ],
)  # fmt: skip
def test_a_mistake_writes_nothing(command: Command, tmp_path: Path, typed: str, told: str) -> None:
    """A configuration that somebody edited for an hour must not be lost to a repeated command."""
    (tmp_path / "folder").mkdir()
    for name in ("example.yaml", "mine.yaml"):
        (tmp_path / name).write_text("tau: 0.5\n")
    (tmp_path / "link.yaml").symlink_to("gone.yaml")
    before = snapshot(tmp_path)
    answer = command(*typed.split())
    assert (answer.status, answer.out) == (2, "")
    assert answer.err.startswith("tt-scale: ")
    assert told in answer.err
    assert answer.err.count("\n") == 1
    assert snapshot(tmp_path) == before


def test_a_folder_that_cannot_be_written(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """The superuser, as whom tests often run, may write everywhere."""
    opened = Path.open

    def refuse(path: Path, mode: str = "r", *rest: Any, **named: Any) -> Any:
        if "x" in mode:
            raise PermissionError(13, "Permission denied")
        return opened(path, mode, *rest, **named)

    monkeypatch.setattr(Path, "open", refuse)
    answer = command("init", "pocket")
    assert answer.status == 2
    assert "'pocket.yaml' cannot be written: Permission denied. Type: tt-scale init pocket --output PATH" in answer.err
