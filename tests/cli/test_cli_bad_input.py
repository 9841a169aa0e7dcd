"""A user's mistake gives one message that says what to do, exit status 2, and changes no file."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from commands import BENCH, SIMULATED, Command, finish, snapshot, start
from filelock import FileLock

import tt_scale.backends
from tt_scale.errors import MissingExtraError

FILES = {
    "good.jsonl": '{"question": "Simulated problem 7: level 3, 5 steps.", "answer": "1"}\n',
    "broken.jsonl": '{"question": "2+2", "answer": "4"}\n{"question": "2+3", "answer": \n',
    "no_answer.jsonl": '{"question": "2+2", "answer": "4"}\n{"question": "2+3"}\n',
    "empty_gold.jsonl": '{"question": "2+2", "answer": "4"}\n{"question": "2+3", "answer": " "}\n',
    "real.jsonl": '{"question": "What is 2+2?", "answer": "4"}\n',
    "empty.jsonl": "",
    "unknown.yaml": "tua: 0.5\n",
    "broken.yaml": "tau: [0.5\n",
    "list.yaml": "- tau\n- 0.5\n",
    "twice.yaml": "tau: 0.5\nagg: last\ntau: 0.7\n",
    "truth.yaml": "tau: yes\n",
    "date.yaml": "run_tag: 2024-13-45\n",
    "latin.yaml": "",
    "other.csv": "one,two\n1,2\n",
}


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files of `FILES`, and standing in it."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "latin.yaml").write_bytes(b"run_tag: caf\xe9\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(capsys)


ROWS = {
    # what was typed after `bench --model-name simulated ...` -> what the message must say
    "misspelt flag": ("--taw 0.5", "--taw", "--tau"),
    "misspelt key in a file": ("--config unknown.yaml", "'tua'", "'tau'"),
    "misspelt method": ("--method collektive", "'collektive'", "'collective'"),
    "misspelt aggregate": ("--agg lst", "agg is 'lst'", "Did you mean 'last'?"),
    "misspelt selector": ("--selector bets", "selector is 'bets'", "Did you mean 'best'?"),
    "misspelt backend": ("--generator vlm", "generator is 'vlm'", "'vllm'"),
    "misspelt problem set": ("--dataset math50", "'math50'", "'math500'"),
    "value too high": ("--tau 1.5", "tau is '1.5'", "less than or equal to 1"),
    "no date": ("--config date.yaml", "date.yaml is not valid YAML", "quote it to pass a string"),
    "no mapping": ("--prm-args !!int", "prm_args is '!!int'", "write it as {name: value}"),
    "more in flight than can be": ("--concurrency 1000000000", "concurrency is '1000000000'", "65536"),
    "quantile too high": ("--tau q1.5", "tau is 'q1.5'", "from q0 (all of them pass) to q1"),
    "no quantile": ("--tau median", "tau is 'median'", "such as q0.5"),
    "value too low": ("--num-samples 0", "num_samples is '0'", "greater than or equal to 1"),
    "no number": ("--max-steps many", "max_steps is 'many'", "valid integer"),
    "half a step": ("--max-steps 2.5", "max_steps is '2.5'", "valid integer"),
    "not a number": ("--tau nan", "tau is 'nan'", "finite"),
    "truth value for a number": ("--config truth.yaml", "tau is True"),
    "no choice": ("--dtype fp16", "dtype is 'fp16'", "'bfloat16'"),
    "more kept than proposed": ("--keeping-branches 12", "keeping_branches is 12", "max_total_branches", "9"),
    "more must pass than are proposed": ("--passing-minimum 12", "passing_minimum is 12", "--passing-minimum 9"),
    "misspelt final aggregate": ("--final-agg prd", "final_agg is 'prd'", "Did you mean 'prod'?"),
    "empty delimiter": ("--stop-tokens=", "empty delimiter"),
    "a budget that no memory holds": ("--method dvts --budget 1000000000", "budget is", "less than or equal to 100000"),
    "budget of nothing": ("--budget 0", "budget is '0'", "greater than or equal to 1"),
    "budget under the smallest": ("--method beam_search --lookahead 3 --budget 2", "budget is 2", "--budget 4"),
    "a width beside a budget": (
        "--method best_of_n --budget 2 --N 3",
        "N is 3",
        "budget 2 makes it 2",
        "--budget none",
    ),
    "misspelt resampler": ("--method particle_filter --resampling sistemattic", "'sistemattic'", "'systematic'"),
    "knobs that are none": ("--method-args 3", "method_args is 3", "dictionary"),
    "knobs that cannot be read": ("--method-args {shots", "method_args is '{shots'", "{name: value}"),
    "knob that the method lacks": ("--method-args {shots:3}", "method_args", "shots"),
    "no configuration file": (
        "--config nowhere.yaml",
        "no configuration file or recipe 'nowhere.yaml'",
        "tt-scale list",
    ),
    "folder as configuration file": ("--config .", "'.' is a folder"),
    "broken YAML": ("--config broken.yaml", "broken.yaml is not valid YAML", "line"),
    "a list for a configuration": ("--config list.yaml", "list.yaml contains a list", "tau: 0.6"),
    "a key twice": ("--config twice.yaml", "twice.yaml sets 'tau' twice"),
    "a file that is not UTF-8": ("--config latin.yaml", "latin.yaml", "UTF-8"),
    "no problem file": ("--dataset nowhere.jsonl", "'nowhere.jsonl'"),
    "broken row": ("--dataset broken.jsonl", "broken.jsonl, line 2", "invalid JSON"),
    "missing field": ("--dataset no_answer.jsonl", "no_answer.jsonl, line 2", "answer"),
    "empty gold answer": ("--dataset empty_gold.jsonl", "empty_gold.jsonl, line 2", "answer"),
    "empty problem file": ("--dataset empty.jsonl", "no problems"),
    "problems that the world does not know": ("--dataset real.jsonl", "'What is 2+2?'", "--dataset simulated"),
    "method without its PRM": ("--prm-name none", "'collective' needs a PRM", "--prm-name"),
    "a simulated generator under another name": (
        "--model-name Qwen/Qwen2.5-7B --generator simulated",
        "generator is 'simulated'",
        "--model-name simulated",
    ),
    "a simulated PRM under another name": ("--prm-name Qwen/PRM --prm simulated", "PRM is 'simulated'", "--prm-name"),
    "weights quantized that are not there": ("--quantization awq", "quantization is 'awq'"),
    "method named twice": ("--method collective --method collective", "'collective'", "named twice"),
    "problem set named twice": ("--dataset good.jsonl", "'good.jsonl'", "named twice"),
    "output below a file": ("--output-dir good.jsonl/logs", "good.jsonl/logs", "--output-dir"),
}


@pytest.mark.parametrize(("typed", "told"), [(row[0], row[1:]) for row in ROWS.values()], ids=list(ROWS))
def test_a_mistake_gives_one_message_and_changes_nothing(
    desk: Path, command: Command, typed: str, told: tuple[str, ...]
) -> None:
    """Tracebacks, exit status 1, half-made run folders: what a mistyped command must never leave."""
    before = snapshot(desk)
    answer = command("bench", *SIMULATED, "--dataset", "good.jsonl", *typed.split())
    assert answer.status == 2
    assert answer.err.startswith("tt-scale: ")
    assert answer.err.count("\n") == 1
    assert [each for each in told if each not in answer.err] == []
    assert snapshot(desk) == before


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("bnech",), "'bench'"),
        (("bench", "--tau"), "--tau"),
        (("bench", *SIMULATED, "--dataset", "good.jsonl", "--backtrack", "false"), "unexpected extra argument (false)"),
        (("solve",), "QUESTION"),
        (("solve", *SIMULATED, " "), "The question is empty"),
        (("solve", *SIMULATED, "caf\udce9"), "'caf?' is not valid UTF-8"),
        (("calibrate", "recorded", "--dataset", "good.jsonl", "--pass-rate", "nan"), "'nan' is not a number"),
        (("compare", *SIMULATED, "--dataset", "good.jsonl", "--minutes", "nan"), "'nan' is not a number"),
        (("compare", "good.jsonl", "other.csv"), "'good.jsonl' is a file, not a run folder"),
        (("prm-check", "judge", "--model-name", "simulated"), "The judge needs a language model"),
        (("bench", *SIMULATED, "--dataset", "good.jsonl", "--config", ""), "''"),
        (("solve", *SIMULATED, "2+2"), "'2+2'"),
        (("solve", *SIMULATED, "--method", "collective", "--method", "best_of_n", "x"), "one --method"),
        (("doctor", "--method", "collektive"), "'collective'"),
        (("doctor", "--prm", "simulated", "--generator", "simulated"), "--model-name simulated"),
    ],
)
def test_every_command_answers_alike(desk: Path, command: Command, arguments: tuple[str, ...], told: str) -> None:
    """Usage errors were written in another form than all other errors."""
    answer = command(*arguments)
    assert (answer.status, answer.out) == (2, "")
    assert answer.err.startswith("tt-scale: ")
    assert told in answer.err
    assert answer.err.count("\n") == 1


def test_no_traceback_from_the_real_program(desk: Path) -> None:
    """What pytest captures is not all that a terminal shows: worker processes and shutdown write too."""
    answer = finish(start("bench", *SIMULATED, "--dataset", "broken.jsonl", folder=desk), desk)
    assert (answer.status, answer.out) == (2, "")
    assert answer.err.startswith("tt-scale: broken.jsonl, line 2")
    assert answer.err.count("\n") == 1


def test_a_hub_set_without_the_library_names_the_extra(
    desk: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`No module named 'datasets'` does not tell what to install."""
    monkeypatch.setitem(sys.modules, "datasets", None)
    answer = command("bench", *SIMULATED, "--dataset", "aime_2025")
    assert answer.status == 2
    assert "pip install 'tt-scale[hub]'" in answer.err


def test_a_hub_set_without_a_network_says_so(desk: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library's own error is pages long and blames a cache."""

    def unreachable(*_: object) -> None:
        raise ConnectionError("Couldn't reach the hub")

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=unreachable))
    answer = command("bench", *SIMULATED, "--dataset", "someone/something")
    assert answer.status == 2
    assert "someone/something" in answer.err
    assert "the network" in answer.err


@pytest.mark.parametrize(("driver", "extra"), [(None, "cpu"), ("/usr/bin/nvidia-smi", "gpu")])
def test_no_engine_names_the_extra_for_this_machine(
    desk: Path, command: Command, monkeypatch: pytest.MonkeyPatch, driver: str | None, extra: str
) -> None:
    """On a GPU machine the advice was to install the CPU engine."""
    monkeypatch.setattr(tt_scale.backends, "find_spec", lambda name: None)
    monkeypatch.setattr(tt_scale.backends, "which", lambda name: driver)
    before = snapshot(desk)
    answer = command("bench", "--dataset", "good.jsonl")
    assert answer.status == 2
    assert f"pip install 'tt-scale[{extra}]'" in answer.err
    assert snapshot(desk) == before


def test_an_engine_is_looked_for_before_the_problem_sets(
    desk: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Six sets were fetched before the missing engine was noticed."""

    def missing(name: str) -> None:
        raise AssertionError("a problem set was loaded")

    def no_engine(config: object) -> None:
        raise MissingExtraError("vllm", "cpu", "Running a model")

    monkeypatch.setattr("tt_scale.bench.run.plan.load_problems", missing)
    monkeypatch.setattr("tt_scale.bench.run.session.make_models", no_engine)
    assert command("bench", "--dataset", "good.jsonl").status == 2


def test_a_summary_with_other_columns_is_found_before_the_run(desk: Path, command: Command) -> None:
    """The summary was looked at after hours of work, and then could not be written."""
    answer = command(*BENCH, "--num-samples", "2", "--summary-csv", "other.csv")
    assert answer.status == 2
    assert "other columns (one, two)" in answer.err
    assert "--summary-csv" in answer.err
    assert (desk / "other.csv").read_text() == FILES["other.csv"]
    assert all(path.stat().st_size == 0 for path in desk.rglob("problems.jsonl"))


@pytest.mark.parametrize("path", ["good.jsonl/summary.csv", "."])
def test_a_summary_that_cannot_be_written_is_found_before_the_run(desk: Path, command: Command, path: str) -> None:
    """As above: the path leads through a file, or is a folder."""
    answer = command(*BENCH, "--num-samples", "2", "--summary-csv", path)
    assert answer.status == 2
    assert "cannot be written" in answer.err
    assert all(file.stat().st_size == 0 for file in desk.rglob("problems.jsonl"))


def tagged(*more: str) -> tuple[str, ...]:
    return (*BENCH, "--num-samples", "3", "--run-tag", "mine", *more)


def test_another_configuration_is_refused_with_the_differing_keys(desk: Path, command: Command) -> None:
    """Records of two configurations in one file make a table about neither."""
    assert command(*tagged()).status == 0
    before = snapshot(desk)
    answer = command(*tagged("--tau", "0.7", "--k-tokens", "100"))
    assert answer.status == 2
    assert "k_tokens: 256 there, 100 here; tau: 0.6 there, 0.7 here" in answer.err
    assert "--run-tag" in answer.err
    assert snapshot(desk) == before


def test_other_problems_under_the_same_tag_are_refused(desk: Path, command: Command) -> None:
    """A file that was edited between two legs of a run changes the benchmark."""
    local = ("bench", *SIMULATED, "--dataset", "good.jsonl", "--run-tag", "mine")
    assert command(*local).status == 0
    (desk / "good.jsonl").write_text(FILES["good.jsonl"].replace('"1"', '"2"'))
    answer = command(*local)
    assert answer.status == 2
    assert "problems: " in answer.err


def test_a_knob_of_another_method_does_not_make_another_run(desk: Path, command: Command) -> None:
    """`lookahead` means nothing to collective: changing it must not refuse a resume."""
    assert command(*tagged()).status == 0
    assert command(*tagged("--lookahead", "2")).status == 0


@pytest.mark.parametrize("text", ["", "{", "[]", '{"experiment": 3}', "\x00\xff"])
def test_a_damaged_manifest_is_refused(desk: Path, command: Command, text: str) -> None:
    """A run without a readable manifest cannot be shown to be the same experiment."""
    assert command(*tagged()).status == 0
    (manifest,) = desk.rglob("manifest.json")
    manifest.write_text(text, encoding="latin-1")
    before = snapshot(desk)
    answer = command(*tagged())
    assert answer.status == 2
    assert "manifest.json' is damaged" in answer.err
    assert snapshot(desk) == before


def test_a_journal_without_a_manifest_is_refused(desk: Path, command: Command) -> None:
    """A foreign problems.jsonl would be continued as if it were ours."""
    assert command(*tagged()).status == 0
    (manifest,) = desk.rglob("manifest.json")
    manifest.unlink()
    before = snapshot(desk)
    answer = command(*tagged())
    assert answer.status == 2
    assert "no manifest.json" in answer.err
    assert snapshot(desk) == before


def test_a_folder_in_use_is_refused(desk: Path, command: Command) -> None:
    """Two processes appending to one journal tear each other's lines."""
    assert command(*tagged()).status == 0
    (manifest,) = desk.rglob("manifest.json")
    with FileLock(manifest.parent / ".lock"):
        answer = finish(start(*tagged("--output-dir", str(desk / "logs")), folder=desk), desk)
    assert answer.status == 2
    assert "Another process is writing" in answer.err
    assert command(*tagged()).status == 0


def test_files_of_one_name_do_not_share_a_folder(desk: Path, command: Command) -> None:
    """Under a tag, a/p.jsonl and b/p.jsonl would be written to one folder; the message said 'named twice'."""
    for name in ("a", "b"):
        (desk / name).mkdir()
        (desk / name / "p.jsonl").write_text(FILES["good.jsonl"])
    answer = command("bench", *SIMULATED, "--run-tag", "t", "--dataset", "a/p.jsonl", "--dataset", "b/p.jsonl")
    assert answer.status == 2
    assert "'a/p.jsonl' and 'b/p.jsonl'" in answer.err
    assert not (desk / "logs").exists()


def test_a_detail_log_that_cannot_be_written_is_an_error_of_ours_to_name(desk: Path, command: Command) -> None:
    """An OSError from the CSV ended a finished run with a traceback; the journal must survive it."""
    assert command(*tagged("--no-detail-log")).status == 0
    (journal,) = desk.rglob("problems.jsonl")
    journal.write_text("".join(journal.read_text().splitlines(keepends=True)[:2]))
    (journal.parent / "detail.csv").mkdir()
    answer = command(*tagged())
    assert answer.status == 2
    assert "detail.csv' cannot be written" in answer.err
    assert len(journal.read_text().splitlines()) == 3
