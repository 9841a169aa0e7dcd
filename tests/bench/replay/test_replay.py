"""A search that is run again from its tape is the same search: tree, pool, usage, record and tape."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import MISSING, dataclass, fields, replace
from typing import Any

import pytest
from worlds import reworded, sim_problem

from tt_scale.base_classes import PRM, Generator, Problem, Scores, Searcher, Step, StepRequest
from tt_scale.bench.format.lines import pack, read_line
from tt_scale.bench.format.packed_tape import packed_tape, unpacked_tape
from tt_scale.bench.format.packed_tree import packed_tree
from tt_scale.bench.record import failure_record, line_of_record, search_record, unpack
from tt_scale.bench.replay.search_again import ReplayRules, differences
from tt_scale.bench.replay.tape import TapedGenerator, taped_space
from tt_scale.config import Config
from tt_scale.core.path import Outcome, Path
from tt_scale.errors import GeneratorError, ReplayError
from tt_scale.generator.simulated import SimulatedGenerator, World
from tt_scale.grading import Grader, group_spellings
from tt_scale.prm.confidence import ConfidencePRM
from tt_scale.prm.ensemble import EnsemblePRM
from tt_scale.prm.simulated import SimulatedPRM
from tt_scale.registry import BUILT_IN, searcher_class
from tt_scale.space.search_space import SearchSpace
from tt_scale.space.spending import Clock
from tt_scale.space.tape import GeneratorCall, PRMCall, SampledRequest, Tape

METHODS = sorted(BUILT_IN["searchers"])
ORDINARY = World()


class Flaky(SimulatedGenerator):
    """Fails one request in five."""

    async def generate(self, requests: Sequence[StepRequest]) -> list[Step]:
        steps = await super().generate(requests)
        nothing = {"text": "", "ids": (), "logprobs": (), "confidences": ()}
        return [reworded(step, ended="error", error="no", **nothing) if step.seed % 5 == 0 else step for step in steps]


class Caching(SimulatedGenerator):
    """Finds some of its prompt in a cache, counts it itself, and does not echo seeds."""

    async def generate(self, requests: Sequence[StepRequest]) -> list[Step]:
        steps = await super().generate(requests)
        return [
            replace(step, seed=7, cached=min(3, len(request.ids)), prompt_tokens=len(request.ids) + 2, error="")
            for request, step in zip(requests, steps, strict=True)
        ]


class Shortsighted(SimulatedPRM):
    """Cannot read a path of more than two steps, and says what its reading took."""

    async def score(self, problem: Problem, paths: Sequence[Path]) -> list[Scores]:
        scores = await super().score(problem, paths)
        return [
            Scores((), 9, 2, too_long=True) if len(path.steps) > 2 else replace(each, cached=1, flops=12.5)
            for path, each in zip(paths, scores, strict=True)
        ]


class Late(Clock):
    """Finds that time is over at its third look."""

    def _exceeded(self) -> bool:
        return self.looks >= 3


@dataclass(frozen=True)
class Case:
    """What is searched, and under which limits."""

    keys: dict[str, Any]
    world: World = ORDINARY
    generator: type[SimulatedGenerator] = SimulatedGenerator
    prm: str = "simulated"
    knobs: dict[str, Any] | None = None
    late: bool = False
    first_scores: tuple[float, ...] = ()


CASES: dict[str, Case] = {
    "ordinary": Case({}),
    "blank steps": Case({}, World(blank=0.5)),
    "budget": Case({"max_generated_tokens": 500, "max_tokens": 110, "k_tokens": 50}, World(blank=0.3)),
    "tight budget": Case({"max_generated_tokens": 90, "max_tokens": 60, "k_tokens": 24}),
    "few steps": Case({"max_steps": 3}, World(blank=0.2)),
    "steps of tokens": Case({"step_tokens": 30, "max_generated_tokens": 900, "max_tokens": 150, "k_tokens": 60}),
    "ends with an answer": Case({"path_end": "answer", "stop_tokens": (".", "\n\n")}),
    "asked for an answer": Case({"last_resort": "force", "max_tokens": 40}),
    "ensemble": Case({}, World(blank=0.2), prm="ensemble"),
    "confidence": Case({"max_generated_tokens": 300, "max_tokens": 90}, World(blank=0.2), prm="confidence"),
    "without a PRM": Case({}, prm="none"),
    "failing requests": Case({}, generator=Flaky),
    "cached": Case({}, World(blank=0.2), generator=Caching),
    "unreadable": Case({}, World(blank=0.2), prm="shortsighted"),
    "greedy": Case({"temperature": 0.0, "temp_origin": 0.0, "temp_step": 0.0}, World(blank=0.2)),
    "out of time": Case({"max_seconds": 1e6}, late=True),
    "quantile": Case({}, knobs={"tau": "q0.5"}, first_scores=(0.2, 0.4, 0.6, 0.8)),
    "whole": Case({"stop_tokens": ()}),
}


VOTING = {
    "self_consistency": {"adaptive": "beta"},
    "deepconf": {"warmup_traces": 2, "trace_batch": 2, "group_tokens": 8},
}


def config_of(method: str, case: Case) -> Config:
    keys = {"N": 6, **case.keys, **(case.knobs or {}), **VOTING.get(method, {})}
    return Config(model_name="simulated", prm_name="simulated", method=method, **keys)


def prm_of(case: Case, generator: Generator) -> PRM | None:
    made = {
        "simulated": lambda: SimulatedPRM(0.6, 79, generator),
        "shortsighted": lambda: Shortsighted(0.6, 79, generator),
        "ensemble": lambda: EnsemblePRM({"a": SimulatedPRM(0.6, 1, generator), "b": SimulatedPRM(0.5, 2, generator)}),
        "confidence": lambda: ConfidencePRM("certainty"),
        "none": lambda: None,
    }
    return made[case.prm]()


Run = tuple[SearchSpace, "Outcome | Exception"]


async def concluded(searcher: Searcher, space: SearchSpace) -> Run:
    try:
        return space, await space.conclude(await searcher.search(space))
    except Exception as error:
        return space, error


def searched(method: str, case: Case, problem: Problem) -> tuple[Run, Searcher, Config]:
    config = config_of(method, case)
    searcher = searcher_class(method).from_config(config)
    generator = case.generator(case.world)
    space = SearchSpace(
        problem,
        generator,
        prm_of(case, generator),
        config,
        repeat=1,
        first_scores=case.first_scores,
        max_steps=searcher.longest_path,
        grouping=group_spellings,
        clock=Late(config.max_seconds) if case.late else None,
    )
    return asyncio.run(concluded(searcher, space)), searcher, config


def again(tape: Tape, problem: Problem, searcher: Searcher, config: Config, seconds: float) -> Run:
    generator = TapedGenerator(tape)
    space = taped_space(generator, problem, config, repeat=1, max_steps=searcher.longest_path, seconds=seconds)
    found = asyncio.run(concluded(searcher, space))
    if isinstance(found[1], ReplayError):
        raise found[1]
    generator.check_finished()
    return found


def record_of(run: Run) -> dict[str, Any]:
    space, outcome = run
    assert isinstance(outcome, Outcome)

    async def graded() -> dict[str, Any]:
        with Grader() as grader:
            return await search_record(0, 1, space, outcome, "majority", grader, "min", call_seconds={})

    return asyncio.run(graded())


def through_a_line(run: Run) -> tuple[list[dict[str, Any]], Tape]:
    """The tree and the tape of a search as they come out of a file."""
    record = unpack(read_line(line_of_record(record_of(run))))
    return record["tree"], record["tape"]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("method", METHODS)
def test_a_search_is_run_again_from_what_is_written_down(method: str, case: str) -> None:
    """A record that lacks one answer of a model proves nothing: the search cannot be repeated without it."""
    for number in range(3):
        problem = sim_problem(number, level=2 + number, steps=4)
        first, searcher, config = searched(method, CASES[case], problem)
        record = record_of(first)
        tree, tape = through_a_line(first)
        assert tree == record["tree"]
        assert tape == first[0].tape
        second = again(tape, problem, searcher, config, first[0].usage.seconds)
        assert second[0].nodes == first[0].nodes
        assert second[0].events == first[0].events
        assert second[1] == first[1]
        assert second[0].usage == first[0].usage
        assert record_of(second) == record


@pytest.mark.parametrize("case", CASES)
def test_cases_hold_what_they_are_named_for(case: str) -> None:
    """A case so tame that what it is for never crosses the border."""
    tapes = [searched(method, CASES[case], sim_problem(1, level=4, steps=4))[0][0].tape for method in METHODS]
    requests = [request for tape in tapes for request in tape.requests]
    steps = [request.step for request in requests if request.step]
    scores = [each for tape in tapes for call in tape.calls if isinstance(call, PRMCall) for each in call.scores]
    holds = {
        "blank steps": len({request.key for request in requests}) < len(requests),
        "budget": len({request.key for request in requests}) < len(requests),
        "ordinary": any(tape.groupings for tape in tapes),
        "tight budget": any(step.ended == "length" for step in steps),
        "few steps": {request.delimited for request in requests} == {True, False},
        "steps of tokens": any(len(step.ids) == 30 and step.ended == "length" for step in steps),
        "asked for an answer": any(tape.lead_in for tape in tapes),
        "ensemble": any(each.parts for each in scores),
        "confidence": all(step.logprobs and step.confidences for step in steps),
        "without a PRM": not scores,
        "failing requests": any(step.error for step in steps),
        "cached": all(step.cached and step.prompt_tokens for step in steps),
        "unreadable": any(each.too_long for each in scores) and any(each.flops for each in scores),
        "greedy": any(request.temperature == 0 for request in requests),
        "out of time": any(tape.timeout == 3 for tape in tapes),
        "quantile": any(tape.bars for tape in tapes),
        "whole": not any(request.delimited for request in requests) and any(tape.texts for tape in tapes),
    }
    assert holds.get(case, True)


class Breaking(SimulatedGenerator):
    """Breaks down in its third call, or gives what cannot be kept."""

    def __init__(self, how: str) -> None:
        super().__init__(World(blank=0.3))
        self.how = how
        self.calls = 0

    async def generate(self, requests: Sequence[StepRequest]) -> list[Step]:
        steps = await super().generate(requests)
        self.calls += 1
        if self.calls < 3:
            return steps
        if self.how == "raises":
            raise RuntimeError("no more paper")
        if self.how == "too long":
            return [
                reworded(step, ids=(*step.ids, *(10,) * request.max_tokens))
                for request, step in zip(requests, steps, strict=True)
            ]
        return steps[:-1] if self.how == "too few" else [None] * len(steps)  # type: ignore[list-item]


class Nonsense(SimulatedPRM):
    """Gives no number for a second step."""

    async def score(self, problem: Problem, paths: Sequence[Path]) -> list[Scores]:
        scores = await super().score(problem, paths)
        return scores if len(paths[0].steps) < 2 else [replace(each, values=(1.5,)) for each in scores]


@pytest.mark.parametrize("how", ["raises", "too long", "too few", "none", "nonsense"])
def test_a_search_that_failed_fails_again(how: str) -> None:
    """What went wrong can be looked into only where the record leads there."""
    config = config_of("beam_search", Case({}))
    searcher = searcher_class("beam_search").from_config(config)
    generator = SimulatedGenerator() if how == "nonsense" else Breaking(how)
    prm = Nonsense(0.6, 79, generator) if how == "nonsense" else SimulatedPRM(0.6, 79, generator)
    space = SearchSpace(sim_problem(), generator, prm, config, repeat=1)
    first = asyncio.run(concluded(searcher, space))
    packed = json.loads(json.dumps(packed_tape(space.tape, [])))
    tape = unpacked_tape(packed, [])
    assert tape == space.tape
    second = again(tape, sim_problem(), searcher, config, 0.0)
    assert isinstance(first[1], Exception)
    assert (type(second[1]).__name__, str(second[1])) == (type(first[1]).__name__, str(first[1]))
    assert second[0].nodes == first[0].nodes
    assert second[0].tape == first[0].tape


@dataclass(frozen=True)
class Abreast(Searcher):
    """Grows several solutions, each at its own pace."""

    async def search(self, space: SearchSpace) -> Outcome:
        async def grown(root: Path) -> list[Path]:
            paths = [root]
            while open_paths := [path for path in paths if path.is_open]:
                paths = [child for family in await space.expand(open_paths, 1, temperature=0.8) for child in family]
            return paths

        pools = await asyncio.gather(*[grown(root) for root in space.roots(5)])
        return Outcome(tuple([path for pool in pools for path in pool if path.is_finished]), "enough")


class Uneven(SimulatedGenerator):
    """Answers the sooner the smaller a seed."""

    async def generate(self, requests: Sequence[StepRequest]) -> list[Step]:
        await asyncio.sleep(requests[0].seed % 7 / 500)
        return await super().generate(requests)


def test_calls_that_overlap_are_answered_in_their_order() -> None:
    """A method may grow several paths side by side; which of them comes first decides what is left of a budget."""
    config = config_of("beam_search", Case({"max_generated_tokens": 400, "max_tokens": 120}))
    generator = Uneven()
    space = SearchSpace(sim_problem(), generator, SimulatedPRM(0.6, 79, generator), config, repeat=1)
    first = asyncio.run(concluded(Abreast(), space))
    tape = through_a_line(first)[1]
    assert tape.order
    second = again(tape, sim_problem(), Abreast(), config, first[0].usage.seconds)
    assert second[0].nodes == first[0].nodes
    assert second[1] == first[1]
    assert second[0].tape == space.tape
    assert record_of(second) == record_of(first)


class Waiting(SimulatedPRM):
    """Fails on one path while it still thinks about the others."""

    async def score(self, problem: Problem, paths: Sequence[Path]) -> list[Scores]:
        if paths[0].key[0] == 2:
            await asyncio.sleep(0.01)
            raise RuntimeError("no more paper")
        await asyncio.sleep(0.05)
        return await super().score(problem, paths)


async def failing(space: SearchSpace) -> tuple[dict[str, Any], dict[str, Any]]:
    """The record of a search that fails: written down then, and written down when all calls have ended."""
    with pytest.raises(RuntimeError, match="no more paper"):
        await space.conclude(await Abreast().search(space))
    record = failure_record(0, 1, sim_problem(), space.usage, RuntimeError("no more paper"), space.tape)
    line = line_of_record(record)
    await asyncio.sleep(0.2)
    return read_line(line), read_line(line_of_record(record))


def test_a_call_without_an_answer_can_be_read_back() -> None:
    """A method that overlaps calls may fail while others are in flight: its record ended every command that read it."""
    config = config_of("beam_search", Case({}))
    generator = SimulatedGenerator()
    space = SearchSpace(sim_problem(), generator, Waiting(0.6, 79, generator), config, repeat=1)
    line, later = asyncio.run(failing(space))
    assert line == later
    record = unpack(line)
    assert [call.failure.kind for call in record["tape"].calls if call.failure] == [
        *["Unanswered"] * 2,
        "RuntimeError",
    ] + ["Unanswered"] * 2
    with Grader() as grader:
        told = asyncio.run(differences(line, record, ReplayRules(config, Abreast(), grader)))
    assert told == []


def test_a_tape_whose_columns_are_too_short_is_damaged() -> None:
    """Earlier versions wrote down calls without an answer as answered ones."""
    generator = SimulatedGenerator()
    config = config_of("beam_search", Case({}))
    space = SearchSpace(sim_problem(), generator, SimulatedPRM(0.6, 79, generator), config, repeat=1)
    asyncio.run(concluded(searcher_class("beam_search").from_config(config), space))
    columns = packed_tape(space.tape, [])
    for column in ("tokens", "cached"):
        columns["scores"].pop(column, None)
    columns["scores"]["tokens"] = [1]
    record = {"id": "p", "packed": pack({"tree": packed_tree([]), "tape": columns, "inputs": ""})}
    with pytest.raises(ValueError, match="damaged"):
        unpack(record)


def changed(tape: Tape, place: int, **changes: Any) -> Tape:
    """A copy of a tape with one request that is another one."""
    calls = [
        GeneratorCall([replace(request) for request in call.requests], call.failure)
        if isinstance(call, GeneratorCall)
        else PRMCall(list(call.keys), list(call.scores), call.failure)
        for call in tape.calls
    ]
    copy = replace(tape, calls=calls)
    for key, value in changes.items():
        setattr(copy.requests[place], key, value)
    return copy


def test_whatever_differs_is_named() -> None:
    """ "The replay failed" helps nobody: the node, the request and the two values do."""
    problem = sim_problem(1, level=4, steps=4)
    (space, _), searcher, config = searched("collective", CASES["blank steps"], problem)
    tape, where = space.tape, 9
    node = ".".join(map(str, tape.requests[where].key))
    faults = {
        f"Node {node}, request {where}: the seed is {tape.requests[where].seed}, recorded was 5.": {"seed": 5},
        f"Node {node}, request {where}: the token limit is 256, recorded was 7.": {"max_tokens": 7},
        f"Node {node}, request {where}: the temperature is {tape.requests[where].temperature}, recorded was 1.5.": {
            "temperature": 1.5
        },
        f"Node {node}, request {where}: the use of delimiters is True, recorded was False.": {"delimited": False},
    }
    for told, change in faults.items():
        found = again_or_error(changed(tape, where, **change), problem, searcher, config)
        assert isinstance(found, ReplayError)
        assert str(found) == told


def again_or_error(tape: Tape, problem: Problem, searcher: Searcher, config: Config) -> Outcome | Exception:
    try:
        return again(tape, problem, searcher, config, 0.0)[1]
    except ReplayError as error:
        return error


def test_a_tape_that_lacks_or_adds_something_is_refused() -> None:
    """A search that ends early where the record goes on is another search."""
    problem = sim_problem(1, level=4, steps=4)
    (space, _), searcher, config = searched("collective", CASES["ordinary"], problem)
    tape, calls = space.tape, space.tape.calls
    first = calls[0]
    assert isinstance(first, GeneratorCall)
    fewer = GeneratorCall(first.requests[:-1])
    lacking = {
        "after all": replace(tape, calls=calls[:-2]),
        "ended before call": replace(tape, calls=[*calls, GeneratorCall(first.requests)]),
        "recorded was a call of the PRM": replace(tape, calls=calls[1:]),
        "requests at once; recorded were": replace(tape, calls=[fewer, *calls[1:]]),
        "The PRM is asked for the nodes": replace(tape, calls=[first, PRMCall([(5, 5)]), *calls[2:]]),
    }
    for told, other in lacking.items():
        found = again_or_error(other, problem, searcher, config)
        assert isinstance(found, ReplayError), told
        assert told in str(found)


def test_texts_and_classes_that_nobody_asked_for_are_refused() -> None:
    """Made-up texts would be cut into steps that never were."""
    problem = sim_problem(1, level=4, steps=4)
    for missing, told in (("texts", "asks for the texts of"), ("groupings", "asks which of the answers")):
        (space, _), searcher, config = searched("self_consistency", CASES["ordinary"], problem)
        found = again_or_error(
            replace(space.tape, **{missing: type(getattr(space.tape, missing))()}), problem, searcher, config
        )
        assert told in str(found)
    with pytest.raises(GeneratorError, match="context"):
        taped_space(TapedGenerator(replace(space.tape, prompt_tokens=10_000)), problem, config)


def test_no_field_of_an_answer_is_lost() -> None:
    """A field that is added to a step, and forgotten here, makes every replay another search."""
    step = Step("a b", (1, 2), "eos", 3, 0.5, 6, "no", (-0.5, -0.25), (1.5, 2.5), 9, ("a", " b"))
    scores = Scores((0.5,), 7, 3, True, {"prm": (0.25,)}, 12.5)
    for made in (step, scores):
        defaults = {each.name: each.default for each in fields(made) if each.default is not MISSING}
        assert not [name for name, default in defaults.items() if getattr(made, name) == default]
    request = SampledRequest((0, 0), 4, 5, 0.25, True, 2, step)
    tape = Tape(
        8, "end", 100, 7, 5, (("<a>", "</a>"),), (3, 2), [GeneratorCall([request]), PRMCall([(0, 0)], [scores])]
    )
    assert unpacked_tape(json.loads(json.dumps(packed_tape(tape, []))), []) == tape
