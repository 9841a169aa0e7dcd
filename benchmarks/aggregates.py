r"""Which aggregate for which PRM: every selector by every aggregate over recorded samples; writes docs/aggregates.md.

    python benchmarks/aggregates.py math500_n32_qwen_math_prm_7b.jsonl.gz --published gsm8k_n32_five_prms.jsonl.gz

The files are recorded samples (docs/recorded.md) with scores. They are not in this repository: StrictPRMBench publishes
them (CC-BY-4.0), 500 problems with 32 samples each.

Answers are extracted, grouped and graded as in a run. For the files behind --published, whose solutions hardly ever box
their answer, the last number of the text is the answer, and the source's verdict counts. --print writes no page.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from pathlib import Path
from textwrap import fill

from recorded_pools import SEEING, Replay, graded_sets

from tt_scale.core.aggregate import AGGREGATES
from tt_scale.report.tables import Sheet, markdown

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "aggregates.md"


def published(replay: Replay) -> bool:
    """Whether the source's verdicts count: those of sets whose answers are last numbers."""
    return replay.rule == "last_number"


def _rights(replay: Replay, selector: str, agg: str = "last", prm: str | None = None) -> list[bool]:
    return replay.rights(selector, agg, prm, source=published(replay))


def blind(replay: Replay) -> dict[str, float]:
    """Share of problems that need no PRM to be right: one sample, the vote, and the ceiling."""
    source = published(replay)
    vote = _rights(replay, "majority")
    return {
        "one sample": replay.one_sample(source),
        "majority": sum(vote) / len(vote),
        "one of all is right": replay.ceiling(source),
    }


def sheet(replay: Replay, prm: str) -> Sheet:
    """Every selector by every aggregate for one PRM, with the exact paired test of each aggregate against `last`."""
    titles = [heading for selector in SEEING for heading in (selector, "against last", "p")]
    made = Sheet(f"{prm}, {replay.file}", ["aggregate"], titles)
    for agg in AGGREGATES:
        cells = [agg]
        for selector in SEEING:
            own, base = _rights(replay, selector, agg, prm), _rights(replay, selector, "last", prm)
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
            cells = [f"{blind(replay)[name]:.3f}" for name in ("one sample", "majority")]
            cells.append(f"{_share(replay, 'best', 'last', prm):.3f}")
            for selector in SEEING:
                shares = {agg: _share(replay, selector, agg, prm) for agg in AGGREGATES}
                most = max(shares.values())
                cells.append(f"{most:.3f} ({', '.join([agg for agg in shares if shares[agg] == most])})")
            made.rows.append([prm, replay.file.split("_")[0], *cells])
    return made


def _share(replay: Replay, selector: str, agg: str, prm: str) -> float:
    rights = _rights(replay, selector, agg, prm)
    return sum(rights) / len(rights)


def page(replays: Sequence[Replay], advice: str) -> str:
    """The whole page; what it advises is kept from the page before, since a person writes it."""
    parts = [HEAD, advice, markdown(overview(replays))]
    for replay in replays:
        rule = (
            "The last number of a solution is its answer, and verdicts are those of the source."
            if published(replay)
            else "Answers are those in a box, graded as in a run."
        )
        without = ", ".join([f"{name} {share:.3f}" for name, share in blind(replay).items()])
        told = (
            f"{len(replay.pools)} problems, {replay.samples} samples each, {replay.steps:.1f} steps a solution. {rule} "
            f"Without a PRM: {without}."
        )
        parts.append(f"## {replay.file}\n\n{fill(told, 120)}")
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
    files = [(str(path), None) for path in arguments.replays]
    text = page(
        asyncio.run(graded_sets([*files, *[(str(path), "last_number") for path in arguments.published]])),
        kept_advice(),
    )
    if not arguments.only_print:
        PAGE.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
