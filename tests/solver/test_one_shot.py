"""One question, from Python."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import pytest

from tt_scale import Config, ConfigError, Problem, ProblemSetError, asolve, solve
from tt_scale.models import make_searcher, open_models
from tt_scale.space.first_steps import measure

QUESTION = "Simulated problem 7: level 3, 5 steps."
SIMULATED: dict[str, Any] = {"model_name": "simulated", "prm_name": "simulated"}


def test_solve_gives_answer_path_pool_and_cost() -> None:
    """Everything that a caller needs to trust the answer."""
    solution = solve(QUESTION, Config(**SIMULATED))
    assert solution.path in solution.outcome.pool
    assert solution.answer is not None
    assert solution.path is not None
    assert f"\\boxed{{{solution.answer}}}" in solution.path.text
    assert solution.usage.generated_tokens >= sum(path.steps[-1].ids != () for path in solution.outcome.pool)


def test_a_level_that_is_none_is_refused() -> None:
    """The simulated world has no odds for it: a tuple without that place was a traceback."""
    with pytest.raises(ProblemSetError, match="the level 9; levels are 1 to 5"):
        solve("Simulated problem 7: level 9, 5 steps.", Config(**SIMULATED))


def test_watch_sees_every_child_before_the_end() -> None:
    """A live view that misses children shows a search that did not happen."""
    seen = []
    solution = solve(QUESTION, Config(**SIMULATED), watch=seen.extend)
    assert {path.key for path in solution.outcome.pool} <= {path.key for path in seen}


async def test_solve_works_where_a_loop_is_running() -> None:
    """A notebook has one: asyncio.run() would refuse."""
    assert solve(QUESTION, Config(**SIMULATED)).answer is not None


async def test_open_models_are_used_and_left_open() -> None:
    """A server opens the models once for all questions."""
    config = Config(**SIMULATED)
    async with open_models(config) as models:
        first = await asolve(QUESTION, config, models=models)
        again = await asolve(QUESTION, config, models=models)
    assert (first.answer, first.outcome) == (again.answer, again.outcome)


async def test_one_question_is_its_own_sample() -> None:
    """There are no other problems to take a quantile of; eight first steps are drawn, and they are in the bill."""
    config = Config(**SIMULATED, tau="q0.5")
    problem = Problem(f"question-{blake2b(QUESTION.encode(), digest_size=6).hexdigest()}", QUESTION, "")
    async with open_models(config) as models:
        asked = await asolve(QUESTION, config, models=models)
        found = await measure("q0.5", make_searcher(config), [problem], *models, config)
        given = await asolve(QUESTION, Config(**SIMULATED, tau=found.value), models=models)
    assert asked.outcome == given.outcome
    assert len(found.scores) == asked.usage.generator_calls - given.usage.generator_calls == 8
    assert asked.usage.generated_tokens == given.usage.generated_tokens + found.usage.generated_tokens


def test_no_finished_path_is_no_answer() -> None:
    """The text of a truncated path is not an answer."""
    solution = solve(QUESTION, Config(**SIMULATED, max_generated_tokens=20))
    assert (solution.answer, solution.path, solution.outcome.pool) == (None, None, ())


@pytest.mark.parametrize(
    ("question", "keys", "error"),
    [
        ("2+2", {}, ProblemSetError),
        (QUESTION, {"method": "collektive"}, ConfigError),
        (QUESTION, {"prm_name": "none"}, ConfigError),
    ],
)
def test_a_mistake_is_an_error_of_ours(question: str, keys: dict[str, Any], error: type[Exception]) -> None:
    """Callers catch TTScaleError."""
    with pytest.raises(error):
        solve(question, Config(**{**SIMULATED, **keys}))


def test_an_empty_question_is_refused() -> None:
    """A model answers nothing with something."""
    from tt_scale import Config, solve
    from tt_scale.errors import ConfigError

    with pytest.raises(ConfigError, match="The question is empty"):
        solve(" \n", Config(model_name="simulated", prm_name="simulated"))
