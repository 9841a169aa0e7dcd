"""How often the next child of a good prefix looks right, after so many that did not.

    python benchmarks/retries.py logs/.../problems.jsonl [--good 0.9] [--bar 0.7]

Read off the trees of a finished run. A prefix is good if its own score reaches `--good`, or if it is a root; a child
looks right if its score reaches `--bar`. Children count in the order in which they were drawn, up to the first that
looks right. `best_first` stands on what comes out: each failure makes the next child much less likely to pass.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from tt_scale.bench.record import unpack
from tt_scale.bench.run.journal import read_records

MOST = 8
"""Failures after which a line is still shown."""


def families(record: dict[str, object], good: float) -> Iterator[list[float]]:
    """The scores of the children of each good prefix, in the order of their numbers."""
    scores = {node["key"]: node["scores"][-1] for node in record["tree"] if node["scores"]}  # type: ignore[attr-defined]
    children: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for key, score in scores.items():
        parent, _, number = key.rpartition(".")
        if scores.get(parent, 1.0) >= good:
            children[parent].append((int(number), score))
    for found in children.values():
        yield [score for _, score in sorted(found)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("records", type=Path, nargs="+")
    parser.add_argument("--good", type=float, default=0.9)
    parser.add_argument("--bar", type=float, default=0.7)
    arguments = parser.parse_args()
    drawn: Counter[int] = Counter()
    passed: Counter[int] = Counter()
    for file in arguments.records:
        for record in read_records(file.parent):
            for scores in families(unpack(record), arguments.good):
                for failures, score in enumerate(scores):
                    drawn[failures] += 1
                    passed[failures] += score >= arguments.bar
                    if score >= arguments.bar:
                        break
    print(f"{'failures':>8}{'children':>10}{'pass':>8}")
    for failures in range(MOST + 1):
        if drawn[failures]:
            print(f"{failures:>8}{drawn[failures]:>10,}{passed[failures] / drawn[failures]:>8.1%}")


if __name__ == "__main__":
    main()
