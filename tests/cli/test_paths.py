"""A path that leads nowhere: one line and status 2 from every command that takes it, before any work."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

import pytest
from commands import SIMULATED, Command, snapshot
from run_folders import retried, write_run

from tt_scale.core.atomic_file import replacing
from tt_scale.errors import ConfigError
from tt_scale.serve.settings import read_tokens

FEW = (*SIMULATED, "--dataset", "simulated", "--num-samples", "2")
BENCH = ("bench", *FEW, "--method", "best_of_n", "--N", "2")
EVAL = ("prm-eval", "simulated", "--model-name", "simulated")
COMPARE = ("compare", *FEW, "--temperature", "0.7", "--N", "2", "--method", "best_of_n", "--method", "self_consistency")
SWEEP = ("sweep", *FEW, "--method", "collective")
QUESTIONS = '{"question": "Simulated problem 7: level 3, 5 steps."}\n'

FILES = {
    # command -> what stands before the path; its extension
    "config": ((*BENCH, "--config"), ".yaml"),
    "problem set": (("bench", *SIMULATED, "--dataset"), ".jsonl"),
    "summary": ((*BENCH, "--summary-csv"), ".csv"),
    "report of bench": ((*BENCH, "--report"), ".html"),
    "events": ((*BENCH, "--events"), ".jsonl"),
    "plot of compare": ((*COMPARE, "--plot"), ".svg"),
    "report of compare": ((*COMPARE, "--report"), ".html"),
    "grid": ((*SWEEP, "--random", "2", "--grid"), ".yaml"),
    "recipe": ((*SWEEP, "--grid", "grid.yaml", "--recipe"), ".yaml"),
    "questions": (("solve", *SIMULATED), ".jsonl"),
    "answers": (("solve", *SIMULATED, "questions.jsonl", "-o"), ".jsonl"),
    "chart": (("plot", "run", "-o"), ".svg"),
    "report": (("report", "run", "-o"), ".html"),
    "plot of prm-eval": ((*EVAL, "--dataset", "simulated", "--num-samples", "2", "--plot"), ".svg"),
    "labelled solutions": ((*EVAL, "--dataset"), ".jsonl"),
    "example": (("init", "--output"), ".yaml"),
}
FOLDERS = {
    "output of bench": (*BENCH, "--output-dir"),
    "output of compare": (*COMPARE, "--output-dir"),
    "output of sweep": (*SWEEP, "--grid", "grid.yaml", "--output-dir"),
    "output of prm-eval": (*EVAL, "--dataset", "simulated", "--num-samples", "2", "--output-dir"),
    "run of show": ("show",),
    "other run of show": ("show", "run", "--with"),
    "run of plot": ("plot", "-o", "a.svg"),
    "run of report": ("report", "-o", "a.html"),
    "run of replay": ("replay",),
    "run of regrade": ("regrade",),
    "run of diff": ("diff", "run"),
    "run of compare": ("compare", "run"),
    "run of export": ("export", "--format", "lm-eval", "-o", "exported"),
    "export": ("export", "run", "--format", "lm-eval", "-o"),
    "generator": (
        "bench", "--prm-name", "none", "--dataset", "simulated", "--method", "self_consistency", "--generator",
        "huggingface", "--model-name",
    ),
    "PRM of prm-check": ("prm-check",),
}  # fmt: skip
LONG = "x" * 300


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(capsys)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a run, a file and a folder of each extension, and standing in it."""
    monkeypatch.chdir(tmp_path)
    if find_spec("huggingface_hub") is not None:
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    write_run(tmp_path / "run", [retried(0)])
    (tmp_path / "questions.jsonl").write_text(QUESTIONS)
    (tmp_path / "grid.yaml").write_text("tau: [0.5, 0.6]\n")
    (tmp_path / "file").write_text("x")
    (tmp_path / "loop").symlink_to("loop")
    for extension in {extension for _, extension in FILES.values()}:
        (tmp_path / f"folder{extension}").mkdir()
    return tmp_path


def refused(desk: Path, command: Command, arguments: tuple[str, ...]) -> str:
    """Type a command that must be refused; gives its message."""
    before = snapshot(desk)
    answer = command(*arguments)
    assert (answer.status, answer.out, answer.err.count("\n")) == (2, "", 1), answer.err
    assert answer.err.startswith("tt-scale: ")
    after = snapshot(desk)
    changed = {name for name in after if before.get(name) != after[name]}
    begun = {name for name in changed if not name.endswith("manifest.json") and after[name]}
    assert begun == set()  # a run folder may have been opened, and holds no result
    return answer.err


def names(path: str, message: str) -> bool:
    """Whether a message is about a path, and not about something else in the command."""
    if not path:
        return "empty" in message or "''" in message
    return "null" in message or "x00" in message if "\0" in path else path[:40] in message


@pytest.mark.parametrize("case", FILES)
def test_a_file_that_cannot_be(desk: Path, command: Command, case: str) -> None:
    """Names that are too long, or have a NUL, gave tracebacks, some of them after the run; an empty one was ignored."""
    before, extension = FILES[case]
    for name in ("", LONG, f"{LONG}/a", "a\0b", "folder", "file/a", "loop/a"):
        path = name and name + extension
        assert names(path, refused(desk, command, (*before, path)))


NEEDS = {"run of plot": "vl_convert", "run of report": "vl_convert", "PRM of prm-check": "torch"}
"""What a command looks for before it looks at the path."""


@pytest.mark.parametrize("case", FOLDERS)
def test_a_folder_that_cannot_be(desk: Path, command: Command, case: str) -> None:
    pytest.importorskip(NEEDS.get(case, "click"))
    for path in ("", LONG, f"{LONG}/a", "a\0b", "file/a", "loop/a"):
        assert names(path, refused(desk, command, (*FOLDERS[case], path)))


def test_a_chart_goes_where_links_and_pipes_lead(desk: Path, command: Command) -> None:
    """A temporary file took their place, and the reader of a pipe waited for ever."""
    pytest.importorskip("vl_convert")
    (desk / "real.svg").write_text("old")
    (desk / "real.svg").chmod(0o664)
    (desk / "link.svg").symlink_to("real.svg")
    assert command("plot", "run", "-o", "link.svg").status == 0
    assert (desk / "link.svg").is_symlink()
    assert (desk / "real.svg").read_text().startswith("<svg")
    assert (desk / "real.svg").stat().st_mode & 0o777 == 0o664
    os.mkfifo(desk / "pipe.svg")
    reader = os.open(desk / "pipe.svg", os.O_RDONLY | os.O_NONBLOCK)
    try:
        with replacing(desk / "pipe.svg") as file:
            file.write("x")
        assert os.read(reader, 10) == b"x"
        assert (desk / "pipe.svg").is_fifo()
    finally:
        os.close(reader)


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs /proc, in which nobody may create a file")
@pytest.mark.parametrize("case", ["summary", "report of bench", "events", "plot of compare", "recipe", "answers"])
def test_a_place_where_no_file_can_be_created(desk: Path, command: Command, case: str) -> None:
    """A summary there was found out after the run, as "another process has locked it"."""
    before, extension = FILES[case]
    assert f"/proc/a{extension}" in refused(desk, command, (*before, f"/proc/a{extension}"))


def test_a_name_that_leaves_no_room_for_its_temporary_file(desk: Path, command: Command) -> None:
    """250 letters are a file name; written with a name of its own beside it, they ended in an error after the work."""
    for case in ("report of bench", "plot of compare", "recipe", "answers"):
        before, extension = FILES[case]
        assert "File name too long" in refused(desk, command, (*before, "x" * (252 - len(extension)) + extension))


def test_a_long_tag_in_a_long_folder(desk: Path, command: Command) -> None:
    assert "too long" in refused(desk, command, (*BENCH, "--run-tag", LONG))
    assert command(*BENCH, "--run-tag", f"{LONG}/a").status == 0  # no plain name: it is cut


@pytest.mark.parametrize("path", ["", LONG, "a\0b", ".", "file/a"])
def test_a_file_of_tokens_that_cannot_be(desk: Path, command: Command, path: str) -> None:
    """An empty name started a server without a token."""
    if path != "a\0b":
        refused(desk, command, ("serve", *SIMULATED, "--port", "0", "--token-file", path))
    with pytest.raises(ConfigError, match=r"token.file"):
        read_tokens(path, "127.0.0.1")


def test_what_is_named_is_said(desk: Path, command: Command) -> None:
    (desk / "reports").mkdir()
    assert "--output is 'reports', which is a folder." in refused(desk, command, ("report", "run", "-o", "reports"))
    assert "--plot is empty. Type: --plot chart.svg" in refused(desk, command, (*COMPARE, "--plot", ""))
    assert "output_dir is empty" in refused(desk, command, (*BENCH, "--output-dir", ""))


def test_folders_that_a_check_made_are_gone(desk: Path, command: Command) -> None:
    """Also where the command is refused for another reason."""
    answer = command("solve", *SIMULATED, "nowhere.jsonl", "-o", "new/deep/answers.jsonl")
    assert answer.status == 2
    assert not (desk / "new").exists()
    assert command("solve", *SIMULATED, "questions.jsonl", "-o", "new/deep/answers.jsonl").status == 0
    assert (desk / "new/deep/answers.jsonl").is_file()
