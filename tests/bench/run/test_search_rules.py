"""Runs that were begun under older search rules, and runs whose rules only look older."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from commands import BENCH, Command

from tt_scale.bench.run.manifest import rules_changed, rules_in_force

TAGGED = (*BENCH, "--num-samples", "4", "--temperature", "0.7", "--temp-origin", "0.7", "--run-tag", "t")


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.chdir(tmp_path)
    return Command(capsys)


@pytest.mark.parametrize(
    ("experiment", "version", "told"),
    [
        ({}, 1, ("a path ends where the model ends it",)),
        ({"search_rules": 1, "max_generated_tokens": 500}, 1, ("a path ends", "near the end of a token limit")),
        ({"search_rules": 2, "max_generated_tokens": 500}, 2, ("near the end of a token limit",)),
        ({"search_rules": 2, "max_generated_tokens": None}, 3, ()),
        ({"search_rules": 3, "max_generated_tokens": 500}, 3, ()),
    ],
)
def test_only_rules_that_concern_a_run_have_changed_for_it(
    experiment: dict[str, Any], version: int, told: tuple[str, ...]
) -> None:
    changed = rules_changed(experiment)
    assert rules_in_force(experiment) == version
    assert all(each in changed for each in told)
    assert bool(changed) == bool(told)
    assert ("token limit, the longest" in changed) == any("near" in each for each in told)


def test_a_run_of_older_rules_is_not_continued(command: Command, tmp_path: Path) -> None:
    assert command(*TAGGED).status == 0
    [path] = tmp_path.glob("logs/t/*/manifest.json")
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest["experiment"]["search_rules"] = 1
    path.write_text(json.dumps(manifest), encoding="utf-8")
    answer = command(*TAGGED)
    assert answer.status == 2
    assert "was begun under other search rules; since then a path ends where the model ends it" in answer.err


def test_a_limit_that_is_added_is_named_and_not_the_rules(command: Command) -> None:
    """The version of the rules follows from the limit, and was given as the reason."""
    assert command(*TAGGED).status == 0
    answer = command(*TAGGED, "--max-generated-tokens", "4000")
    assert answer.status == 2
    assert "max_generated_tokens: None there, 4000 here" in answer.err
    assert "rules" not in answer.err


def test_runs_with_and_without_a_limit_are_compared(command: Command) -> None:
    """Both are searched by the rules of today, though their versions differ."""
    limited = ("--method", "beam_search", "--max-generated-tokens", "4000")
    assert command(*TAGGED).status == command(*TAGGED, *limited).status == 0
    answer = command("compare", "logs/t")
    assert (answer.status, answer.err) == (0, "")
