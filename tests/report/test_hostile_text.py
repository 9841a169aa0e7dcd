"""Text of models, files and servers on the terminal, in CSV files and in tables: it is shown, never obeyed."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tt_scale.core.csv_cells import read_cell, written_cell
from tt_scale.core.printable import has_controls, listed, one_line, printable, printable_json, shown
from tt_scale.problems.local import READERS
from tt_scale.report.charts.reliability import Curve
from tt_scale.report.plots import draw_reliability
from tt_scale.report.status_line import Part, StatusLine
from tt_scale.report.tables import Sheet, drawn, markdown
from tt_scale.report.terminal import Terminal

EVIL = "a\x1b]0;owned\x07\x1b[2J\x9b31m\u202egnp.exe\x7f\r[/red] :smile: \ud800 b"
OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printed(*things: Any, **how: Any) -> str:
    file = io.StringIO()
    console = Terminal(file=file, force_terminal=False, width=200)
    console.print(*things, **how)
    return file.getvalue()


@pytest.mark.parametrize(
    "thing",
    [EVIL, Sheet(EVIL, [EVIL], ["n"], [[EVIL, "1"]]), StatusLine(EVIL, None, lambda: [Part(EVIL)])],
    ids=["text", "table", "line"],
)
def test_nothing_that_a_terminal_obeys_is_printed(thing: Any) -> None:
    """An answer could clear the screen, set the title, or type into the shell by asking the terminal who it is."""
    text = printed(drawn(thing) if isinstance(thing, Sheet) else thing, markup=False)
    assert not OBEYED.search(text)
    assert "\\x1b[2J" in text
    assert "\\u202egnp.exe" in text
    assert "[/red] :smile:" in text


def test_what_was_laid_out_elsewhere_is_escaped_too() -> None:
    """A display that makes its own text must not be a way around."""
    from rich.panel import Panel
    from rich.text import Text

    assert not OBEYED.search(printed(Panel(Text(EVIL), title=Text(EVIL))))


def test_colours_of_our_own_stay() -> None:
    """Escaping what is drawn must not escape the drawing."""
    file = io.StringIO()
    console = Terminal(file=file, force_terminal=True, color_system="standard", width=80)
    console.print("[red]bad[/red]", highlight=False)
    assert file.getvalue() == "\x1b[31mbad\x1b[0m\n"


@given(st.text())
def test_printable_text_is_left_alone(text: str) -> None:
    """Letters of every script, emoji and mathematics are text; what was escaped once is not escaped again."""
    escaped = printable(text)
    assert not OBEYED.search(escaped.replace("\r\n", ""))
    assert printable(escaped) == escaped
    if not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]", text):
        assert escaped == text


@given(st.text())
@example("\ud800 \x7f\x9b\u202e\u2028")
def test_json_on_the_terminal_stays_json(text: str) -> None:
    """What a script reads from `solve --json` is the text as the model wrote it."""
    written = printable_json(json.dumps({"answer": text}, ensure_ascii=False))
    assert not OBEYED.search(written)
    assert json.loads(written)["answer"] == text


@given(st.one_of(st.text(), st.text(alphabet="'=+-@\t1.e\r\nx")))
def test_cells_are_read_as_they_were_written(text: str) -> None:
    """A formula in a spreadsheet runs; an apostrophe too many would change an answer."""
    cell = written_cell(text)
    assert not re.match(r"[=+\-@\t\r]", cell) or re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", cell, re.ASCII)
    assert read_cell(cell) == printable(text)


@pytest.mark.parametrize("number", [-5, -0.25, None, True, "-5", "+3.5", "-1e-05", ".5", "-.5", "12."])
def test_numbers_stay_numbers(number: Any) -> None:
    """A column of numbers must be summed, also the negative ones."""
    assert written_cell(number) == number


@pytest.mark.parametrize(
    "text", ["=1+1", "+x", "-x", "-1/2", "@SUM(A1)", "\tx", "=cmd|' /C calc'!A0", "'=1", "-\u0665"]
)
def test_problem_files_give_texts_back(text: str) -> None:
    """A set that was written with apostrophes must ask the same questions."""
    file = io.StringIO()
    csv.writer(file).writerows([["question", "answer"], [written_cell(text), "1"]])
    assert READERS[".csv"]("mine.csv", file.getvalue().encode())[0].values["question"] == text


def test_markdown_cells_stay_in_their_rows() -> None:
    """A line end in a name would break the table in two."""
    page = markdown(Sheet("a\nb", ["Name"], [], [["x\n| y |\x1b"]]))
    assert page.splitlines()[-1] == r"| x \| y \|\x1b |"
    assert page.splitlines()[0] == "## a b"


def test_dollars_in_a_plot_are_dollars(tmp_path: Path) -> None:
    """A name with two of them was read as a formula, and one that is none ended the command."""
    pytest.importorskip("vl_convert")
    draw_reliability([Curve(r"a$\nonsense{$b", "$x", "steps", [(0.5, 0.5, 3)])], tmp_path / "plot.svg")
    assert r"a$\nonsense{$b" in (tmp_path / "plot.svg").read_text(encoding="utf-8").replace("\\$", "$")


def test_messages_show_any_value_shortly() -> None:
    """A message holds the value seen, whatever its size, and can be printed."""
    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]
    assert shown(10**10000) == "a number of 33220 bits"
    for value in ("x" * 10**6, deep, {str(n): n for n in range(10**4)}, [10**10000], EVIL, float("nan"), None):
        assert len(shown(value)) < 600
        assert not OBEYED.search(shown(value))
    assert listed(["a", "b"]) == "a, b"
    assert listed(map(str, range(10**6)), most=2) == "0, 1, ..."
    assert one_line("a\n\x1b b") == "a \\x1b b"
    assert has_controls("a\tb")
    assert not has_controls("añ\u202e")
