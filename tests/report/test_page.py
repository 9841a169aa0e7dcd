"""The report as a file: what it holds, that it loads nothing, that hostile text is text in it."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path
from random import Random
from typing import Any

import pytest
from commands import Command, snapshot
from run_folders import HOSTILE, node, record, retried, write_run

from tt_scale.report.html.formulas import Formula, mathml, segments
from tt_scale.report.html.packing import packed, unpacked
from tt_scale.report.html.tables import difference_matrices, table_of
from tt_scale.report.side_by_side import side_by_side
from tt_scale.report.tables import Sheet

PACKAGES = ("vl_convert", "jinja2", "latex2mathml")
needs_extra = pytest.mark.skipif(not all(map(find_spec, PACKAGES)), reason="needs the extra report")
needs_latex = pytest.mark.skipif(find_spec("latex2mathml") is None, reason="needs the extra report")


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.chdir(tmp_path)
    return Command(capsys)


class Elements(HTMLParser):
    """Every element of a page with its attributes, and the texts of scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {"script": [], "style": []}
        self._inside = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag in self.texts:
            self.texts[tag].append("")
            self._inside = tag

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.texts[self._inside][-1] += data

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""


def parts_of(page: str) -> list[Any]:
    """The trees of each problem, as the page reads them."""
    return [unpacked(text) for text in re.findall(r'id="part-\d+">([^<]*)<', page)]


def index_of(page: str) -> Any:
    """What the page opens with."""
    [text] = re.findall(r'id="index">([^<]*)<', page)
    return unpacked(text)


@needs_extra
def test_a_report_is_one_file_that_loads_nothing(command: Command, tmp_path: Path) -> None:
    """Nothing in it has an address; the policy names exactly the scripts and the stylesheet that it has."""
    write_run(tmp_path / "one", [retried(index) for index in range(6)])
    write_run(tmp_path / "two", [retried(index) for index in range(6)], method="independent")
    before = snapshot(tmp_path)
    answer = command("report", "one", "two", "-o", "report.html")
    assert (answer.status, answer.err) == (0, "")
    assert re.fullmatch(r"Report: report.html \(\d\.\d MB\)\n", answer.out)
    assert {**snapshot(tmp_path), "report.html": b""} == {**before, "report.html": b""}
    page = Elements((tmp_path / "report.html").read_text())
    for tag, attributes in page.found:
        assert not {"src", "srcset", "data", "action", "poster", "style"} & attributes.keys(), (tag, attributes)
        assert not [name for name in attributes if name.startswith("on")], (tag, attributes)
        assert (attributes.get("href") or "#").startswith("#")
        assert tag not in ("link", "iframe", "object", "embed", "img", "base")
    [policy] = [attributes["content"] for tag, attributes in page.found if "http-equiv" in attributes]
    run = [text for text, (_, about) in zip(page.texts["script"], scripts(page), strict=True) if "type" not in about]
    hashes = [
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in [*run, *page.texts["style"]]
    ]
    assert re.findall(r"sha256-([^']+)", str(policy)) == hashes
    assert str(policy).startswith("default-src 'none'; script-src ")
    assert "unsafe" not in str(policy)


def scripts(page: Elements) -> list[tuple[str, dict[str, str | None]]]:
    return [each for each in page.found if each[0] == "script"]


@needs_extra
def test_the_page_holds_what_the_records_hold(command: Command, tmp_path: Path) -> None:
    write_run(tmp_path / "run", [retried(0), retried(1, answer="9")])
    assert command("report", "run").status == 0
    page = (tmp_path / "report.html").read_text()
    index = index_of(page)
    assert [(problem[1], problem[6][0][0][1:3]) for problem in index["problems"]] == [
        ("p-0", [0, "0"]),
        ("p-1", [1, "9"]),
    ]
    first = parts_of(page)[0]
    [search] = first["searches"]
    steps = search["steps"]
    assert steps["id"] == ["0.0", "1.0", "0.0.0", "1.0.0", "0.0.1", "0.0.2", "1.0.1", "1.0.2"]
    assert steps["parent"] == [-1, -1, 0, 1, 0, 0, 1, 1]
    assert [index["kinds"][kind][0] for kind in steps["kind"]][-2:] == ["answer", "pool"]
    texts = ["".join([p if isinstance(p, str) else first["formulas"][p][0] for p in each]) for each in first["texts"]]
    assert texts[steps["text"][6]] == "So it is \\boxed{0}."
    assert [frame[0] for frame in search["frames"]] == ["grow", "grow", "backtrack", "retry", "grow"]
    assert (search["verdict"], search["answer"], search["pool"][0][:3]) == ("correct", "0", ["1.0.1", "0", "correct"])


@needs_extra
def test_hostile_text_is_text_in_the_file(command: Command, tmp_path: Path) -> None:
    """What a model or a problem set says ends no element and begins none."""
    records = [retried(index, (text, text), text) for index, text in enumerate(HOSTILE)]
    for each, text in zip(records, HOSTILE, strict=True):
        each |= {"question": text, "gold": text, "subject": text, "id": f"{text[:40]}-{each['index']}"}
    write_run(tmp_path / "run", records, dataset=HOSTILE[1], model_name=HOSTILE[0], run_tag=HOSTILE[3])
    assert command("report", "run").status == 0
    text = (tmp_path / "report.html").read_text()
    page = Elements(text)
    assert len(scripts(page)) == 3 + len(HOSTILE)
    assert not [each for each in page.found if each[0] == "img"]
    outside = re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)
    assert not [each for each in HOSTILE if "<" in each and each in outside]
    shown = [part for part in parts_of(text) if part["texts"]]
    joined = {
        "".join([p if isinstance(p, str) else part["formulas"][p][0] for p in part["texts"][0]]) for part in shown
    }
    assert joined == set(HOSTILE)


@needs_extra
def test_five_hundred_problems_are_a_small_file(command: Command, tmp_path: Path) -> None:
    """A page that may be mailed; the index alone is unpacked when it opens. Every text is another, as if by a model."""
    random = Random(0)
    words = ["".join(random.choices("abcdefghijklmnopqrstuvwxyz", k=6)) for _ in range(2_000)]

    def sampled(index: int) -> dict[str, Any]:
        tree = [node(f"0.{number}", " ".join(random.choices(words, k=12)), random.random()) for number in range(60)]
        return record(index, tree, [])

    write_run(tmp_path / "run", [sampled(index) for index in range(500)])
    assert command("report", "run").status == 0
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    [index] = re.findall(r'id="index">([^<]*)<', page)
    assert len(page) < 30e6
    assert len(index) < 200_000


@needs_extra
def test_an_unfinished_run_with_damage_says_so_on_the_page(command: Command, tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", [retried(0), retried(1)], wanted=5)
    with (folder / "problems.jsonl").open("a") as lines:
        lines.write("{broken}\n")
        lines.write('{"index": 7')
    answer = command("report", "run")
    assert answer.status == 0
    assert "note: collective is not finished" in answer.err
    page = (tmp_path / "report.html").read_text()
    assert "collective is not finished: 2 of 5 searches are recorded." in page
    assert "line 3 of its journal is damaged (it is not JSON) and left out." in page


@needs_extra
def test_a_damaged_tree_is_named_where_it_would_be(command: Command, tmp_path: Path) -> None:
    write_run(tmp_path / "run", [{**retried(0), "tree": [{"key": 1}]}, retried(1)])
    assert command("report", "run").status == 0
    first, second = parts_of((tmp_path / "report.html").read_text())
    assert "is damaged (1 is not a text)" in first["searches"][0]["damaged"]
    assert len(second["searches"][0]["steps"]["id"]) == 8


@needs_extra
@pytest.mark.parametrize("told", [record(0, [], []), record(0, [], [], error="ValueError: no", stopped="error")])
def test_a_run_of_which_nothing_came_is_shown(command: Command, tmp_path: Path, told: dict[str, Any]) -> None:
    """No tree, no pool, no answer; still a page."""
    write_run(tmp_path / "run", [told])
    assert command("report", "run").status == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "-o", "report.txt"), "Name a file that ends in .html."),
        (("run", "-o", "no/report.html"), "--output is 'no/report.html', whose folder does not exist."),
        (("nowhere",), "There is no folder 'nowhere'."),
    ],
)
def test_mistakes_are_told(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], message: str
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: True)
    write_run(tmp_path / "run", [retried(0)])
    answer = command("report", *arguments)
    assert answer.status == 2
    assert message in answer.err


def test_without_the_extra_one_line_says_what_to_install(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    write_run(tmp_path / "run", [retried(0)])
    answer = command("report", "run")
    assert answer.status == 2
    assert answer.err.endswith("Type: pip install 'tt-scale[report]'\n")
    assert not (tmp_path / "report.html").exists()


# ---- formulas


@needs_latex
@pytest.mark.parametrize(
    ("text", "formulas"),
    [
        (r"Let \(x^2\) be.", [r"\(x^2\)"]),
        ("So $a+b$ and $$c$$.", ["$a+b$", "$$c$$"]),
        (r"Then \[ y = \frac{1}{2} \].", [r"\[ y = \frac{1}{2} \]"]),
        (r"And \begin{align*}a&=b\end{align*}.", [r"\begin{align*}a&=b\end{align*}"]),
        (r"It is \boxed{\frac{1}{2}}.", [r"\boxed{\frac{1}{2}}"]),
        ("It costs $5 and $10, or $5-$6.", []),
        ("A price of $ 5 or US$7.", []),
        (r"Broken \(\frac{ \) and \boxed{1", []),
        (r"An escaped \$5\$ sign.", []),
    ],
)  # fmt: skip
def test_formulas_are_found_and_money_is_not(text: str, formulas: list[str]) -> None:
    parts = segments(text)
    assert [part.source for part in parts if isinstance(part, Formula)] == formulas
    assert "".join([part if isinstance(part, str) else part.source for part in parts]) == text


@needs_latex
def test_formulas_bring_no_links_styles_or_other_elements() -> None:
    """A library's MathML is passed on by a list of what is harmless."""
    assert mathml(r"\href{javascript:alert(1)}{x}", False) == [
        "math",
        {"display": "inline"},
        ["mrow", {}, ["mrow", {}, ["mrow", {}, ["mi", {}, "x"]]]],
    ]
    told = str(mathml(r"\style{color:red}{b} \color{red}{x}", False))
    assert "style" not in told.replace("mstyle", "")
    assert "red" not in told


@needs_latex
@pytest.mark.parametrize(
    "text",
    [*HOSTILE, "$" * 20_000, "\\[" * 10_000, "\\boxed{" * 3_000, "\\(" + "{" * 900 + "\\)", "x" * 1_000_000],
    ids=range(len(HOSTILE) + 5),
)
def test_hostile_text_comes_back_as_it_was(text: str) -> None:
    """However it is split, and however deep it is nested."""
    parts = segments(text)
    assert "".join([part if isinstance(part, str) else part.source for part in parts]) == text


# ---- data and tables


def test_data_comes_back_as_it_was() -> None:
    told = {"a": [1, 2.5, None, "</script>\x00\ud800"[:-1], "π"], "b": {}}
    assert unpacked(packed(told)) == told
    assert not set(packed(told)) & set("<>&\"'")
    with pytest.raises(ValueError, match="Out of range"):
        packed(float("nan"))


def test_a_group_of_rows_has_one_name() -> None:
    rows = [["1", "a", "2"], ["1", "b", "3"], ["2", "a", "4"]]
    table = table_of(Sheet("T", ["Level", "Method"], ["N"], rows, {1, 2}))
    assert [[[cell.text for cell in row] for row in group] for group in table.groups] == [
        [["1", "a", "2"], ["b", "3"]],
        [["2", "a", "4"]],
    ]
    assert table.groups[0][0][0].rows == 2


def test_the_matrix_of_differences_is_antisymmetric(tmp_path: Path) -> None:
    """Row minus column, and the other way round with the other sign."""
    right = [retried(index) for index in range(12)]
    wrong = [retried(index, answer="x") for index in range(12)]
    write_run(tmp_path / "one", right)
    write_run(tmp_path / "two", wrong, method="independent")
    [matrix] = difference_matrices(side_by_side([tmp_path]).comparison)
    [[_, up], [down, _]] = matrix.rows
    assert (up.text, down.text) == ("+100.0 *", "-100.0 *")
    assert (up.style, down.style) == ("up-3", "down-3")
    assert "p <0.001" in up.note
