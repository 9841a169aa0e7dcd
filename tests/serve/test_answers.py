"""What a response shows of a solution."""

from __future__ import annotations

from tt_scale.core.budget import Usage
from tt_scale.core.path import Outcome, Path, State
from tt_scale.core.records import Step
from tt_scale.core.solution import Solution
from tt_scale.serve.answers import choices, details, usage


def path(number: int, text: str, score: float, state: State = "finished", *, cut: bool = False) -> Path:
    return Path((number,), (Step(text, (1, 2), "eos"),), (score,), score, state, cut=cut)


LOW, HIGH, LAST = path(0, "low: 1", 0.2), path(1, "high: 2", 0.9), path(2, "last: 2", 0.5, cut=True)
SOLUTION = Solution("1", LOW, Outcome((LOW, HIGH, LAST), "finished"), Usage(), "p", answers=("1", "2", "2"))


def test_the_chosen_path_comes_first_then_the_pool_by_score() -> None:
    """A vote may choose another path than the best; no path is shown twice."""
    shown = choices(SOLUTION, 9, ())
    assert [choice.text for choice in shown] == ["low: 1", "high: 2", "last: 2"]
    assert [choice.extension["answer"] for choice in shown] == ["1", "2", "2"]
    assert [choice.extension["score"] for choice in shown] == [0.2, 0.9, 0.5]
    assert [choice.finish_reason for choice in shown] == ["stop", "stop", "length"]
    assert [choice.text for choice in choices(SOLUTION, 2, ())] == ["low: 1", "high: 2"]


def test_a_text_ends_before_the_first_stop() -> None:
    [cut, *_] = choices(SOLUTION, 3, (": 1", "w"))
    assert (cut.text, cut.finish_reason) == ("lo", "stop")
    assert choices(SOLUTION, 3, (":",))[2].finish_reason == "stop"  # though a limit ended its path


def test_there_is_always_a_choice() -> None:
    partial = path(3, "half", 0.4, "open")
    [best] = choices(Solution(None, None, Outcome((), "timeout"), Usage(), partial=partial), 3, ())
    assert (best.text, best.finish_reason, best.extension["answer"]) == ("half", "length", None)
    [none] = choices(Solution(None, None, Outcome((), "timeout"), Usage()), 3, ())
    assert (none.text, none.finish_reason) == ("", "length")


def test_usage_and_details() -> None:
    spent = Usage(prompt_tokens=10, generated_tokens=20, cached_prompt_tokens=4, prm_tokens=30, cached_prm_tokens=5)
    solution = Solution("1", LOW, Outcome((LOW,), "finished"), spent, "p", wasted_tokens=3, answers=("1",))
    counted = usage(solution)
    assert (counted["prompt_tokens"], counted["completion_tokens"], counted["total_tokens"]) == (10, 20, 30)
    assert counted["prompt_tokens_details"] == {"cached_tokens": 4}
    assert counted["completion_tokens_details"] == {"wasted_tokens": 3, "prm_tokens": 30, "cached_prm_tokens": 5}
    told = details(solution, "dvts", ("top_p",))
    assert (told["answer"], told["method"], told["pool"], told["not_followed"]) == ("1", "dvts", 1, ["top_p"])
