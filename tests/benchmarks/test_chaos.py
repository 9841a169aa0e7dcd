"""A bounded piece of `benchmarks/chaos.py`, and whether it would notice what it looks for."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest
from programs import program

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")


@pytest.fixture(scope="module")
def chaos() -> ModuleType:
    return program("benchmarks/chaos.py")


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "most"), [("run", 12), ("compare", 20), ("clock", 0), ("disk", 0)])
def test_nothing_is_lost(chaos: ModuleType, tmp_path: Path, kind: str, most: int) -> None:
    """Each attack ends in the results of an unbroken run, every record once."""
    tally = chaos.chaos(kind, most, chaos.World(tmp_path, seed=1))
    cannot = [fault for fault in tally.faults if "is not installed" in fault or "can be mounted" in fault]
    if cannot:
        pytest.skip(cannot[0])
    assert tally.faults == []
    assert tally.attacks >= {"run": 12, "compare": 4, "clock": 3, "disk": 3}[kind]
    assert tally.runs >= 1
    assert tally.records > 0


def test_what_it_notices(chaos: ModuleType, tmp_path: Path) -> None:
    """A comparison that can find nothing finds nothing."""
    world = chaos.World(tmp_path, seed=0)
    command = chaos.tt_scale(chaos.SMALL)
    unbroken = world.unbroken(command)
    faults = []
    for what in ("nothing", "record", "twice", "summary", "damage", "left"):
        tally = chaos.Tally()
        folder = tmp_path / what
        shutil.copytree(unbroken, folder)
        [journal] = chaos.journals(folder)
        lines = journal.read_bytes().splitlines(keepends=True)
        if what == "record":
            journal.write_bytes(b"".join(lines[1:]))
        elif what == "twice":
            journal.write_bytes(b"".join([*lines, lines[0]]))
        elif what == "damage":
            journal.write_bytes(b"".join(lines).replace(b'"correct"', b'"wrong"', 1))
        elif what == "summary":
            (folder / "logs" / "summary.csv").unlink()
        elif what == "left":
            (folder / "logs" / ".x.partial").touch()
        with world.trial(tally, what):
            chaos.compared(folder, unbroken, tally)
        faults.append(tally.faults)
    told = ["", "1 records are lost", "is there twice", "tables differ: summary.csv", "checksum", "left behind"]
    assert faults[0] == []
    for expected, found in zip(told[1:], faults[1:], strict=True):
        assert expected in found[0]
    with pytest.raises(chaos.FaultError, match=r"status 2: .*tt-scale: "):
        chaos.finished(chaos.tt_scale(("bench", "--method", "nothing")), tmp_path)
    with pytest.raises(chaos.FaultError, match="a traceback"):
        chaos.finished([sys.executable, "-c", "import sys; sys.stderr.write('Traceback (most recent')"], tmp_path)
    with pytest.raises(chaos.FaultError, match="no end within 1 s"):
        chaos.ended(chaos.started([sys.executable, "-c", "import time; time.sleep(60)"], tmp_path), 1.0)
