r"""Warnings: about what a user typed or nothing reads, once, and never about a shipped recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from commands import Command

from tt_scale.bench.run.config_warnings import delimiter_warnings, sample_warnings, warnings
from tt_scale.config import Config
from tt_scale.config.recipe_files import recipe_names, recipe_path, template_path
from tt_scale.problems import load_problems

SIMULATED: dict[str, Any] = {"model_name": "simulated", "prm_name": "simulated"}
TYPED = ("--model-name", "simulated", "--prm-name", "simulated", "--generator", "simulated", "--prm", "simulated",
         "--dataset", "simulated", "--num-samples", "2")  # fmt: skip


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.chdir(tmp_path)
    return Command(capsys)


@pytest.mark.parametrize(
    ("delimiter", "spelling"),
    [
        (r"\n\n", r'["\n\n"]'),
        (r"\n## Step", r'["\n## Step"]'),
        (r"\t", r'["\t"]'),
        (r"\r\n", r'["\r\n"]'),
        (r"\nabla", r'["\nabla"]'),
        ("a\n\\n", r'["a\n\n"]'),
    ],
)
def test_a_literal_backslash_is_warned_about_and_kept(delimiter: str, spelling: str) -> None:
    r"""`'\n\n'` in single quotes ends no step; what is meant is shown, and nothing is changed in silence."""
    config = Config(**SIMULATED, stop_tokens=[delimiter])
    [told] = delimiter_warnings(config)
    assert spelling in told
    assert config.stop_tokens == (delimiter,)


@pytest.mark.parametrize("delimiter", ["\n\n", "\n## Step", ".", r"\boxed", r"\end{step}", "\\"])
def test_other_delimiters_are_not_warned_about(delimiter: str) -> None:
    """LaTeX commands may end a step."""
    assert delimiter_warnings(Config(**SIMULATED, stop_tokens=[delimiter])) == []


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"reasoning_tags": [r"<plan>\n", "</plan>"]}, r"reasoning_tags holds '<plan>\n'"),
        ({"final_answer_prefix": r"\n\nAnswer:"}, r'write "\n\nAnswer:" in YAML, in double quotes'),
        (
            {"system_prompt": r"Please think first.\n\nThen put the answer within \boxed{} and stop there."},
            r"holds '...think first.\n\nThen put t...', in which",
        ),
        ({"system_prompt": r"Think.\nPut the answer in \boxed{}."}, "system_prompt holds"),
        ({"prm_args": {"separator": r"\n"}}, r"prm_args: separator holds '\n'"),
        ({"prm_args": {"a": {"tag": r"\n+"}, "b": {}}}, "prm_args: tag holds"),
        ({"system_prompt": r"Write \text{cm}, \theta, \rho, \nRightarrow, \rVert, \tfrac12 and \nabla."}, ""),
        ({"system_prompt": "Think.\n\nPut it in a box.", "prm_args": {"separator": "\n", "positive": 1}}, ""),
    ],
)
def test_a_literal_backslash_in_other_texts(keys: dict[str, Any], told: str) -> None:
    r"""`system_prompt: 'First.\n\nThen ...'` in single quotes puts backslashes into every prompt."""
    found = delimiter_warnings(Config(**SIMULATED, **keys))
    assert len(found) == bool(told)
    assert told in "".join(found)


def test_a_file_in_single_quotes(command: Command) -> None:
    """As people write it."""
    Path("c.yaml").write_text("stop_tokens: ['\\n\\n']\n")
    answer = command("bench", *TYPED, "--config", "c.yaml")
    assert answer.out.count("warning: stop_tokens holds '\\n\\n'") == 1
    assert 'write ["\\n\\n"] in YAML, in double quotes.' in answer.out


@pytest.mark.parametrize(
    ("typed", "delimiters"),
    [(r"\n\n", ["\n\n"]), (r"\n## Step", ["\n## Step"]), (r"\t", ["\t"]), (r"\nabla", [r"\nabla"]),
     (r"\theta", [r"\theta"])],
)  # fmt: skip
def test_a_shell_cannot_write_line_breaks(typed: str, delimiters: list[str]) -> None:
    r"""`\n` is one, unless a letter follows: `\nabla` became a line break and "abla"."""
    from tt_scale.cli.configs import given

    assert list(given({"stop_tokens": (typed,)})["stop_tokens"]) == delimiters


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        (
            {"method": "best_of_n", "N": 4, "temperature": 0},
            "temperature is 0, so the 4 samples of best_of_n are equal",
        ),
        ({"method": "self_consistency", "N": 8, "temperature": 0}, "the 8 samples of self_consistency are equal"),
        ({"method": "best_of_n", "N": 4, "top_k": 1}, "top_k is 1, so the 4 samples"),
        ({"method": "beam_search", "temperature": 0}, "all children of one path by beam_search are equal"),
        ({"method": "collective", "temp_origin": 0}, "all first attempts at one path by collective are equal"),
        ({"method": "collective", "temp_origin": 0, "temp_step": 0}, "all children of one path by collective"),
        ({"method": "best_of_n", "N": 1, "temperature": 0}, ""),
        ({"method": "greedy"}, ""),
        ({"method": "best_of_n", "max_tokens": 5000}, "max_tokens is 5000, but prompt and solution together have"),
        ({"method": "best_of_n", "max_tokens": 3072}, "no solution can be that long"),
        ({"method": "best_of_n", "max_model_len": 512}, ""),
        ({"method": "best_of_n"}, ""),
    ],
)
def test_what_is_probably_not_meant(keys: dict[str, Any], told: str) -> None:
    """One line each, and none where nothing is odd."""
    found = warnings([Config(**SIMULATED, **keys)])
    assert len(found) == bool(told)
    assert told in "".join(found)


def test_a_sample_larger_than_the_set(command: Command) -> None:
    """It silently was the whole set."""
    problems = load_problems("simulated")
    assert sample_warnings(Config(num_samples=1000), "simulated", problems) == []
    [told] = sample_warnings(Config(num_samples=1001), "simulated", problems)
    assert told == "num_samples is 1001, but simulated holds 1000 problems: all are taken."
    Path("few.jsonl").write_text('{"question": "Simulated problem 7: level 3, 5 steps.", "answer": "1"}\n')
    few = ("--dataset", "few.jsonl", "--num-samples", "5")
    answer = command("bench", *TYPED[:-4], *few, "--method", "best_of_n", "--method", "greedy")
    assert answer.out.count("num_samples is 5, but few.jsonl holds 1 problems") == 1
    answer = command("compare", *TYPED[:-4], *few, "--method", "best_of_n", "--method", "greedy")
    assert answer.out.count("num_samples is 5, but few.jsonl holds 1 problems") == 1


@pytest.mark.parametrize(
    "path", [*map(recipe_path, recipe_names()), template_path("example")], ids=lambda path: path.stem
)
@pytest.mark.parametrize("method", [(), ("--method", "best_of_n"), ("--method", "greedy")])
def test_shipped_recipes_run_without_a_warning(command: Command, path: Path, method: tuple[str, ...]) -> None:
    """A warning that comes with every run is not read."""
    extra = ("--quantization", "none", "--prm-adapter", "auto")
    answer = command("bench", *TYPED, *extra, "--config", str(path), *method)
    assert answer.status == 0, answer.err
    assert "warning" not in answer.out


def test_a_key_of_a_file_that_nothing_reads(command: Command) -> None:
    """A knob without effect; one that was typed over the file's method is of the file's method."""
    Path("c.yaml").write_text("method: best_of_n\nlookahead: 3\ntemperature: 0.7\ntemp_origin: 0.7\n")
    assert "no method or PRM of this run reads lookahead." in command("bench", *TYPED, "--config", "c.yaml").out
    typed = ("--method", "greedy")
    assert "warning" not in command("bench", *TYPED, "--config", "c.yaml", *typed).out
    assert "reads tau." in command("bench", *TYPED, "--config", "c.yaml", *typed, "--tau", "0.5").out
