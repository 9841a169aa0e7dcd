"""Runs read back: unfinished ones, damaged lines, folders that are none."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from run_folders import record, retried, write_run

from tt_scale.bench.reader.opened_runs import open_runs
from tt_scale.bench.reader.run_data import read_run
from tt_scale.errors import ConfigError, JournalError
from tt_scale.report.side_by_side import side_by_side

OLD = Path(__file__).parents[2] / "data" / "old_run"


def damage(folder: Path, line: int, text: bytes) -> None:
    """Put something else in the place of a line, from 1."""
    path = folder / "problems.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    lines[line - 1] = text
    path.write_bytes(b"".join(lines))


def changed(index: int, **keys: Any) -> bytes:
    """A record with other values, as a line."""
    return json.dumps({**retried(index), **keys}).encode() + b"\n"


def test_numbers_are_read_and_trees_one_at_a_time(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "run", [retried(0), retried(1)]))
    assert [row.id for row in run.rows] == ["p-0", "p-1"]
    assert (run.partial, run.damaged, run.tau, run.name) == (False, [], 0.6, "collective")
    search = run.search(("p-1", 0))
    assert [each.key for each in search.nodes][:3] == ["0.0", "1.0", "0.0.0"]
    assert (search.nodes[2].parent, search.nodes[2].tokens) == ("0.0", 4)
    assert search.subject == "geometry"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{]\n", "it is not JSON"),
        (b"\xff\xfe\n", "it is not JSON"),
        (b"[1, 2]\n", "it is not a JSON object"),
        (b"null\n", "it is not a JSON object"),
        (b"[" * 100_000 + b"\n", "it is not JSON"),
        (changed(1, grade="right"), "'right' is none of"),
        (changed(1, level="three"), "'three' is not a whole number"),
        (changed(1, usage={"generated_tokens": float("nan")}), "nan is not a number"),
        (changed(1, usage={"tokens": 3}), "unexpected keyword"),
        (changed(0), "'p-0' stands in an earlier line"),
        (b'{"index": 1}\n', "is missing"),
        (changed(1, usage={"flops": 10**400}), "too large"),
    ],
)
def test_a_damaged_line_is_named_and_the_rest_is_read(tmp_path: Path, line: bytes, reason: str) -> None:
    """One flipped bit must not hide a night's work."""
    folder = write_run(tmp_path / "run", [retried(0), retried(1), retried(2)])
    damage(folder, 2, line)
    run = read_run(folder)
    assert [row.id for row in run.rows] == ["p-0", "p-2"]
    [found] = run.damaged
    assert found.number == 2
    assert re.search(reason, found.reason)
    notes = side_by_side([folder]).notes
    assert notes[0] == "collective is not finished: 2 of 3 searches are recorded."
    assert notes[1].startswith("collective: line 2 of its journal is damaged (")


def test_a_damaged_tree_is_found_when_it_is_read(tmp_path: Path) -> None:
    """Tables need no tree; only who asks for it is refused."""
    folder = write_run(tmp_path / "run", [retried(0), retried(1)])
    damage(folder, 1, changed(0, tree=[{"key": 3}]))
    run = read_run(folder)
    assert len(run.rows) == 2
    with pytest.raises(JournalError, match=r"The record of 'p-0' in .* is damaged \(3 is not a text\)"):
        run.search(("p-0", 0))
    assert [each.row.id for each in run.searches()] == ["p-1"]


def test_the_line_that_is_being_written_is_no_damage(tmp_path: Path) -> None:
    """A run in progress is looked at while it writes."""
    folder = write_run(tmp_path / "run", [retried(0)], wanted=3)
    with (folder / "problems.jsonl").open("a") as lines:
        lines.write('{"index": 1, "id"')
    run = read_run(folder)
    assert (len(run.rows), run.damaged, run.partial) == (1, [], True)


def test_a_run_that_has_not_finished_a_problem_is_read(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", [], wanted=3)
    (folder / "problems.jsonl").unlink()
    assert read_run(folder).rows == []
    with pytest.raises(ConfigError, match=r"no finished search in common \(collective: 0 of 3 done\)"):
        side_by_side([folder])


def test_unfinished_runs_are_compared_over_what_all_have_done(tmp_path: Path) -> None:
    """Easy problems end first; a run that has only those would look better."""
    one = write_run(tmp_path / "a", [retried(0), retried(1)], wanted=3)
    other = write_run(tmp_path / "b", [retried(1), retried(2)], wanted=3, method="independent")
    found = side_by_side([one, other])
    assert found.searches == {("p-1", 0)}
    assert [len(rows) for rows in found.rows.values()] == [1, 1]
    assert [len(entry.rows) for entry in found.comparison.entries] == [1, 1]
    assert found.notes[-1] == "Tables and charts hold what every run has done: 1 of the searches."
    assert [problem.id for problem in found.problems] == ["p-0", "p-1", "p-2"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "is not a run folder and holds none: there is no manifest.json"),
        ("{", "is damaged: it is not JSON"),
        ("[]", "is damaged, or is not the manifest of a search"),
        ('{"experiment": {"method": "dvts"}, "config": {}}', "is damaged, or is not the manifest of a search"),
    ],
)
def test_a_folder_that_is_no_run_is_refused(tmp_path: Path, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(JournalError, match=message):
        open_runs([tmp_path])


def test_a_damaged_manifest_says_what_to_type(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(JournalError, match=r"it is not JSON\. Put it back from a copy, or .* another --run-tag"):
        open_runs([tmp_path])


def test_one_damaged_run_does_not_hide_the_others(tmp_path: Path) -> None:
    """Neither a manifest nor a journal that cannot be read; what is named by itself is still refused."""
    good = write_run(tmp_path / "a", [retried(0)])
    (write_run(tmp_path / "b", [retried(0)]) / "manifest.json").write_text("{")
    damage(write_run(tmp_path / "c", [retried(0)]), 1, b"{}\n")
    opened = open_runs([tmp_path])
    assert [run.folder for run in opened.runs] == [good]
    assert [str(tmp_path / name) in note for name, note in zip("bc", opened.notes, strict=True)] == [True, True]
    found = side_by_side([tmp_path])
    assert [run.folder for run in found.runs] == [good]
    assert found.notes[0].startswith("A run is left out. ")
    with pytest.raises(JournalError, match="it is not JSON"):
        open_runs([good, tmp_path / "b"])
    (good / "manifest.json").write_text("[]")
    with pytest.raises(JournalError, match="is not the manifest of a search"):
        open_runs([tmp_path])


def test_a_comparison_is_not_made_again_over_runs_that_are_left_out(tmp_path: Path) -> None:
    """`comparison.json` names journals, which may be whole where a manifest is not."""
    from tt_scale.bench.compare.finished import compare_folders
    from tt_scale.report.comparison_files import write_files

    one = write_run(tmp_path / "a", [retried(0), retried(1)])
    other = write_run(tmp_path / "b", [retried(0), retried(1)], method="independent")
    found = compare_folders([str(one), str(other)], [])
    write_files(tmp_path, [replace(found, entries=[replace(each, selector="best") for each in found.entries])])
    assert len(side_by_side([tmp_path]).comparison.entries) == 2
    (other / "manifest.json").write_text("{")
    assert [entry.folder for entry in side_by_side([tmp_path]).comparison.entries] == [str(one)]


def test_a_comparison_of_finished_runs_in_their_own_folder_is_shown(tmp_path: Path) -> None:
    """`compare a b` names no selectors; made again, it had no line at all."""
    from tt_scale.bench.compare.finished import compare_folders
    from tt_scale.report.comparison_files import write_files

    folders = [write_run(tmp_path / name, [retried(0)], method=name) for name in ("collective", "independent")]
    write_files(tmp_path, [compare_folders(list(map(str, folders)), [])])
    assert len(side_by_side([tmp_path]).comparison.entries) == 2


def test_a_table_of_pandas_warns_of_damaged_lines(tmp_path: Path) -> None:
    """It had 39 rows of 40, and nothing was said."""
    pytest.importorskip("pandas")
    run = write_run(tmp_path / "run", [retried(number) for number in range(3)])
    damage(run, 2, b"{}\n")
    with pytest.warns(UserWarning, match=r"/run', line 2 is damaged and left out \(line 2: ") as told:
        assert len(read_run(run).to_pandas()) == 2
    assert [Path(each.filename).name for each in told] == [Path(__file__).name]
    damage(run, 3, b"{}\n")
    with pytest.warns(UserWarning, match=r"lines 2, 3 are damaged and left out"):
        read_run(run).to_pandas()


def test_a_link_to_a_run_is_no_second_run(tmp_path: Path) -> None:
    """`replay` named the link, and `regrade` found two runs."""
    own = write_run(tmp_path / "run", [retried(0)])
    (tmp_path / "a-link").symlink_to(own)
    assert read_run(tmp_path).folder == own
    assert [run.folder for run in open_runs([tmp_path]).runs] == [own]
    assert read_run(tmp_path / "a-link").folder == tmp_path / "a-link"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "link").symlink_to(own)
    assert read_run(elsewhere).folder == elsewhere / "link"


def test_several_runs_are_named_as_they_can_be_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_run(tmp_path / "my logs" / "one", [retried(0)])
    write_run(tmp_path / "my logs" / "two", [retried(0)])
    with pytest.raises(JournalError, match=r"contains 2 runs. Name one of them: 'my logs/one', 'my logs/two'\."):
        read_run("my logs")


def test_a_path_that_cannot_be_followed_is_named(tmp_path: Path) -> None:
    """Too long, a loop of links, empty, or a name that the system does not have."""
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    cases = [("x" * 300, "File name too long"), (str(loop), "Too many levels"), ("", "is empty"), ("a\0b", "no folder")]
    for path, told in cases:
        for read in (read_run, lambda one: open_runs([one])):
            with pytest.raises(JournalError, match=told):
                read(path)


def test_a_folder_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The superuser cannot be refused a folder, so the refusal is made."""

    def refused(folder: object) -> list[str]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("os.listdir", refused)
    with pytest.raises(JournalError, match=r"cannot be read: Permission denied\."):
        read_run(tmp_path)
    run = write_run(tmp_path / "run", [retried(0)])
    assert read_run(run).folder == run


def test_what_is_no_path_is_an_error_of_the_program() -> None:
    for value in (None, b"run", 3):
        with pytest.raises(TypeError):
            read_run(value)  # type: ignore[arg-type]


def test_no_such_folder_and_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="There is no folder"):
        open_runs([tmp_path / "nowhere"])
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match=r"is a file, not a run folder\. Name its folder"):
        open_runs([tmp_path / "file"])


def test_runs_that_cannot_be_compared_name_the_keys(tmp_path: Path) -> None:
    one = write_run(tmp_path / "a", [retried(0)], seed=1)
    other = write_run(tmp_path / "b", [retried(0)], seed=2)
    with pytest.raises(ConfigError, match=r"cannot be compared \(seed: 1 and 2\).*--vary seed"):
        side_by_side([one, other])
    assert [run.name for run in side_by_side([one, other], ["seed"]).runs] == ["collective seed=1", "collective seed=2"]
    third = write_run(tmp_path / "c", [retried(0)], seed=1, dataset="another")
    with pytest.raises(ConfigError, match=r"cannot be compared .*dataset"):
        side_by_side([one, third], ["seed"])


def test_a_run_from_before_the_packages_is_read() -> None:
    """Stored in `tests/data`; unfinished, as it was begun for another test."""
    run = read_run(OLD)
    assert (len(run.rows), run.wanted, run.damaged) == (5, 12, [])
    assert all(search.nodes for search in run.searches())


def test_a_run_without_costs_and_marks_is_read(tmp_path: Path) -> None:
    """Earlier versions recorded neither what a node cost nor its seed."""
    old = retried(0)
    for each in old["tree"]:
        del each["usage"]
        for step in each["steps"]:
            del step["seed"], step["temperature"], step["cached"]
    folder = write_run(tmp_path / "run", [old])
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["experiment"]["search_rules"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    found = side_by_side([folder])
    assert "was searched by older rules; since then a path ends where the model ends it" in found.notes[0]
    assert len(found.runs[0].search(("p-0", 0)).nodes) == 8


def test_records_of_a_later_version_name_it(tmp_path: Path) -> None:
    """Which version reads them is what a user needs."""
    folder = write_run(tmp_path / "run", [{"schema": 9}])
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["versions"]["tt-scale"] = "9.1"
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(JournalError, match=r"version 9\.1 wrote them \(line 1: .*Type: pip install tt-scale==9\.1"):
        _ = read_run(folder).rows


def test_a_problem_is_found_by_id_number_and_end(tmp_path: Path) -> None:
    found = side_by_side([write_run(tmp_path / "run", [record(0, [], []), record(11, [], [])])])
    assert [found.problem(named).id for named in ("p-0", "0", "p-11", "11")] == ["p-0", "p-0", "p-11", "p-11"]
    with pytest.raises(
        ConfigError, match=r"There is no problem 'x' in the run. Give an id or a number, such as p-0 or 0"
    ):
        found.problem("x")
