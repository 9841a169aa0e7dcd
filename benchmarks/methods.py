"""Every method at equal budgets on the pocket pair; writes docs/results.md and docs/figures/methods.svg.

    python benchmarks/methods.py [--minutes 40] [--problems 1000] [--repeats 3] [--budgets 1,2,4,8,16,32]
                                 [--processes 2]

The whole of it, 1,000 problems x 3 repeats x 6 budgets x 17 methods, is 130 million tokens. What can be shared is
shared: one run of 32 samples serves best_of_n and the majority vote at every budget, and the generator `trie` asks the
model once what follows a prefix, whichever method, budget or repeat comes by. Each process searches problems of its
own. All runs search one problem, then all of them the next, and after --minutes what every run has done is compared,
so that every difference is paired and no method is judged on easier problems. The same command again goes on from
there, until all is done; --minutes 0 only writes the page again. Runs are kept under `logs/methods`, 6 GB of them; two
processes take up to 16 GB of memory.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from tt_scale.bench.compare.compare_command import compare, refuse_different_heat
from tt_scale.bench.compare.variants import Variant, read_budgets, variants
from tt_scale.bench.run.manifest import hardware
from tt_scale.bench.stats.comparison import Comparison
from tt_scale.bench.stats.verdict import verdict
from tt_scale.cli.configs import resumable
from tt_scale.config import Config, merged
from tt_scale.config.recipe_files import read_config
from tt_scale.errors import TTScaleError
from tt_scale.report.comparison_plot import check_plot, plot_comparison
from tt_scale.report.comparison_tables import LEGEND, READ_OFF, sheets
from tt_scale.report.sheet import markdown

ROOT = Path(__file__).parents[1]
FIGURE = ROOT / "docs" / "figures" / "methods.svg"
METHODS = (
    "greedy", "best_of_n", "self_consistency", "deepconf", "beam_search", "dvts", "rebase", "dora", "particle_filter",
    "particle_gibbs", "mcts", "gumbel", "collective", "independent", "best_first", "subpool", "power_backtrack",
)  # fmt: skip

ENGINE = {"generator": "trie", "prm": "huggingface", "dtype": "float32", "concurrency": 4096, "kv_cache_gib": 1.5}
"""Many searches over the same problems, by a small model: no prefix is computed twice."""

MINUTES = 40

SPEED = 61_000
"""Tokens a second that two cores drew and scored so, over the whole of it."""


def variants_of(problems: int, repeats: int, budgets: Sequence[int]) -> list[Variant]:
    """Every method at every budget; what the recipe says of widths gives way to the budget."""
    given = {
        "datasets": (f"pocket-math:count={problems}",),
        "repeats": repeats,
        "output_dir": str(ROOT / "logs"),
        "run_tag": "methods",
        **ENGINE,
        "budget": budgets[0],
    }
    keys = merged(read_config("pocket"), given)
    keys.pop("budget")
    found = variants([Config(**{**keys, "method": method}) for method in METHODS], {}, budgets)
    refuse_different_heat(found, ())
    return found


def what_ran(comparison: Comparison, arguments: argparse.Namespace) -> str:
    """Sizes, in words: what the numbers stand on, and what the whole would take."""
    searches, problems = len(comparison.entries[0].rows), comparison.problems
    whole = arguments.problems * arguments.repeats
    searched = [entry for entry in comparison.entries if not entry.derived]
    each = sum([entry.tokens for entry in searched])
    size = f"the first {problems:,} of {arguments.problems:,} problems, {searches:,} of {whole:,} searches"
    cost = f"{each * searches / 1e6:.1f} million tokens in all"
    text = f"""{len(METHODS)} methods at {len(comparison.budgets)} budgets over the same problems, for each
{size}. {len(searched)} runs were searched, {cost};
the other {len(comparison.entries) - len(searched)} were read off the pool of best_of_n at the largest budget."""
    if searches == whole:
        return text
    minutes = each * (whole - searches) / SPEED / 60
    return f"""{text}

**This is a part of the whole.** All {whole:,} searches of every line are {each * whole / 1e6:,.0f} million tokens;
what is left takes some {minutes:,.0f} minutes more at {SPEED:,} tokens a second, as two cores made the whole.
The command above, typed again, goes on with the next problems."""


def page(comparison: Comparison, seed: int, arguments: argparse.Namespace) -> str:
    machine = hardware()
    gpus = f", {', '.join(machine['gpus'])}" if machine["gpus"] else ", no GPU"
    words = "\n".join([f"- {line}" for line in verdict(comparison)])
    tables = [markdown(sheet) for sheet in sheets(comparison, references=("self_consistency", "best_of_n"))]
    head = f"""# Every method at equal budgets, on the pocket pair

Made by one or more sittings of `{command(arguments)}`:
The recipe `pocket` with widths that follow from the budget, seed {seed}, {machine["cores"]} cores,
{machine["processor"]}{gpus}. A budget of n is what n sampled solutions cost.
The generator is `trie`, in float32: tokens are drawn and counted as on any other, and the model is asked once what
follows a prefix. Seconds are those of {ENGINE["concurrency"]:,} searches in flight at a time in each process: they
rank methods by their rounds, and say nothing about another engine.
pocket-gen is a model of 2.2 million parameters and pocket-math a set made for it: the numbers rank search methods on
this pair, not on any other. [Four methods over 1,000 problems, three searches each](results_pocket.md) have a page of
their own.

{what_ran(comparison, arguments)}

![Accuracy of each method against the tokens it generated](figures/{FIGURE.name})

## Verdict

self_consistency is the majority vote. p-values of a budget are corrected for all pairs of methods at all budgets; those
against the vote at equal tokens, and those in a table against one method, for the pairs of that table. Methods whose
tokens differ by more than 10 % are not compared without the ratio. [How intervals and tests are made](statistics.md).

{words}"""
    return "\n\n".join([head, *tables, f"{LEGEND} {READ_OFF}", *comparison.footer]) + "\n"


def command(arguments: argparse.Namespace) -> str:
    return (
        f"python benchmarks/methods.py --minutes {MINUTES} --problems {arguments.problems} "
        f"--repeats {arguments.repeats} --budgets {arguments.budgets}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=MINUTES)
    parser.add_argument("--problems", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--budgets", default="1,2,4,8,16,32")
    arguments = parser.parse_args()
    if arguments.processes > 1:
        os.environ.setdefault("OMP_NUM_THREADS", "1")  # a core each
    try:
        check_plot(str(FIGURE))
        found = variants_of(arguments.problems, arguments.repeats, read_budgets(arguments.budgets))
        [comparison] = resumable(compare(found, Console(), minutes=arguments.minutes, processes=arguments.processes))
    except TTScaleError as error:
        sys.exit(str(error))
    plot_comparison(comparison, str(FIGURE))
    text = page(comparison, found[0].config.seed, arguments)
    (ROOT / "docs" / "results.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
