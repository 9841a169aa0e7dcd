"""Self-consistency and its two stopping rules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cache

import pytest
from worlds import run, sim_problem, sim_space

from tt_scale.base_classes import Step, StepRequest
from tt_scale.config import Config
from tt_scale.core.extraction import extract_answer
from tt_scale.core.path import Outcome
from tt_scale.errors import ConfigError
from tt_scale.generator.simulated import SimulatedGenerator
from tt_scale.grading import group_spellings
from tt_scale.searcher.best_of_n import BestOfN
from tt_scale.searcher.self_consistency import SelfConsistency, cannot_be_overtaken, leader_risk
from tt_scale.space.search_space import SearchSpace


def vote(outcome: Outcome) -> str | None:
    """The majority answer; the first seen wins a tie."""
    answers = [extract_answer(path.text) for path in outcome.pool]
    return Counter(answers).most_common(1)[0][0] if answers else None


@cache
def full_vote(number: int) -> str | None:
    """What all 24 samples of a problem say."""
    return vote(run(SelfConsistency(N=24), sim_space(sim_problem(number, level=1 + number % 5))))


class Told(SimulatedGenerator):
    """Gives these solutions, in order."""

    def __init__(self, texts: Sequence[str]) -> None:
        super().__init__()
        self.left = list(texts)

    async def generate(self, requests: Sequence[StepRequest]) -> list[Step]:
        texts = [self.left.pop(0) for _ in requests]
        return [Step(text, tuple(map(ord, text)), "eos") for text in texts]

    def pieces(self, ids: Sequence[int]) -> list[str]:
        return [chr(token) for token in ids]


def answering(texts: Sequence[str]) -> SearchSpace:
    """A space whose solutions are these, in order."""
    return SearchSpace(sim_problem(), Told(texts), None, Config(prm_name="none"), grouping=group_spellings)


def boxes(answers: str) -> list[str]:
    return [f"so \\boxed{{{answer}}}" if answer != "-" else "I do not know" for answer in answers]


@pytest.mark.parametrize(
    ("leader", "second", "certainty"), [(1, 0, 0.75), (1, 1, 0.5), (3, 0, 0.9375), (4, 0, 0.96875), (5, 1, 0.9375)]
)
def test_leader_risk_worked_values(leader: int, second: int, certainty: float) -> None:
    """The Beta posterior, worked out by hand: 3:0 goes on at 95 %, 4:0 stops."""
    assert 1 - leader_risk(leader, second) == certainty


def test_leader_risk_is_the_beta_posterior() -> None:
    """The closed form against the incomplete beta function, and its direction in both counts."""
    from scipy.special import betainc

    for leader in range(12):
        for second in range(leader + 1):
            assert leader_risk(leader, second) == pytest.approx(betainc(leader + 1, second + 1, 0.5))
            assert leader_risk(leader + 1, second) < leader_risk(leader, second) < leader_risk(leader, second + 1)
    assert leader_risk(900, 0) > 0  # 1 - 2**-901 is 1.0 in floats: confidence 1 would stop early


def test_cannot_be_overtaken_is_strict() -> None:
    """A lead that the remaining votes can equal is not certain: the tie may go to the other."""
    assert cannot_be_overtaken(3, 1, 1)
    assert not cannot_be_overtaken(3, 1, 2)
    assert not cannot_be_overtaken(2, 0, 2)


@pytest.mark.parametrize("adaptive", ["off", "beta", "early_stopping"])
def test_draws_the_samples_of_best_of_n_in_order(adaptive: str) -> None:
    """Methods that draw other samples cannot be compared sample by sample; a batch must not start over."""
    for number in range(10):
        full = run(BestOfN(N=16), sim_space(sim_problem(number)))
        some = run(SelfConsistency(N=16, adaptive=adaptive), sim_space(sim_problem(number)))
        assert some.stopped == "enough"
        assert [path.key for path in some.pool] == [path.key for path in full.pool[: len(some.pool)]]
        assert [path.text for path in some.pool] == [path.text for path in full.pool[: len(some.pool)]]
        assert adaptive != "off" or len(some.pool) == 16


@pytest.mark.parametrize(
    ("knobs", "answers", "drawn"),
    [
        ({"adaptive": "beta"}, "33337777", 4),  # 4:0
        ({"adaptive": "beta"}, "33-3-337", 6),  # no answer is no vote
        ({"adaptive": "beta", "confidence": 0.5}, "33337777", 1),
        ({"adaptive": "beta", "confidence": 1.0}, "33333777", 5),  # 5:0 with 3 to come
        ({"adaptive": "beta", "window": 3}, "33337777", 8),  # looks at 3:0 and at 4:2 with two to come
        ({"adaptive": "beta", "window": 3}, "33333377", 6),
        ({"adaptive": "early_stopping"}, "33333777", 5),
        ({"adaptive": "early_stopping", "window": 2}, "37337777", 4),  # windows do not overlap
        ({"adaptive": "early_stopping", "window": 2}, "--377777", 6),  # agreeing on nothing is no agreement
        ({"adaptive": "early_stopping", "window": 1}, "-3777777", 2),
        ({"adaptive": "off"}, "33333333", 8),
    ],
)
def test_stops_when_the_rule_says(knobs: dict[str, object], answers: str, drawn: int) -> None:
    """Each rule on hand-made samples: solutions without an answer must neither lead nor agree."""
    space = answering(boxes(answers))
    outcome = run(SelfConsistency(N=8, **knobs), space)  # type: ignore[arg-type]
    assert len(outcome.pool) == drawn
    assert outcome.stopped == "enough"


def test_answers_of_one_meaning_vote_together() -> None:
    """Votes counted by raw text split one answer into many, and no window ever agrees."""
    spellings = [r"\boxed{\dfrac{1}{2}}", r"\boxed{$\frac12$}", r"\boxed{\frac{1}{2}.}", r"\boxed{ \frac{1}{2} }"]
    space = answering([*spellings, *boxes("3456")])
    assert len(run(SelfConsistency(N=8, adaptive="early_stopping", window=4), space).pool) == 4


def test_certain_stops_never_change_the_vote() -> None:
    """With confidence 1 only certain stops are left: the answer is that of the full vote, for less."""
    spared = 0
    for number in range(150):
        problem = sim_problem(number, level=1 + number % 5)
        full = run(SelfConsistency(N=16), sim_space(problem))
        some = run(SelfConsistency(N=16, adaptive="beta", confidence=1.0), sim_space(problem))
        assert vote(some) == vote(full)
        spared += len(full.pool) - len(some.pool)
    assert spared > 150


@pytest.mark.parametrize("confidence", [0.8, 0.9, 0.95])
def test_disagrees_with_the_full_vote_no_more_than_it_says(confidence: float) -> None:
    """The stated risk is of stopping on the wrong leader; 400 problems of all levels against votes of 24 samples."""
    other, drawn = 0, 0
    for number in range(400):
        space = sim_space(sim_problem(number, level=1 + number % 5))
        some = run(SelfConsistency(N=24, adaptive="beta", confidence=confidence), space)
        other += vote(some) != full_vote(number)
        drawn += len(some.pool)
    assert other / 400 <= 1 - confidence
    assert drawn < 0.7 * 400 * 24


def test_true_and_false_as_yaml_reads_them() -> None:
    """`adaptive: on` and `off` reach us as truth values."""
    assert SelfConsistency(adaptive=True).rule == "beta"
    assert SelfConsistency(adaptive=False).rule == "off"


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({"adaptive": "betta"}, "Did you mean 'beta'?"),
        ({"confidence": 95}, "between 0 and 1"),
        ({"window": 0}, "at least 1"),
    ],
)
def test_bad_knobs_are_explained(args: dict[str, object], words: str) -> None:
    """A wrong value that is taken in silence makes a table of something else."""
    with pytest.raises(ConfigError, match=words.replace("?", r"\?")):
        SelfConsistency(**args)  # type: ignore[arg-type]


def test_unused_parts() -> None:
    """It needs no PRM, and its own answer is the vote."""
    assert SelfConsistency.uses_prm is False
    assert SelfConsistency.selector == "majority"
