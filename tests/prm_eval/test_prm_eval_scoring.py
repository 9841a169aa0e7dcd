"""A PRM over labelled solutions: failures stay alone, nothing is asked twice, nothing is lost."""

from __future__ import annotations

import asyncio
import json

import pytest

from tt_scale.base_classes import PRM, Problem, Scores
from tt_scale.core.segmentation import step_texts
from tt_scale.errors import EngineDeadError, JournalError, PRMError
from tt_scale.prm_eval.labelled import LabelledSolution, given_steps
from tt_scale.prm_eval.scoring import ScoreJournal, score_solutions


class TouchyPRM(PRM):
    """Scores by the length of a step; fails as the text of a step says."""

    def __init__(self):
        self.asked = []
        self.at_once = self.most = 0

    @classmethod
    def from_config(cls, config, generator):
        return cls()

    async def score(self, problem, paths):
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        self.asked.append([(problem.id, path.key) for path in paths])
        return [self._scores(path) for path in paths]

    def _scores(self, path):
        texts = step_texts(path.steps, ("\n\n",))
        if "fail" in texts:
            raise PRMError("The PRM failed to read it.")
        if "crash" in texts:
            raise ZeroDivisionError("a fault of ours")
        if "die" in texts:
            raise EngineDeadError("The engine is gone.")
        if "long" in texts:
            return Scores((), 9, too_long=True)
        values = {"few": (), "above": (1.5,) * len(texts), "none": (float("nan"),) * len(texts)}
        return Scores(values.get(texts[0], tuple(1 / len(text) for text in texts)), 10 * len(texts), 4)


def solution(question, *texts, number=0):
    problem = Problem(question, question, "")
    return LabelledSolution(f"{question}#{number}", problem, given_steps(texts), (True,) * len(texts), number)


def journal(folder, **options):
    return ScoreJournal(folder, {"experiment": {"set": "mine"}, "versions": {}}, **options)


def scored(folder, solutions, prm, concurrency=4, **options):
    with journal(folder, **options) as rows:
        asyncio.run(score_solutions(solutions, prm, rows, lambda row: None, concurrency))
        return {row.id: row for row in rows.rows}


def test_solutions_of_a_problem_are_asked_together_and_many_are_in_flight(tmp_path):
    """A batch of one each would leave an engine idle."""
    solutions = [solution(f"q{n // 3}", "ab", "abcd", number=n % 3) for n in range(12)]
    prm = TouchyPRM()
    found = scored(tmp_path, solutions, prm, concurrency=3)
    assert sorted(map(len, prm.asked)) == [3, 3, 3, 3]
    assert prm.most == 3
    assert found["q1#2"].values == (0.5, 0.25)
    assert (found["q1#2"].tokens, found["q1#2"].cached, found["q1#2"].error) == (20, 4, "")
    assert all(row.seconds >= 0 for row in found.values())


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("fail", "PRMError: The PRM failed to read it."),
        ("crash", "ZeroDivisionError: a fault of ours"),
        ("few", "PRMError: The PRM returned 0 scores for 1 new steps; expected one per step."),
        ("above", "PRMError: The PRM returned the score 1.5; a score must be between 0 and 1."),
        ("none", "PRMError: The PRM returned the score nan; a score must be between 0 and 1."),
        ("long", "longer than what the PRM reads"),
    ],
)
def test_a_failure_stays_alone(tmp_path, text, told):
    """One bad solution cost its neighbours, or the whole run."""
    solutions = [solution("q", "ab", number=0), solution("q", text, number=1), solution("r", "ab")]
    found = scored(tmp_path, solutions, TouchyPRM())
    assert found["q#1"].error == told
    assert (found["q#1"].values, found["q#1"].overlong) == ((), text == "long")
    assert found["q#0"].values == found["r#0"].values == (0.5,)


def test_a_dead_engine_ends_the_run_and_the_same_command_goes_on(tmp_path):
    """Every score is on disk as soon as it is there, and none is asked for again."""
    good = [solution(f"q{n}", "ab") for n in range(5)]
    with pytest.raises(EngineDeadError):
        scored(tmp_path, [*good, solution("q5", "die")], TouchyPRM(), concurrency=1)
    lines = (tmp_path / "scores.jsonl").read_text().splitlines()
    assert [json.loads(line)["id"] for line in lines] == [each.id for each in good]
    prm = TouchyPRM()
    found = scored(tmp_path, [*good, solution("q5", "abcd")], prm)
    assert prm.asked == [[("q5", (0,))]]
    assert len(found) == 6


def test_a_torn_line_is_scored_again(tmp_path):
    """A machine that loses power leaves half a line."""
    scored(tmp_path, [solution("q0", "ab"), solution("q1", "ab")], TouchyPRM(), concurrency=1)
    path = tmp_path / "scores.jsonl"
    path.write_bytes(path.read_bytes()[:-9])
    prm = TouchyPRM()
    assert len(scored(tmp_path, [solution("q0", "ab"), solution("q1", "ab")], prm)) == 2
    assert prm.asked == [[("q1", (0,))]]


def test_failed_ones_are_asked_again_on_demand(tmp_path):
    """A PRM that was out of memory once may not be now."""
    scored(tmp_path, [solution("q", "ab"), solution("r", "fail")], TouchyPRM())
    found = scored(tmp_path, [solution("q", "ab"), solution("r", "abcd")], prm := TouchyPRM(), retry_failed=True)
    assert prm.asked == [[("r", (0,))]]
    assert found["r#0"].values == (0.25,)


def test_a_folder_of_other_scores_is_refused(tmp_path):
    """Scores of two PRMs in one file are scores of none."""
    scored(tmp_path, [solution("q", "ab")], TouchyPRM())
    before = (tmp_path / "scores.jsonl").read_bytes()
    other = ScoreJournal(tmp_path, {"experiment": {"set": "other"}, "versions": {}})
    with pytest.raises(JournalError, match="set: 'mine' there, 'other' here"), other:
        pass
    assert (tmp_path / "scores.jsonl").read_bytes() == before
