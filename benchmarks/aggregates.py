r"""Which aggregate for which PRM: every selector by every aggregate over recorded samples; writes docs/aggregates.md.

    python benchmarks/aggregates.py math500_n32_qwen_math_prm_7b.jsonl.gz --published gsm8k_n32_five_prms.jsonl.gz

A replay has a problem on each line: `answer`, and `samples` with `text`, `upstream_correct` and `scores` (PRM -> a
score for each step); plain or gzip. The replays are not in this repository: StrictPRMBench publishes them (CC-BY-4.0),
500 problems with 32 samples each.

Answers are taken from `\boxed{}`, grouped and graded as in a run. For the replays behind --published, whose solutions
hardly ever box their answer, the last number of the text is the answer by which solutions are grouped, every solution
is a candidate, and the published verdict counts. --print writes no page.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tt_scale.core.aggregate import AGGREGATES, aggregate
from tt_scale.core.selection import SELECTORS, Candidate, oracle
from tt_scale.grading import Grader, extract_answer
from tt_scale.report.tables import Sheet, markdown

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "aggregates.md"
BLIND = ("majority", "first")
"""Selectors that look at no score."""
SEEING = ("best", "weighted")
NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")
LEVEL = 0.05


@dataclass(frozen=True)
class Pool:
    """The samples of one problem.

    Attributes:
        classes: of their answers; -1 where a sample has none [samples].
        right: verdicts [samples].
        scores: PRM -> scores of the steps [samples][steps].
    """

    classes: Sequence[int]
    right: Sequence[bool]
    scores: Mapping[str, Sequence[Sequence[float]]]

    def chosen(self, selector: str, agg: str = "last", prm: str | None = None) -> bool:
        """Whether what a selector picks is right."""
        steps = self.scores[prm] if prm else [()] * len(self.classes)
        members = [
            Candidate(number, aggregate(agg, each, finished=True))
            for number, each in zip(self.classes, steps, strict=True)
        ]
        index = SELECTORS[selector](members)
        return index is not None and self.right[index]


@dataclass(frozen=True)
class Replay:
    """The pools of one file.

    Attributes:
        name: of the file.
        published: whether verdicts are those of the file.
        pools: one for each problem [problems].
    """

    name: str
    published: bool
    pools: Sequence[Pool]

    @property
    def prms(self) -> list[str]:
        """The PRMs that scored it."""
        return list(self.pools[0].scores)

    @property
    def samples(self) -> int:
        """Of each problem."""
        return max([len(pool.right) for pool in self.pools])

    @property
    def steps(self) -> float:
        """Scores of a solution, on average."""
        counts = [len(each) for pool in self.pools for each in pool.scores[self.prms[0]]]
        return sum(counts) / len(counts)

    @cached_property
    def blind(self) -> dict[str, float]:
        """Share of problems that need no PRM to be right: one sample, the vote, and the ceiling."""
        one = sum([sum(pool.right) / len(pool.right) for pool in self.pools])
        ceiling = sum([oracle(pool.right) is not None for pool in self.pools])
        shares = {"one sample": one, "majority": sum(self.rights("majority")), "one of all is right": ceiling}
        return {name: value / len(self.pools) for name, value in shares.items()}

    def rights(self, selector: str, agg: str = "last", prm: str | None = None) -> list[bool]:
        """Whether the selected answer is right [problems]."""
        return [pool.chosen(selector, agg, prm) for pool in self.pools]


def rows_of(path: Path) -> Iterator[dict[str, Any]]:
    """Read a file of JSON lines, compressed or not."""
    with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8") as file:
        yield from map(json.loads, file)


def last_number(text: str) -> str | None:
    """Give the last number of a text, without thousands separators."""
    found = NUMBER.findall(text)
    return found[-1].replace(",", "").removesuffix(".0") if found else None


async def read(path: Path, published: bool, grader: Grader) -> Replay:
    """Read a replay, group its answers and judge them.

    Raises:
        SystemExit: a file that is no replay.
    """
    try:
        pools = await asyncio.gather(*[_pool(row, published, grader) for row in rows_of(path)])
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        wanted = "a problem on each line, with answer and samples of text, upstream_correct and scores"
        raise SystemExit(f"aggregates.py: {str(path)!r} is no replay ({error!r}). It holds {wanted}.") from None
    if not pools:
        raise SystemExit(f"aggregates.py: {str(path)!r} is empty.")
    return Replay(path.name, published, pools)


async def _pool(row: Mapping[str, Any], published: bool, grader: Grader) -> Pool:
    samples = row["samples"]
    scores = {prm: [sample["scores"][prm] for sample in samples] for prm in samples[0]["scores"]}
    if published:
        found = [last_number(sample["text"]) for sample in samples]
        classes = [found.index(answer) if answer else -2 - place for place, answer in enumerate(found)]
        return Pool(classes, [sample["upstream_correct"] for sample in samples], scores)
    answers = [extract_answer(sample["text"]) for sample in samples]
    grades = await grader.grade_many(row["answer"], answers)
    return Pool(await grader.group(answers), [grade == "correct" for grade in grades], scores)


def sheet(replay: Replay, prm: str) -> Sheet:
    """Every selector by every aggregate for one PRM, with the exact paired test of each aggregate against `last`."""
    titles = [heading for selector in SEEING for heading in (selector, "against last", "p")]
    made = Sheet(f"{prm}, {replay.name}", ["aggregate"], titles)
    for agg in AGGREGATES:
        cells = [agg]
        for selector in SEEING:
            own, base = replay.rights(selector, agg, prm), replay.rights(selector, "last", prm)
            gap = (sum(own) - sum(base)) / len(own)
            cells += [f"{sum(own) / len(own):.3f}", *(["", ""] if agg == "last" else [f"{gap:+.3f}", told(own, base)])]
        made.rows.append(cells)
    return made


def told(one: Sequence[bool], other: Sequence[bool]) -> str:
    """The p-value of McNemar's exact test: a binomial test on the problems that only one of two gets right."""
    from scipy.stats import binomtest

    only = sum([first and not second for first, second in zip(one, other, strict=True)])
    both = only + sum([second and not first for first, second in zip(one, other, strict=True)])
    if not both:
        return "1"
    p = float(binomtest(only, both).pvalue)
    return f"{p:.3f}" if p >= 0.001 else "<0.001"


def overview(replays: Sequence[Replay]) -> Sheet:
    """One line for each PRM: the vote, `last`, and what is highest."""
    made = Sheet(
        "Overview", ["PRM", "replay"], ["one sample", "majority", "best, last", "best, highest", "weighted, highest"]
    )
    for replay in replays:
        for prm in replay.prms:
            cells = [f"{replay.blind[name]:.3f}" for name in ("one sample", "majority")]
            cells.append(f"{_share(replay, 'best', 'last', prm):.3f}")
            for selector in SEEING:
                shares = {agg: _share(replay, selector, agg, prm) for agg in AGGREGATES}
                most = max(shares.values())
                cells.append(f"{most:.3f} ({', '.join([agg for agg in shares if shares[agg] == most])})")
            made.rows.append([prm, replay.name.split("_")[0], *cells])
    return made


def _share(replay: Replay, selector: str, agg: str, prm: str) -> float:
    rights = replay.rights(selector, agg, prm)
    return sum(rights) / len(rights)


def page(replays: Sequence[Replay], advice: str) -> str:
    """The whole page; what it advises is kept from the page before, since a person writes it."""
    parts = [HEAD, advice, markdown(overview(replays))]
    for replay in replays:
        rule = (
            "The last number of a solution is its answer, all solutions are candidates, and verdicts are as published."
            if replay.published
            else "Answers are those in a box, graded as in a run."
        )
        blind = ", ".join([f"{name} {share:.3f}" for name, share in replay.blind.items()])
        parts.append(
            f"## {replay.name}\n\n{len(replay.pools)} problems, {replay.samples} samples each, "
            f"{replay.steps:.1f} steps a solution. {rule} Without a PRM: {blind}."
        )
        parts += ["#" + markdown(sheet(replay, prm)) for prm in replay.prms]
    return "\n\n".join(parts) + "\n"


HEAD = """# Aggregates of step scores

Generated by `python benchmarks/aggregates.py` from step scores published by StrictPRMBench (CC-BY-4.0); the docstring
of the program has the complete command. `best` is the solution with the highest aggregate, `weighted` the vote weighted
by the aggregate. *Against last* is the difference in accuracy from `last` over the same problems, and *p* is the
p-value of McNemar's exact test of it, not corrected for the number of comparisons. All solutions are finished, so that
`mean_only_final` equals `mean`."""

BEGIN, END = "<!-- advice -->", "<!-- end of advice -->"


def kept_advice() -> str:
    """The part of the page that a person wrote."""
    text = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    return f"{BEGIN}{text.partition(BEGIN)[2].partition(END)[0] or chr(10)}{END}"


async def read_all(plain: Sequence[Path], published: Sequence[Path]) -> list[Replay]:
    """Read every replay with one grader."""
    with Grader(seconds=30.0) as grader:
        return [await read(path, path in published, grader) for path in (*plain, *published)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("replays", type=Path, nargs="*")
    parser.add_argument("--published", type=Path, nargs="+", default=[])
    parser.add_argument("--print", action="store_true", dest="only_print")
    arguments = parser.parse_args()
    if not arguments.replays and not arguments.published:
        parser.error("no replay is named: give at least one file")
    for path in (*arguments.replays, *arguments.published):
        if not path.is_file():
            parser.error(f"there is no file {str(path)!r}")
    text = page(asyncio.run(read_all(arguments.replays, arguments.published)), kept_advice())
    if not arguments.only_print:
        PAGE.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
