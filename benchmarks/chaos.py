"""Kills runs, fills their disk, sets their clock back; then lets them go on, and compares them with an unbroken run.

    python benchmarks/chaos.py [--kills 200] [--seed 0] [--only run --only disk]

| kind    | what happens |
|---------|---|
| run     | SIGKILL to `bench` with two methods in the simulated world, again and again, until it is done |
| compare | SIGKILL to `compare`, or to one of the two processes in which it searches |
| clock   | the clock of `bench` is set back by a day, a year, and to 1970 in mid-run (libfaketime) |
| disk    | the file system of `bench` is full, at every page that it writes (a mounted tmpfs; needs root) |
| engine  | SIGKILL to the core of vLLM's engine in mid-run |

At least half of all kills fall late, after three quarters of the records. After each kill nothing may be left running;
each run ends with every record once, and records, `detail.csv` and `summary.csv` are those of the unbroken run but for
what a clock says. No traceback may be printed but by what was killed. Printed for each kind: what was done, and
everything that differed; the exit status is 1 where anything did. The seed decides where kills fall; how far a run has
come by then is the machine's.
"""

from __future__ import annotations

import argparse
import csv
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from tt_scale.bench.format.lines import read_line
from tt_scale.bench.record import CALL_SECONDS, unpack

SIMULATED = ("--model-name", "simulated", "--prm-name", "simulated", "--dataset", "simulated", "--run-tag", "t")
METHODS = ("--method", "best_of_n", "--method", "beam_search")
RUN = ("bench", *SIMULATED, *METHODS, "--num-samples", "100", "--concurrency", "4")
SMALL = ("bench", *SIMULATED, "--method", "best_of_n", "--N", "2", "--num-samples", "4", "--concurrency", "1")
ENGINE = (
    *("bench", "--model-name", "pocket-gen", "--generator", "vllm", "--prm-name", "none", "--dataset", "pocket-math"),
    *("--method", "self_consistency", "--N", "4", "--num-samples", "60", "--concurrency", "4", "--run-tag", "t"),
    *("--dtype", "float32", "--max-model-len", "512", "--kv-cache-gib", "0.25"),
)
LATE = 0.75
"""Share of the records after which a kill counts as late."""
PATIENCE = 900.0
"""Seconds after which a command that has not ended counts as hanging."""
OF_A_CLOCK = {"seconds", "elapsed", "timestamp"}
CLOCKS = ("-1d", "-365d", "@1970-01-02 00:00:00")
LIBRARIES = "/usr/lib/*/faketime/libfaketime.so.1"
TRACE = re.compile(r"^Traceback|^Exception ignored", re.MULTILINE)


class FaultError(Exception):
    """Something that must not happen; its text says what."""


@dataclass
class Tally:
    """What was done to one kind of run, and what came of it.

    Attributes:
        runs: that came to their end, and were compared.
        attacks: kills, changes of the clock, full disks.
        late: attacks after `LATE` of the records.
        records: that were compared.
        faults: what must not happen.
    """

    runs: int = 0
    attacks: int = 0
    late: int = 0
    records: int = 0
    faults: list[str] = field(default_factory=list)


def started(command: Sequence[str], folder: Path, **variables: str) -> subprocess.Popen[bytes]:
    """Start a command in a process group of its own; what it prints is added to two files."""
    with (folder / "out.txt").open("ab") as out, (folder / "err.txt").open("ab") as err:
        return subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            env={**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", **variables},
            start_new_session=True,
        )


def tt_scale(arguments: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "tt_scale", *arguments]


def ended(process: subprocess.Popen[bytes], seconds: float = PATIENCE) -> int:
    """Wait for the end of a command, and of all that it started.

    Raises:
        FaultError: it hangs, or leaves something running.
    """
    try:
        status = process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise FaultError(f"no end within {seconds:.0f} s") from None
    until = time.monotonic() + 60
    while running(process.pid):
        if time.monotonic() > until:
            os.killpg(process.pid, signal.SIGKILL)
            raise FaultError("processes outlive the command for a minute")
        time.sleep(0.05)
    return status


def running(group: int) -> list[int]:
    """Processes of a group that are no zombies."""
    return [pid for pid, _, own, state in processes() if own == group and state != "Z"]


def processes() -> Iterator[tuple[int, int, int, str]]:
    """Give number, parent, group and state of each process of this machine."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            yield int(entry.name), int(words[1]), int(words[2]), words[0]


def finished(command: Sequence[str], folder: Path, **variables: str) -> None:
    """Run a command to its end.

    Raises:
        FaultError: it fails, hangs, or complains.
    """
    before = len(said(folder))
    status = ended(started(command, folder, **variables))
    new = said(folder)[before:]
    if status:
        raise FaultError(f"status {status}: {new.strip()[-300:]}")
    require_no_trace(new)


def said(folder: Path) -> str:
    path = folder / "err.txt"
    return path.read_text(errors="replace") if path.exists() else ""


def require_no_trace(text: str) -> None:
    if TRACE.search(text):
        raise FaultError(f"a traceback: {text.strip()[-300:]}")


def journals(folder: Path) -> list[Path]:
    return sorted(folder.rglob("problems.jsonl"))


def lines_of(folder: Path) -> int:
    return sum([path.read_bytes().count(b"\n") for path in journals(folder)])


def records_of(folder: Path) -> dict[tuple[str, str, int], Any]:
    """Read the records of all runs below a folder, without what a clock says.

    Raises:
        FaultError: one is there twice, or damaged.
    """
    found: dict[tuple[str, str, int], Any] = {}
    for path in journals(folder):
        for line in path.read_bytes().splitlines(keepends=True):
            try:
                record = unpack(read_line(line))
            except ValueError as error:
                raise FaultError(f"{path.parent.name}: {error}") from None
            del record["usage"]["seconds"]
            record = {name: value for name, value in record.items() if name not in CALL_SECONDS}
            key = (path.parent.name, record["id"], record["repeat"])
            if key in found:
                raise FaultError(f"{key} is there twice")
            found[key] = {**record, "tape": repr(record["tape"])}
    return found


def tables_of(folder: Path) -> dict[str, list[dict[str, str]]]:
    """Read every CSV file below a folder, without what a clock says."""
    found = {}
    for path in sorted(folder.rglob("*.csv")):
        with path.open(newline="", encoding="utf-8") as file:
            rows = [{k: v for k, v in row.items() if k not in OF_A_CLOCK} for row in csv.DictReader(file)]
        found[str(path.relative_to(folder))] = rows
    return found


def compared(folder: Path, unbroken: Path, tally: Tally) -> None:
    """Count a run that came to its end.

    Raises:
        FaultError: it differs from the unbroken one.
    """
    own, other = records_of(folder / "logs"), records_of(unbroken / "logs")
    if own.keys() != other.keys():
        raise FaultError(
            f"{len(other.keys() - own.keys())} records are lost, {len(own.keys() - other.keys())} too many"
        )
    for key, record in own.items():
        names = [name for name in record if record[name] != other[key].get(name)]
        if names:
            raise FaultError(f"{key} differs in {', '.join(names)}")
    tables, others = tables_of(folder / "logs"), tables_of(unbroken / "logs")
    if tables != others:
        names = [name for name in others if tables.get(name) != others[name]]
        raise FaultError(f"tables differ: {', '.join(names) or 'one too many'}")
    left = [path.name for path in folder.rglob("*.partial")] + [p.name for p in folder.rglob("*damaged*")]
    if left:
        raise FaultError(f"left behind: {', '.join(left)}")
    tally.runs += 1
    tally.records += len(own)


class World:
    """Where runs take place.

    Args:
        root: folder for all of them.
        seed: decides where attacks fall.
    """

    def __init__(self, root: Path, seed: int) -> None:
        self.root = root
        self.chance = Random(seed)
        self._unbroken: dict[tuple[str, ...], Path] = {}
        self._count = 0

    def folder(self) -> Path:
        """Make a folder for a run."""
        self._count += 1
        folder = self.root / f"run{self._count}"
        folder.mkdir()
        return folder

    def unbroken(self, command: Sequence[str]) -> Path:
        """Give the folder of an unbroken run; it is run once."""
        key = tuple(command)
        if key not in self._unbroken:
            folder = self.folder()
            finished(command, folder)
            self._unbroken[key] = folder
        return self._unbroken[key]

    @contextmanager
    def trial(self, tally: Tally, what: str) -> Iterator[Path]:
        """Give a folder; note what must not happen, and keep the folder then."""
        folder = self.folder()
        try:
            yield folder
        except FaultError as fault:
            tally.faults.append(f"{what}: {fault} ({folder})")
        else:
            shutil.rmtree(folder)


def kills(world: World, tally: Tally, most: int, command: Sequence[str], victim: Callable[[int], int]) -> None:
    """Kill a command at random instants until it is done, again and again, and compare what it left.

    Args:
        world: where.
        tally: is counted up.
        most: kills in all.
        command: to be killed.
        victim: gives the process to kill, of those of a command.
    """
    total = lines_of(world.unbroken(command))
    while tally.attacks < most:
        with world.trial(tally, "killed") as folder:
            for _ in range(world.chance.choice([1, 2, 3, 5])):
                if tally.attacks < most:
                    late = tally.late <= tally.attacks // 2
                    kill_once(world, tally, folder, command, victim, total, late=late)
            finished(command, folder)
            compared(folder, world.unbroken(command), tally)
        if tally.runs % 10 == 0:
            print(f"  {tally}", file=sys.stderr, flush=True)


def kill_once(
    world: World,
    tally: Tally,
    folder: Path,
    command: Sequence[str],
    victim: Callable[[int], int],
    total: int,
    *,
    late: bool,
) -> None:
    """Start a command, and kill a process of it once so many records are there; none is killed if it ends before."""
    share = world.chance.uniform(LATE, 1.0) if late else world.chance.uniform(0.0, 1.0)
    pause = world.chance.choice([0.0, 0.001, 0.01, 0.05, 0.3])
    before = len(said(folder))
    process = started(command, folder)
    until = time.monotonic() + PATIENCE
    while lines_of(folder) < share * total and process.poll() is None and time.monotonic() < until:
        time.sleep(0.002)
    time.sleep(pause)
    pid = victim(process.pid)
    if process.poll() is None and pid:
        at = lines_of(folder)
        os.kill(pid, signal.SIGKILL)
        tally.attacks += 1
        tally.late += at >= LATE * total
    status = ended(process)
    if pid not in (0, process.pid):
        new = said(folder)[before:]
        require_no_trace(new)
        if status not in (0, 3):
            raise FaultError(f"status {status} after the end of a process: {new.strip()[-300:]}")


def itself(pid: int) -> int:
    return pid


def searching(chance: Random) -> Callable[[int], int]:
    """Give a function that chooses the main process, or one of those that search."""

    def victim(pid: int) -> int:
        below = [one for one, parent, _, state in processes() if parent == pid and state != "Z" and is_spawned(one)]
        return chance.choice([pid, *below, *below]) if below else pid

    return victim


def is_spawned(pid: int) -> bool:
    try:
        return b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def engine_core(pid: int) -> int:
    """Find the process of vLLM's engine; 0 where there is none yet."""
    for one, _, group, state in processes():
        try:
            name = Path(f"/proc/{one}/comm").read_text()
        except OSError:
            continue
        if group == pid and state != "Z" and "VLLM" in name.upper():
            return one
    return 0


def clocks(world: World, tally: Tally) -> None:
    """Set the clock back while a run goes on."""
    library = next(Path("/").glob(LIBRARIES[1:]), None)
    if library is None:
        tally.faults.append("libfaketime is not installed; type: apt-get install faketime")
        return
    command = tt_scale(RUN)
    total = lines_of(world.unbroken(command))
    for told in CLOCKS:
        with world.trial(tally, f"clock {told}") as folder:
            file = folder / "clock"
            file.write_text("+0")
            process = started(
                command, folder, LD_PRELOAD=str(library), FAKETIME_TIMESTAMP_FILE=str(file), FAKETIME_NO_CACHE="1",
                FAKETIME_DONT_FAKE_MONOTONIC="1",
            )  # fmt: skip
            while lines_of(folder) < world.chance.uniform(0.1, 0.9) * total and process.poll() is None:
                time.sleep(0.002)
            file.write_text(told)
            tally.attacks += process.poll() is None
            status = ended(process)
            if status:
                raise FaultError(f"status {status}: {said(folder).strip()[-300:]}")
            require_no_trace(said(folder))
            if is_of_today(folder):
                raise FaultError("the clock was not set back")
            compared(folder, world.unbroken(command), tally)


def is_of_today(folder: Path) -> bool:
    """Whether the last line of a summary was written today, as this process sees it."""
    (path,) = folder.rglob("summary.csv")
    with path.open(newline="", encoding="utf-8") as file:
        *_, last = csv.DictReader(file)
    return last["timestamp"][:10] == time.strftime("%Y-%m-%d", time.gmtime())


def disks(world: World, tally: Tally) -> None:
    """Leave a file system one page more each time, until a run finds enough."""
    command = tt_scale(SMALL)
    unbroken = world.unbroken(command)
    for pages in range(1000):
        with world.trial(tally, f"{pages} pages left") as folder, small_disk(folder / "logs") as mounted:
            if not mounted:
                tally.faults.append("no file system can be mounted here; be root")
                return
            room = os.statvfs(folder / "logs")
            ballast = folder / "logs" / "ballast"
            ballast.write_bytes(bytes((room.f_bavail - pages) * room.f_frsize))
            status = ended(started(command, folder))
            require_no_trace(said(folder))
            if status not in (0, 2) or (status == 2 and "No space left on device" not in said(folder)):
                raise FaultError(f"status {status}: {said(folder).strip()[-300:]}")
            tally.attacks += status == 2
            tally.late += status == 2 and lines_of(folder) >= LATE * lines_of(unbroken)
            ballast.unlink()
            finished(command, folder)
            compared(folder, unbroken, tally)
            if status == 0:
                return


@contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """Mount a file system of 1 MB; False where that is not allowed."""
    folder.mkdir()
    line = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    mounted = subprocess.run(line, capture_output=True, check=False).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(folder)], check=False)


def compare_here() -> None:
    """Compare two methods in two processes; the child of this program."""

    from tt_scale.bench.compare.compare_command import compare
    from tt_scale.bench.compare.variants import variants
    from tt_scale.cli.configs import resumable
    from tt_scale.config import Config

    keys: dict[str, Any] = {
        "model_name": "simulated", "prm_name": "simulated", "datasets": ["simulated"], "num_samples": 60,
        "concurrency": 4, "run_tag": "t",
    }  # fmt: skip
    found = variants([Config(method=method, **keys) for method in ("best_of_n", "beam_search")], {}, [])
    resumable(compare(found, processes=2))


def chaos(kind: str, most: int, world: World) -> Tally:
    """Attack runs of one kind.

    Args:
        kind: of `KINDS`.
        most: kills; those of an engine are a fortieth of them, of `compare` a fifth.
        world: where.
    """
    tally = Tally()
    if kind == "run":
        kills(world, tally, most, tt_scale(RUN), itself)
    elif kind == "compare":
        command = [sys.executable, str(Path(__file__).resolve()), "--compare-here"]
        kills(world, tally, max(1, most // 5), command, searching(world.chance))
    elif kind == "engine":
        kills(world, tally, max(1, most // 40), tt_scale(ENGINE), engine_core)
    elif kind == "clock":
        clocks(world, tally)
    else:
        disks(world, tally)
    return tally


KINDS = ("run", "compare", "clock", "disk", "engine")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200, help="of `bench`; of others a share")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", action="append", choices=KINDS)
    parser.add_argument("--compare-here", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.compare_here:
        compare_here()
        return
    faults = 0
    for kind in arguments.only or KINDS:
        root = Path(tempfile.mkdtemp(prefix=f"tt_scale_chaos_{kind}_"))
        begun = time.monotonic()
        tally = chaos(kind, arguments.kills, World(root, arguments.seed))
        print(
            f"{kind:8} {tally.attacks:>4} attacks ({tally.late} late) on {tally.runs} runs, {tally.records:,} records "
            f"compared, {len(tally.faults)} faults; seed {arguments.seed}, {time.monotonic() - begun:.0f} s",
            flush=True,
        )
        for fault in tally.faults:
            print(f"    {fault}", flush=True)
        faults += len(tally.faults)
        if not tally.faults:
            shutil.rmtree(root)
    sys.exit(faults > 0)


if __name__ == "__main__":
    main()
