"""What the journal costs: bytes and milliseconds per problem, seconds to reopen a run, memory per problem.

    python benchmarks/journal.py [--methods collective best_of_n] [--problems 200] [--rows 100000] [--runs FOLDER ...]

The first table compares a line with what the first format wrote for the same search (JSON without tape, compression
or checksum), over problems of the simulated world; the second does so for the lines of finished runs, which have no
tape where they were written in the first format. Then a journal of so many rows is reopened, as `bench` does before it
continues, and its tables are made. Targets: half of the bytes; 100,000 rows reopened in under 5 s; memory of about 1 kB
per row, tables, detail log and summary included (and about 33 MB for the libraries that these need).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tt_scale.bench.format.lines import line_of, read_line
from tt_scale.bench.record import line_of_record, search_record, unpack
from tt_scale.bench.run.csv_logs import summary_line, write_detail_log
from tt_scale.bench.run.journal import Journal, read_records
from tt_scale.bench.stats.metrics import by_level, selector_accuracy
from tt_scale.config import Config
from tt_scale.core.records import Problem
from tt_scale.generator.simulated import SimulatedGenerator
from tt_scale.grading import Grader, group_spellings
from tt_scale.prm.simulated import SimulatedPRM
from tt_scale.problems.simulated import simulated_problems
from tt_scale.registry import BUILT_IN, searcher_class
from tt_scale.space.search_space import SearchSpace

NEW = ("tape", "right")


async def searched(method: str, problems: Sequence[Problem]) -> list[dict[str, Any]]:
    config = Config(model_name="simulated", prm_name="simulated", method=method)
    searcher = searcher_class(method).from_config(config)
    generator = SimulatedGenerator()
    prm = SimulatedPRM(0.6, config.seed, generator)
    found = []
    with Grader() as grader:
        for index, problem in enumerate(problems):
            space = SearchSpace(
                problem, generator, prm, config, max_steps=searcher.longest_path, grouping=group_spellings
            )
            outcome = await space.conclude(await searcher.search(space))
            found.append(await search_record(index, 0, space, outcome, searcher.selector, grader))
    return found


def sizes(name: str, records: Sequence[dict[str, Any]]) -> None:
    """Print bytes per record then and now, their ratio, and milliseconds to write and to unpack one."""
    then = sum([len(old_line(record)) for record in records])
    began = time.process_time()
    lines = [line_of_record(record) for record in records]
    wrote = time.process_time() - began
    began = time.process_time()
    for line in lines:
        unpack(read_line(line))
    took = time.process_time() - began
    now, count = sum(map(len, lines)), len(records)
    print(
        f"{name:<40}{then / count:>10,.0f}{now / count:>10,.0f}{now / then:>8.2f}{1000 * wrote / count:>9.2f}"
        f"{1000 * took / count:>9.2f}"
    )


def old_line(record: dict[str, Any]) -> bytes:
    plain = {key: value for key, value in record.items() if key not in NEW}
    return json.dumps(plain, ensure_ascii=False).encode() + b"\n"


def recorded(folders: Sequence[Path]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    for folder in folders:
        for path in sorted(folder.rglob("problems.jsonl")):
            yield path.parent.name[:38], [{"right": 0, **unpack(record)} for record in read_records(path.parent)]


def reopened(records: Sequence[dict[str, Any]], problems: Sequence[Problem], rows: int) -> None:
    """Write a journal of so many rows, and print how long it takes to open it and what its rows take in memory."""
    with tempfile.TemporaryDirectory() as folder:
        manifest: dict[str, Any] = {"experiment": {}, "versions": {}}
        many = [replace(problems[at % len(records)], id=f"p-{at}") for at in range(rows)]
        with Journal(Path(folder), manifest, many):
            pass
        with (Path(folder) / "problems.jsonl").open("wb") as file:
            plain = [read_line(line_of_record(record)) for record in records]
            size = sum(
                [file.write(line_of({**plain[at % len(plain)], "index": at, "id": many[at].id})) for at in range(rows)]
            )
        before = resident()
        began, cpu = time.perf_counter(), time.process_time()
        with Journal(Path(folder), manifest, many) as journal:
            took, cpu = time.perf_counter() - began, time.process_time() - cpu
            assert len(journal.rows) == rows
            used = (resident() - before) / rows
            reset_peak()
            config = Config(model_name="simulated", prm_name="simulated", method="collective")
            summary_line(config, "simulated", Path(folder), journal.rows, 0.0)
            write_detail_log(Path(folder) / "detail.csv", journal.rows)
            by_level(journal.rows)
            selector_accuracy(journal.rows)
            most = (peak() - before) / rows
    print(
        f"\n{rows:,} rows, {size / 2**20:,.0f} MiB: reopened in {took:.1f} s ({cpu:.1f} s of processor time), "
        f"{used:,.0f} bytes of memory per row, {most:,.0f} at the most while tables, detail log and summary are made"
    )


def resident() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize()


def reset_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def peak() -> int:
    """Largest resident memory since `reset_peak`, in bytes."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    [line] = [line for line in lines if line.startswith("VmHWM")]
    return 1024 * int(line.split()[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", default=sorted(BUILT_IN["searchers"]))
    parser.add_argument("--problems", type=int, default=200)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--runs", type=Path, nargs="*", default=[])
    arguments = parser.parse_args()
    problems = simulated_problems(arguments.problems)
    print(f"{'':<40}{'then, B':>10}{'now, B':>10}{'ratio':>8}{'write ms':>9}{'read ms':>9}")
    records: list[dict[str, Any]] = []
    for method in arguments.methods:
        records = asyncio.run(searched(method, problems))
        sizes(method, records)
    for name, found in recorded(arguments.runs):
        sizes(name, found)
    records = asyncio.run(searched("collective", problems))
    reopened(records, problems, arguments.rows)


if __name__ == "__main__":
    main()
