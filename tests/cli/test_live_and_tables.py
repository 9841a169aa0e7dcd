"""The options that commands share: reports of several problem sets, events and their exit status, contradictions."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from run_folders import retried, write_run

from tt_scale.bench.run.events import Warned
from tt_scale.cli.live import LIVE, check_live, reporting
from tt_scale.cli.tables import check_report_file, table_console, write_reports, write_tables
from tt_scale.errors import ConfigError, EngineDeadError
from tt_scale.report.html import write as html_write
from tt_scale.report.side_by_side import SideBySide
from tt_scale.report.tables import Sheet
from tt_scale.report.terminal import Terminal

NOTHING = dict.fromkeys(LIVE, None) | {"quiet": False}


def status_in(file: Path) -> int:
    last = json.loads(file.read_text().splitlines()[-1])
    assert last["event"] == "ended"
    return int(last["status"])


def report_with(file: Path, error: BaseException | None = None) -> None:
    with reporting(Terminal(stderr=True), {**NOTHING, "events": str(file)}, "bench", verbose=False) as report:
        report(Warned("odd"))
        if error is not None:
            raise error


@pytest.mark.parametrize(
    ("error", "status"),
    [(EngineDeadError("gone"), EngineDeadError.exit_code), (SystemExit(3), 3), (SystemExit("text"), 1), (OSError(), 1)],
)
def test_events_end_with_the_status_of_the_command(tmp_path: Path, error: BaseException, status: int) -> None:
    """A watcher of the file learns from it whether to start the command again."""
    with pytest.raises(type(error)):
        report_with(tmp_path / "events.jsonl", error)
    assert status_in(tmp_path / "events.jsonl") == status


def test_events_end_well(tmp_path: Path) -> None:
    report_with(tmp_path / "events.jsonl")
    assert status_in(tmp_path / "events.jsonl") == 0


def test_options_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"--quiet and --verbose contradict each other"):
        check_live({**NOTHING, "quiet": True}, verbose=True)
    check_live({**NOTHING, "quiet": True}, verbose=False)


def test_each_problem_set_has_a_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One whose runs cannot be opened ends neither the command nor the other reports."""
    written: dict[str, str] = {}

    def keep(found: SideBySide, path: str) -> None:
        written[Path(path).name] = found.dataset

    monkeypatch.setattr(html_write, "write_report", keep)
    sets = {name: ([write_run(tmp_path / name, [retried(0)], dataset=name)], None) for name in ("first", "second")}
    sets = {"gone": ([tmp_path / "nowhere"], None), **sets}
    told = io.StringIO()
    console = Terminal(file=told, width=200)
    write_reports(sets, str(tmp_path / "report.html"), console)
    assert written == {"report-2.html": "first", "report-3.html": "second"}
    lines = told.getvalue().splitlines()
    assert lines[0].startswith("No report: There is no folder")
    assert lines[1:] == [f"Report: {tmp_path}/report-2.html", f"Report: {tmp_path}/report-3.html"]
    write_reports({"only": sets["first"]}, str(tmp_path / "report.html"), console)
    assert "report.html" in written


def test_a_report_is_checked_before_the_run() -> None:
    check_report_file(None)
    with pytest.raises(ConfigError, match=r"ends in \.html"):
        check_report_file("report.pdf")


def test_tables_go_to_standard_output_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever else is printed would be read as a part of the table."""
    table_console("csv").print("Loading models")
    write_tables([Sheet("Empty", ["a"], []), Sheet("One", ["a"], ["b"], [["x", "1"]])], "csv")
    write_tables([Sheet("One", ["a"], ["b"], [["x", "1"]])], None)
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("a,b\nx,1\n", "Loading models\n")
