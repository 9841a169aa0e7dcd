"""Two names never share a folder, and a name that people can read stays readable."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path

import pytest
from commands import BENCH, Command, read_journal
from hypothesis import given
from hypothesis import strategies as st

from tt_scale.bench.run.folder_names import readable, run_folder, safe_name, tag_folder
from tt_scale.bench.run.plan import plan_runs
from tt_scale.config import Config
from tt_scale.problems import load_problems

NAMES = [
    *("mine", "a-b", "a b", "a/b", "a:b", "a  b", " a b", "a b ", "a\tb", "a\\b", "a+b", "A-b"),
    *("数学", "数学 一", "数学/一", "математика", "матем", "ελληνικά", "हिन्दी", "हिंदी", "é", "e\u0301"),
    *(".", "..", "...", ".mine", "-", "--", "", " ", "/", "\x00", "\ud83d", "x" * 300, "数" * 300, "数" * 301),
    *("CON", "a.jsonl", "pocket-math:count=200", "pocket-math-count=200", "a b+c0ffee12"),
]


def test_no_two_names_share_a_folder() -> None:
    """`а б` and `в г` were both `-`, and the second was refused, or went on with the first."""
    found = {name: safe_name(name) for name in NAMES}
    for (one, first), (other, second) in combinations(found.items(), 2):
        assert first != second, (one, other)
    for folder in found.values():
        assert folder not in ("", ".", "..")
        assert not set(folder) & set("/\\:\x00 ")
        assert not folder.startswith(".")
        assert folder.encode()


@given(st.text(max_size=8), st.text(max_size=8))
def test_no_two_texts_share_a_folder(one: str, other: str) -> None:
    assert (safe_name(one) == safe_name(other)) == (one == other)


@pytest.mark.parametrize("name", ["mine", "t", "math500", "a-b", "best_of_n-N=2", "v1.2", "x" * 200, "A"])
def test_a_plain_name_is_its_own_folder(name: str) -> None:
    """A run that was made before is found again."""
    assert safe_name(name) == readable(name) == name


@pytest.mark.parametrize(
    ("name", "kept"),
    [("数学 一", "数学-一"), ("Ünï côde", "Ünï-côde"), ("हिन्दी", "हिन्दी"), ("x/y z", "x-y-z"), ("e\u0301", "é")],
)
def test_letters_of_every_script_stay(name: str, kept: str) -> None:
    """A folder called `-` says nothing."""
    assert readable(name) == kept
    assert safe_name(name).startswith(f"{kept}+")


def manifest(folder: Path, tag: str, dataset: str) -> None:
    folder.mkdir(parents=True)
    told = {"config": {"run_tag": tag}, "experiment": {"dataset": dataset}}
    (folder / "manifest.json").write_text(json.dumps(told))


def test_a_folder_of_an_older_version_is_found_again(tmp_path: Path) -> None:
    """A run that was begun under the old name goes on there, and nobody else does."""
    manifest(tmp_path / "my-run" / "a-b-greedy", "my run", "a b")
    assert tag_folder(tmp_path, "my run") == tmp_path / "my-run"
    assert tag_folder(tmp_path, "my/run") == tmp_path / safe_name("my/run")
    assert tag_folder(tmp_path, "my-run") == tmp_path / "my-run"
    tag = tmp_path / "my-run"
    assert run_folder(tag, "a b", "a b", "greedy") == tag / "a-b-greedy"
    assert run_folder(tag, "a:b", "a:b", "greedy") == tag / f"{safe_name('a:b')}-greedy"
    (tmp_path / safe_name("my run")).mkdir()
    assert tag_folder(tmp_path, "my run") == tmp_path / safe_name("my run")


@pytest.mark.parametrize("tag", ["", "t"])
def test_a_file_in_the_home_folder_names_its_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tag: str) -> None:
    """Its folder was named after the whole path, unlike that of any other file; such a folder is found again."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    name, question = "~/sets/x.jsonl", "Simulated problem 7: level 3, 5 steps."
    (tmp_path / "sets").mkdir()
    (tmp_path / "sets/x.jsonl").write_text(json.dumps({"question": question, "answer": "5"}) + "\n")
    config = Config(model_name="simulated", prm_name="none", method="greedy", run_tag=tag, datasets=[name])

    def folder() -> Path:
        [plan] = plan_runs([config], "grader 1")
        return plan.journal.folder

    digest = "" if tag else f"-{folder().name.rpartition('-')[2]}"
    assert folder().name == f"x-greedy{digest}"
    older = folder().with_name(f"{safe_name(name) if tag else readable(name)}-greedy{digest}")
    older.mkdir(parents=True)
    (older / "manifest.json").write_text(json.dumps({"experiment": {"dataset": name}}))
    assert folder() == older


def test_a_run_without_a_tag_keeps_its_name(tmp_path: Path) -> None:
    """Its digest tells it from every other; a folder that an older version made of other letters is found again."""
    name = "pocket-math:count=200"
    assert run_folder(tmp_path, name, name, "greedy", "0f" * 6).name == f"pocket-math-count=200-greedy-{'0f' * 6}"
    assert run_folder(tmp_path, "数学", "数学", "greedy", "0f" * 6).name == f"数学-greedy-{'0f' * 6}"
    manifest(tmp_path / f"--greedy-{'0f' * 6}", "", "数学")
    assert run_folder(tmp_path, "数学", "数学", "greedy", "0f" * 6).name == f"--greedy-{'0f' * 6}"


def test_tags_of_other_scripts(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second run was refused as another configuration of the first."""
    monkeypatch.chdir(tmp_path)
    command = Command(capsys)
    few = (*BENCH, "--num-samples", "2", "--method", "greedy")
    for tag, seed in (("实验 一", "1"), ("实验/二", "2")):
        answer = command(*few, "--run-tag", tag, "--seed", seed)
        assert (answer.status, answer.err) == (0, "")
    folders = sorted(path.name for path in (tmp_path / "logs").iterdir() if path.is_dir())
    assert folders == sorted([safe_name("实验 一"), safe_name("实验/二")])
    assert [len(read_journal(path.parent)) for path in tmp_path.rglob("problems.jsonl")] == [2, 2]


@pytest.mark.parametrize("sign", ["\x1e", "\x00", "\x1b", "\n", "\x7f", "\x85"])
def test_ids_with_control_characters_are_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sign: str
) -> None:
    """`p` + U+001E + `1` is what the second search of `p` is seeded by; an escape sequence would reach the terminal."""
    monkeypatch.chdir(tmp_path)
    row = {"id": f"p{sign}1", "question": "What is 1 + 1?", "answer": "2"}
    (tmp_path / "odd.jsonl").write_text(json.dumps(row) + "\n")
    answer = Command(capsys)(*BENCH[:-1], "odd.jsonl")
    assert answer.status == 2
    assert f"odd.jsonl, line 1: the id {f'p{sign}1'!r} contains a control character." in answer.err
    assert sign == "\n" or sign not in answer.err
    (tmp_path / "even.jsonl").write_text(json.dumps({**row, "id": "p 1 数"}) + "\n")
    assert [problem.id for problem in load_problems("even.jsonl")] == ["p 1 数"]
