"""However a run ends, the same command goes on, and the result is that of a run that was never interrupted."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest
from commands import BENCH, Command, finish, records, snapshot, start
from outside import install

from tt_scale.base_classes import Step, StepRequest
from tt_scale.errors import EngineDeadError
from tt_scale.generator.simulated import FIRST_PROMPT, SimulatedGenerator

SLOW = (
    *("bench", "--model-name", "slow", "--generator", "slow", "--prm-name", "simulated", "--dataset", "simulated"),
    *("--num-samples", "40", "--concurrency", "2", "--run-tag", "t"),
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(tmp_path_factory.mktemp("site"))


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.chdir(tmp_path)
    return Command(capsys)


def folder_of(parent: Path, name: str) -> Path:
    (parent / name).mkdir()
    return parent / name


def lines_of(folder: Path) -> int:
    journals = list(folder.rglob("problems.jsonl"))
    return journals[0].read_bytes().count(b"\n") if journals else 0


def wait_for_lines(folder: Path, count: int) -> None:
    end = time.monotonic() + 60
    while lines_of(folder) < count:
        assert time.monotonic() < end, "the run never got going"
        time.sleep(0.02)


def wait_for_end_of_group(group: int) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    os.killpg(group, signal.SIGKILL)
    raise AssertionError("processes outlived the run")


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs process groups")
@pytest.mark.parametrize(
    ("number", "status", "told"),
    [
        (signal.SIGINT, 130, "tt-scale: interrupted. Finished work is kept"),
        (signal.SIGTERM, 143, "tt-scale: terminated. Finished work is kept"),
        (signal.SIGKILL, -9, ""),
    ],
)
def test_a_run_that_a_signal_ended_goes_on(
    tmp_path: Path, site: Path, number: signal.Signals, status: int, told: str
) -> None:
    """Ctrl-C, a batch system's SIGTERM, the out-of-memory killer: none may cost what is done."""
    broken = folder_of(tmp_path, "broken")
    process = start(*SLOW, folder=broken, site=site, OUTSIDE_SECONDS="0.1")
    wait_for_lines(broken, 5)
    process.send_signal(number)
    answer = finish(process, broken)
    assert answer.status == status
    assert answer.err.startswith(told)
    assert "Traceback" not in answer.err
    assert answer.err.count("\n") == (1 if told else 0)
    assert 5 <= lines_of(broken) < 40
    wait_for_end_of_group(process.pid)

    resumed = finish(start(*SLOW, folder=broken, site=site), broken)
    whole = folder_of(tmp_path, "whole")
    unbroken = finish(start(*SLOW, folder=whole, site=site), whole)
    assert (resumed.status, resumed.err, unbroken.status) == (0, "", 0)
    assert "Done before: " in resumed.out
    assert records(broken) == records(whole)
    assert table(resumed.out) == table(unbroken.out)


def table(out: str) -> str:
    """What was printed from the first table on."""
    return out[out.index("simulated: ") :]


def small(*more: str) -> tuple[str, ...]:
    return (*BENCH, "--num-samples", "6", "--repeats", "2", "--run-tag", "t", *more)


@pytest.mark.parametrize("keep", [0, 1, 500])
def test_a_torn_last_line_is_redone(tmp_path: Path, command: Command, keep: int) -> None:
    """A process killed while writing leaves half a record, which must be neither kept nor doubled."""
    assert command(*small()).status == 0
    whole = records(tmp_path)
    (journal,) = tmp_path.rglob("problems.jsonl")
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:-1]) + lines[-1][:keep])
    answer = command(*small())
    assert answer.status == 0
    assert "Done before: 11 of 12." in answer.out
    assert records(tmp_path) == whole


def test_a_last_line_that_only_lost_its_end_is_redone(tmp_path: Path, command: Command) -> None:
    """The next record would be appended to the same line."""
    assert command(*small()).status == 0
    whole = records(tmp_path)
    (journal,) = tmp_path.rglob("problems.jsonl")
    journal.write_bytes(journal.read_bytes().removesuffix(b"\n"))
    assert command(*small()).status == 0
    assert records(tmp_path) == whole


def test_a_finished_run_loads_nothing_and_prints_the_same_table(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looking at a table again must not take a GPU, and must not add a row to the summary."""
    first = command(*small())
    before = snapshot(tmp_path)

    def loading(config: object) -> None:
        raise AssertionError("a model was loaded")

    monkeypatch.setattr("tt_scale.bench.run.open_models.open_models", loading)
    again = command(*small())
    assert again.status == 0
    assert "Done before: 12 of 12." in again.out
    assert table(again.out) == table(first.out)
    assert snapshot(tmp_path) == before


def test_a_finished_run_is_shown_though_its_summary_is_gone_bad(tmp_path: Path, command: Command) -> None:
    """Only a run that will append to the summary has a reason to refuse it."""
    assert command(*small()).status == 0
    (tmp_path / "logs" / "summary.csv").write_text("a,b\n")
    answer = command(*small())
    assert (answer.status, "Overall" in answer.out) == (0, True)
    assert "has other columns (a, b). Nothing was changed." in answer.out + answer.err
    assert (tmp_path / "logs" / "summary.csv").read_text() == "a,b\n"


def test_one_more_method_reuses_what_is_done(tmp_path: Path, command: Command) -> None:
    """Comparing with a further method re-ran the first one."""
    assert command(*small("--method", "best_of_n")).status == 0
    done = (tmp_path / "logs/t/simulated-best_of_n/problems.jsonl").read_bytes()
    answer = command(*small("--method", "best_of_n", "--method", "collective"))
    assert "Done before: 12 of 24." in answer.out
    assert (tmp_path / "logs/t/simulated-best_of_n/problems.jsonl").read_bytes() == done
    assert len((tmp_path / "logs" / "summary.csv").read_text().splitlines()) == 3


def test_without_a_tag_a_run_is_found_by_its_configuration(tmp_path: Path, command: Command) -> None:
    """Another tau is another folder; how many problems run at once is not."""
    plain = (*BENCH, "--num-samples", "3")
    assert command(*plain).status == 0
    assert "Done before: 3 of 3." in command(*plain, "--concurrency", "1", "--no-detail-log").out
    assert "Done before" not in command(*plain, "--tau", "0.7").out
    assert len(list(tmp_path.rglob("manifest.json"))) == 2


class Failing:
    """A simulated generator that fails from some request on, or for some problem."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, error: Exception, *, after: int = 0, problem: int = -1) -> None:
        self.left = after
        generate = SimulatedGenerator.generate

        async def failing(generator: SimulatedGenerator, requests: list[StepRequest]) -> list[Step]:
            if problem >= 0 and requests[0].ids[0] != FIRST_PROMPT + problem:
                return await generate(generator, requests)
            self.left -= 1
            if self.left < 0:
                raise error
            return await generate(generator, requests)

        monkeypatch.setattr(SimulatedGenerator, "generate", failing)


def test_a_problem_that_fails_stays_in_the_denominator(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dropping failed problems makes every method look better."""
    assert command(*BENCH, "--num-samples", "6").status == 0
    ids = sorted({int(record["id"].removeprefix("sim-")) for record in records(tmp_path).values()})
    with monkeypatch.context() as patched:
        Failing(patched, RuntimeError("no more paper"), after=2, problem=ids[0])
        answer = command(*small())
    assert answer.status == 0
    found = {key: record for key, record in records(tmp_path / "logs/t").items() if record["error"]}
    assert {key[0] for key in found} == {f"sim-{ids[0]:05d}"}
    assert "problems that failed, counted as not correct (--retry-failed runs them again): 2." in answer.out
    assert "RuntimeError: no more paper" in answer.out
    overall = next(line for line in answer.out.splitlines() if "Overall" in line)
    assert overall.split()[-1] == "12"
    spent = sum(record["usage"]["generated_tokens"] for record in found.values())
    assert spent > 0, "what a failed problem spent is charged too"
    assert {record["grade"] for record in found.values()} == {"no_answer"}


def test_failed_problems_are_run_again_when_asked(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thirty problems lost to a full GPU: the only ways were to edit the journal by hand or to run all again."""
    with monkeypatch.context() as patched:
        Failing(patched, RuntimeError("out of memory"), after=100)
        assert command(*small("--concurrency", "1")).status == 0
    failed = [key for key, record in records(tmp_path).items() if record["error"]]
    assert 0 < len(failed) < 12
    assert "Done before: 12 of 12." in command(*small()).out
    again = command(*small("--retry-failed"))
    assert f"Done before: {12 - len(failed)} of 12." in again.out
    whole = folder_of(tmp_path, "whole")
    assert command(*small("--output-dir", str(whole))).status == 0
    assert records(tmp_path / "logs") == records(whole)
    assert "Done before: 12 of 12." in command(*small("--retry-failed")).out


def test_a_run_that_goes_on_with_other_versions_says_so(tmp_path: Path, command: Command) -> None:
    """An engine updated between two legs changes the numbers of the second."""
    assert command(*small()).status == 0
    (manifest,) = tmp_path.rglob("manifest.json")
    manifest.write_text(manifest.read_text().replace('"math-verify": "', '"math-verify": "0.0.'))
    assert "begun with other versions" not in command(*small()).out  # nothing is left to do
    (journal,) = tmp_path.rglob("problems.jsonl")
    journal.write_text("".join(journal.read_text().splitlines(keepends=True)[:5]))
    answer = command(*small())
    assert answer.status == 0
    assert "begun with other versions (math-verify 0.0." in " ".join(answer.out.split())


def test_a_run_whose_every_problem_failed_ends_with_status_1(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job script must see that nothing worked."""
    Failing(monkeypatch, RuntimeError("nothing works"))
    assert command(*small()).status == 1


def test_a_dead_engine_ends_the_run_with_status_3_and_the_journal_goes_on(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every remaining problem was written down as failed after the engine had died."""
    serial = small("--concurrency", "1")
    with monkeypatch.context() as patched:
        Failing(patched, EngineDeadError("The engine is gone.", "Look into its log."), after=60)
        answer = command(*serial)
    assert answer.status == 3
    assert answer.err == (
        "tt-scale: The engine is gone. Look into its log. Finished work is kept; the same command resumes from there.\n"
    )
    done = lines_of(tmp_path)
    assert 0 < done < 12
    assert len(next(tmp_path.rglob("detail.csv")).read_text().splitlines()) == done + 1
    assert not (tmp_path / "logs" / "summary.csv").exists()
    resumed = command(*serial)
    assert f"Done before: {done} of 12." in resumed.out
    whole = folder_of(tmp_path, "whole")
    assert command(*serial, "--output-dir", str(whole)).status == 0
    assert records(tmp_path / "logs") == records(whole)


def test_models_are_closed_when_the_engine_died(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An engine that is not closed keeps its memory, and the next run finds none."""
    closed = []

    async def close(generator: SimulatedGenerator) -> None:
        closed.append(generator)

    monkeypatch.setattr(SimulatedGenerator, "close", close)
    Failing(monkeypatch, EngineDeadError("gone"), after=3)
    assert command(*small()).status == 3
    assert len(closed) == 1


def test_one_problem_at_a_time_gives_the_same_records(tmp_path: Path, command: Command) -> None:
    """What runs beside a problem must not change it."""
    one, many = folder_of(tmp_path, "one"), folder_of(tmp_path, "many")
    assert command(*BENCH, "--num-samples", "20", "--concurrency", "1", "--output-dir", str(one)).status == 0
    assert command(*BENCH, "--num-samples", "20", "--concurrency", "20", "--output-dir", str(many)).status == 0
    assert records(one) == records(many)


def test_a_prm_is_not_needed_where_a_method_looks_at_no_scores(tmp_path: Path, command: Command) -> None:
    """`prm_name: none` was refused for every method."""
    answer = command(*BENCH, "--num-samples", "4", "--method", "self_consistency", "--prm-name", "none")
    assert (answer.status, answer.err) == (0, "")
    assert "simulated: simulated" in [line.strip() for line in answer.out.splitlines()]


def test_a_record_that_stands_twice_is_refused(command: Command, tmp_path: Path) -> None:
    """A journal that somebody mended counted one problem twice, and another one as done."""
    assert command(*BENCH, "--num-samples", "4", "--run-tag", "t").status == 0
    (journal,) = tmp_path.rglob("problems.jsonl")
    lines = journal.read_text(encoding="utf-8").splitlines(keepends=True)
    journal.write_text("".join([*lines[1:], lines[-1]]), encoding="utf-8")
    before = snapshot(tmp_path)
    answer = command(*BENCH, "--num-samples", "4", "--run-tag", "t")
    assert answer.status == 2
    assert "a second time, in line 4" in answer.err
    assert snapshot(tmp_path) == before


def test_a_run_that_never_began_keeps_no_name(command: Command, tmp_path: Path) -> None:
    """A start that failed used up its --run-tag: who did what the message said was refused."""
    assert command(*BENCH, "--num-samples", "4", "--run-tag", "t").status == 0
    (journal,) = tmp_path.rglob("problems.jsonl")
    journal.write_bytes(b"")
    (journal.parent / "detail.csv").unlink()
    assert command(*BENCH, "--num-samples", "4", "--run-tag", "t", "--tau", "0.7").status == 0
    assert len(records(tmp_path)) == 4
    assert command(*BENCH, "--num-samples", "4", "--run-tag", "t").status == 2


def test_a_detail_log_that_was_left_out_is_made_up(command: Command, tmp_path: Path) -> None:
    """Whoever ran without it would have to search all over again."""
    assert command(*BENCH, "--num-samples", "4", "--run-tag", "t").status == 0
    (detail,) = tmp_path.rglob("detail.csv")
    told = detail.read_bytes()
    detail.unlink()
    assert command(*BENCH, "--num-samples", "4", "--run-tag", "t").status == 0
    assert detail.read_bytes() == told


def test_both_versions_of_a_run_that_went_on_stay_known(tmp_path: Path, command: Command) -> None:
    """The table names the engine's version; a run of two versions looked like one of the first."""
    assert command(*small()).status == 0
    (manifest,) = tmp_path.rglob("manifest.json")
    now = json.loads(manifest.read_text())["versions"]["math-verify"]
    manifest.write_text(manifest.read_text().replace(f'"math-verify": "{now}"', '"math-verify": "0.0"'))
    assert command(*small()).status == 0
    assert "updates" not in json.loads(manifest.read_text())  # nothing was left to do
    (journal,) = tmp_path.rglob("problems.jsonl")
    journal.write_text("".join(journal.read_text().splitlines(keepends=True)[:5]))
    assert command(*small()).status == 0
    told = json.loads(manifest.read_text())
    assert (told["versions"]["math-verify"], told["updates"]) == ("0.0", {"math-verify": [now]})
    journal.write_text("".join(journal.read_text().splitlines(keepends=True)[:7]))
    assert "begun with other versions" not in command(*small()).out  # as the last records
    assert json.loads(manifest.read_text()) == told


@pytest.mark.parametrize("lost", ["detail.csv", "summary.csv"])
def test_tables_that_a_kill_came_before_are_written(tmp_path: Path, command: Command, lost: str) -> None:
    """All records were there, so the same command had nothing to do, and the run stood in no summary for good."""
    assert command(*small()).status == 0
    (path,) = tmp_path.rglob(lost)
    whole = path.read_text(encoding="utf-8")
    path.unlink()
    for _ in range(2):
        assert command(*small()).status == 0
        again = path.read_text(encoding="utf-8")
        assert len(again.splitlines()) == len(whole.splitlines())
    if lost == "detail.csv":
        assert again == whole
    else:
        head, line = whole.splitlines()
        assert again.splitlines()[0] == head
        changed = [
            name
            for name, old, new in zip(head.split(","), line.split(","), again.splitlines()[1].split(","), strict=True)
            if old != new
        ]
        assert {*changed} <= {"timestamp", "elapsed"}
