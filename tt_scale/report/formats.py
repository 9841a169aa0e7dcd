r"""Tables as Markdown, LaTeX, CSV and JSON.

A `Sheet` holds cells as people read them. CSV and JSON take the numbers that its cells know: "66.0%" may be 0.6604. A
column of intervals becomes two there, lower and upper ends. Whatever a cell says is text in each format: no Markdown,
no TeX command, no formula.

The LaTeX needs `\usepackage{booktabs}`.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from tt_scale.core.csv_cells import written_cell
from tt_scale.core.printable import one_line, printable_json
from tt_scale.report.cells import Interval, Number
from tt_scale.report.tables import Sheet

__all__ = ["FORMATS", "csv_cell", "unrepeated", "written"]

Value = float | str | None

PLAIN_NUMBERS = re.compile(r"[+-]?[\d.,]+( ?%| pp)?( to [+-]?[\d.,]+)?")
"""Texts that begin as a formula may, and are a number or an interval."""


def written(sheets: Sequence[Sheet], form: str) -> str:
    """Write tables in one of `FORMATS`, with a line break at the end.

    Args:
        sheets: at least one.
        form: a name in `FORMATS`.
    """
    return FORMATS[form](sheets)


def _markdown(sheets: Sequence[Sheet]) -> str:
    return "\n\n".join([_markdown_table(sheet) for sheet in sheets]) + "\n"


def _markdown_table(sheet: Sheet) -> str:
    heads = [*sheet.words, *sheet.numbers]
    lines = [
        f"**{_markdown_cell(sheet.title)}**",
        "",
        f"| {' | '.join(map(_markdown_cell, heads))} |",
        f"|{'---|' * len(sheet.words)}{'---:|' * len(sheet.numbers)}",
        *(f"| {' | '.join(map(_markdown_cell, row))} |" for row in sheet.rows),
    ]
    return "\n".join(lines)


def _markdown_cell(text: str) -> str:
    return re.sub(r"([\\`*_{}\[\]<>|$~&#])", r"\\\1", _line(text))


def _latex(sheets: Sequence[Sheet]) -> str:
    return "\n\n".join([_latex_table(sheet) for sheet in sheets]) + "\n"


def _latex_table(sheet: Sheet) -> str:
    lines = [
        r"\begin{table}",
        r"  \centering",
        rf"  \caption{{{_latex_cell(sheet.title)}}}",
        rf"  \begin{{tabular}}{{{'l' * len(sheet.words)}{'r' * len(sheet.numbers)}}}",
        r"    \toprule",
        rf"    {_latex_row([*sheet.words, *sheet.numbers])}",
        r"    \midrule",
    ]
    for place, row in enumerate(unrepeated(sheet).rows):
        lines.append(f"    {_latex_row(row)}")
        if place in sheet.ends and place < len(sheet.rows) - 1:
            lines.append(r"    \midrule")
    lines += [r"    \bottomrule", r"  \end{tabular}", r"\end{table}"]
    return "\n".join(lines)


def _latex_row(cells: Sequence[str]) -> str:
    return (
        " & ".join([_latex_interval(cell) if isinstance(cell, Interval) else _latex_cell(cell) for cell in cells])
        + r" \\"
    )


def _latex_interval(cell: Interval) -> str:
    """With a dash of the length that stands between numbers."""
    return re.sub(r"(?<=[\d%]) ?- ?(?=\d)", "--", _latex_cell(cell))


TEX = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}",
    ">": r"\textgreater{}", "|": r"\textbar{}", **{sign: f"\\{sign}" for sign in "{}$&#_%"},
}  # fmt: skip


def _latex_cell(text: str) -> str:
    line = _line(text)
    told = "".join([TEX.get(sign, sign) for sign in line])
    return re.sub(r"(?<![\w.])([+-]\d[\d.,]*)(?!\w)", r"$\1$", told)


def _csv(sheets: Sequence[Sheet]) -> str:
    """One table after the other, each below its title where there are several."""
    file = io.StringIO()
    sheet_writer = csv.writer(file, lineterminator="\n")
    for place, sheet in enumerate(sheets):
        if len(sheets) > 1:
            sheet_writer.writerows(([[]] if place else []) + [[csv_cell(sheet.title)]])
        heads, rows = _values(sheet)
        sheet_writer.writerow(map(csv_cell, heads))
        sheet_writer.writerows([[csv_cell(cell) if isinstance(cell, str) else cell for cell in row] for row in rows])
    return file.getvalue()


def csv_cell(text: str) -> str:
    """Give a text that neither a spreadsheet nor a terminal obeys; numbers and intervals stay as they are."""
    return text if PLAIN_NUMBERS.fullmatch(text) else str(written_cell(text))


def _values(sheet: Sheet) -> tuple[list[str], list[list[Value]]]:
    """Its headings and rows for programs: numbers, and intervals as two columns named after the figure before them."""
    rows = _filled(sheet)
    heads: list[str] = []
    columns: list[Sequence[Value]] = []
    above = [*sheet.words, *sheet.numbers]
    for place, head in enumerate(above):
        cells = [row[place] for row in rows]
        if any(isinstance(cell, Interval) for cell in cells):
            ends = [cell.ends if isinstance(cell, Interval) else (None, None) for cell in cells]
            heads += [f"{above[place - 1]} {end}" for end in ("low", "high")]
            columns += [[_finite(end[side]) for end in ends] for side in (0, 1)]
        else:
            heads.append(head)
            columns.append([_finite(cell.value) if isinstance(cell, Number) else str(cell) for cell in cells])
    return heads, [list(row) for row in zip(*columns, strict=True)]


def _finite(value: float | None) -> float | None:
    """No number where it is infinite or NaN, which JSON cannot hold."""
    return value if value is not None and math.isfinite(value) else None


def _filled(sheet: Sheet) -> list[Sequence[str]]:
    """Its rows with the names of a group in each, where they stand only in the first."""
    rows: list[Sequence[str]] = []
    for place, row in enumerate(sheet.rows):
        inside = sheet.ends and place and place - 1 not in sheet.ends
        count = len(sheet.words) if inside else 0
        names = [cell or above for cell, above in zip(row[:count], rows[-1][:count] if count else (), strict=True)]
        rows.append([*names, *row[count:]])
    return rows


def unrepeated(sheet: Sheet) -> Sheet:
    """The same with the first name of a group in its first row alone, as people read it."""
    rows = []
    for place, row in enumerate(sheet.rows):
        inside = sheet.ends and place and place - 1 not in sheet.ends
        rows.append(["", *row[1:]] if inside and row[0] == sheet.rows[place - 1][0] else row)
    return replace(sheet, rows=rows)


def _json(sheets: Sequence[Sheet]) -> str:
    tables = [{"title": sheet.title, "rows": _json_rows(sheet)} for sheet in sheets]
    told = json.dumps({"tables": tables}, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    return printable_json(told)


def _json_rows(sheet: Sheet) -> list[dict[str, Value]]:
    heads, rows = _values(sheet)
    return [dict(zip(heads, row, strict=True)) for row in rows]


def _line(text: str) -> str:
    return one_line(text)


FORMATS: Mapping[str, Callable[[Sequence[Sheet]], str]] = MappingProxyType(
    {"markdown": _markdown, "latex": _latex, "csv": _csv, "json": _json}
)
"""How tables can be written."""
