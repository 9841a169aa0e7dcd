"""Solutions of many steps: what a model writes must not hold up other searches by the square of its length."""

from __future__ import annotations

from dataclasses import replace

import pytest
from effort import LINEAR, growth

from tt_scale.core.final_answer import FinalAnswer
from tt_scale.core.path import Path
from tt_scale.core.records import Step
from tt_scale.space import candidate
from tt_scale.space.candidate import ChildCandidate, Rules

RULES = Rules(("\n\n",), None, FinalAnswer(), 10**6, "answer")


def child(text: str, count: int, rules: Rules = RULES) -> Path:
    """A whole solution of so many equal steps, and a last one."""
    whole = ChildCandidate(0, Path(()), 0, (), 0.7, 10**6, "length", True)
    pieces = [f"{text}\n\n"] * count
    step = Step("".join(pieces), tuple(range(count)), "eos")
    whole.take(step, False, rules, lambda ids: pieces)
    return whole.child(whole.split(rules, lambda ids: pieces), rules)


@pytest.mark.parametrize("rules", [RULES, replace(RULES, path_end="eos")], ids=["answer", "eos"])
def test_a_solution_of_many_steps_is_taken_in_linear_time(rules: Rules) -> None:
    """Each step copied all before it and counted their tokens: seconds for 16,000 steps."""
    assert len(child("a", 500, rules).steps) == 500
    assert growth(lambda size: child("a", size, rules), 500) < LINEAR


def test_steps_behind_a_mention_are_read_until_enough_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A box that is never closed had all text read again at each of the steps behind it."""
    monkeypatch.setattr(candidate, "MOST_READ", 1000)
    read: list[int] = []

    def states_one(self: FinalAnswer, text: str, *, cut: bool = False) -> bool:
        read.append(len(text))
        return False

    monkeypatch.setattr(FinalAnswer, "states_one", states_one)
    assert len(child("\\boxed{", 100).steps) == 100
    assert sum(read) <= 1000
    assert len(read) > 10


def test_the_first_step_that_answers_ends_a_path() -> None:
    """Wherever it stands, and not a step before."""
    for place in (0, 3, 8):
        texts = ["so\n\n"] * 9
        texts[place] = "\\boxed{7}\n\n"
        whole = ChildCandidate(0, Path(()), 0, (), 0.7, 100, "length", True)
        whole.take(Step("".join(texts), tuple(range(9)), "eos"), False, RULES, lambda ids, texts=texts: texts)  # type: ignore[misc]
        path = whole.child(whole.split(RULES, lambda ids, texts=texts: texts), RULES)  # type: ignore[misc]
        assert (path.state, len(path.steps)) == ("finished", place + 1)
