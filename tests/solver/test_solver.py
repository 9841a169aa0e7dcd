"""Models that are opened once, for any caller."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from typing import Any

import pytest
from fragile import FragileGenerator

from tt_scale import Config, ConfigError, EngineDeadError, Problem, Solution, Solver, solve
from tt_scale.bench.run.events import Event, Warned

KEYS: dict[str, Any] = {"model_name": "simulated", "prm_name": "simulated"}
QUESTION = "Simulated problem 7: level 3, 5 steps."
QUESTIONS = [f"Simulated problem {number}: level 3, 5 steps." for number in range(30)]


@pytest.mark.parametrize(
    ("opened", "keys"),
    [
        ({}, {}),
        ({"seed": 3}, {"method": "dvts", "seed": 3}),  # the simulated PRM draws its noise from the seed at its opening
        ({"prm_name": "none", "method": "greedy"}, {"method": "self_consistency", "seed": 3}),
        ({}, {"method": "self_consistency", "N": 8}),
        ({}, {"budget": 8}),
    ],
)
def test_an_open_solver_answers_as_solve_does(opened: dict[str, Any], keys: dict[str, Any]) -> None:
    """The samples must not depend on how the models were opened."""
    with Solver(Config(**{**KEYS, **opened})) as solver:
        asked = solver.solve(QUESTION, **keys)
    once = solve(QUESTION, Config(**{**KEYS, **opened, **keys}))
    assert (asked.answer, asked.outcome) == (once.answer, once.outcome)
    assert asked.question == QUESTION
    assert asked.id.startswith("question-")


def test_models_and_grading_workers_are_opened_once(fragile: type[FragileGenerator]) -> None:
    """19.6 seconds for the first question is a loaded model; for the second one it is a fault."""
    with Solver(Config(**KEYS)) as solver:
        assert fragile.opened == 1
        for question in QUESTIONS[:5]:
            solver.solve(question)
        grader = solver._solver._grader
        pools = {id(grader._pool) for question in QUESTIONS[:5] if solver.solve(question)}
    assert fragile.opened == 1
    assert len(pools) == 1


def test_a_solver_that_nobody_opened_opens_at_the_first_question(fragile: type[FragileGenerator]) -> None:
    solver = Solver(Config(**KEYS))
    assert fragile.opened == 0
    assert solver.solve(QUESTION).answer is not None
    solver.close()
    solver.close()
    assert solver.solve(QUESTION).answer is not None  # opens anew
    del solver  # and a solver that nobody closes is closed all the same
    gc.collect()
    assert fragile.closed == 2


def test_threads_share_the_models(fragile: type[FragileGenerator]) -> None:
    """Eight threads that wait for one another would be one."""
    fragile.delay = 0.01
    alone = {question: solve(question, Config(**KEYS)).answer for question in QUESTIONS[:8]}
    with Solver(Config(**KEYS)) as solver, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda question: solver.solve(question).answer, QUESTIONS[:8]))
    assert answers == list(alone.values())
    assert fragile.most > 1


async def test_loops_and_notebooks() -> None:
    """`solve` inside a running loop is what a notebook does; `asolve` must not block that loop."""
    async with Solver(Config(**KEYS)) as solver:
        here = threading.get_ident()
        solutions = await asyncio.gather(*[solver.asolve(question) for question in QUESTIONS[:4]])
        assert solver.solve(QUESTIONS[0]).outcome == solutions[0].outcome
        seen: list[int] = []
        await solver.asolve(QUESTION, watch=lambda children: seen.append(threading.get_ident()))
        assert here not in seen
        streamed = [item async for item in solver.astream(QUESTION)]
        many = [solution async for solution in solver.asolve_many(QUESTIONS[:4])]
    assert isinstance(streamed[-1], Solution)
    assert {solution.question for solution in many} == set(QUESTIONS[:4])


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"taw": 1}, "Unknown key 'taw'. Did you mean 'tau'"),
        ({"method": "dvtss"}, "Did you mean 'dvts'"),
        ({"tau": 3}, "tau is 3, but should be less than or equal to 1"),
        ({"model_name": "pocket-gen"}, "it cannot change while they are open"),
        ({"stop_tokens": ("\n",)}, "it cannot change while they are open"),
        ({"timeout": 0}, "a number of seconds above 0"),
    ],
)
def test_a_wrong_knob_is_named(keys: dict[str, Any], told: str) -> None:
    with Solver(Config(**KEYS)) as solver, pytest.raises(ConfigError, match=told):
        solver.solve(QUESTION, **keys)


def test_a_key_with_the_value_that_it_has_is_no_change() -> None:
    with Solver(Config(**KEYS)) as solver:
        assert solver.solve(QUESTION, model_name="simulated").answer is not None


def test_a_budget_takes_the_place_of_widths() -> None:
    """As on the command line: a width of the configuration would contradict it."""
    with Solver(Config(**KEYS, method="best_of_n", N=3)) as solver:
        assert len(solver.solve(QUESTION, budget=7).outcome.pool) == 7


def test_a_configuration_that_cannot_run_is_refused_at_once() -> None:
    with pytest.raises(ConfigError, match="needs a PRM"):
        Solver(Config(model_name="simulated", prm_name="none"))


def test_a_timeout_gives_the_best_so_far(fragile: type[FragileGenerator]) -> None:
    """A deadline that throws away what was found is of no use."""
    fragile.delay = 0.05
    with Solver(Config(**KEYS)) as solver:
        began = time.monotonic()
        early = solver.solve(QUESTION, method="beam_search", N=64, max_steps=30, timeout=0.12)
        assert time.monotonic() - began < 5
        late = solver.solve(QUESTION, method="self_consistency", N=40, adaptive="beta", confidence=1.0, timeout=0.4)
    assert early.outcome.stopped == "timeout"
    assert early.answer is None
    assert early.partial is not None
    assert early.text.startswith(early.partial.steps[0].text)
    assert early.usage.generated_tokens > 0
    assert late.outcome.stopped == "timeout"
    assert late.answer is not None
    assert late.path in late.outcome.pool


async def test_a_cancelled_call_ends_its_search(fragile: type[FragileGenerator]) -> None:
    """A search that runs on for nobody takes the engine from the others."""
    fragile.delay = 30
    async with Solver(Config(**KEYS)) as solver:
        task = asyncio.create_task(solver.asolve(QUESTION))
        while not fragile.running:  # noqa: ASYNC110  (it runs in another thread)
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        for _ in range(500):
            if not fragile.running:
                break
            await asyncio.sleep(0.01)
        assert fragile.running == 0


def test_closing_ends_what_runs(fragile: type[FragileGenerator]) -> None:
    fragile.delay = 30
    solver = Solver(Config(**KEYS)).open()
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(solver.solve, QUESTION)
        while not fragile.running:
            time.sleep(0.01)
        solver.close()
        with pytest.raises(CancelledError):
            future.result(timeout=0)  # close waited for it


def test_many_as_they_finish_and_bounded(fragile: type[FragileGenerator]) -> None:
    fragile.delay = 0.002
    taken: list[str] = []

    def source() -> Iterator[str]:
        for question in QUESTIONS:
            taken.append(question)
            yield question

    with Solver(Config(**KEYS)) as solver:
        solutions = solver.solve_many(source(), concurrency=3, method="greedy")
        first = next(solutions)
        assert len(taken) <= 5  # an endless source must not be read to its end
        rest = list(solutions)
        assert len(rest) == 29
    assert fragile.most <= 3
    assert {solution.question for solution in [first, *rest]} == set(QUESTIONS)


def test_one_bad_question_ends_no_other() -> None:
    with Solver(Config(**KEYS)) as solver:
        found = {solution.question: solution for solution in solver.solve_many(["What?", QUESTION])}
    assert "ProblemSetError: The simulated generator cannot answer 'What?'" in found["What?"].error
    assert found["What?"].outcome.stopped == "error"
    assert found[QUESTION].error == ""
    assert found[QUESTION].answer is not None


def test_leaving_a_loop_over_many_ends_the_searches(fragile: type[FragileGenerator]) -> None:
    fragile.delay = 0.05
    with Solver(Config(**KEYS)) as solver:
        for _ in solver.solve_many(QUESTIONS, method="greedy"):
            break
        assert fragile.running == 0


@pytest.mark.parametrize("method", ["beam_search", "best_of_n", "collective", "greedy"])
def test_streamed_texts_are_the_text_of_the_solution(method: str) -> None:
    with Solver(Config(**KEYS, method=method, N=1, n_beams=1)) as solver:
        for question in QUESTIONS[:8]:
            *texts, solution = solver.stream(question)
            assert isinstance(solution, Solution)
            assert "".join(map(str, texts)) == solution.text
            assert solution.outcome == solver.solve(question).outcome


async def test_leaving_a_loop_and_the_solver_loads_nothing(fragile: type[FragileGenerator]) -> None:
    """Models that are loaded again to end a generator are never closed, as nobody knows of them."""
    async with Solver(Config(**KEYS)) as solver:
        solutions = solver.asolve_many(QUESTIONS, method="greedy")
        async for _ in solutions:
            break
    await solutions.aclose()  # as the event loop does it later
    assert solver._thread is None
    assert fragile.opened == fragile.closed == 1


def test_a_generator_goes_on_in_no_closed_solver() -> None:
    solver = Solver(Config(**KEYS)).open()
    solutions = solver.solve_many(QUESTIONS, method="greedy")
    next(solutions)
    solver.close()
    with pytest.raises(ConfigError, match="The solver is closed"):
        next(solutions)
    left = solver.solve_many(QUESTIONS, method="greedy")
    next(left)
    solver.close()
    left.close()


def test_closing_waits_for_no_source_that_blocks(fragile: type[FragileGenerator]) -> None:
    """Standard input may stay idle for ever; Ctrl-C hung then."""
    idle = threading.Event()

    def source() -> Iterator[str]:
        yield QUESTION
        idle.wait()

    solver = Solver(Config(**KEYS)).open()
    try:
        assert next(solver.solve_many(source())).question == QUESTION
        ending = threading.Thread(target=solver.close, daemon=True)
        ending.start()
        ending.join(10)
        assert not ending.is_alive()
    finally:
        idle.set()


def test_an_error_of_the_source_is_raised() -> None:
    def source() -> Iterator[str]:
        yield QUESTION
        raise RuntimeError("no more")

    with Solver(Config(**KEYS)) as solver, pytest.raises(RuntimeError, match="no more"):
        list(solver.solve_many(source()))


def test_a_problem_keeps_its_id() -> None:
    with Solver(Config(**KEYS)) as solver:
        one = solver.solve(Problem("mine", QUESTION, ""))
        assert one.id == "mine"
        assert one.outcome != solver.solve(QUESTION).outcome  # other seeds


def test_dead_models_are_opened_again_at_the_next_call(fragile: type[FragileGenerator]) -> None:
    """An error that stays until somebody restarts the program is an outage."""
    events: list[Event] = []
    with Solver(Config(**KEYS), report=events.append) as solver:
        first = solver.solve(QUESTION)
        fragile.delay = 30
        with ThreadPoolExecutor(3) as pool:
            calls = [pool.submit(solver.solve, question) for question in QUESTIONS[:3]]
            while fragile.running < 3:
                time.sleep(0.01)
            fragile.kill()
            for call in calls:
                with pytest.raises(EngineDeadError, match="signal 9"):
                    call.result(timeout=10)
        fragile.delay = 0.0
        assert solver.solve(QUESTION).outcome == first.outcome
        assert fragile.opened == 2
        fragile.kill()  # between two calls: nobody is told, since nobody lost anything
        assert solver.solve(QUESTION).outcome == first.outcome
        assert fragile.opened == 3
    assert [event for event in events if isinstance(event, Warned) and "opened again" in event.text]


def test_a_stall_is_an_engine_that_died(fragile: type[FragileGenerator]) -> None:
    with Solver(Config(**KEYS, stall_timeout=1.0)) as solver:
        fragile.delay = 60
        with pytest.raises(EngineDeadError, match="No answer from the generator"):
            solver.solve(QUESTION)
        fragile.delay = 0.0
        assert solver.solve(QUESTION).answer is not None
    assert fragile.opened == 2


def test_models_that_cannot_be_loaded_can_be_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(self: object) -> None:
        raise EngineDeadError("No memory.")

    from tt_scale.generator.simulated import SimulatedGenerator

    solver = Solver(Config(**KEYS))
    with monkeypatch.context() as patch:
        patch.setattr(SimulatedGenerator, "start", fails)
        with pytest.raises(EngineDeadError, match="No memory"):
            solver.solve(QUESTION)
    assert solver.solve(QUESTION).answer is not None
    solver.close()
