"""The README's table of four methods, and their curve, on the pocket pair; writes docs/results_pocket.md and a figure.

    python benchmarks/results.py [--problems 1000] [--repeats 3] [--curve-problems 1000]

1. Every method of the recipe pocket over the same problems, several times: the table, with paired differences.
2. Each method at several widths, once: the curve. What best-of-N and the vote over its pool reach with fewer samples is
   read off the pools of the widest run.

Runs are kept under `logs/results` and go on where they stopped; a finished set is only drawn again.
"""

from __future__ import annotations

import argparse
import asyncio
import io
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from tt_scale.bench.record import Row
from tt_scale.bench.run.events import Reporter
from tt_scale.bench.run.manifest import hardware
from tt_scale.bench.run.origin import computed_by
from tt_scale.bench.run.session import Plan, aggregate_footer, plan_runs, run_all
from tt_scale.bench.stats.metrics import interval, selector_accuracy
from tt_scale.config import Config
from tt_scale.grading import Grader
from tt_scale.report.backtracking import backtracking_remarks, backtracking_sheet
from tt_scale.report.bench_report import COST_HEADS, level_sheet, pair_sheet, remarks
from tt_scale.report.charts.accuracy import cost_chart
from tt_scale.report.charts.palette import LIGHT, Style
from tt_scale.report.charts.render import whole_chart, write_chart
from tt_scale.report.console_reporter import ConsoleReporter
from tt_scale.report.method_tables import cost_sheet
from tt_scale.report.tables import Sheet, drawn

ROOT = Path(__file__).parents[1]
METHODS = ("best_of_n", "beam_search", "collective", "independent")
WIDTHS = ((3, 1), (6, 2), (9, 3), (18, 6))
"""Children proposed at a step and paths kept; the third is that of the table."""

MOST_SAMPLES = 16

ENGINE = {"generator": "trie", "prm": "huggingface", "dtype": "float32", "concurrency": 1024, "kv_cache_gib": 1.5}
"""Draws what `huggingface` draws; what several searches ask is computed once."""


@dataclass(frozen=True)
class Point:
    """One place on the curve."""

    method: str
    width: str
    tokens: float
    accuracy: float
    low: float
    high: float


def recipe(**changes: object) -> Config:
    """The recipe in one number type, so that no machine moves the table, on the engine that is fastest here."""
    keys = {**ENGINE, "output_dir": str(ROOT / "logs" / "results"), **changes}
    return Config.from_yaml("pocket", **keys)


def table_configs(problems: int, repeats: int) -> list[Config]:
    return [
        recipe(method=method, datasets=(f"pocket-math:count={problems}",), repeats=repeats, run_tag="table")
        for method in METHODS
    ]


def curve_configs(problems: int) -> list[Config]:
    """Each method at each width; widths scale everything that a method may keep or propose."""
    datasets = (f"pocket-math:count={problems}",)
    found = [recipe(method="best_of_n", N=MOST_SAMPLES, datasets=datasets, run_tag="curve")]
    for children, kept in WIDTHS:
        knobs = {
            "max_total_branches": children,
            "keeping_branches": kept,
            "passing_minimum": kept,
            "max_branches": children,
            "max_finished_branches": kept,
            "N": children,
        }
        found += [
            recipe(method=method, datasets=datasets, run_tag=f"curve-{children}-{kept}", **knobs)
            for method in METHODS[1:]
        ]
    return found


async def run(configs: Sequence[Config], report: Reporter) -> list[Plan]:
    """Search what is not on disk yet, with the models opened once."""
    with Grader(seconds=configs[0].grade_timeout) as grader, ExitStack() as stack:
        plans = [plan for config in configs for plan in plan_runs([config], f"{grader.name} {grader.version}")]
        for plan in plans:
            stack.enter_context(plan.journal)
        await run_all(plans, grader, report)
        return plans


def points(plans: Sequence[Plan]) -> list[Point]:
    found = []
    for plan in plans:
        rows, config = plan.journal.rows, plan.config
        tokens = sum(row.usage.generated_tokens for row in rows) / len(rows)
        if config.method == "best_of_n":
            accuracies = selector_accuracy(rows)
            for selector, name in (("best", "best_of_n"), ("majority", "majority of best_of_n")):
                found += [
                    Point(name, f"N = {size}", tokens * size / config.N, at, *wilson(at, len(rows)))
                    for size, at in sorted(accuracies[selector].items())
                    if size
                ]
            continue
        accuracy = sum(row.correct for row in rows) / len(rows)
        width = f"{config.max_total_branches} children, {config.keeping_branches} kept"
        found.append(Point(config.method, width, tokens, accuracy, *interval(rows)))
    return found


def wilson(accuracy: float, count: int) -> tuple[float, float]:
    from scipy.stats import binomtest

    known = binomtest(round(accuracy * count), count).proportion_ci(method="wilson")
    return float(known.low), float(known.high)


def vote_at(tokens: float, found: Sequence[Point]) -> float | None:
    """What the vote reaches for so many tokens, between its points on a logarithmic axis; None outside them."""
    import numpy as np

    line = [point for point in found if point.method.startswith("majority")]
    if not line[0].tokens <= tokens <= line[-1].tokens:
        return None
    return float(np.interp(np.log(tokens), np.log([p.tokens for p in line]), [p.accuracy for p in line]))


def draw(found: Sequence[Point], problems: int, file: Path) -> None:
    names = list(dict.fromkeys([point.method for point in found]))
    values = [
        {
            "series": point.method,
            "tokens": point.tokens,
            "accuracy": point.accuracy,
            "low": point.low,
            "high": point.high,
            "votes": point.method.startswith("majority"),
        }
        for point in found
    ]
    chart = {"width": 560, "height": 340, **cost_chart(values, names, "tokens", Style(LIGHT, names))}
    about = f"pocket-gen with pocket-prm, {problems:,} problems of pocket-math"
    titles = ["Accuracy against generated tokens", about, "95 % intervals; grey band: Pareto frontier"]
    write_chart(whole_chart(chart, LIGHT, titles), str(file))


def plain(*parts: Sheet | str | None) -> str:
    """What a terminal shows, as text."""
    file = io.StringIO()
    console = Console(file=file, width=120, no_color=True, highlight=False)
    for part in parts:
        if part is not None:
            console.print(
                drawn(part) if isinstance(part, Sheet) else part, markup=False, soft_wrap=isinstance(part, str)
            )
    return "\n".join(line.rstrip() for line in file.getvalue().strip("\n").splitlines())


def curve_table(found: Sequence[Point]) -> str:
    lines = ["| method | width | tokens | accuracy | 95 % interval | vote at equal tokens | difference |"]
    lines.append("|---|---|---:|---:|---:|---:|---:|")
    for point in found:
        vote = None if point.method.startswith("majority") else vote_at(point.tokens, found)
        against = ["", ""] if vote is None else [f"{vote:.1%}", f"{100 * (point.accuracy - vote):+.1f} pp"]
        cells = [point.method, point.width, f"{point.tokens:,.0f}", f"{point.accuracy:.1%}"]
        lines.append(f"| {' | '.join([*cells, f'{point.low:.1%} - {point.high:.1%}', *against])} |")
    return "\n".join(lines)


def page(
    table: dict[str, list[Row]], found: Sequence[Point], plans: Sequence[Plan], arguments: argparse.Namespace
) -> str:
    machine = hardware()
    gpus = f", {', '.join(machine['gpus'])}" if machine["gpus"] else ", no GPU"
    costs = cost_sheet("Per problem", table, COST_HEADS), backtracking_sheet(table)
    footer = aggregate_footer([plan.config for plan in plans]) + computed_by([plan.journal.origin for plan in plans])
    return f"""# Four methods on the pocket pair

Generated by `python benchmarks/results.py`: the recipe `pocket` with the generator `trie` in float32, seed 79,
{machine["cores"]} cores, {machine["processor"]}{gpus}.
pocket-gen is a model of 2.2 million parameters, and pocket-math was made for it: the numbers rank search methods on
this pair of models, not on any other.

## {arguments.problems:,} problems, {arguments.repeats} searches each

```
{plain(level_sheet("pocket-math: pocket-gen with pocket-prm", table))}
```

```
{plain(pair_sheet(table))}
```

```
{plain(*costs, *footer, *backtracking_remarks(table, {}), *remarks(table))}
```

## Accuracy against tokens

![Accuracy of each method against the tokens it generated](figures/pocket_curve.svg)

{arguments.curve_problems:,} problems, one search each. The vote is the majority over the first samples of one run
with {MOST_SAMPLES} samples. It is interpolated between its points on a logarithmic axis; outside of them nothing is
compared.

{curve_table(found)}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--curve-problems", type=int, default=1000)
    arguments = parser.parse_args()
    configs = table_configs(arguments.problems, arguments.repeats)
    curve = curve_configs(arguments.curve_problems)
    plans = asyncio.run(run([*configs, *curve], ConsoleReporter(Console())))
    table = {plan.config.method: plan.journal.rows for plan in plans[: len(configs)]}
    found = points(plans[len(configs) :])
    draw(found, arguments.curve_problems, ROOT / "docs" / "figures" / "pocket_curve.svg")
    text = page(table, found, plans[: len(configs)], arguments)
    (ROOT / "docs" / "results_pocket.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
