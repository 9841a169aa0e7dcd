"""How often intervals hold the truth and tests are wrong, by simulation; writes docs/figures/coverage.svg.

    python benchmarks/coverage.py [--trials 2500] [--seed 0]

A problem has a probability of a right answer for each of two methods; so many searches of each are drawn for it, and
`tt_scale.bench.stats.intervals` is asked about the shares of right ones. In the world `same` both methods find the same
problems hard, in `own` each has hard problems of its own; in both the first is right more often by a known difference.
Prints one line for each world, number of problems and number of searches. The seed and the number of trials decide all.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tt_scale.bench.stats.intervals import LEVEL, Difference, difference, mean_interval
from tt_scale.report.charts.palette import LIGHT, Style
from tt_scale.report.charts.render import whole_chart, write_chart

FIGURE = Path(__file__).parents[1] / "docs" / "figures" / "coverage.svg"
PROBLEMS = (5, 10, 20, 50, 100, 500)
REPEATS = (1, 4)
DIFFERENCES = (0.0, 0.05, 0.1, 0.2)
WORLDS = ("same", "own")

ALIKE = 2.0
"""One accuracy m is estimated where the problems have probabilities from Beta(2m, 2(1 - m))."""


@dataclass(frozen=True)
class Counted:
    """Shares of trials.

    Attributes:
        rejected: the test said p < .05.
        covered: the interval held the true difference.
    """

    rejected: float
    covered: float


@lru_cache(maxsize=4096)
def known(gaps: tuple[int, ...], repeats: int) -> Difference:
    """Few problems with few searches leave few cases."""
    return difference([gap / repeats for gap in gaps])


def drawn_gaps(world: str, problems: int, repeats: int, apart: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """Right searches of the first method minus those of the second, problem by problem.

    Args:
        world: `same` or `own`.
        problems: searched by both.
        repeats: searches of each method and problem.
        apart: true difference of the two, in [0, 1).
        rng: source of chance.
    """
    first = rng.random(problems)
    second = first if world == "same" else rng.random(problems)
    right = rng.binomial(repeats, apart + (1 - apart) * first) - rng.binomial(repeats, (1 - apart) * second)
    return np.sort(right)


def count_differences(
    world: str, problems: int, repeats: int, apart: float, trials: int, rng: np.random.Generator
) -> Counted:
    """Draw trials and count; arguments as in `drawn_gaps`."""
    rejected = covered = 0
    for _ in range(trials):
        found = known(tuple(drawn_gaps(world, problems, repeats, apart, rng).tolist()), repeats)
        rejected += found.p_value < LEVEL
        covered += found.low <= apart <= found.high
    return Counted(rejected / trials, covered / trials)


def covered_accuracies(problems: int, repeats: int, trials: int, rng: np.random.Generator) -> float:
    """Share of trials in which the interval of one accuracy holds its true value, which is drawn evenly from [0, 1]."""
    covered = 0
    for mean in rng.random(trials):
        right = rng.beta(ALIKE * mean + 1e-3, ALIKE * (1 - mean) + 1e-3, problems)
        low, high = mean_interval((rng.binomial(repeats, right) / repeats).tolist())
        covered += low <= mean <= high
    return covered / trials


def draw(
    wrong: dict[str, list[float]], covered: dict[str, list[float]], single: dict[str, list[float]], file: Path
) -> None:
    """Three panels over the number of problems: type I errors, coverage of differences, coverage of accuracies."""
    panels = [
        panel("type I errors", wrong, (0, 0.08), (LEVEL - 0.0005, LEVEL + 0.0005)),
        panel("differences in their interval", covered, (0.9, 1.0), (0.94, 0.965)),
        panel("accuracies in their interval", single, (0.9, 1.0), (0.94, 0.96)),
    ]
    chart = {"hconcat": panels, "spacing": 28, "resolve": {"scale": {"color": "independent", "shape": "independent"}}}
    write_chart(whole_chart(chart, LIGHT), str(file))


def panel(
    title: str, lines: dict[str, list[float]], limits: tuple[float, float], band: tuple[float, float]
) -> dict[str, Any]:
    """Draw one line for each kind of trials over the band in which its shares should lie."""
    values = [
        {"series": name, "problems": problems, "share": share}
        for name, shares in lines.items()
        for problems, share in zip(PROBLEMS, shares, strict=True)
    ]
    axis = {"values": list(PROBLEMS), "title": "problems", "format": "d"}
    x = {"field": "problems", "type": "quantitative", "scale": {"type": "log", "nice": False}, "axis": axis}
    y = {"type": "quantitative", "scale": {"domain": list(limits), "nice": False}, "title": None}
    scales = Style(LIGHT, list(lines)).scales(list(lines))
    legend = {"legend": {"columns": 2}}
    line = {"field": "share", **y, "axis": {"format": ".0%", "tickCount": 5}}
    return {
        "width": 220,
        "height": 200,
        "title": {"text": title, "fontSize": 12},
        "layer": [
            {
                "data": {"values": [{"low": band[0], "high": band[1]}]},
                "mark": {"type": "rect", "color": LIGHT.grid},
                "encoding": {"y": {"field": "low", **y}, "y2": {"field": "high"}},
            },
            {
                "data": {"values": values},
                "mark": {"type": "line", "strokeWidth": 1.5},
                "encoding": {"x": x, "y": line, "color": {**scales["color"], **legend}},
            },
            {
                "data": {"values": values},
                "mark": {"type": "point", "filled": True, "size": 50, "opacity": 1},
                "encoding": {
                    "x": x,
                    "y": line,
                    "color": {**scales["color"], **legend},
                    "shape": {**scales["shape"], **legend},
                },
            },
        ],
    }


def searches(repeats: int) -> str:
    return "1 search" if repeats == 1 else f"{repeats} searches"


def measured(world: str, repeats: int, trials: int, seed: int) -> tuple[list[float], list[float]]:
    """Type I errors without a difference, and coverage over all of DIFFERENCES, for each number of problems."""
    wrong, covered = [], []
    for problems in PROBLEMS:
        rng = np.random.default_rng([seed, WORLDS.index(world), repeats, problems])
        counted = [count_differences(world, problems, repeats, apart, trials, rng) for apart in DIFFERENCES]
        wrong.append(counted[0].rejected)
        covered.append(sum([each.covered for each in counted]) / len(counted))
        shares = ", ".join([f"{each.covered:.3f}" for each in counted])
        print(
            f"{world}, {searches(repeats)}, {problems} problems: type I {wrong[-1]:.4f}, coverage {shares}", flush=True
        )
    return wrong, covered


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=2500)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args(arguments)
    wrong, covered, single = {}, {}, {}
    for world in WORLDS:
        for repeats in REPEATS:
            label = f"{world}, {searches(repeats)}"
            wrong[label], covered[label] = measured(world, repeats, asked.trials, asked.seed)
    for repeats in REPEATS:
        rng = np.random.default_rng([asked.seed, len(WORLDS), repeats])
        single[searches(repeats)] = [covered_accuracies(each, repeats, asked.trials, rng) for each in PROBLEMS]
        print(f"accuracies, {searches(repeats)}: {', '.join([f'{share:.3f}' for share in single[searches(repeats)]])}")
    draw(wrong, covered, single, FIGURE)


if __name__ == "__main__":
    main()
