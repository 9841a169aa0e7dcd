"""Keys stand in the environment alone: in no file, no message, no record; and files are as private as asked."""

from __future__ import annotations

import ast
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from commands import SIMULATED, heed_signals

import tt_scale

PACKAGE = Path(tt_scale.__file__).parent
SECRET = "sk-planted-0123456789abcdef"
NAMES = (
    "OPENAI_API_KEY", "TT_SCALE_GENERATOR_API_KEY", "TT_SCALE_PRM_API_KEY", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN",
    "WANDB_API_KEY", "AWS_SECRET_ACCESS_KEY", "MLFLOW_TRACKING_PASSWORD",
)  # fmt: skip
SET = ("--dataset", "simulated", "--num-samples", "3", "--run-tag", "t")
RUN = ("bench", *SIMULATED, *SET, "--verbose")


def typed(folder: Path, *arguments: str, mask: int = 0o022) -> tuple[int, bytes]:
    """Run a command with a key in every variable that may hold one; give its status and all that it printed."""

    def prepare() -> None:
        heed_signals()
        os.umask(mask)

    (folder / "temporary").mkdir(exist_ok=True)
    environment = {**os.environ, **dict.fromkeys(NAMES, SECRET), "TMPDIR": str(folder / "temporary")}
    done = subprocess.run(
        [sys.executable, "-m", "tt_scale", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=folder,
        env={**environment, "HF_HUB_OFFLINE": "1"},
        preexec_fn=prepare,
        check=False,
    )
    return done.returncode, done.stdout


def files_with_the_key(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]


@pytest.mark.skipif(sys.platform == "win32", reason="needs umask")
def test_runs_write_no_key_and_are_as_private_as_asked(tmp_path: Path) -> None:
    """Run folders are shared; a manifest that lists the environment shares the keys."""
    for arguments in (
        RUN,
        ("compare", *SIMULATED, *SET, "--method", "greedy"),
        ("bench", *SIMULATED, *SET, "--max-tokens", SECRET[3:5]),
        ("bench", "--model-name", "/nowhere", "--prm-name", "none", *SET),
    ):
        _, told = typed(tmp_path, *arguments, mask=0o077)
        assert told
        assert SECRET.encode() not in told
    files = [path for path in (tmp_path / "logs").rglob("*") if path.is_file()]
    assert {"manifest.json", "problems.jsonl", "summary.csv", "detail.csv"} <= {path.name for path in files}
    assert files_with_the_key(tmp_path) == []
    for path in [tmp_path / "logs", *(tmp_path / "logs").rglob("*")]:
        assert not path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO), path
        assert path.is_dir() or not path.stat().st_mode & stat.S_IXUSR, path


@pytest.mark.hf
@pytest.mark.parametrize("key", [SECRET, "another"])
def test_a_run_over_servers_writes_no_key(tmp_path: Path, key: str) -> None:
    """One that takes the key, and one that refuses it."""
    pytest.importorskip("openai")
    pytest.importorskip("transformers")
    from fake_servers import Fake, serving

    with serving(Fake(completions=False, key=key)) as fake:
        status, told = typed(
            tmp_path, "bench", "--generator", "openai", "--base-url", fake.url, "--model-name", fake.served[0],
            "--tokenizer", "none", "--prm-name", "none", "--method", "greedy", "--dataset", "pocket-math",
            "--num-samples", "2", "--run-tag", "t", "--verbose",
        )  # fmt: skip
    assert (status == 0) == (key == SECRET), told
    assert SECRET.encode() not in told
    assert files_with_the_key(tmp_path) == []
    assert (key == SECRET) == any(path.stat().st_size for path in tmp_path.rglob("problems.jsonl"))


PICKLES = {"pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal", "joblib"}
CALLS = {"os.system", "os.popen", "yaml.load", "yaml.unsafe_load", "eval", "subprocess.getoutput"}


def dangers(node: ast.AST) -> bool:
    """Whether a line runs as code what is only data: a pickle, a line for a shell, a tag of YAML."""
    match node:
        case ast.Import(names):
            return any(name.name.partition(".")[0] in PICKLES for name in names)
        case ast.ImportFrom(str(module)):
            return module.partition(".")[0] in PICKLES
        case ast.Call(function, _, keywords):
            given = {each.arg: ast.unparse(each.value) for each in keywords}
            called = ast.unparse(function)
            unsafe_load = called == "torch.load" and given.get("weights_only") != "True"
            return called in CALLS or unsafe_load or given.get("shell", "False") != "False"
    return False


@pytest.mark.parametrize(
    ("code", "danger"),
    [
        ("import pickle", True),
        ("from dill import loads", True),
        ("torch.load(x)", True),
        ("torch.load(x, weights_only=True)", False),
        ("subprocess.run(x, shell=True)", True),
        ("subprocess.run(x, shell=False)", False),
        ("yaml.load(x)", True),
        ("os.system(x)", True),
    ],
)
def test_what_is_a_danger(code: str, danger: bool) -> None:
    assert any(map(dangers, ast.walk(ast.parse(code)))) == danger


def test_no_file_is_run_as_code() -> None:
    """What somebody else wrote must stay data; see also ruff's rules `S`."""
    found = [
        f"{file.relative_to(PACKAGE)}:{getattr(node, 'lineno', 0)}"
        for file in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if dangers(node)
    ]
    assert found == []
