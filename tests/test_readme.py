"""What README and documentation tell to type must work, and what they point to must exist."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import click
import pytest
import yaml
from commands import Command

from tt_scale.bench.compare.variants import read_budgets, read_knobs
from tt_scale.cli.configs import configs
from tt_scale.cli.main import SETTINGS, cli
from tt_scale.config import Config
from tt_scale.scripts.method_table import method_table

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/*.md"))]
README = PAGES[0].read_text(encoding="utf-8") if PAGES[0].is_file() else ""
OF_A_TIME = {"CHANGELOG.md", "LOG.md"}
"""Pages that tell what was, so that their commands may be of another version."""

pytestmark = pytest.mark.skipif(not README, reason="the documentation is part of a checkout, not of the wheel")


@dataclass(frozen=True)
class Typed:
    """A command of ours in a page."""

    page: str
    words: tuple[str, ...]

    @property
    def whole(self) -> bool:
        """Whether it can be typed as it stands; `tt-scale doctor` in a sentence may be a name alone."""
        return len(self.words) > 1

    def __str__(self) -> str:
        return f"{self.page}: {shlex.join(self.words)}"


def lines_of(text: str) -> list[str]:
    """The lines of code blocks, those that go on behind a backslash joined; and code within sentences."""
    fence = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    blocks = [block for language, block in fence.findall(text) if language in ("", "sh", "bash")]
    lines = [line.strip() for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    prose = fence.sub("", text)
    return [*lines, *[" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose)]]


def split(line: str) -> list[list[str]]:
    """The commands of a line as a shell reads them."""
    try:
        words = shlex.split(line, comments=True)
    except ValueError:  # no command, but code in a sentence
        return []
    parts: list[list[str]] = [[]]
    for word in words:
        if word == "&&":
            parts.append([])
        else:
            parts[-1].append(word)
    return parts


def typed() -> list[Typed]:
    """All commands of tt-scale in the documentation."""
    found = []
    for page in PAGES:
        for line in lines_of(page.read_text(encoding="utf-8")) if page.name not in OF_A_TIME else ():
            found += [Typed(page.name, tuple(words[1:])) for words in split(line) if words[:1] == ["tt-scale"]]
    return list(dict.fromkeys(each for each in found if each.words and "|" not in each.words))


def other_commands() -> list[tuple[str, list[str]]]:
    """Commands that start programs of the repository, or its Makefile."""
    found = []
    for page in PAGES:
        for line in lines_of(page.read_text(encoding="utf-8")) if page.name not in OF_A_TIME else ():
            found += [(page.name, words) for words in split(line) if len(words) > 1 and words[0] in ("python", "make")]
    return found


def context_of(words: tuple[str, ...]) -> click.Context:
    """Parse as the program does, and run nothing.

    Raises:
        ClickException: a command, a flag or an argument that does not exist.
    """
    if words[0].startswith("-"):
        return click.Context(cli)
    parent = click.Context(cli, info_name="tt-scale", **SETTINGS)  # type: ignore[arg-type]
    if words[0] not in cli.commands:
        raise click.UsageError(f"No such command {words[0]!r}.")
    return cli.commands[words[0]].make_context(words[0], list(words[1:]), parent=parent)


TYPED = typed() if README else []


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a reader works who has followed the page: with a file that `init` wrote."""
    monkeypatch.chdir(tmp_path)
    for name in ("pocket.yaml", "my.yaml"):
        (tmp_path / name).write_text("tau: 0.5\n")
    return tmp_path


def test_commands_are_found() -> None:
    """A page whose blocks are no longer recognised would pass every test here."""
    commands = {each.words[0] for each in TYPED if each.whole and each.page == "README.md"}
    assert commands >= {
        "bench", "calibrate", "compare", "doctor", "init", "prm-check", "prm-eval", "solve", "sweep"
    }  # fmt: skip
    assert {each.page for each in TYPED} >= {"README.md", "CONTRIBUTING.md", "prms.md", "prm-eval.md", "aggregates.md"}


@pytest.mark.parametrize("each", TYPED, ids=str)
def test_a_command_is_one_of_ours_and_builds_its_configuration(each: Typed, folder: Path) -> None:
    """A flag that was renamed stays in the documentation for ever."""
    if not each.whole:
        assert each.words[0] in cli.commands or each.words[0].startswith("-")
        return
    values = dict(context_of(each.words).params)
    if each.words[0] == "compare":
        read_knobs([knob for knob in values.get("vary", ()) if "=" in knob])
        values["budget"] = (read_budgets(values["budget"] or "1"))[0]
    if "config_file" in values:
        keys = {key: value for key, value in values.items() if key in Config.model_fields}
        assert configs(values["config_file"], keys)


@pytest.mark.parametrize(
    "each",
    [each for each in TYPED if each.words[0] in ("init", "list") or each.words.count("simulated") > 1],
    ids=str,
)
def test_a_command_without_models_runs(
    each: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What needs neither a processor of a certain kind nor a hub is typed as it stands, but for fewer problems."""
    monkeypatch.chdir(tmp_path)
    answer = Command(capsys)(*each.words, *(("--num-samples", "20") if each.words[0] == "bench" else ()))
    assert (answer.status, answer.err) == (0, "")


def test_programs_and_targets_exist() -> None:
    """Programs moved to another folder, and their old places stayed in the pages."""
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(other_commands()) > 8
    for page, (program, *words) in other_commands():
        if program == "make":
            assert [word for word in words if "=" not in word and word not in targets] == [], page
            continue
        place, *rest = words[1:] if words[0] == "-m" else words
        file = ROOT / (f"{place.replace('.', '/')}.py" if words[0] == "-m" else place)
        if not file.is_file():
            file = file.with_suffix("") / "__main__.py"
        assert file.is_file(), f"{page}: {place}"
        known = file.read_text(encoding="utf-8")
        assert [word for word in rest if word.startswith("--") and f'"{word}"' not in known] == [], f"{page}: {place}"


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CHANGELOG.md"], ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """A table or a page that moved leaves dead links behind."""
    for target, anchor in re.findall(r"\]\(([^)#:\s]*)(?:#([^)\s]+))?\)", page.read_text(encoding="utf-8")):
        file = page.parent / target if target else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), f"{target}#{anchor}"


def test_the_map_names_files_that_exist() -> None:
    """A map of folders that were renamed sends a newcomer astray."""
    text = PAGES[1].read_text(encoding="utf-8").replace("`tt_scale/config.py`", "")  # which says that it moved
    named = {each for each in re.findall(r"`([\w/]+/[\w/]*(?:\.py)?)`", text) if "/my_" not in each}
    folders = [ROOT, ROOT / "tt_scale", *[path for path in (ROOT / "tt_scale").iterdir() if path.is_dir()]]
    assert len(named) > 20
    assert (
        sorted([each for each in named if not any((place / each).exists() for place in (*folders, ROOT / "tests"))])
        == []
    )


def test_yaml_loads() -> None:
    """An example that does not load is the first thing that a newcomer meets."""
    blocks = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    assert blocks
    for block in blocks:
        Config(**yaml.safe_load(block))


@pytest.mark.hf
@pytest.mark.slow
def test_the_python_example_runs(tmp_path: Path) -> None:
    """On the engine that loads fastest; the page leaves the choice to `auto`."""
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    asked = 'Config.from_yaml("pocket", '
    assert asked in code
    script = tmp_path / "example.py"
    script.write_text(code.replace(asked, f'{asked}generator="huggingface", prm="huggingface", '))
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert re.fullmatch(r"\S+ \d+\n", done.stdout)


def test_methods_are_the_registrys() -> None:
    """A method that is missing from the documentation is found by nobody."""
    assert method_table() in (ROOT / "docs" / "algorithms.md").read_text(encoding="utf-8")
    for row in method_table().splitlines()[2:]:
        assert row.split(" | ")[0].strip("| ") in README


def test_readme_is_short() -> None:
    """It grew with every feature until nobody found anything in it."""
    assert len(README.splitlines()) <= 220
