"""What the README says must be what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from tt_scale.config import Config
from tt_scale.scripts.method_table import method_table

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_method_table_is_the_registrys() -> None:
    """A method that is missing from the README is found by nobody."""
    assert method_table() in README


def test_yaml_and_files_exist() -> None:
    """An example that does not load is the first thing that a newcomer meets."""
    for block in re.findall(r"```yaml\n(.*?)```", README, re.DOTALL):
        Config(**yaml.safe_load(block))
    for target in re.findall(r"\]\(([^)#:]+)\)", README) + re.findall(r"\w+/config/[\w.-]+\.yaml", README):
        assert (ROOT / target).exists(), target


def test_flags_in_commands_exist() -> None:
    """A flag that was renamed stays in the README for ever."""
    from tt_scale.cli.main import cli

    for line in re.findall(r"^tt-scale (bench|solve|doctor)(.*)$", README, re.MULTILINE):
        command, rest = line
        known = {name for option in cli.commands[command].params for name in [*option.opts, *option.secondary_opts]}
        assert set(re.findall(r"--[\w-]+", rest)) <= known, rest
