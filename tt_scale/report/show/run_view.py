"""`tt-scale show RUN`: configuration, tables, problems."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from rich.text import Text

from tt_scale.bench.reader.run_data import RunData
from tt_scale.bench.stats.verdict import verdict
from tt_scale.core.printable import printable
from tt_scale.report.formats import unrepeated
from tt_scale.report.run_sheets import SHEETS, sheets_of
from tt_scale.report.show.problem_rows import chosen_searches, search_sheet, verdict_sheet
from tt_scale.report.side_by_side import SideBySide
from tt_scale.report.tables import Sheet, drawn

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["TABLES", "manifest_sheet", "named_sheets", "print_run", "print_sheet"]

TABLES = ("manifest", *SHEETS, "problems")
"""Every table that can be asked for by name."""

AT_FIRST = ("overall", "levels")
"""Tables printed by default, between manifest and problems."""

MOST_PROBLEMS = 30
"""Problems that are listed in a terminal unless all are asked for."""

EXPERIMENT_KEYS = (
    "model_name", "model_revision", "prm_name", "prm_revision", "generator", "prm", "dtype", "prm_dtype",
    "quantization", "dataset", "problems", "repeats", "seed", "agg", "final_agg", "budget", "tau", "grader",
)  # fmt: skip
"""Keys of the experiment that the table of the configuration shows."""


def print_run(
    found: SideBySide, console: Console, tables: Sequence[str], filters: Collection[str], *, every: bool
) -> None:
    """Print some tables, or the default ones.

    Args:
        found: the runs.
        console: where to.
        tables: names in `TABLES`; empty chooses.
        filters: as of `chosen_searches`.
        every: list all problems.
    """
    told = tables or (*(() if filters else ("manifest", *AT_FIRST)), "problems")
    for line in found.notes:
        console.print(Text(printable(line), style="yellow"))
    for name in told:
        console.print()
        if name == "problems":
            _print_problems(found, console, filters, every=every)
        else:
            for sheet in named_sheets(found, [name], filters):
                print_sheet(sheet, console)
    if not tables and not filters:
        _print_words(found, console)


def _print_problems(found: SideBySide, console: Console, filters: Collection[str], *, every: bool) -> None:
    chosen = chosen_searches(found, filters)
    shown = chosen if every else chosen[:MOST_PROBLEMS]
    title = (
        f"{len(chosen):,} of {len(found.problems):,} problems: {', '.join(sorted(filters))}" if filters else "Problems"
    )
    print_sheet(verdict_sheet(found, shown, title), console)
    if len(shown) < len(chosen):
        console.print(f"{len(chosen) - len(shown):,} more: --all", style="dim", highlight=False)


def _print_words(found: SideBySide, console: Console) -> None:
    console.print()
    for line in verdict(found.comparison) if len(found.comparison.entries) > 1 else []:
        console.print(Text(f"- {printable(line)}"))
    for line in found.comparison.footer:
        console.print(Text(printable(line), style="dim"))


def named_sheets(found: SideBySide, names: Sequence[str], filters: Collection[str]) -> list[Sheet]:
    """Make tables by name, for any format; those without rows are left out."""
    sheets: list[Sheet] = []
    for name in names:
        if name == "manifest":
            sheets.append(manifest_sheet(found.runs))
        elif name == "problems":
            sheets.append(search_sheet(found, chosen_searches(found, filters), "Problems"))
        else:
            sheets += sheets_of(found, [name])
    return sheets


def manifest_sheet(runs: Sequence[RunData]) -> Sheet:
    """Configuration of runs, key by key: shared keys first, then those in which they differ."""
    told = [_manifest(run) for run in runs]
    names = list(dict.fromkeys([name for each in told for name in each]))
    shared = [name for name in names if len({each.get(name) for each in told}) == 1]
    if len(runs) == 1:
        return Sheet("Configuration", ["Key", "Value"], [], [[name, told[0][name]] for name in names])
    sheet = Sheet("Configuration", ["Key", "Method", "Value"], [])
    sheet.rows += [[name, "all", told[0][name]] for name in shared]
    sheet.ends.add(len(sheet.rows) - 1)
    for name in [name for name in names if name not in shared]:
        sheet.rows += [[name, run.name, each[name]] for run, each in zip(runs, told, strict=True) if name in each]
        sheet.ends.add(len(sheet.rows) - 1)
    return sheet


def _manifest(run: RunData) -> dict[str, str]:
    manifest, hardware = run.manifest, run.manifest.get("hardware") or {}
    keys: dict[str, Any] = {key: run.experiment.get(key) for key in EXPERIMENT_KEYS}
    keys |= {
        "folder": str(run.folder),
        "searches": f"{len(run.rows):,} of {run.wanted:,}",
        "started": manifest.get("started"),
        "commit": manifest.get("commit"),
        "digest": manifest.get("digest"),
        "versions": ", ".join([f"{name} {number}" for name, number in manifest.get("versions", {}).items()]),
        "machine": ", ".join(map(str, filter(None, [hardware.get("processor"), *(hardware.get("gpus") or [])]))),
    }
    return {key: str(value) for key, value in keys.items() if value not in (None, "")}


def print_sheet(sheet: Sheet, console: Console) -> None:
    """Print a table as wide as the terminal allows; a table of words wraps, numbers stay whole."""
    console.print(drawn(unrepeated(sheet), console.width), highlight=False)
