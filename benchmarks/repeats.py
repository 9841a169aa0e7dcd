"""How many searches end otherwise when all is done again under the same seeds, with other searches in flight beside.

    python benchmarks/repeats.py [--problems 60] [--repeats 3] [--budgets 1,2,4,8,16,32] [--processes 2]
    python benchmarks/repeats.py --budgets 16 --prm-name confidence
    python benchmarks/repeats.py --budgets 16 --prm-name pocket-prm,confidence

Every method of `benchmarks/methods.py`, once with 4,096 and once with 300 searches in flight in each process, so that
other readings share a batch of the models. In float32 a batch moves the last digits; this shows whether anything else
moves. Two or three minutes and 350 MB of records each, on two cores, in `logs/repeats-*`; the same command again only
counts.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import replace

from methods import variants_of
from rich.console import Console

from tt_scale.bench.compare.compare_command import compare
from tt_scale.bench.compare.variants import Variant, read_budgets
from tt_scale.bench.stats.comparison import Entry
from tt_scale.cli.configs import resumable
from tt_scale.errors import TTScaleError
from tt_scale.report.console_reporter import ConsoleReporter

IN_FLIGHT = (4096, 300)


def searched(variants: list[Variant], prm_name: str, in_flight: int, processes: int) -> dict[str, Entry]:
    """Search all, and give what was searched and not read off, by name."""
    prm = "" if prm_name == variants[0].config.prm_name else f"-{prm_name}"
    changes = {"concurrency": in_flight, "run_tag": f"repeats-{in_flight}{prm}", "prm_name": prm_name, "prm": "auto"}
    again = [replace(each, config=each.config.model_copy(update=changes)) for each in variants]
    [comparison] = resumable(compare(again, ConsoleReporter(Console(stderr=True)), processes=processes))
    return {entry.name: entry for entry in comparison.entries if not entry.derived}


def differing(one: Entry, other: Entry) -> tuple[int, int, int]:
    """Count searches that drew another number of tokens, gave another answer, got another grade."""
    both = [
        {(row.id, row.repeat): (row.usage.generated_tokens, row.answer, row.grade) for row in entry.rows}
        for entry in (one, other)
    ]
    pairs = [(both[0][key], both[1][key]) for key in both[0].keys() & both[1].keys()]
    tokens, answers, grades = [sum([a[place] != b[place] for a, b in pairs]) for place in range(3)]
    return tokens, answers, grades


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=60)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--budgets", default="1,2,4,8,16,32")
    parser.add_argument("--prm-name", default="pocket-prm")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    if arguments.processes > 1:
        os.environ.setdefault("OMP_NUM_THREADS", "1")  # a core each
    try:
        variants = variants_of(arguments.problems, arguments.repeats, read_budgets(arguments.budgets))
        first, second = [
            searched(variants, arguments.prm_name, in_flight, arguments.processes) for in_flight in IN_FLIGHT
        ]
    except TTScaleError as error:
        sys.exit(str(error))
    found = {name: differing(entry, second[name]) for name, entry in first.items()}
    for name, counts in found.items():
        if any(counts):
            print(f"{name}: another number of tokens {counts[0]}, answer {counts[1]}, grade {counts[2]}")
    count = sum([len(entry.rows) for entry in first.values()])
    tokens, answers, grades = [sum([counts[place] for counts in found.values()]) for place in range(3)]
    print(f"{count:,} searches made twice. Another number of tokens: {tokens}, answer: {answers}, grade: {grades}.")


if __name__ == "__main__":
    main()
