"""A quantile as tau, from the command line to the files of a run."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from commands import BENCH, Command, records

from tt_scale.bench.run.journal import Journal
from tt_scale.space.first_steps import ENOUGH

QUANTILE = (*BENCH, "--num-samples", "12", "--tau", "q0.5")


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.chdir(tmp_path)
    return Command(capsys)


def manifest_of(folder: Path) -> Path:
    (path,) = folder.rglob("manifest.json")
    return path


def test_the_number_and_its_price_stand_wherever_people_look(command: Command, tmp_path: Path) -> None:
    """A quantile in the table tells nobody which score a step had to reach, nor what it cost to find out."""
    answer = command(*QUANTILE)
    assert (answer.status, answer.err) == (0, "")
    kept = json.loads(manifest_of(tmp_path).read_text())["first_steps"]
    assert len(kept["scores"]) == 12 * -(-ENOUGH // 12)
    assert kept["value"] == sorted(kept["scores"])[len(kept["scores"]) // 2]
    tokens = kept["usage"]["generated_tokens"]
    assert f"collective: tau q0.5 is {kept['value']:.4f}, from {len(kept['scores'])} first steps" in answer.out
    assert f"they cost {tokens:,} tokens for the whole run" in answer.out
    (row,) = csv.DictReader((tmp_path / "logs" / "summary.csv").read_text().splitlines())
    assert (row["knobs"], float(row["tau"]), int(row["tau_tokens"])) == ("tau=q0.5", round(kept["value"], 6), tokens)


def test_the_same_number_in_yaml_gives_the_same_trees(command: Command, tmp_path: Path) -> None:
    """A quantile is nothing but the number that it stands for."""
    assert command(*QUANTILE, "--output-dir", "asked").status == 0
    value = json.loads(manifest_of(tmp_path / "asked").read_text())["first_steps"]["value"]
    assert command(*BENCH, "--num-samples", "12", "--tau", repr(value), "--output-dir", "given").status == 0
    asked, given = records(tmp_path / "asked"), records(tmp_path / "given")
    for record in asked.values():
        assert set(record["tape"].bars.values()) == {value}
        record["tape"].bars = {}
    assert asked == given
    assert "first_steps" not in json.loads(manifest_of(tmp_path / "given").read_text())


def test_a_run_goes_on_with_the_number_that_it_began_with(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Measured again, an engine whose kernels depend on the batch gives another number to the second leg."""
    assert command(*QUANTILE, "--output-dir", "whole").status == 0
    assert command(*QUANTILE).status == 0
    (journal,) = (tmp_path / "logs").rglob("problems.jsonl")
    journal.write_text("".join(journal.read_text().splitlines(keepends=True)[:5]))
    with monkeypatch.context() as patched:
        patched.setattr("tt_scale.bench.run.local_executor.measure", None)  # calling it would fail
        assert "Done before: 5 of 12." in command(*QUANTILE).out
    assert records(tmp_path / "logs") == records(tmp_path / "whole")
    again = command(*QUANTILE)
    assert "Done before: 12 of 12." in again.out
    assert "collective: tau q0.5 is" in again.out


def test_a_damaged_number_is_refused(command: Command, tmp_path: Path) -> None:
    """A second leg under another number makes a table about neither."""
    assert command(*QUANTILE).status == 0
    path = manifest_of(tmp_path)
    told = json.loads(path.read_text())
    told["first_steps"]["value"] = "high"
    path.write_text(json.dumps(told))
    answer = command(*QUANTILE)
    assert answer.status == 2
    assert "is damaged" in answer.err


def test_another_quantile_is_another_run(command: Command, tmp_path: Path) -> None:
    """Two quantiles in one folder."""
    tagged = (*BENCH, "--num-samples", "3", "--run-tag", "mine")
    assert command(*tagged, "--tau", "q0.5").status == 0
    answer = command(*tagged, "--tau", "q0.6")
    assert answer.status == 2
    assert "tau: 'q0.5' there, 'q0.6' here" in answer.err


def test_where_no_step_gets_a_score_the_run_says_so(command: Command) -> None:
    """Twelve failed rows for a fault that the first step shows."""
    answer = command(*QUANTILE, "--max-tokens", "2")
    assert answer.status == 2
    assert "no first step got a score" in answer.err
    assert "--tau 0.6" in answer.err


def test_a_manifest_that_cannot_be_written_says_so(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """A traceback where the disk is full."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    class Filled(Journal):
        def __enter__(self) -> Filled:
            super().__enter__()
            monkeypatch.setattr("os.replace", full)
            return self

    monkeypatch.setattr("tt_scale.bench.run.plan.Journal", Filled)
    answer = command(*QUANTILE)
    assert answer.status == 2
    assert "manifest.json' cannot be written: No space left on device." in answer.err


def test_methods_without_tau_measure_nothing(command: Command, tmp_path: Path) -> None:
    """They ignore the key, and are warned about as for a number."""
    answer = command(*QUANTILE, "--method", "best_of_n")
    assert "warning: no method or PRM of this run reads tau." in answer.out
    assert "first_steps" not in json.loads(manifest_of(tmp_path).read_text())
    (row,) = csv.DictReader((tmp_path / "logs" / "summary.csv").read_text().splitlines())
    assert (row["tau"], row["tau_tokens"], row["pass_rate"]) == ("", "0", "")
