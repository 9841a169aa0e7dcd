"""Where an engine's processes put temporary files, and that nothing of it stays."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import tt_scale.engines.scratch as scratch
from tt_scale.engines.scratch import Scratch, set_variables
from tt_scale.errors import GeneratorError


@pytest.fixture(autouse=True)
def temporary(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.delenv("VLLM_CACHE_ROOT", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "t"))
    (tmp_path / "t").mkdir()
    monkeypatch.setattr(scratch, "LONGEST_SOCKET", 1000)  # tests have long folders
    return tmp_path / "t"


def test_a_folder_for_an_engine(temporary: Path) -> None:
    """Sockets and rendezvous files of vLLM stayed in TMPDIR after every run."""
    own = Scratch()
    before = dict(os.environ)
    with own.in_use():
        assert own.folder is not None
        assert own.folder.parent == temporary
        assert os.environ["TMPDIR"] == os.environ["VLLM_RPC_BASE_PATH"] == str(own.folder)
        (own.folder / "socket").touch()
        (own.folder / "deeper").mkdir()
    assert dict(os.environ) == before
    own.remove()
    own.remove()
    assert list(temporary.iterdir()) == []


def test_a_home_that_cannot_be_written(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """vLLM printed a traceback where its cache could not be made."""
    home = temporary.parent / "home"
    home.write_text("no folder")  # root may write anywhere else
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(home))
    own = Scratch()
    with own.in_use():
        assert os.environ["VLLM_CACHE_ROOT"] == str(own.folder)
    monkeypatch.setenv("XDG_CACHE_HOME", str(temporary / "not" / "there" / "yet"))
    with own.in_use():
        assert "VLLM_CACHE_ROOT" not in os.environ
    monkeypatch.setenv("VLLM_CACHE_ROOT", "/the/users/choice")
    with own.in_use():
        assert os.environ["VLLM_CACHE_ROOT"] == "/the/users/choice"
    own.remove()


def test_a_long_name_is_too_long_for_a_socket(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name of a Unix socket has 107 bytes; engines ended with "ipc path too long"."""
    monkeypatch.setattr(scratch, "LONGEST_SOCKET", 107)
    monkeypatch.setattr(tempfile, "tempdir", str(temporary / ("x" * 80)))
    own = Scratch()
    folder = own.make()
    try:
        assert len(os.fsencode(folder)) + scratch.SOCKET_NAME <= 107
    finally:
        own.remove()
    assert not folder.exists()


def test_nowhere_to_write(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's own words were a traceback."""

    def none() -> str:
        raise FileNotFoundError("No usable temporary directory found")

    monkeypatch.setattr(tempfile, "gettempdir", none)
    with pytest.raises(GeneratorError, match="TMPDIR"):
        Scratch().make()


def test_variables_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also after an error, and also those that were not set."""
    monkeypatch.setenv("ONE", "1")
    monkeypatch.delenv("TWO", raising=False)

    def failing() -> None:
        with set_variables({"ONE": "2", "TWO": "2"}):
            assert (os.environ["ONE"], os.environ["TWO"]) == ("2", "2")
            raise ValueError("x")

    with pytest.raises(ValueError, match="x"):
        failing()
    assert os.environ["ONE"] == "1"
    assert "TWO" not in os.environ


@pytest.mark.skipif(sys.version_info < (3, 11), reason="PYTHONSAFEPATH is new in 3.11")
def test_modules_of_others_in_the_current_folder(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file `types.py` where a command was typed ended every process that it started."""
    (temporary / "types.py").write_text("raise SystemExit('foreign')")
    code = "from multiprocessing.spawn import spawn_main; print('mine')"
    own = Scratch()
    monkeypatch.delenv("PYTHONPATH", raising=False)
    with own.in_use():
        done = subprocess.run([sys.executable, "-c", code], cwd=temporary, capture_output=True, text=True, check=False)
    own.remove()
    assert (done.stdout, done.stderr) == ("mine\n", "")


PLACED = """
import logging, os
from tt_scale.engines.scratch import place_caches
from tt_scale.engines.transformers.loading import quiet_torch
place_caches()
place_caches()
quiet_torch()
os.makedirs(os.environ["TORCHINDUCTOR_CACHE_DIR"], exist_ok=True)  # as PyTorch does when it is imported
logging.getLogger("torch.utils.cpp_extension").warning("No CUDA runtime is found, using CUDA_HOME='/usr/local/cuda'")
print(os.environ["TORCHINDUCTOR_CACHE_DIR"])
"""


@pytest.mark.parametrize("home", ["a folder", "a file", "none"])
def test_what_pytorch_compiles_is_no_temporary_file(home: str, temporary: Path) -> None:
    """Importing vLLM left a folder `torchinductor_USER` in TMPDIR, and PyTorch warned of a CUDA that nobody uses."""
    place = temporary.parent / "home"
    environment = {**os.environ, "TMPDIR": str(temporary), "HOME": str(place)}
    for name in ("XDG_CACHE_HOME", "TT_SCALE_CACHE", "TORCHINDUCTOR_CACHE_DIR"):
        environment.pop(name, None)
    if home == "a folder":
        place.mkdir()
    else:
        place.write_text("cannot be written to")
    if home == "none":
        environment["HOME"] = ""
    done = subprocess.run([sys.executable, "-c", PLACED], capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert list(temporary.iterdir()) == []
    assert (done.stdout.strip() == str(place / ".cache/tt_scale/torchinductor")) == (home == "a folder")
