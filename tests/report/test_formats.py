"""Tables in every format: figures keep their numbers, and hostile cells are text."""

from __future__ import annotations

import csv
import json

import pytest
from run_folders import HOSTILE

from tt_scale.core.printable import UNPRINTABLE, printable
from tt_scale.report.cells import Number
from tt_scale.report.formats import FORMATS, csv_cell, unrepeated, written
from tt_scale.report.tables import Sheet

SHEET = Sheet(
    "A table", ["Level", "Method"], ["Accuracy", "Points"],
    [["1", "a_b", Number("66.0%", 0.66), "-1.0 to +2.0"], ["1", "b", Number("-", None), "+3.5"], ["2", "c", "x", ""]],
    {1},
)  # fmt: skip


def test_markdown() -> None:
    assert written([SHEET], "markdown") == (
        "**A table**\n\n"
        "| Level | Method | Accuracy | Points |\n|---|---|---:|---:|\n"
        "| 1 | a\\_b | 66.0% | -1.0 to +2.0 |\n| 1 | b | - | +3.5 |\n| 2 | c | x |  |\n"
    )


def test_latex_is_a_booktabs_table() -> None:
    """As a paper takes it: groups apart, signs as minus and plus, names escaped."""
    assert written([SHEET], "latex") == "\n".join(
        [
            r"\begin{table}",
            r"  \centering",
            r"  \caption{A table}",
            r"  \begin{tabular}{llrr}",
            r"    \toprule",
            r"    Level & Method & Accuracy & Points \\",
            r"    \midrule",
            r"    1 & a\_b & 66.0\% & $-1.0$ to $+2.0$ \\",
            r"     & b & - & $+3.5$ \\",
            r"    \midrule",
            r"    2 & c & x &  \\",
            r"    \bottomrule",
            r"  \end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def test_programs_get_numbers() -> None:
    assert written([SHEET], "csv").splitlines()[1:] == ["1,a_b,0.66,-1.0 to +2.0", "1,b,,+3.5", "2,c,x,"]
    [table] = json.loads(written([SHEET], "json"))["tables"]
    assert table["title"] == "A table"
    assert table["rows"][:2] == [
        {"Level": "1", "Method": "a_b", "Accuracy": 0.66, "Points": "-1.0 to +2.0"},
        {"Level": "1", "Method": "b", "Accuracy": None, "Points": "+3.5"},
    ]


def test_group_names_stand_once_for_people_and_always_for_programs() -> None:
    """Some tables leave the name of a group out of its further rows."""
    assert [row[0] for row in unrepeated(SHEET).rows] == ["1", "", "2"]
    blank = Sheet("A", ["Level", "Method"], ["N"], [["1", "a", "3"], ["", "b", "4"], ["2", "c", ""]], {1})
    assert written([blank], "csv").splitlines()[1:] == ["1,a,3", "1,b,4", "2,c,"]


def test_several_tables_in_one_file() -> None:
    """A title above each, a blank line between."""
    lines = written([SHEET, SHEET], "csv").splitlines()
    assert lines[0] == lines[6] == "A table"
    assert lines[5] == ""


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("text", [*HOSTILE, "a\nb", "x" * 1_000_000], ids=range(len(HOSTILE) + 2))
def test_hostile_cells_are_text(form: str, text: str) -> None:
    """A model's answer may be anything."""
    told = written([Sheet("T", ["A"], [], [[text]])], form)
    assert not UNPRINTABLE.search(told)
    if form == "json":
        assert json.loads(told)["tables"][0]["rows"] == [{"A": text}]
    if form == "csv":
        limit = csv.field_size_limit(2_000_000)
        [[cell]] = list(csv.reader(told.splitlines(keepends=True)))[1:]
        csv.field_size_limit(limit)
        assert cell.removeprefix("'") == printable(text)
        assert cell[0] not in "=+-@\t\r"
    if form == "markdown":
        assert "<script>" not in told
        assert len(told.splitlines()) == 5
    if form == "latex":
        assert "\\href" not in told
        assert len(told.splitlines()) == 11


@pytest.mark.parametrize("text", ["-5", "+3.5", "-5%", "-1.0 to +2.0", "1e5", "x=1", ""])
def test_numbers_are_no_formulas(text: str) -> None:
    assert csv_cell(text) == text


@pytest.mark.parametrize("text", ["=1+1", "+1+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1"])
def test_formulas_are_text(text: str) -> None:
    """Source: OWASP, CSV Injection."""
    assert csv_cell(text) == f"'{text}"
