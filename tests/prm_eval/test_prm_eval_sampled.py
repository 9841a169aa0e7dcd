"""Sampled solutions: written to their journal and read back."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path

from worlds import sim_problem

from tt_scale.base_classes import Step, StepRequest
from tt_scale.config import Config
from tt_scale.generator.simulated import SimulatedGenerator
from tt_scale.grading import Grader
from tt_scale.prm_eval.sampled import DrawnJournal, SampledSet, World, _StepFields, draw


class CountingGenerator(SimulatedGenerator):
    """States the tokens of its prompts, as a server does."""

    async def generate(self, requests: Sequence[StepRequest]) -> list[Step]:
        return [replace(step, prompt_tokens=7) for step in await super().generate(requests)]


def test_what_a_server_states_of_a_step_survives_its_journal(tmp_path: Path) -> None:
    """A field that was written but not known when read made a failure of every problem on a server."""
    problems = SampledSet("simulated", "outcomes", [sim_problem(number, steps=2) for number in range(3)])
    config = Config(model_name="simulated", prm_name="none", N=2, stop_tokens=())

    def opened() -> DrawnJournal:
        return DrawnJournal(problems, tmp_path / "drawn", {"experiment": {"problems": "3"}, "versions": {}})

    with Grader() as grader, opened() as journal:
        world = World(config, CountingGenerator(), grader)
        asyncio.run(draw(problems, world, journal, lambda drawn: None))
        before = list(journal.rows)
    assert [row.error for row in before] == [""] * 3
    with opened() as journal:
        assert journal.rows == before
    assert {step.prompt_tokens for row in before for solution in row.solutions for step in solution.steps} == {7}


def test_every_field_of_a_step_is_known() -> None:
    """A field that is added to steps must be thought of in the journal's schema."""
    assert set(_StepFields.__annotations__) == {field.name for field in fields(Step)}
