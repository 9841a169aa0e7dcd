"""What is read off the pool of a wider run is what a search finds."""

from __future__ import annotations

import asyncio
import json
from dataclasses import fields, replace
from pathlib import Path

import pytest
from commands import Command, read_journal, timeless
from worlds import run, sim_space, tape_space

from tt_scale.bench.compare.compare_command import charged
from tt_scale.bench.compare.subsampled import derived_row, vote_curve
from tt_scale.bench.record import CALL_SECONDS, Row, search_record
from tt_scale.bench.stats.vote_curve import VoteCurve
from tt_scale.core.budget import Usage
from tt_scale.errors import JournalError
from tt_scale.grading import Grader
from tt_scale.registry import BUILT_IN, searcher_class
from tt_scale.searcher.best_of_n import BestOfN

COMPARE = ("compare", "--model-name", "simulated", "--prm-name", "simulated", "--dataset", "simulated")
SHARING = ("--method", "best_of_n", "--method", "self_consistency")


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.chdir(tmp_path)
    return Command(capsys)


@pytest.mark.parametrize("limits", [(), ("--max-tokens", "70")], ids=["whole", "some truncated"])
def test_derived_rows_are_searched_rows(command: Command, tmp_path: Path, limits: tuple[str, ...]) -> None:
    """A row by proportion would look right on average and be wrong in every line."""
    few = (*COMPARE, *SHARING, "--num-samples", "12", "--repeats", "2", "--vary", "N=1,2,3,5,8", *limits)
    assert command(*few, "--no-derive", "--run-tag", "searched").status == 0
    assert command(*few, "--run-tag", "derived").status == 0
    assert [path.parent.name for path in (tmp_path / "logs" / "derived").rglob("problems.jsonl")] == [
        "simulated-best_of_n-N=8"
    ]
    widest = read_journal(tmp_path / "logs" / "derived" / "simulated-best_of_n-N=8")
    for method, selector in (("best_of_n", "best"), ("self_consistency", "majority")):
        for samples in (1, 2, 3, 5, 8):
            found = read_journal(tmp_path / "logs" / "searched" / f"simulated-{method}-N={samples}")
            searched = {(record["id"], record["repeat"]): timeless(Row.of(record)) for record in found}
            derived = [derived_row(record, samples, selector) for record in widest]
            assert {(row.id, row.repeat): row for row in derived} == searched
    assert any(record["telemetry"]["truncated"] for record in widest) == bool(limits)


def test_derived_tables_are_searched_tables(command: Command, tmp_path: Path) -> None:
    """Budgets bring limits of tokens with them, which must not change what is read off."""
    few = (*COMPARE, *SHARING, "--num-samples", "12", "--budget", "1,3,8", "--max-tokens", "70")
    told = {}
    for tag, flag in (("searched", "--no-derive"), ("derived", "--derive")):
        assert command(*few, flag, "--run-tag", tag).status == 0
        [told[tag]] = json.loads((tmp_path / "logs" / tag / "comparison.json").read_text())["comparisons"]
        for entry in told[tag]["entries"]:
            del entry["seconds"], entry["derived"], entry["folder"]
    assert told["derived"] == told["searched"]


@pytest.mark.parametrize(
    ("limit", "runs"),
    [
        ((), 1),
        (("--max-generated-tokens", "300"), 2),
        (("--max-prm-tokens", "300"), 2),
        (("--temperature", "0"), 1),
        (("--last-resort", "force"), 2),
    ],
)
def test_limits_of_a_whole_problem_are_searched(
    command: Command, tmp_path: Path, limit: tuple[str, ...], runs: int
) -> None:
    """A limit that ends the wide run early says nothing about where it ends a narrow one."""
    few = (*COMPARE, "--method", "best_of_n", "--num-samples", "2", "--vary", "N=2,4", "--run-tag", "t")
    assert command(*few, *limit).status == 0
    assert len(list((tmp_path / "logs" / "t").rglob("problems.jsonl"))) == runs


def test_other_samples_are_not_shared(command: Command, tmp_path: Path) -> None:
    """Samples at another temperature are other samples; an adaptive vote stops where it sees fit."""
    few = (*COMPARE, *SHARING, "--num-samples", "2", "--N", "4", "--vary", "temperature=0.5,0.8")
    assert command(*few, "--vary", "adaptive=off,beta", "--run-tag", "t").status == 0
    assert sorted(path.parent.name for path in (tmp_path / "logs" / "t").rglob("problems.jsonl")) == [
        "simulated-best_of_n-temperature=0.5",
        "simulated-best_of_n-temperature=0.8",
        "simulated-self_consistency-temperature=0.5-adaptive=beta",
        "simulated-self_consistency-temperature=0.8-adaptive=beta",
    ]


@pytest.mark.parametrize("method", sorted(BUILT_IN["searchers"]))
def test_costs_of_paths_add_up(method: str) -> None:
    """What is charged to a problem is charged to one of its paths, once."""
    space = sim_space(max_generated_tokens=600)
    run(searcher_class(method)(), space)
    total = Usage()
    for cost in space.costs.values():
        total.charge(cost)
    assert total == replace(space.usage, seconds=0.0)
    assert set(space.costs) == {node.key for node in space.nodes}


def test_tokens_behind_the_answer_are_charged_to_their_sample() -> None:
    """A solution that goes on behind its answer is cut there, but was paid for to its end."""
    space, _ = tape_space(["\\boxed{1}", "\n\n", "and ", "so ", "on"], path_end="answer")
    outcome = run(BestOfN(N=3), space)
    assert [path.tokens for path in outcome.pool] == [2, 2, 2]
    with Grader() as grader:
        record = asyncio.run(search_record(0, 0, space, outcome, "best", grader))
    row = derived_row(record, 2, "best")
    assert row.usage.generated_tokens == 2 * 6
    assert row.telemetry["wasted_tokens"] == 2 * 4


def test_records_of_older_versions_say_so(tmp_path: Path) -> None:
    """A guess would be a wrong number without a word."""
    node = {"key": "0.0", "state": "finished"}
    record = {**EMPTY, "tree": [node]}
    with pytest.raises(JournalError, match=r"older version.*--no-derive"):
        derived_row(record, 1, "best")


EMPTY = {
    "index": 0,
    "id": "p",
    "repeat": 0,
    "level": None,
    "grade": "no_answer",
    "answer": None,
    "gold": "1",
    "usage": {},
    "telemetry": {},
    "selectors": {},
    "stopped": "enough",
    "error": "",
    "pool": [],
    "tree": [],
}


def recorded(identity: str, votes: str, tokens: int) -> dict:
    """A record of one letter for each sample: `+` right, `a` and `b` two wrong answers, `-` truncated."""
    keys = [f"0.{number}" for number in range(len(votes))]
    return {
        **EMPTY,
        "id": identity,
        "tree": [{"key": key, "state": "finished", "usage": {"generated_tokens": tokens}} for key in keys],
        "pool": [
            {"key": key, "class": "+ab".index(vote), "score": 0.5, "grade": "correct" if vote == "+" else "wrong"}
            for key, vote in zip(keys, votes, strict=True)
            if vote != "-"
        ],
    }


def test_the_vote_by_hand(tmp_path: Path) -> None:
    """Two problems of three samples: + + a votes right from the first on; a - + stays with a, which came first."""
    lines = [json.dumps(recorded("p", "++a", 10)), json.dumps(recorded("q", "a-+", 30))]
    (tmp_path / "problems.jsonl").write_text("\n".join(lines) + "\n")
    curve = vote_curve(tmp_path, 3)
    assert curve.tokens == [20.0, 40.0, 60.0]
    assert curve.right == {"p": [1.0, 1.0, 1.0], "q": [0.0, 0.0, 0.0]}


def forced(record: dict) -> dict:
    """The same with a right answer that the model was made to state: a path of a root of its own."""
    node = {"key": "1.0", "state": "finished", "usage": {"generated_tokens": 5}}
    member = {"key": "1.0", "class": 7, "score": 0.9, "grade": "correct", "answer": "1", "tokens": 5, "forced": True}
    return {**record, "tree": [*record["tree"], node], "pool": [*record["pool"], member]}


def test_a_forced_answer_is_no_sample(tmp_path: Path) -> None:
    """Its key ends in 0, as that of the first sample does: it took the place and the cost of that sample."""
    record = forced(recorded("p", "--", 10))
    (tmp_path / "problems.jsonl").write_text(json.dumps(record) + "\n")
    curve = vote_curve(tmp_path, 2)
    assert (curve.tokens, curve.right) == ([10.0, 20.0], {"p": [0.0, 0.0]})


def test_marks_of_a_derived_row_are_those_of_its_samples() -> None:
    """What happened behind them happened to the wider run alone."""
    record = forced(recorded("p", "--", 10))
    record["tree"] = [{**node, "state": "unreadable", "score": 0.0} for node in record["tree"][:-1]] + [
        {**record["tree"][-1], "score": 0.9}
    ]
    record["telemetry"] = {"unreadable": 2, "forced": 1}
    row = derived_row(record, 1, "majority")
    assert (row.usage.generated_tokens, row.answer) == (10, None)
    assert (row.telemetry["unreadable"], row.telemetry["forced"], row.telemetry["pool"]) == (1, 0, 0)


def test_a_vote_among_some_searches(tmp_path: Path) -> None:
    """A comparison of what all have done must not hold it against a vote over other problems."""
    lines = [json.dumps({**recorded(name, "+a", 10), "repeat": repeat}) for name in "pq" for repeat in (0, 1)]
    (tmp_path / "problems.jsonl").write_text("\n".join(lines) + "\n")
    assert vote_curve(tmp_path, 2, {("q", 1)}).right == {"q": [1.0, 1.0]}
    assert set(vote_curve(tmp_path, 2).right) == {"p", "q"}


@pytest.mark.parametrize(
    ("method", "selector", "counted"),
    [
        ("deepconf", None, False),
        ("deepconf", "weighted", False),
        ("deepconf", "best", True),
        ("self_consistency", None, False),
        ("self_consistency", "weighted", True),
        ("best_of_n", "majority", True),
    ],
)
def test_what_the_prm_read_counts_where_it_is_looked_at(method: str, selector: str | None, counted: bool) -> None:
    """Its own confidence weighs DeepConf's vote; scores that only fill the report are not its cost."""
    row = Row.of({**EMPTY, **recorded("p", "+", 10), "usage": {"prm_tokens": 7}})
    [found] = charged([row], searcher_class(method)(), selector)
    assert (found.usage.prm_tokens == 7) is counted


def test_the_vote_between_two_sizes_is_a_mixture() -> None:
    """A quarter of the way from one sample to two, one problem in four is voted on with two."""
    curve = VoteCurve([100.0, 200.0, 400.0], {"p": [0.0, 1.0, 1.0], "q": [1.0, 1.0, 0.0]})
    assert curve.at(125.0) == pytest.approx({"p": 0.25, "q": 1.0})
    assert curve.at(300.0) == pytest.approx({"p": 1.0, "q": 0.5})
    assert curve.at(100.0) == pytest.approx({"p": 0.0, "q": 1.0})
    assert curve.at(400.0) == pytest.approx({"p": 1.0, "q": 0.0})
    assert curve.at(96.0) == pytest.approx({"p": 0.0, "q": 1.0})
    assert curve.at(94.0) is None
    assert curve.at(403.0) == pytest.approx({"p": 1.0, "q": 0.0})
    assert curve.at(405.0) is None
    assert VoteCurve([100.0], {"p": [1.0]}).at(100.0) == {"p": 1.0}


def test_every_field_of_a_row_is_derived() -> None:
    """A field that is added to rows must be thought of here."""
    assert {field.name for field in fields(Row)} == {
        *("index", "id", "repeat", "level", "grade", "answer", "gold", "usage", "telemetry", "selectors"),
        *("stopped", "error", "right", "source_grade", "source_selectors", *CALL_SECONDS),
    }
