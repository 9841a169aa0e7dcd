"""Records of a finished run, read from its folder and searched again without its models: equal to the byte."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from commands import BENCH, Command, read_journal

from tt_scale.bench.record import line_of_record, recorded_seconds, search_record
from tt_scale.bench.replay.tape import TapedGenerator, taped_space
from tt_scale.config import Config
from tt_scale.core.records import Problem
from tt_scale.grading import Grader
from tt_scale.registry import searcher_class


def problem_of(record: dict[str, Any]) -> Problem:
    return Problem(record["id"], record["question"], record["gold"], record["level"], record["subject"])


async def again(record: dict[str, Any], config: Config, grader: Grader) -> bytes:
    """Search a recorded problem again, and write the record of that."""
    searcher = searcher_class(config.method).from_config(config)
    generator = TapedGenerator(record["tape"])
    space = taped_space(
        generator,
        problem_of(record),
        config,
        repeat=record["repeat"],
        max_steps=searcher.longest_path,
        seconds=record["usage"]["seconds"],
    )
    outcome = await space.conclude(await searcher.search(space))
    generator.check_finished()
    selector = config.selector or searcher.selector
    place = record["index"], record["repeat"]
    about = grader, config.final_agg, (), recorded_seconds(record)
    return line_of_record(await search_record(*place, space, outcome, selector, *about))


@pytest.mark.parametrize(
    "more",
    [
        ("--method", "collective", "--tau", "q0.5"),
        ("--method", "self_consistency", "--adaptive", "beta", "--N", "8"),
        ("--method", "beam_search", "--budget", "6", "--max-generated-tokens", "300", "--max-tokens", "100"),
        ("--method", "deepconf", "--warmup-traces", "2", "--N", "6", "--final-agg", "min"),
        ("--method", "independent", "--max-seconds", "0.000001", "--last-resort", "force"),
    ],
    ids=lambda more: more[1],
)
def test_lines_of_a_run_are_made_again(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...]
) -> None:
    """What is on disk is all that there is: configuration in the manifest, everything else in the line."""
    monkeypatch.chdir(tmp_path)
    few = (*BENCH, "--num-samples", "5", "--repeats", "2", "--run-tag", "t", *more)
    assert Command(capsys)(*few).status == 0
    [folder] = (tmp_path / "logs/t").iterdir()
    config = Config(**json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["config"])

    async def lines() -> list[bytes]:
        with Grader() as grader:
            return [await again(record, config, grader) for record in read_journal(folder)]

    assert asyncio.run(lines()) == (folder / "problems.jsonl").read_bytes().splitlines(keepends=True)
