"""The report in a real browser: Chromium opens the file from disk, and a person's hands and eyes are imitated."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from commands import BENCH
from run_folders import HOSTILE, node, record, retried, write_run

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PACKAGES = ("playwright", "axe_playwright_python", "vl_convert", "jinja2", "latex2mathml")
LACKING = [name for name in PACKAGES if find_spec(name) is None] + ([] if CHROMIUM else ["chromium"])

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(bool(LACKING), reason=f"needs {', '.join(LACKING)}: pip install 'tt-scale[report,browser]'"),
]

SERIOUS = ("serious", "critical")
SIZES = {"desktop": (1360, 900), "phone": (390, 844)}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


class Opened:
    """A report that was opened from disk, and everything that the browser said and asked for meanwhile."""

    def __init__(self, browser: Any, file: Path, size: tuple[int, int] = SIZES["desktop"], **context: Any) -> None:
        self.context = browser.new_context(viewport={"width": size[0], "height": size[1]}, **context)
        self.page = self.context.new_page()
        self.told: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.told.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.told.append(f"error: {error}"))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(file.as_uri())
        self.page.wait_for_selector("html[data-ready=yes]")

    def go(self, section: str) -> None:
        """Open a section, and wait until what it draws is drawn."""
        self.page.evaluate("section => { location.hash = section; }", f"#{section}")
        self.page.wait_for_selector(f"#section-{section.split('/')[0]}:not([hidden])")
        if section.startswith("tree"):
            self.page.wait_for_selector("#stage svg")
            self.page.locator("#tree-count", has_text="steps shown").wait_for()

    def text(self, selector: str) -> str:
        return str(self.page.locator(selector).inner_text())

    def rows(self) -> list[list[str]]:
        """The table of problems, cell by cell."""
        return self.page.eval_on_selector_all(  # type: ignore[no-any-return]
            "#problem-table tbody tr", "rows => rows.map(row => [...row.cells].map(cell => cell.innerText.trim()))"
        )

    def drawn(self) -> list[dict[str, Any]]:
        """The steps that are drawn and not hidden, as Vega holds them."""
        return self.page.evaluate(  # type: ignore[no-any-return]
            """() => [...document.querySelectorAll('#stage .step path')]
                .filter((path) => path.style.visibility !== 'hidden' && path.__data__ && path.__data__.datum)
                .map((path) => path.__data__.datum)
                .filter((datum) => datum.id >= 0)
                .map(({ id, kind, parent }) => ({ id, kind, parent }))"""
        )

    def close(self) -> None:
        self.context.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two methods over nine of twelve problems, made by hand; the second answers some otherwise."""
    folder = tmp_path_factory.mktemp("runs")
    first = [retried(index) for index in range(9)]
    first[4] = record(4, [node("0.0", "no end", state="truncated")], [], telemetry={"truncated": 1})
    first[5]["telemetry"]["backtracks"] = 1
    first[6]["tree"][6]["steps"][0]["text"] = r"So \(x^2 = \frac{1}{2}\) and it is \boxed{12}."
    second = [retried(index, answer=None if index % 3 else "7") for index in range(9)]
    write_run(folder / "one", first, wanted=12)
    write_run(folder / "two", second, wanted=12, method="independent")
    return folder


def report_of(folder: Path, file: Path) -> Path:
    from tt_scale.report.html.write import write_report
    from tt_scale.report.side_by_side import side_by_side

    write_report(side_by_side([folder]), str(file))
    return file


@pytest.fixture(scope="module")
def file(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return report_of(folder, tmp_path_factory.mktemp("report") / "report.html")


@pytest.fixture
def opened(browser: Any, file: Path) -> Iterator[Opened]:
    opened = Opened(browser, file)
    yield opened
    assert opened.told == []
    assert opened.requests == [file.as_uri()]
    opened.close()


def test_every_section_opens_from_disk_in_silence(opened: Opened) -> None:
    """No request leaves, no warning or error is written; every chart is drawn."""
    for section in ("overview", "problems", "tree/1/0/0", "prm", "cost"):
        opened.go(section)
    charts = opened.page.locator("[data-chart]").count()
    opened.page.locator("[data-chart] svg").nth(charts - 1).wait_for(state="attached")
    assert opened.page.locator("[data-chart] svg.marks").count() == charts >= 10


def test_foreign_code_is_forbidden(opened: Opened) -> None:
    """The policy of the page holds: whatever got in could not run."""
    opened.page.evaluate(
        """() => {
            const script = document.createElement('script');
            script.textContent = 'window.ran = 1';
            const link = document.createElement('a');
            link.setAttribute('onclick', 'window.ran = 2');
            document.body.append(script, link);
            link.click();
        }"""
    )
    assert opened.page.evaluate("() => window.ran") is None
    assert len(opened.told) == 2
    assert all("Content Security Policy" in each for each in opened.told)
    opened.told.clear()


def test_notes_and_verdict_stand_on_the_page(opened: Opened) -> None:
    assert "collective is not finished: 9 of 12 searches are recorded." in opened.text("main")
    assert "In words" in opened.text("#section-overview")
    assert opened.page.locator("#section-overview .matrix td strong").count() == 2


def test_figures_show_on_hover(opened: Opened) -> None:
    """Exact figures of each point."""
    point = opened.page.locator("[data-chart=accuracy-tokens] svg .mark-symbol.role-mark path").last
    point.hover()
    tip = opened.text("#tooltip")
    assert "Accuracy" in tip
    assert "95 % interval" in tip


def test_costs_are_switched(opened: Opened) -> None:
    opened.page.get_by_label("with PRM tokens").check()
    assert opened.page.locator("[data-chart=accuracy-all-tokens]").is_visible()
    assert opened.page.locator("[data-chart=accuracy-tokens]").is_hidden()
    opened.page.locator("[data-chart=accuracy-all-tokens] svg").wait_for()


def test_problems_are_sorted(opened: Opened) -> None:
    opened.go("problems")
    assert [row[1] for row in opened.rows()] == [f"p-{index}" for index in range(9)]
    opened.page.get_by_role("button", name="Problem", exact=True).click()
    opened.page.get_by_role("button", name="Problem", exact=True).click()
    assert [row[1] for row in opened.rows()] == [f"p-{index}" for index in range(8, -1, -1)]
    assert opened.page.locator("th[aria-sort=descending]").inner_text().startswith("Problem")
    opened.page.get_by_role("button", name="independent").click()
    assert [row[1] for row in opened.rows()][-3:] == ["p-0", "p-3", "p-6"]


def test_problems_are_filtered_and_searched(opened: Opened) -> None:
    opened.go("problems")
    found = {}
    for name in ("wrong", "no answer", "truncated", "backtracked", "differing"):
        chip = opened.page.get_by_role("button", name=name, exact=True)
        chip.click()
        found[name] = [int(row[1][2:]) for row in opened.rows()]
        assert opened.text("#problem-count") == f"{len(found[name])} of 9 problems"
        chip.click()
    assert found == {
        "wrong": [0, 3, 6],
        "no answer": [4],
        "truncated": [4],
        "backtracked": [5],
        "differing": [0, 3, 4, 6],
    }
    opened.page.fill("#query", "What is 3")
    assert [row[1] for row in opened.rows()] == ["p-3"]
    opened.page.fill("#query", "")
    opened.page.select_option("#level", "2")
    assert [row[1] for row in opened.rows()] == ["p-1", "p-4", "p-7"]


def test_a_verdict_leads_to_its_tree(opened: Opened) -> None:
    opened.go("problems")
    opened.page.locator("#problem-table tbody tr").nth(3).locator("td a").last.click()
    opened.page.wait_for_selector("#stage svg")
    assert opened.page.evaluate("() => location.hash") == "#tree/3/1/0"
    assert opened.page.evaluate("() => document.getElementById('tree-run').value") == "1"
    assert "The search answers 7: wrong (by best)." in opened.text("#detail")


def test_a_click_shows_all_of_a_step(opened: Opened) -> None:
    opened.go("tree/1/0/0")
    assert {step["kind"] for step in opened.drawn()} == {"answer", "continued", "rejected"}
    assert opened.text("#tree-count") == "6 of 8 steps shown"
    opened.page.get_by_role("button", name="Go to the answer").click()
    told = opened.text("#detail")
    outcome = "answer: ends the path whose answer was chosen."
    for line in ("Step 1.0.1", outcome, "Stands for 2 equal steps.", "0.9000", "eos:"):
        assert line in told
    star = opened.page.locator("#stage .step path").nth(1)
    star.click()
    assert "Step 0.0" in opened.text("#detail")
    assert "retried: its next step was sampled again." in opened.text("#detail")
    opened.page.locator("#detail .path button").first.click()
    assert opened.page.locator("#detail [aria-current=step]").count() == 1


def test_formulas_are_drawn_and_can_be_read_as_written(opened: Opened) -> None:
    opened.go("tree/6/0/0")
    opened.page.get_by_role("button", name="Go to the answer").click()
    assert opened.page.locator("#detail .text math mfrac").count() == 1
    assert opened.page.locator("#detail .text math .boxed").count() == 1
    opened.page.get_by_role("button", name="As it was written").click()
    assert r"So \(x^2 = \frac{1}{2}\) and it is \boxed{12}." in opened.text("#detail .text")
    assert opened.page.locator("#detail .text math").count() == 0


def test_the_replay_shows_what_had_happened(opened: Opened) -> None:
    opened.go("tree/1/0/0")
    seen = []
    for frame in range(6):
        opened.page.locator("#frame").fill(str(frame))
        seen.append((len(opened.drawn()), opened.text("#frame-words").split("  ")[0].split(" ")[0]))
    assert seen == [(0, "0/5"), (2, "1/5"), (4, "2/5"), (4, "3/5"), (4, "4/5"), (6, "The")]
    opened.page.locator("#frame").fill("3")
    assert "Backtracked to 0.0, 1.0" in opened.text("#frame-words")
    assert opened.page.locator("#stage .ring path").count() == 2
    opened.page.get_by_role("button", name="One event on").click()
    assert "Retry" in opened.text("#frame-words")
    opened.page.get_by_role("button", name="Play").click()
    opened.page.locator("#frame-words", has_text="The whole search").wait_for()
    assert opened.text("#play") == "Play"


def test_equal_steps_and_branches_are_folded(opened: Opened) -> None:
    opened.go("tree/1/0/0")
    opened.page.locator("#fold-equal").uncheck()
    opened.page.locator("#tree-count", has_text="8 of 8 steps shown").wait_for()
    opened.page.locator("#fold-equal").check()
    opened.page.locator("#tree-count", has_text="6 of 8 steps shown").wait_for()
    opened.page.focus("#stage")
    for key in ("Home", "ArrowRight", " "):
        opened.page.keyboard.press(key)
    opened.page.locator("#tree-count", has_text="4 of 8 steps shown").wait_for()
    assert "+3" in opened.text("#stage")


def test_the_keyboard_reaches_everything(opened: Opened) -> None:
    """Sections, filters, a search, its steps: no pointer needed."""
    opened.page.keyboard.press("Tab")
    assert opened.page.evaluate("() => document.activeElement.id") == "skip"
    opened.page.keyboard.press("Tab")
    opened.page.keyboard.press("Tab")
    opened.page.keyboard.press("Enter")
    opened.page.wait_for_selector("#section-problems:not([hidden])")
    opened.page.locator("#problem-table tbody a").first.focus()
    opened.page.keyboard.press("Enter")
    opened.page.wait_for_selector("#stage svg")
    opened.page.locator("#tree-count", has_text="steps shown").wait_for()
    opened.page.focus("#stage")
    visited = []
    for key in ("Home", "ArrowRight", "ArrowDown", "ArrowRight", "ArrowDown", "ArrowLeft"):
        opened.page.keyboard.press(key)
        visited.append(opened.text("#detail h3"))
    assert visited == ["p-0", "Step 0.0", "Step 1.0", "Step 1.0.0", "Step 1.0.1", "Step 1.0"]
    before = opened.page.locator("#stage svg").get_attribute("viewBox")
    opened.page.keyboard.press("+")
    opened.page.wait_for_timeout(400)
    assert opened.page.locator("#stage svg").get_attribute("viewBox") != before
    opened.page.focus("#frame")
    opened.page.keyboard.press("ArrowLeft")
    assert opened.text("#frame-words").startswith("4/5")


def test_moving_and_enlarging(opened: Opened) -> None:
    opened.go("tree/1/0/0")
    box = opened.page.locator("#stage").bounding_box()
    first = opened.page.locator("#stage svg").get_attribute("viewBox")
    opened.page.mouse.move(box["x"] + 20, box["y"] + 20)
    opened.page.mouse.down()
    opened.page.mouse.move(box["x"] + 120, box["y"] + 60, steps=5)
    opened.page.mouse.up()
    opened.page.wait_for_timeout(400)
    moved = opened.page.locator("#stage svg").get_attribute("viewBox")
    assert moved != first
    opened.page.keyboard.down("Control")
    opened.page.mouse.wheel(0, -200)
    opened.page.keyboard.up("Control")
    opened.page.wait_for_timeout(400)
    assert float(opened.page.locator("#stage svg").get_attribute("viewBox").split()[2]) < float(moved.split()[2])
    opened.page.click("#fit")
    assert opened.page.locator("#stage svg").get_attribute("viewBox") == first


@pytest.mark.parametrize("theme", ["light", "dark", "mono"])
def test_themes(opened: Opened, theme: str) -> None:
    opened.page.select_option("#theme", theme)
    paper = opened.page.evaluate("() => getComputedStyle(document.body).backgroundColor")
    label = opened.page.locator("[data-chart=accuracy-tokens] svg .role-axis-label text").first
    ink = label.evaluate("text => getComputedStyle(text).fill")
    assert (paper, ink) == {
        "light": ("rgb(250, 250, 248)", "rgb(93, 100, 110)"),
        "dark": ("rgb(20, 22, 26)", "rgb(160, 168, 178)"),
        "mono": ("rgb(255, 255, 255)", "rgb(68, 68, 68)"),
    }[theme]


def test_the_system_chooses_the_theme(browser: Any, file: Path) -> None:
    opened = Opened(browser, file, color_scheme="dark")
    assert opened.page.evaluate("() => document.documentElement.dataset.theme") == "dark"
    opened.close()


@pytest.mark.parametrize("theme", ["light", "dark", "mono"])
@pytest.mark.parametrize("size", SIZES)
def test_axe_finds_no_serious_fault(browser: Any, file: Path, size: str, theme: str) -> None:
    """Names, roles, contrast, focus: the rules of axe-core over every section."""
    from axe_playwright_python.sync_playwright import Axe

    opened = Opened(browser, file, SIZES[size], bypass_csp=True)
    opened.page.select_option("#theme", theme)
    for section in ("overview", "problems", "tree/1/0/0", "prm", "cost"):
        opened.go(section)
        opened.page.wait_for_timeout(300)
        found = [each for each in Axe().run(opened.page).response["violations"] if each["impact"] in SERIOUS]
        assert found == [], (section, json.dumps(found, indent=1)[:3000])
    opened.close()


def test_a_phone_scrolls_in_one_direction(browser: Any, tmp_path: Path) -> None:
    """Wide tables scroll in their own boxes, never the page; neither do words in them that are only heard."""
    for method in ("collective", "independent", "best_of_n", "beam_search", "dvts"):
        write_run(tmp_path / "runs" / method, [retried(index) for index in range(9)], method=method)
    opened = Opened(browser, report_of(tmp_path / "runs", tmp_path / "report.html"), SIZES["phone"], has_touch=True)
    for section in ("overview", "problems", "tree/1/0/0", "prm", "cost"):
        opened.go(section)
        opened.page.wait_for_timeout(500)
        assert opened.page.evaluate("() => document.documentElement.scrollWidth") <= 390, section
    opened.close()


def test_paper_has_every_section(browser: Any, file: Path) -> None:
    opened = Opened(browser, file, color_scheme="dark")
    opened.go("tree/1/0/0")
    charts = opened.page.locator("[data-chart]").count()
    opened.page.locator("[data-chart] svg").nth(charts - 1).wait_for(state="attached")
    pdf = opened.page.pdf(format="A4")
    assert pdf.startswith(b"%PDF")
    assert 5 <= pdf.count(b"/Type /Page\n") + pdf.count(b"/Type /Page ") + pdf.count(b"/Type/Page/") <= 30
    opened.page.emulate_media(media="print")
    for section in ("overview", "problems", "tree", "prm", "cost"):
        assert opened.page.locator(f"#section-{section}").is_visible()
    opened.close()


def test_hostile_text_is_text(browser: Any, tmp_path: Path) -> None:
    """Scripts, broken markup, control characters, a line of a million letters: shown, never run."""
    records = [retried(index, (text, text), text) for index, text in enumerate(HOSTILE)]
    for each, text in zip(records, HOSTILE, strict=True):
        each |= {"question": text, "gold": text, "subject": text}
    records.append(retried(8, ("x" * 1_000_000, "y")))
    write_run(tmp_path / "run", records, dataset=HOSTILE[1], model_name=HOSTILE[0])
    opened = Opened(browser, report_of(tmp_path / "run", tmp_path / "report.html"))
    title = opened.page.title()
    opened.go("problems")
    assert HOSTILE[0] in opened.rows()[0][4]
    for place in range(len(records)):
        opened.go(f"tree/{place}/0/0")
        opened.page.focus("#stage")
        for key in ("Home", "ArrowRight"):
            opened.page.keyboard.press(key)
        if place < 2:
            assert HOSTILE[place] in opened.text("#detail")
    assert opened.page.get_by_role("button", name="Show all 1,000,000 characters").is_visible()
    assert opened.page.title() == title
    assert opened.page.evaluate("() => document.querySelectorAll('img, iframe, #detail script').length") == 0
    assert opened.told == []
    assert len(opened.requests) == 1
    opened.close()


def test_a_large_tree_stays_fluid(browser: Any, tmp_path: Path) -> None:
    """2,000 steps: moving the picture costs the page little, as it is shifted and not drawn again."""
    tree = [node(f"0.{number}", f"Step {number}.") for number in range(40)]
    tree += [node(f"0.{number % 40}.{number}", f"Step {number} of {number % 7}.") for number in range(1960)]
    write_run(tmp_path / "run", [record(0, tree, [])])
    opened = Opened(browser, report_of(tmp_path / "run", tmp_path / "report.html"))
    opened.go("tree/0/0/0")
    assert opened.text("#tree-count") == "2,000 of 2,000 steps shown"
    session = opened.context.new_cdp_session(opened.page)
    session.send("Performance.enable")

    def busy() -> float:
        """Seconds that the page has worked."""
        metrics = session.send("Performance.getMetrics")["metrics"]
        return float(next(each["value"] for each in metrics if each["name"] == "ScriptDuration"))

    box = opened.page.locator("#stage").bounding_box()
    opened.page.mouse.move(box["x"] + 300, box["y"] + 200)
    opened.page.mouse.down()
    before = busy()
    opened.page.mouse.move(box["x"] + 100, box["y"] + 100, steps=60)
    assert (busy() - before) / 60 < 0.008  # half of a frame at 60 a second, on a busy machine
    opened.page.mouse.up()
    opened.close()


def typed(folder: Path, *arguments: str) -> None:
    """Type a command in a process of its own, as Playwright has an event loop in this one."""
    done = subprocess.run([sys.executable, "-m", "tt_scale", *arguments], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_simulated_run_by_the_command_line(browser: Any, tmp_path: Path) -> None:
    two = ("--method", "best_of_n", "--method", "collective", "--temperature", "0.7", "--temp-origin", "0.7")
    typed(tmp_path, *BENCH, *two, "--num-samples", "12")
    typed(tmp_path, "report", "logs")
    opened = Opened(browser, tmp_path / "report.html")
    opened.go("tree/2/1/0")
    assert len(opened.drawn()) > 5
    assert opened.told == []
    opened.close()


@pytest.mark.hf
@pytest.mark.slow
def test_the_report_of_a_real_pocket_run(browser: Any, tmp_path: Path) -> None:
    """Real models, from the command to the page."""
    run = ("--config", "pocket", "--generator", "huggingface", "--prm", "huggingface", "--dtype", "float32")
    methods = ("--method", "best_of_n", "--method", "collective", "--dataset", "pocket-math:count=4")
    typed(tmp_path, "bench", *run, *methods)
    typed(tmp_path, "report", "logs")
    opened = Opened(browser, tmp_path / "report.html")
    for section in ("overview", "problems", "tree/0/1/0", "prm", "cost"):
        opened.go(section)
    assert opened.text("#tree-count").endswith("steps shown")
    assert opened.told == []
    assert opened.requests == [(tmp_path / "report.html").as_uri()]
    opened.close()
