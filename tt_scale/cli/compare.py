"""`tt-scale compare` and `tt-scale sweep`: compare methods, and find good knobs for one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from tt_scale.cli.configs import given, methods_of, of_methods, only, quiet_keys, resumable, status_of
from tt_scale.cli.live import LIVE, live_options, reporting
from tt_scale.cli.options import GroupedCommand, NumberRange, flags_of
from tt_scale.cli.tables import (
    check_report_file,
    format_option,
    report_option,
    table_console,
    write_reports,
    write_tables,
)
from tt_scale.config.listing import config_keys
from tt_scale.core.output_path import check_output
from tt_scale.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path as FilePath

    from tt_scale.bench.compare.variants import Variant
    from tt_scale.bench.stats.comparison import Comparison
    from tt_scale.report.terminal import Terminal

__all__ = ["compare", "sweep"]

_FILES = (
    "Runs, comparison.json, comparison.md and comparison.csv are kept in a folder named after the run tag; the same "
    "command resumes an interrupted comparison. In YAML, method and budget take lists; vary maps knobs to lists."
)

_RECIPE = (
    "A recipe that generates more than 1.05 x the tokens of the default is not ranked. Without --grid, --random varies "
    "the method's own search keys over their whole range. The same command resumes an interrupted sweep."
)


@click.command(cls=GroupedCommand, epilog=_FILES)
@click.argument("folders", nargs=-1, metavar="[FOLDER]...")
@flags_of([key for key in config_keys() if key.name != "budget"])
@click.option("--budget", metavar="INT,...", help="Budgets in units of one sampled solution: 1,2,4,8.")
@click.option("--vary", multiple=True, metavar="KNOB=VALUE,...", help="Values of a knob: tau=0.4,0.6. Repeatable.")
@click.option("--derive/--no-derive", default=True, help="Derive smaller runs from the pool of a wider one. [derive]")
@click.option("--plot", metavar="FILE", help="Draw accuracy against tokens: .svg, .png or .pdf.")
@report_option
@format_option
@live_options
@click.option(
    "--minutes",
    type=NumberRange(0),
    metavar="NUMBER",
    help="Time limit: search problem by problem, and compare the problems that all runs have finished. The same "
    "command continues.",
)
def compare(folders: tuple[str, ...], config_file: str | None, **values: Any) -> int:
    """Compare methods, knobs and budgets at equal cost.

    Runs every --method with every value of --vary at every --budget on the same problems, loading the models once,
    and reports which to use, and whether any beats majority voting at equal tokens. With FOLDERs, compares finished
    runs instead; no model is loaded, and --vary KEY names keys that may differ beside the method.
    """
    options = {name: values.pop(name) for name in ("vary", "derive", "plot", "report_file", "form")}
    live = {name: values.pop(name) for name in LIVE}
    minutes = values.pop("minutes")
    if options["plot"] is not None:
        from tt_scale.report.charts.render import check_chart

        check_chart(options["plot"], "--plot")
    check_report_file(options["report_file"])
    if folders:
        return _compare_folders(folders, config_file, values, {**options, **live, "minutes": minutes})
    from tt_scale.bench.compare.compare_command import compare as run
    from tt_scale.bench.run.plan import tag_folder
    from tt_scale.report.comparison_files import check_files

    variants = _variants(config_file, values, options["vary"])
    folder = tag_folder(variants[0].config)
    check_files(folder)
    console = table_console(options["form"])
    quiet = quiet_keys(config_file, {key: value for key, value in values.items() if key != "budget"})
    with reporting(console, live, "compare", verbose=variants[0].config.verbose) as report:
        comparisons = resumable(run(variants, report, derive=options["derive"], minutes=minutes, quiet=quiet))
    _show(comparisons, console, str(folder), options)
    rows = [row for each in comparisons for entry in each.entries for row in entry.rows]
    return status_of([row.error for row in rows], "every search failed")


def _compare_folders(
    folders: tuple[str, ...], config_file: str | None, values: dict[str, Any], options: dict[str, Any]
) -> int:
    """Compare finished runs; the tables are written to a folder only if a run tag is given."""
    from pathlib import Path as FilePath

    from tt_scale.bench.compare.finished import compare_folders
    from tt_scale.bench.compare.written import compare_again, was_compared
    from tt_scale.bench.run.plan import tag_folder
    from tt_scale.config import Config
    from tt_scale.report.comparison_files import check_files

    typed = given(values)
    others = sorted(typed.keys() - {"run_tag", "output_dir"})
    others += ["minutes"] * (options["minutes"] is not None) + ["no_derive"] * (not options["derive"])
    others += [name for name in LIVE if options[name]]
    if others or config_file:
        flag = f"--{others[0].replace('_', '-')}" if others else "--config"
        raise ConfigError(f"{flag} configures a new run, but {folders[0]!r} is a finished run.", f"Omit {flag}.")
    with_values = next((text for text in options["vary"] if "=" in text), None)
    if with_values is not None:
        raise ConfigError(
            f"--vary is {with_values!r}, but the values of finished runs are fixed.",
            f"Type: --vary {with_values.split('=')[0]}",
        )
    config = Config(**typed)
    folder = tag_folder(config) if config.run_tag else None
    if folder is not None:
        check_files(folder)
    varied = [text.replace("-", "_") for text in options["vary"]]
    if len(folders) == 1 and not varied and was_compared(FilePath(folders[0])):
        comparisons = compare_again(FilePath(folders[0]))
    else:
        comparisons = [compare_folders(folders, varied)]
    _show(comparisons, table_console(options["form"]), str(folder) if folder else None, options)
    return 0


def _variants(config_file: str | None, values: dict[str, Any], vary: Sequence[str]) -> list[Variant]:
    """The variants of a comparison: methods x knobs x budgets from flags and YAML."""
    from tt_scale.bench.compare.compare_command import refuse_different_temperatures, tagged
    from tt_scale.bench.compare.variants import read_budgets, read_knobs, variants
    from tt_scale.config import merged
    from tt_scale.config.recipe_files import read_config

    file = {} if config_file is None else read_config(config_file)
    typed = given({key: value for key, value in values.items() if key != "budget"})
    knobs = {**_mapping(file.pop("vary", None) or {}), **read_knobs(vary)}
    listed = methods_of(file)
    single, file_budgets = file.pop("method", None), file.pop("budget", None)
    given_budgets = file_budgets if values["budget"] is None else values["budget"]
    budgets = [] if given_budgets in (None, "none") else read_budgets(given_budgets)
    methods = typed.pop("method", None) or listed or (single and [single])
    keys = merged(
        file, {**typed, "budget": budgets[0] if budgets and values["budget"] else None}
    )  # a budget given as a flag overrides widths of the file
    keys.pop("budget")
    configs = of_methods(keys, methods)
    crossed = tagged(variants(configs, knobs, budgets), "compare")
    refuse_different_temperatures(crossed, knobs)
    return crossed


def _mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError(f"vary is {value!r}; it maps knobs to lists of values.", "Write vary: {tau: [0.4, 0.6]}")
    return value


def _show(comparisons: Sequence[Comparison], console: Terminal, folder: str | None, options: dict[str, Any]) -> None:
    """Print comparisons, write their files and their report, draw their plots."""
    from pathlib import Path as FilePath

    from tt_scale.report.comparison_files import write_files
    from tt_scale.report.comparison_tables import print_comparison, sheets
    from tt_scale.report.plots import is_drawable, plot_comparison
    from tt_scale.report.tables import sheets_of_sets

    plot = options["plot"]
    for comparison in comparisons:
        print_comparison(comparison, console)
    console.print()
    if folder is not None:
        write_files(FilePath(folder), comparisons)
        console.print(f"Records and tables: {folder}", markup=False, highlight=False, soft_wrap=True)
    for number, comparison in enumerate(comparisons if plot else (), 1):
        path = FilePath(str(plot))
        path = path if len(comparisons) == 1 else path.with_stem(f"{path.stem}-{number}")
        if is_drawable(comparison):
            plot_comparison(comparison, str(path))
        told = f"Plot: {path}" if is_drawable(comparison) else "No plot: the generated tokens are unknown."
        console.print(told, markup=False, highlight=False, soft_wrap=True)
    if options["report_file"]:
        write_reports(
            {each.dataset: (_run_folders(each), each) for each in comparisons}, options["report_file"], console
        )
    tables = {each.dataset: sheets(each, all_pairs=True) for each in comparisons}
    write_tables(sheets_of_sets(tables), options["form"])


def _run_folders(comparison: Comparison) -> list[FilePath]:
    """The runs that a comparison is made of; several lines may be read off one."""
    from pathlib import Path as FilePath

    return [FilePath(folder) for folder in dict.fromkeys([entry.folder for entry in comparison.entries]) if folder]


@click.command(cls=GroupedCommand, epilog=_RECIPE)
@flags_of(config_keys())
@click.option("--grid", metavar="FILE", help="YAML: knobs and their values; ranges {from: 0.2, to: 0.8} with --random.")
@click.option("--random", "count", type=click.IntRange(1), metavar="INT", help="Number of recipes to draw at random.")
@click.option(
    "--holdout",
    type=float,
    default=0.3,
    metavar="NUMBER",
    help="Share of problems held out to test the best recipe. [0.3]",
)
@click.option("--recipe", metavar="FILE", help="File for the best recipe. [recipe.yaml in the folder of the run tag]")
@format_option
@live_options
def sweep(config_file: str | None, **values: Any) -> int:
    """Find good knobs for one method, and test them on held-out problems.

    Runs every combination of --grid, or --random of them, and the method as configured; ranks them by accuracy at equal
    tokens; tests the best against the default on held-out problems; writes it as YAML for bench.
    """
    from pathlib import Path as FilePath

    from tt_scale.bench.compare.compare_command import tagged
    from tt_scale.bench.compare.grid import grid_recipes, random_recipes
    from tt_scale.bench.compare.sweep import run_sweep
    from tt_scale.bench.run.plan import tag_folder
    from tt_scale.config.yaml_file import read_yaml
    from tt_scale.report.sweep_report import check_recipe, print_sweep, sweep_sheets, write_recipe

    options = {name: values.pop(name) for name in ("grid", "count", "holdout", "recipe", "form")}
    live = {name: values.pop(name) for name in LIVE}
    if not 0 <= options["holdout"] < 1:
        raise ConfigError(f"--holdout is {options['holdout']}; it is a share from 0 to below 1.", "Type: --holdout 0.3")
    if options["grid"] is None and options["count"] is None:
        raise ConfigError("No knobs to vary are given.", "Type: --grid grid.yaml, or --random 20")
    config = only(config_file, values, "sweep")
    grid = {} if options["grid"] is None else read_yaml(options["grid"])
    count = options["count"]
    combinations = grid_recipes(config, grid) if count is None else random_recipes(config, grid, count)
    recipes = tagged(combinations, "sweep", options["holdout"])
    folder = tag_folder(recipes[0].config)
    if options["recipe"] is not None:
        check_output(options["recipe"], "--recipe", "Type: --recipe recipe.yaml", new_folders=True)
    path = folder / "recipe.yaml" if options["recipe"] is None else FilePath(options["recipe"])
    check_recipe(path, recipes)
    console = table_console(options["form"])
    with reporting(console, live, "sweep", verbose=config.verbose) as report:
        result = resumable(run_sweep(recipes, options["holdout"], report, quiet_keys(config_file, values)))
    print_sweep(result, config.method, console)
    write_recipe(path, recipes, result)
    console.print(f"\nRecords: {folder}\nRecipe: {path}", markup=False, highlight=False, soft_wrap=True)
    write_tables(sweep_sheets(result, config.method), options["form"])
    rows = [row for entry in (*result.ranking, *result.over_allowance) for row in entry.rows]
    return status_of([row.error for row in rows], "every search failed")
