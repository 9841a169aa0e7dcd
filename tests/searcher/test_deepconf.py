"""DeepConf on hand-drawn traces: which of them are left, which vote, and with what weight."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from math import inf
from typing import Any

import pytest
from worlds import ScriptedGenerator, reworded, run, sim_problem, sim_space, tree_of

from tt_scale.base_classes import Problem, Step, StepRequest
from tt_scale.bench.record import search_record
from tt_scale.config import Config
from tt_scale.core.extraction import extract_answer
from tt_scale.core.path import Key, Outcome, name
from tt_scale.core.selection import SELECTORS, candidates
from tt_scale.errors import ConfigError
from tt_scale.grading import Grader, group_spellings
from tt_scale.searcher.best_of_n import BestOfN
from tt_scale.searcher.deepconf import DeepConf, group_confidences, percentile, trace_confidence
from tt_scale.searcher.self_consistency import SelfConsistency
from tt_scale.solver import solve
from tt_scale.space.search_space import SearchSpace


class Doubting(ScriptedGenerator):
    """Draws what a table says, each token of a child as confidently as the table says."""

    most_logprobs = 20

    def __init__(self, script: Mapping[Key, tuple[str, str]], sure: Mapping[Key, float]) -> None:
        super().__init__(script)
        self.sure = sure

    async def generate(self, requests: Sequence[StepRequest]) -> list[Step]:
        steps = await super().generate(requests)
        assert all(request.top_logprobs == 20 for request in requests)
        return [
            reworded(
                step, logprobs=(-0.5,) * len(step.ids), confidences=(self.sure[self.key_of(asked)],) * len(step.ids)
            )
            for step, asked in zip(steps, requests, strict=True)
        ]


def drawn(text: str) -> SearchSpace:
    """A space of hand-drawn traces.

    A line is a child, how sure it is, and what it says: `0.3 7 think` is a step of ten tokens, `0.3.0 5 =7` one of
    nine that answers 7 and ends, `0.3 5 cut` one that its limit cut.
    """
    script: dict[Key, tuple[str, str]] = {}
    sure: dict[Key, float] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        where, confidence, said = line.split()
        key = tuple(map(int, where.split(".")))
        sure[key] = float(confidence)
        words = {"think": ("so it is\n\n", "stop"), "cut": ("so it is..", "length"), "mute": ("no answer.", "eos")}
        script[key] = words.get(said) or (f"\\boxed{{{said[1:]}}}", "eos")
    config = Config(prm_name="none")
    return SearchSpace(
        Problem("drawn", "Drawn traces.", "0"), Doubting(script, sure), None, config, grouping=group_spellings
    )


def weights(outcome: Outcome) -> dict[str, float]:
    return {name(path.key): round(weight, 6) for path, weight in zip(outcome.pool, outcome.weights, strict=True)}


def answer(outcome: Outcome) -> str | None:
    """The weighted vote, by spelling."""
    answers = [extract_answer(path.text) for path in outcome.pool]
    groups = [sorted(set(map(str, answers))).index(str(each)) for each in answers]
    chosen = SELECTORS["weighted"](candidates(outcome, groups))
    return None if chosen is None else answers[chosen]


FOUR = """
    0.0 9 =10
    0.1 5 =20
    0.2 5 =20
    0.3 1 =20
"""


def test_all_kept_is_the_plain_vote_by_confidence() -> None:
    """Confidences that are dropped, or normalised away: 9 against 11, three votes against one either way."""
    outcome = run(DeepConf(keep_percent=100), drawn(FOUR))
    assert weights(outcome) == {"0.0": 9, "0.1": 5, "0.2": 5, "0.3": 1}
    assert (answer(outcome), outcome.stopped) == ("20", "enough")


def test_the_unsure_do_not_vote() -> None:
    """The bar is the percentile of all traces where all are warm-up: at 25 % only the surest votes."""
    outcome = run(DeepConf(keep_percent=25), drawn(FOUR))
    assert weights(outcome) == {"0.0": 9, "0.1": 0, "0.2": 0, "0.3": 0}
    assert answer(outcome) == "10"


def test_ties_at_the_bar_are_kept() -> None:
    """A bar that one of several equal traces does not reach because of rounding or order."""
    outcome = run(DeepConf(keep_percent=60), drawn(FOUR))
    assert weights(outcome) == {"0.0": 9, "0.1": 5, "0.2": 5, "0.3": 0}


@pytest.mark.parametrize(
    ("percent", "value"), [(0, 1.0), (100, 9.0), (50, 5.0), (25, 3.0), (10, 1.8), (75, 6.0), (90, 7.8)]
)
def test_percentile_worked_values(percent: float, value: float) -> None:
    """Between 1, 3, 5, 6, 9, as NumPy's default has it."""
    import numpy as np

    values = [5.0, 9.0, 1.0, 6.0, 3.0]
    assert percentile(values, percent) == pytest.approx(value) == np.percentile(values, percent)
    assert percentile([2.5], percent) == 2.5


def test_groups_worked_values() -> None:
    """A sliding mean that loses its first or last window, and a trace shorter than a window."""
    told = [4.0, 2.0, 0.0, 8.0]
    assert group_confidences(told, 2) == [3.0, 1.0, 4.0]
    assert group_confidences(told, 4) == [3.5]
    assert group_confidences(told, 9) == [3.5]
    assert group_confidences(told, 1) == told
    measured = {measure: trace_confidence(told, measure, 2) for measure in ("lowest", "tail", "mean", "bottom")}
    assert measured == {"lowest": 1.0, "tail": 4.0, "mean": 3.5, "bottom": 1.0}
    long = [float(number) for number in range(30)]
    assert trace_confidence(long, "bottom", 1) == 1.0  # the mean of 0, 1 and 2


@pytest.mark.parametrize(("groups", "lowest"), [(1, 1), (9, 1), (10, 1), (19, 1), (20, 2), (29, 2), (30, 3), (101, 10)])
def test_the_bottom_tenth_is_rounded_down(groups: int, lowest: int) -> None:
    """The published code takes max(1, int(groups / 10)) of them; a ceiling took two of eleven."""
    told = [float(number) for number in range(groups)]
    assert trace_confidence(told[::-1], "bottom", 1) == sum(range(lowest)) / lowest


WARM = """
    0.0 8 =1
    0.1 6 =2
"""


def online(**knobs: Any) -> DeepConf:
    return DeepConf(**{"warmup_traces": 2, "trace_batch": 4, "keep_percent": 100, "group_tokens": 10, "N": 6} | knobs)


def test_a_trace_is_left_at_the_step_where_it_falls_below_the_bar() -> None:
    """The bar is 6, the lowest of the warm-up: a child of a left trace is not in the table, so it must not be drawn."""
    space = drawn(
        WARM
        + """
        0.2 6 think
        0.2.0 6 =2
        0.3 5.9 think
        0.4 9 think
        0.4.0 5 think
        0.5 5 =1
        """
    )
    outcome = run(online(consensus=None), space)
    assert weights(outcome) == {"0.0": 8, "0.1": 6, "0.5": 0, "0.2.0": 6}  # it ended before it could be left
    assert [(event.kind, [name(key) for key in event.keys]) for event in space.events] == [
        ("left", ["0.3"]),
        ("left", ["0.4.0"]),
    ]
    assert outcome.stopped == "enough"


def test_a_window_reaches_into_the_step_before() -> None:
    """Windows that begin anew with each step miss a fall that lies across two: 5.5 is under the bar, 6 is not."""
    tree = """
        0.0 6 =1
        0.1 6 =2
        0.2 5 think
        0.2.0 6 think
        0.2.0.0 {} think
        0.2.0.0.0 6 =1
        """
    for last, left in ((8.0, []), (6.0, [("left", ((0, 2, 0, 0),))])):
        space = drawn(tree.format(last))
        run(online(N=3, group_tokens=30, consensus=None), space)
        assert [(event.kind, event.keys) for event in space.events] == left  # means 19/3 and 17/3


def test_no_trace_is_left_before_its_first_window_is_full() -> None:
    """Few tokens say little: the plain mean of a short trace must not stop it."""
    space = drawn(WARM + "0.2 1 think \n 0.2.0 99 =1")
    outcome = run(online(N=3, group_tokens=20), space)
    assert not space.events
    assert weights(outcome)["0.2.0"] == pytest.approx((10 * 1 + 9 * 99) / 19)


def test_ends_once_one_answer_has_the_share() -> None:
    """Nothing more is drawn once the vote is settled; the table has no third batch."""
    tree = "0.0 8 =1 \n 0.1 2 =2 \n 0.2 9 =1 \n 0.3 9 =1 \n 0.4 9 =1 \n 0.5 9 =1"
    outcome = run(online(N=60, consensus=0.9), drawn(tree))
    assert (len(outcome.pool), outcome.stopped) == (6, "enough")  # 8/10, then 44/46
    with pytest.raises(KeyError):  # asks for the next batch
        run(online(N=60, consensus=0.97), drawn(tree))


def test_only_answers_and_only_those_that_vote_can_agree() -> None:
    """Traces without an answer, or below the bar, are no dissent and no consent."""
    mute = "0.0 8 =1 \n 0.1 8 mute \n 0.2 9 =1 \n 0.3 9 =1 \n 0.4 9 =1 \n 0.5 9 =1"
    assert len(run(online(), drawn(mute)).pool) == 2
    below = "0.0 8 =1 \n 0.1 7 =2"
    assert len(run(online(keep_percent=1), drawn(below)).pool) == 2
    none = "0.0 8 mute \n 0.1 8 mute \n 0.2 9 =1 \n 0.3 9 =1 \n 0.4 9 =1 \n 0.5 9 =1"
    assert len(run(online(), drawn(none)).pool) == 6


def test_no_finished_warm_up_sets_no_bar() -> None:
    """An empty percentile: where all of the warm-up was cut, every trace may go on."""
    outcome = run(online(N=3), drawn("0.0 8 cut \n 0.1 8 cut \n 0.2 1 think \n 0.2.0 1 =1"))
    assert weights(outcome) == {"0.2.0": 1}


def test_offline_it_draws_the_samples_of_best_of_n() -> None:
    """Methods that draw other samples cannot be compared sample by sample."""
    for number in range(5):
        ours, theirs = sim_space(sim_problem(number)), sim_space(sim_problem(number))
        run(DeepConf(N=8), ours)
        run(BestOfN(N=8), theirs)
        assert tree_of(ours) == tree_of(theirs)


def test_online_costs_less_and_is_a_part_of_offline() -> None:
    """Leaving traces early must save tokens; the warm-up is that of the offline form."""
    spent = {}
    for warmup in (8, 40):
        spent[warmup] = 0
        for number in range(10):
            space = sim_space(sim_problem(number, level=5))
            run(DeepConf(N=40, warmup_traces=warmup, keep_percent=30, group_tokens=16, consensus=None), space)
            spent[warmup] += space.usage.generated_tokens
            assert bool(space.events) == (warmup == 8)
    assert spent[8] < 0.9 * spent[40]


def test_finds_more_than_the_plain_vote_of_the_same_samples() -> None:
    """Weights that run the wrong way: on hard problems of the simulated world confidence knows more than numbers do."""
    right = {"weighted": 0, "majority": 0}
    for number in range(60):
        problem = sim_problem(number, level=5, steps=6)
        outcome = run(DeepConf(N=16, keep_percent=50), sim_space(problem))
        answers = [extract_answer(path.text) for path in outcome.pool]
        groups = [sorted(set(answers), key=str).index(each) for each in answers]
        for selector in right:
            chosen = SELECTORS[selector](candidates(outcome, groups))
            right[selector] += chosen is not None and answers[chosen] == problem.answer
    assert right["weighted"] > right["majority"] + 5, right


def test_the_record_holds_the_weights_and_votes_by_them() -> None:
    """Two votes of 5 and 1 against one of 9: without weights in the record, nobody could repeat the answer."""
    space = drawn(FOUR.replace("0.2 5", "0.2 1"))
    outcome = run(DeepConf(keep_percent=100), space)
    with Grader() as grader:
        record = asyncio.run(search_record(0, 0, space, outcome, "weighted", grader))
    assert record["answer"] == "10"
    assert [member["weight"] for member in record["pool"]] == [9, 5, 1, 1]
    assert {key for node in record["tree"] for step in node["steps"] for key in step}.isdisjoint(
        {"logprobs", "confidences"}
    )


def test_solve_answers_by_weight() -> None:
    """The answer that a user sees must be that of the weights, not of scores that there are none of."""
    config = Config(model_name="simulated", prm_name="none", method="deepconf", N=12)
    question = sim_problem(4, level=5, steps=6).question
    solution = solve(question, config)
    assert solution.answer == answer(solution.outcome)
    assert solution.outcome.weights


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({"trace_measure": "tial"}, "Did you mean 'tail'?"),
        ({"keep_percent": 0}, "above 0 and at most 100"),
        ({"keep_percent": 101}, "above 0 and at most 100"),
        ({"warmup_traces": 0}, "at least 1"),
        ({"trace_batch": 0}, "at least 1"),
        ({"group_tokens": 0}, "at least 1"),
        ({"consensus": 0}, "above 0 and at most 1"),
        ({"consensus": 95}, "above 0 and at most 1"),
    ],
)
def test_bad_knobs_are_explained(args: dict[str, Any], words: str) -> None:
    """A wrong value that is taken in silence makes a table of something else."""
    with pytest.raises(ConfigError, match=words.replace("?", r"\?")):
        DeepConf(**args)


def test_needs_no_prm_and_votes_by_weight() -> None:
    """What the registry and the tables read off the class."""
    assert (DeepConf.uses_prm, DeepConf.selector, DeepConf.top_logprobs) == (False, "weighted", 20)
    assert SelfConsistency.top_logprobs == 0
    assert percentile([inf, 1.0], 0) == 1.0
