"""What a run keeps in memory of each problem: its numbers, never its tree."""

from __future__ import annotations

import asyncio
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

from worlds import sim_problem, sim_space

from tt_scale.bench.format.lines import line_of, read_line
from tt_scale.bench.record import line_of_record, search_record
from tt_scale.bench.run.csv_logs import summary_line, write_detail_log
from tt_scale.bench.run.journal import Journal
from tt_scale.bench.stats.metrics import by_level, selector_accuracy
from tt_scale.config import Config
from tt_scale.grading import Grader
from tt_scale.searcher.best_of_n import BestOfN

MANIFEST: dict[str, Any] = {"experiment": {}, "versions": {}}


async def one_record() -> dict[str, Any]:
    space = sim_space(sim_problem(2, level=3, steps=4))
    outcome = await space.conclude(await BestOfN(N=8).search(space))
    with Grader() as grader:
        return read_line(line_of_record(await search_record(0, 0, space, outcome, "best", grader)))


def peak(folder: Path, record: dict[str, Any], count: int) -> int:
    """Most bytes in use while a journal of so many lines is opened and its tables are made."""
    problems = [replace(sim_problem(2, level=3, steps=4), id=f"p-{number}") for number in range(count)]
    with Journal(folder, MANIFEST, problems):
        pass
    with (folder / "problems.jsonl").open("wb") as file:
        file.writelines(
            line_of({**record, "index": number, "id": problem.id, "question": problem.question})
            for number, problem in enumerate(problems)
        )
    tracemalloc.start()
    try:
        with Journal(folder, MANIFEST, problems) as journal:
            assert (len(journal.rows), journal.set_aside) == (count, [])
            summary_line(Config(model_name="simulated", prm_name="simulated"), "simulated", folder, journal.rows, 0.0)
            write_detail_log(folder / "detail.csv", journal.rows)
            by_level(journal.rows)
            selector_accuracy(journal.rows)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_search_takes_less_than_a_kilobyte(tmp_path: Path) -> None:
    """12,000 problems took 254 MB at the tables."""
    record = asyncio.run(one_record())
    assert len(line_of(record)) > 2_000
    peak(tmp_path / "warm", record, 10)
    few, many = peak(tmp_path / "few", record, 500), peak(tmp_path / "many", record, 1_500)
    assert (many - few) / 1_000 < 1_000
