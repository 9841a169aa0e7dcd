"""Put the page together: template, stylesheet, scripts and data in one file that loads nothing."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files
from pathlib import Path as FilePath
from typing import Any

from tt_scale._version import __version__
from tt_scale.bench.stats.verdict import verdict
from tt_scale.core.atomic_file import replacing
from tt_scale.core.output_path import check_output
from tt_scale.errors import ConfigError, JournalError, MissingExtraError
from tt_scale.report.charts.bundle import vega_script
from tt_scale.report.charts.kinds import CHARTS, Chart, makeable
from tt_scale.report.html.packing import packed
from tt_scale.report.html.page_data import index_data, problem_parts
from tt_scale.report.html.tables import difference_matrices, table_of
from tt_scale.report.run_sheets import sheets_of
from tt_scale.report.show.run_view import manifest_sheet
from tt_scale.report.side_by_side import SideBySide

__all__ = ["check_report", "page", "write_report"]

PACKAGES = {"vl_convert": "vl-convert-python", "jinja2": "jinja2", "latex2mathml": "latex2mathml"}
SCRIPTS = ("page.js", "text.js", "charts.js", "problems.js", "viewport.js", "tree.js", "detail.js", "sections.js")
"""Parts of the script, in the order in which they stand in it."""

OVERVIEW = ("overall", "levels", "subjects", "selectors", "aggregates")
COST = ("cost", "seconds", "backtracking")


def check_report(path: str, option: str = "--output") -> None:
    """Find out before the work whether a report can be written.

    Args:
        path: of the report.
        option: by which the user named it.

    Raises:
        MissingExtraError: a package is not installed.
        ConfigError: no HTML file, no such folder, or no file can be written there.
    """
    from importlib.util import find_spec

    check_output(path, option, f"Type: {option} report.html")
    if FilePath(path).suffix not in (".html", ".htm"):
        raise ConfigError(f"{option} is {path!r}.", "Name a file that ends in .html.")
    for module, package in PACKAGES.items():
        if find_spec(module) is None:
            raise MissingExtraError(package, "report", "A report")


def write_report(found: SideBySide, path: str) -> None:
    """Write the page, whole or not at all; errors as of `check_report`.

    Raises:
        JournalError: it cannot be written.
    """
    check_report(path)
    try:
        with replacing(FilePath(path), errors="replace") as out:
            out.writelines(page(found))
    except OSError as error:
        raise JournalError(f"The report {path!r} cannot be written: {error.strerror or error}.") from None


def page(found: SideBySide) -> Iterator[str]:
    """The page, piece by piece."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("tt_scale.report.html", "page")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    yield from environment.get_template("page.html").stream(_context(found))


def _context(found: SideBySide) -> dict[str, Any]:
    from markupsafe import Markup

    script, style = _own_script(), _part("style.css")
    vega = vega_script()
    sheets = {name: [table_of(sheet) for sheet in sheets_of(found, [name])] for name in (*OVERVIEW, *COST)}
    return {
        "found": found,
        "version": __version__,
        "problems": len(found.problems),
        "verdict": verdict(found.comparison) if len(found.comparison.entries) > 1 else [],
        "matrices": difference_matrices(found.comparison),
        "tables": sheets,
        "manifest": table_of(manifest_sheet(found.runs)),
        "charts": {name: _captioned(CHARTS[name], found) for name in makeable(found)},
        "licences": _part("licences.txt"),
        "style": Markup(style),  # noqa: S704  (files of this package)
        "scripts": [Markup(vega), Markup(script)],  # noqa: S704
        "policy": _policy([vega, script], style),
        "index": packed(index_data(found)),
        "parts": (packed(part) for part in problem_parts(found)),
    }


def _captioned(chart: Chart, found: SideBySide) -> Chart:
    """The chart with what it leaves out stated in its caption."""
    return replace(chart, caption=" ".join(filter(None, [chart.caption, chart.note(found)])))


def _own_script() -> str:
    """The parts of the script in one function, so that nothing of it is global."""
    return f"(() => {{\n'use strict';\n{''.join([_part(name) for name in SCRIPTS])}}})();\n"


def _part(name: str) -> str:
    return files("tt_scale.report.html").joinpath("page").joinpath(name).read_text(encoding="utf-8")


def _policy(scripts: list[str], style: str) -> str:
    """Forbid everything but the two scripts and the stylesheet that the page has in it."""
    hashes = " ".join([_hash(script) for script in scripts])
    return f"default-src 'none'; script-src {hashes}; style-src {_hash(style)}; base-uri 'none'; form-action 'none'"


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
