"""The workers: killed, starved and orphaned, and the verdicts that follow."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pebble import ProcessFuture

from tt_scale.errors import GradingError
from tt_scale.grading import Grader, workers

TOWER = "9^{9^{9^{9^{9}}}}"
BOMB = ("y^2+1", "(a+b+c+d+u+g)^{20}-(a+b+c+d+u+g+1)^{20}+f(x)")
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def grader() -> Iterator[Grader]:
    with Grader(seconds=4.0) as opened:
        yield opened


async def test_a_hanging_comparison_is_killed(grader: Grader) -> None:
    """A tower of powers holds the interpreter for ever; it must end as ungraded, and the next verdict must be fresh."""
    assert await grader.grade("x+1", "1+x") == "correct"
    started = time.monotonic()
    assert await grader.grade("2", TOWER) == "ungraded"
    assert time.monotonic() - started < 10
    assert await grader.grade("2", "2x") == "wrong"
    assert await grader.grade("x+2", "2+x") == "correct"


async def test_memory_is_limited() -> None:
    """An expansion that would swap the machine to death is ended by its size, long before its time."""
    with Grader(seconds=120.0, memory=100 << 20, workers=1) as small:
        started = time.monotonic()
        assert await small.grade(*BOMB) == "ungraded"
        assert time.monotonic() - started < 60
        assert await small.grade("x+1", "1+x") == "correct"


async def test_a_raising_comparison_is_ungraded(grader: Grader) -> None:
    """Math-Verify raises on a gold answer without value: that says nothing about the answer."""
    assert await grader.grade(r"\frac{1}{0}", "5") == "ungraded"
    assert await grader.grade("x+3", "3+x") == "correct"


async def test_a_killed_worker_is_replaced() -> None:
    """Idle workers that the system kills take pebble's pool down; the next comparison must still be graded."""
    with Grader(workers=1) as grader:
        assert await grader.grade("x+1", "1+x") == "correct"
        for worker in workers_of(os.getpid()):
            os.kill(worker, signal.SIGKILL)
        assert await grader.grade("x+2", "2+x") == "correct"


async def test_a_comparison_that_a_breaking_pool_loses_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """pebble hands over a comparison to a pool that has just broken, and nobody ever answers."""
    with Grader(workers=1) as grader:
        assert await grader.grade("x+1", "1+x") == "correct"
        broken = grader._pool
        assert broken is not None
        broken.stop()
        monkeypatch.setattr(broken, "schedule", lambda *_, **__: ProcessFuture())
        assert await grader.grade("x+2", "2+x") == "correct"
        assert grader._pool is not broken


async def test_a_comparison_that_a_running_pool_loses_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that dies before it has said what it took, while others go on: no limit of pebble's counts for that."""
    with Grader(workers=1) as grader:
        assert await grader.grade("x+1", "1+x") == "correct"
        pool, close = grader._pool, grader.close

        def close_and_be_patient() -> None:
            monkeypatch.setattr(workers, "_PATIENCE", 60.0)
            close()

        monkeypatch.setattr(workers, "_PATIENCE", -grader.seconds)
        monkeypatch.setattr(grader, "close", close_and_be_patient)
        monkeypatch.setattr(pool, "schedule", lambda *_, **__: ProcessFuture())
        assert await grader.grade("x+2", "2+x") == "correct"
        assert grader._pool is not pool


async def test_plain_answers_start_no_worker() -> None:
    """Starting processes for GSM8K would cost seconds and fail in scripts without a main guard, for nothing."""
    before = workers_of(os.getpid())
    with Grader() as grader:
        grades = await grader.grade_many("0.5", [r"\frac{1}{2}", "0.50", "2", None, " ", r"\frac{1}{2}"])
        assert grades == ["correct", "correct", "wrong", "no_answer", "no_answer", "correct"]
        assert await grader.group(["1/2", "0.5", "3", None]) == [0, 0, 1, -1]
        assert workers_of(os.getpid()) == before


async def test_a_pool_is_compared_once_for_each_answer(grader: Grader) -> None:
    """64 samples with two distinct answers must not cost 64 comparisons, and order must be kept."""
    answers = ["1+z", "z+2"] * 32
    assert await grader.grade_many("z+1", answers) == ["correct", "wrong"] * 32


async def test_groups(grader: Grader) -> None:
    """Votes are over meanings: spellings must not split a class, and no class may hold blanks."""
    answers = [r"\frac{\pi}{2}", "x+1", r"\pi/2", None, "", "1+x", r"0.5\pi", "3", "x=3", "  "]
    assert await grader.group(answers) == [0, 1, 0, -1, -1, 1, 0, 2, 2, -1]


async def test_a_hanging_answer_is_its_own_class(grader: Grader) -> None:
    """One tower in a pool must neither hang the vote nor take other answers into its class."""
    started = time.monotonic()
    assert await grader.group([TOWER, "x+1", TOWER, "1+x", "7"]) == [0, 1, 0, 1, 2]
    assert time.monotonic() - started < 15


@pytest.mark.parametrize("gold", ["", "  ", "$$", r"\text{}"])
async def test_an_empty_gold_answer_is_an_error(grader: Grader, gold: str) -> None:
    """Against an empty gold answer everything is wrong, and the accuracy of a broken data set looks real."""
    with pytest.raises(GradingError, match="has no content"):
        await grader.grade(gold, "3")


def test_off_the_main_thread() -> None:
    """Time limits by signals fail off the main thread, where notebooks and servers run their loops."""
    grades: list[str] = []

    def run() -> None:
        with Grader(seconds=4.0, workers=1) as grader:
            grades.append(asyncio.run(grader.grade("x+1", "1+x")))
            grades.append(asyncio.run(grader.grade("2", TOWER)))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert grades == ["correct", "ungraded"]


async def test_cancelling_frees_the_worker() -> None:
    """A run that is cancelled must not leave a comparison burning a core until its limit."""
    with Grader(seconds=600.0, workers=1) as grader:
        assert await grader.grade("x+1", "1+x") == "correct"
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(grader.grade("2", TOWER), timeout=1.0)
        assert await asyncio.wait_for(grader.grade("x+2", "2+x"), timeout=20.0) == "correct"


def test_the_cache_of_comparisons_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that grades for weeks must not grow; a verdict that was dropped must come out the same again."""
    monkeypatch.setattr("tt_scale.grading.workers._CACHE_SIZE", 2)
    with Grader(workers=1) as grader:
        for _ in range(2):
            for number in range(1, 5):
                assert asyncio.run(grader.grade(f"x+{number}", f"{number}+x")) == "correct"
        assert len(grader._known) == 2


def test_closing_twice_and_opening_again() -> None:
    """Every way out closes; a second close must do nothing, and a closed grader must not hang."""
    grader = Grader(workers=1)
    grader.close()
    assert asyncio.run(grader.grade("x+1", "1+x")) == "correct"
    grader.close()
    grader.close()
    assert asyncio.run(grader.grade("x+2", "2+x")) == "correct"
    grader.close()


SCRIPT = """
import asyncio, sys, time
from tt_scale.grading import Grader

async def main():
    grader = Grader(seconds=6.0, workers=1)
    await grader.grade("x+1", "1+x")
    print("ready", flush=True)
    await grader.grade("2", "9^{9^{9^{9^{9}}}}")

if __name__ == "__main__":
    asyncio.run(main())
"""


@pytest.mark.skipif(not Path("/proc").exists(), reason="finds the workers in /proc")
@pytest.mark.parametrize("death", [signal.SIGKILL, signal.SIGINT])
def test_workers_die_with_their_parent(tmp_path: Path, death: signal.Signals) -> None:
    """A killed run must not leave workers that hold a core for ever; Ctrl-C must not print their tracebacks."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    run = subprocess.Popen(
        [sys.executable, str(script)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )
    assert run.stdout is not None
    assert run.stdout.readline().strip() == "ready"
    time.sleep(0.5)
    workers = workers_of(run.pid)
    assert workers
    if death == signal.SIGINT:
        os.killpg(run.pid, death)
    else:
        os.kill(run.pid, death)
    _, errors = run.communicate(timeout=30)
    assert "pebble" not in errors
    assert "spawn_main" not in errors
    until = time.monotonic() + 10
    while any(is_alive(worker) for worker in workers) and time.monotonic() < until:
        time.sleep(0.05)
    assert not [worker for worker in workers if is_alive(worker)]


def test_a_script_without_a_main_guard_keeps_its_search(tmp_path: Path) -> None:
    """Workers imported the main script again, the pool died as it started, and a finished search was lost."""
    script = tmp_path / "script.py"
    script.write_text(
        "import asyncio\nfrom tt_scale.grading import Grader\nprint('begun')\n"
        "with Grader(workers=2) as grader:\n"
        "    print(asyncio.run(grader.grade_many('x+1', ['1+x', 'x+2'])))\n"
    )
    run = subprocess.run(
        [sys.executable, str(script)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert (run.stdout, run.stderr) == ("begun\n['correct', 'wrong']\n", "")


def test_importing_is_light() -> None:
    """`import tt_scale` must not pay for sympy, and a searcher must not import a process pool."""
    heavy = "{'sympy', 'math_verify', 'pebble'}"
    code = f"import sys, tt_scale.grading, tt_scale.core.selection; print(sorted({heavy} & {{*sys.modules}}))"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_name_and_version() -> None:
    """Grades depend on the grader's version; a manifest without it cannot be compared."""
    assert Grader.name == "math-verify"
    assert Grader().version[0].isdigit()


def workers_of(parent: int) -> set[int]:
    """The worker processes of a process, from /proc."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            status = (entry / "stat").read_text().rpartition(")")[2].split()
            command = (entry / "cmdline").read_text()
        except OSError:
            continue
        if int(status[1]) == parent and "spawn_main" in command:
            found.add(int(entry.name))
    return found


def is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie that nobody waits for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
