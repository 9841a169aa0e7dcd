"""`docs/prms.md` and `examples/own_prm.py` are what a user with a PRM of his own reads: they must be true."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from commands import Command
from tiny_models import save_prm

from tt_scale.prm.adapters.lookup import adapter_class, find_adapter
from tt_scale.registry import BUILT_IN, family_backend, prm_class

pytestmark = [pytest.mark.hf, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "prms.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if line.startswith("| ") and "adapter" not in line
]


def test_every_adapter_has_its_row_and_every_row_its_adapter() -> None:
    """A table that is kept by hand forgets what was added, and keeps what was removed."""
    asked = {row[1].strip("`") for row in ROWS}
    own = {f"--prm {name}" for name in BUILT_IN["prms"] if prm_class(name).names}  # no adapter, a backend of their own
    assert asked == set(BUILT_IN["prm_adapters"]) | own
    assert all(len(row) == 9 for row in ROWS)
    assert all(row[7] in ("tiny", "real") for row in ROWS)
    assert [row[0] for row in ROWS if row[7] == "real"] == ["`pocket-prm` (shipped)"]


@pytest.mark.parametrize("row", [row for row in ROWS if "/" in row[0]], ids=lambda row: row[0])
def test_a_named_model_finds_the_adapter_of_its_row(row: list[str]) -> None:
    """A row whose model is not recognised by its name sends the user into an error."""
    (name,) = re.findall(r"`([^`]+/[^`]+)`", row[0])
    asked = row[1].strip("`")
    if family_backend(name):
        assert asked == f"--prm {family_backend(name)}"
    else:
        assert find_adapter("auto", name, {"architectures": []}) is adapter_class(asked)


def test_the_example_runs() -> None:
    """An example that fails is the first thing that a newcomer meets."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "own_prm.py")], capture_output=True, text=True, check=True
    )
    assert done.stdout.count("<extra_0>   <- read") == 2
    assert done.stdout.count("<- read") == 2


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A model of no known architecture, with one layer of two classes."""
    import torch
    from safetensors.torch import load_file, save_file

    folder = tmp_path / "my-prm-tiny"
    folder.mkdir()
    save_prm(folder, head=False)
    weights = load_file(folder / "model.safetensors")
    torch.manual_seed(4)
    weights |= {"score.weight": torch.randn(2, 64) * 0.3, "score.bias": torch.randn(2)}
    save_file(weights, folder / "model.safetensors")
    settings = json.loads((folder / "config.json").read_text()) | {"architectures": ["MyRewardThing"]}
    (folder / "config.json").write_text(json.dumps(settings))
    return folder


def as_installed(site: Path, code: str) -> None:
    """Write a package with the adapter and the metadata that pip would leave."""
    (site / "my_package.py").write_text(code)
    metadata = site / "my_package-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: my_package\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[tt_scale.prm_adapters]\nmy-prm = my_package:MyPRM\n")


@pytest.mark.parametrize("where", ["page", "example"])
@pytest.mark.parametrize("asked", [(), ("--prm-adapter", "my-prm"), ("--prm-adapter", "my_package:MyPRM")])
def test_an_adapter_of_ones_own_scores(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    checkpoint: Path,
    where: str,
    asked: tuple[str, ...],
) -> None:
    """What the page tells to type must work: found by the model's name, by its own name, and by its place."""
    site = tmp_path / "site"
    site.mkdir()
    code = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[0]
    example = (ROOT / "examples" / "own_prm.py").read_text()
    as_installed(site, code if where == "page" else example)
    monkeypatch.syspath_prepend(str(site))
    answer = Command(capsys)("prm-check", str(checkpoint), "--prm", "huggingface", *asked)
    sys.modules.pop("my_package")
    assert answer.status == 0, answer.err
    assert "  adapter    my" in answer.out
    assert "[<extra_0>]" in answer.out
    assert "Both ways agree" in answer.out


def test_the_page_s_adapter_is_thirty_lines() -> None:
    """The promise of the page."""
    code = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[0]
    assert len(code.splitlines()) <= 30
