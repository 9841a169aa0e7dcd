"""`prm-eval` and `calibrate` as they are typed."""

from __future__ import annotations

import asyncio
import io
import json
import re
from pathlib import Path

import pytest
from commands import Command, snapshot
from rich.console import Console

from tt_scale.base_classes import PRM, Scores
from tt_scale.bench.format.lines import line_of, read_line
from tt_scale.bench.run import watch
from tt_scale.generator.simulated import SimulatedGenerator
from tt_scale.prm.simulated import SimulatedPRM
from tt_scale.prm_eval.calibration import Bin
from tt_scale.prm_eval.figures import Figure, Items
from tt_scale.report.evaluation import figure_sheet, reliability_sheet, tau_sheet
from tt_scale.report.tables import drawn

REPLAYS = Path(__file__).parents[1] / "data" / "replay"
EVAL = ("prm-eval", "simulated", "--dataset", "simulated")


@pytest.fixture
def command(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Command(capsys)


def figures(out):
    """The lines of all tables of figures: name -> values, one for each set."""
    found = {}
    for name, value in re.findall(r"^ {2,}(\S.*?) {2,}([+-]?\d\.\d{3})(?: |$)", out, re.MULTILINE):
        found.setdefault(name.strip(), []).append(float(value))
    return found


@pytest.mark.parametrize("quality", [0.0, 0.3, 0.6, 1.0])
def test_the_simulated_prm_has_the_area_that_it_is_made_for(command, quality):
    """Sampling, labels, scores and area in one closed form; a label that is off by one step breaks it."""
    answer = command(*EVAL, "--num-samples", "150", "--N", "8", "--prm-quality", str(quality))
    assert (answer.status, answer.err) == (0, "")
    assert figures(answer.out)["AUC, steps"] == [pytest.approx(SimulatedPRM(quality).auc, abs=0.02)]
    assert "Truth: steps as the simulated world knows them." in answer.out


def test_a_perfect_prm_finds_everything(command):
    """Every figure at its corner: what is missed here is missed by the measurement."""
    found = figures(command(*EVAL, "--num-samples", "60", "--N", "8", "--prm-quality", "1").out)
    assert found["calibration error, steps"] == [0.0]
    assert found["first error, F1"] == [1.0]
    assert found["best of 8 by last"] == found["one of 8 is right"]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (
            "beam_llama3.2-1b_n2_q500",
            {
                "AUC, solutions by min": 0.888,
                "AUC, solutions by last": 0.872,
                "AUC, solutions by mean": 0.878,
                "AUC, solutions by prod": 0.897,
                "one solution": 0.218,
                "majority of 2": 0.222,
                "best of 2 by last": 0.268,
                "best of 2 by min": 0.272,
                "one of 2 is right": 0.314,
            },
        ),
        (
            "bon_llama3.2-3b_n1_q500",
            {
                "AUC, solutions by min": 0.882,
                "AUC, solutions by last": 0.859,
                "AUC, solutions by mean": 0.894,
                "AUC, solutions by prod": 0.898,
            },
        ),
    ],
)
def test_recorded_scores_give_the_known_figures(command, name, told):
    """Areas and accuracies of a real PRM, as whoever made the replays measured them.

    But for what picks: they also picked solutions without an answer (.226, .282 and .288), as no search does.
    """
    found = figures(command("prm-eval", "recorded", "--dataset", str(REPLAYS / f"{name}.jsonl")).out)
    assert {key: found[key][0] for key in told} == pytest.approx(told, abs=0.0011)  # more than one of the last digit
    assert {len(found[key]) for key in told} == {1}


def test_the_same_command_goes_on(command, tmp_path):
    """Nothing is sampled or scored twice, and the tables come out the same."""
    first = command(*EVAL, "--num-samples", "30")
    (path,) = tmp_path.rglob("scores.jsonl")
    whole = path.read_text().splitlines(keepends=True)
    path.write_text("".join(whole[:50]))
    again = command(*EVAL, "--num-samples", "30")
    assert "Scored before: 50 solutions." in again.out
    assert "sampling" not in again.out
    assert {json.loads(line)["id"] for line in path.read_text().splitlines()} == {
        json.loads(line)["id"] for line in whole
    }
    assert figures(again.out) == figures(first.out)
    before = snapshot(tmp_path)
    assert "scoring" not in command(*EVAL, "--num-samples", "30").out
    assert snapshot(tmp_path) == before


def test_other_scores_on_the_same_solutions(command, tmp_path):
    """A second PRM is measured on what was sampled for the first."""
    command(*EVAL, "--num-samples", "10")
    command(*EVAL, "--num-samples", "10", "--prm-quality", "0.9")
    assert len(list(tmp_path.rglob("solutions.jsonl"))) == 1
    assert len(list(tmp_path.rglob("scores.jsonl"))) == 2


def test_calibrate_reads_the_scores_of_prm_eval(command):
    """Both commands are one measurement."""
    command(*EVAL, "--num-samples", "10")
    answer = command("calibrate", *EVAL[1:], "--num-samples", "10")
    assert "Scored before: 40 solutions." in answer.out
    assert "scoring" not in answer.out


@pytest.mark.parametrize(
    ("typed", "key"),
    [(("--prm-quality", "0.9"), "prm_quality: 0.6 there, 0.9 here"), (("--num-samples", "11"), "problems: ")],
)
def test_a_tag_of_another_evaluation_is_refused(command, tmp_path, typed, key):
    """The tag names the folder, and the folder holds scores of something else."""
    command(*EVAL, "--num-samples", "10", "--run-tag", "mine")
    before = snapshot(tmp_path)
    answer = command(*EVAL, "--num-samples", "10", "--run-tag", "mine", *typed)
    assert answer.status == 2
    assert key in answer.err
    assert "Nothing was changed." in answer.err
    assert snapshot(tmp_path) == before


def test_scores_of_other_solutions_are_refused(command, tmp_path):
    """Somebody deleted the sampled solutions; new ones have the same ids and other steps."""
    command(*EVAL, "--num-samples", "10")
    (path,) = tmp_path.rglob("solutions.jsonl")
    records = [read_line(line) for line in path.read_bytes().splitlines(keepends=True)]
    path.write_bytes(b"".join([line_of(json.loads(json.dumps(each).replace("gives", "shows"))) for each in records]))
    answer = command(*EVAL, "--num-samples", "10")
    assert answer.status == 2
    assert "holds scores of other solutions than" in answer.err


class Failing(PRM):
    """Fails on one problem, finds another too long."""

    @classmethod
    def from_config(cls, config, generator):
        return cls()

    async def score(self, problem, paths):
        if problem.id == "sim-00001":
            raise MemoryError("no room")
        if problem.id == "sim-00002":
            return [Scores((), too_long=True) for _ in paths]
        return [Scores((0.5,) * len(path.steps), 7, 7) for path in paths]


@pytest.mark.parametrize(("model", "call"), [(SimulatedGenerator, "generate"), (SimulatedPRM, "score")])
def test_a_model_that_hangs_is_restarted_once(command, monkeypatch, model, call):
    """The promise of `stall_timeout`; what is in the journals by then is not done again."""
    wanted = command(*EVAL, "--num-samples", "6", "--run-tag", "unbroken").out
    monkeypatch.setattr(watch, "LOOK_EVERY", 0.01)
    original, lives, calls = getattr(model, call), [], []

    async def start(self):
        lives.append(self)

    async def hanging(self, *arguments):
        calls.append(self)
        if self is lives[0] and len(calls) > 2:
            await asyncio.sleep(3600)
        return await original(self, *arguments)

    monkeypatch.setattr(model, "start", start)
    monkeypatch.setattr(model, call, hanging)
    typed = (*EVAL, "--num-samples", "6", "--concurrency", "2", "--stall-timeout", "0.3", "--run-tag", "t")
    answer = command(*typed)
    assert answer.status == 0, answer.err
    assert len(lives) == 2
    assert "The models are restarted, once; what was in flight is done again." in " ".join(answer.out.split())
    assert figures(answer.out) == figures(wanted)


def test_what_could_not_be_scored_is_said(command, monkeypatch):
    """A PRM that fails on the hard half would look good on the other, and nobody would know."""
    from tt_scale.generator.simulated import SimulatedGenerator
    from tt_scale.problems import simulated_problems

    monkeypatch.setattr("tt_scale.prm_eval.session.make_models", lambda config: (SimulatedGenerator(), Failing()))
    monkeypatch.setattr("tt_scale.bench.run.plan.load_problems", lambda name, **_: simulated_problems(6))
    answer = command(*EVAL)
    assert answer.status == 0
    assert "simulated: simulated, 16 solutions" in answer.out
    assert "Solutions longer than what the PRM reads: 4, without scores: no hit in F1" in answer.out
    assert "Solutions on which the PRM failed: 4" in answer.out
    assert "The first failure, sim-00001#0: MemoryError: no room" in answer.out
    assert "100% of them cached." in answer.out


def test_nothing_scored_is_status_1(command, monkeypatch):
    """A script must notice."""
    from tt_scale.generator.simulated import SimulatedGenerator
    from tt_scale.problems import simulated_problems

    monkeypatch.setattr("tt_scale.prm_eval.session.make_models", lambda config: (SimulatedGenerator(), Failing()))
    monkeypatch.setattr("tt_scale.bench.run.plan.load_problems", lambda name, **_: simulated_problems(3)[1:])
    answer = command(*EVAL)
    assert (answer.status, answer.err) == (1, "tt-scale: nothing was scored; see the remarks above.\n")
    assert "simulated: simulated, 0 solutions, 0 steps" in answer.out


@pytest.fixture
def labelled(tmp_path):
    """Two sets with labels and scores: `easy` is parted by 0.5, `shifted` by 0.2."""
    for name, low, high in (("easy", 0.3, 0.7), ("shifted", 0.1, 0.3)):
        rows = [
            {"question": f"{name} {n}", "steps": ["a", "b"], "label": n % 3 - 1, "scores": [high, high]}
            for n in range(30)
        ]
        for row in rows:
            if row["label"] >= 0:
                row["scores"][row["label"]] = low
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return ("prm-eval", "recorded", "--dataset", "easy.jsonl", "--dataset", "shifted.jsonl")


@pytest.mark.parametrize(
    ("typed", "told", "f1"),
    [
        ((), "solutions (half of the questions), F1 measured on the other", [1.0, 1.0]),
        (("--threshold", "0.25"), "First error: threshold 0.25 as given.", [0.0, 1.0]),
        (("--threshold", "easy"), "First error: threshold 0.5 chosen on easy.", [1.0, 0.0]),
        (("--threshold", "shifted"), "threshold 0.2 chosen on these very solutions: F1 is too high.", [0.0, 1.0]),
    ],
)
def test_the_threshold_says_where_it_comes_from(command, labelled, typed, told, f1):
    """ProcessBench chooses on GSM8K and measures on the others; F1 on its own choice is too high."""
    answer = command(*labelled, *typed)
    assert told in answer.out
    assert figures(answer.out)["first error, F1"] == f1


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        (("prm-eval",), "Missing argument 'PRM'"),
        (("prm-eval", "simulated"), "No set is named. Type: --dataset with processbench-gsm8k"),
        (("prm-eval", "none", "--dataset", "simulated"), "The PRM is 'none'; there is nothing to measure."),
        ((*EVAL, "--plot", "a.gif"), "plot is 'a.gif'; allowed: a file that ends in .svg, .png, .pdf."),
        ((*EVAL, "--plot", "no/a.svg"), "whose folder does not exist"),
        ((*EVAL, "--threshold", "2"), "threshold is '2'; allowed: 0 to 1, or a set of this command"),
        ((*EVAL, "--threshold", "processbench-math"), "threshold is 'processbench-math'"),
        ((*EVAL, "--tau", "0.5"), "No such option '--tau'"),
        ((*EVAL, "--model-name", "nobody", "--generator", "simulated"), "is 'simulated', but model_name is 'nobody'"),
        ((*EVAL, "--dataset", "nowhere.jsonl"), "nowhere.jsonl"),
        (("calibrate", *EVAL[1:], "--pass-rate", "0"), "--pass-rate"),
        (("calibrate", *EVAL[1:], "--pass-rate", "1.5"), "--pass-rate"),
        (("prm-eval", "recorded", "--dataset", "simulated"), "has no recorded score"),
    ],
)
def test_bad_input_is_refused_before_anything_is_made(command, tmp_path, typed, told):
    """One line, status 2, no folder."""
    answer = command(*typed)
    assert answer.status == 2
    assert told in answer.err
    assert "Traceback" not in answer.err
    assert snapshot(tmp_path) == {}


def test_keys_without_effect_are_warned_about(command):
    """A temperature for solutions that are given is a wrong conclusion in the making."""
    name = str(REPLAYS / "bon_llama3.2-3b_n1_q500.jsonl")
    answer = command("prm-eval", "recorded", "--dataset", name, "--temperature", "0.3", "--N", "9")
    assert "warning: N, temperature have no effect here." in answer.out


def test_calibrate_tells_a_tau_that_passes_what_was_wanted(command, tmp_path):
    """Typed into a search, it lets this share of steps pass."""
    typed = ("--num-samples", "40", "--pass-rate", "0.5", "--pass-rate", "0.9")
    answer = command("calibrate", *EVAL[1:], *typed)
    (path,) = tmp_path.rglob("scores.jsonl")
    rows = [json.loads(line)["values"] for line in path.read_text().splitlines()]
    first, every = [row[0] for row in rows], [value for row in rows for value in row]
    taus = [float(tau) for tau in re.findall(r"--tau (\S+)", answer.out)]
    parts = [first, first, every, every]
    shares = [sum(score >= tau for score in part) / len(part) for tau, part in zip(taus, parts, strict=True)]
    assert shares == pytest.approx([0.5, 0.9, 0.5, 0.9], abs=0.01)
    assert "first error" not in answer.out
    assert "best of" not in answer.out


def test_labels_of_outcomes_are_called_so(command, tmp_path):
    """A right step of a wrong solution counts as wrong there; whoever reads the table must know."""
    rows = [{"question": f"Simulated problem {n}: level 3, 5 steps.", "answer": "1"} for n in range(5)]
    (tmp_path / "mine.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    answer = command("calibrate", "simulated", "--dataset", "mine.jsonl")
    assert "Truth: outcomes: every step is labelled by whether the final answer of its solution is right." in answer.out
    (path,) = tmp_path.rglob("solutions.jsonl")
    drawn = [each for line in path.read_text().splitlines() for each in json.loads(line)["solutions"]]
    assert all(set(each["labels"]) == {each["correct"]} for each in drawn)


def test_a_plot_is_drawn(command, tmp_path):
    """Twice the same, so that it can be kept in a repository."""
    pytest.importorskip("vl_convert")
    for name in ("a.svg", "b.svg"):
        assert command(*EVAL, "--num-samples", "20", "--plot", name).status == 0
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert b"<svg" in (tmp_path / "a.svg").read_bytes()


def test_a_plot_needs_the_extra(command, monkeypatch, tmp_path):
    """Found before hours of scoring, not after."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    answer = command(*EVAL, "--plot", "a.svg")
    assert (answer.status, snapshot(tmp_path)) == (2, {})
    assert "pip install 'tt-scale[report]'" in answer.err


@pytest.mark.parametrize("width", [80, 140])
def test_tables_fit_the_terminal(width):
    """A table that is wider than the terminal is cut, numbers first."""
    console = Console(file=io.StringIO(), width=width)
    items = Items("solutions", (0.123456, 0.654321), (False, True), ("a", "b"))
    names = ("gain by mean_only_final over one solution", "calibration error, solutions (last)")
    for sheet in (
        figure_sheet("set", [Figure(name, -0.123, -0.2, 0.05) for name in names]),
        reliability_sheet("solutions", [Bin(0.0, 0.1, 0.05, 0.5, 1e6)]),
        tau_sheet({"first steps": items, "all steps": items}, (0.5, 1.0)),
    ):
        console.print(drawn(sheet))
    text = console.file.getvalue()
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    for whole in (*names, "-0.200 to +0.050", "1,000,000", "--tau 0.6", "--tau 0.1", "100.0%", "Right below"):
        assert whole in text
