"""Measures the report of runs: size, seconds to write it, seconds until Chromium shows it.

    python benchmarks/report_page.py [RUN ...] [--problems 500] [--times 5]

Without RUN, four methods search so many problems of the simulated world first. Needs the extras report and browser, and
Chromium. Seconds are medians, beside those of an empty page in the same browser, as a busy machine slows both.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from playwright.sync_api import sync_playwright

from tt_scale.bench.run.session import bench
from tt_scale.config import Config
from tt_scale.report.html.write import write_report
from tt_scale.report.side_by_side import side_by_side

METHODS = ("best_of_n", "beam_search", "collective", "independent")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
EMPTY = "<!DOCTYPE html><html data-ready='yes'><title>empty</title></html>"


def searched(folder: Path, problems: int) -> Path:
    """Four runs over the simulated world."""
    shared: dict[str, Any] = {
        "model_name": "simulated",
        "prm_name": "simulated",
        "datasets": ("simulated",),
        "num_samples": problems,
        "temperature": 0.7,
        "temp_origin": 0.7,
        "output_dir": str(folder / "logs"),
    }
    asyncio.run(bench([Config(**shared, method=method) for method in METHODS]))
    return folder / "logs"


def opening(browser: Any, file: Path) -> float:
    """Seconds until a page says that it is ready."""
    page = browser.new_page()
    before = time.perf_counter()
    page.goto(file.as_uri())
    page.wait_for_selector("html[data-ready=yes]", state="attached")
    seconds = time.perf_counter() - before
    page.close()
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="*", metavar="RUN")
    parser.add_argument("--problems", type=int, default=500)
    parser.add_argument("--times", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        found = side_by_side(options.runs or [searched(folder, options.problems)], None)
        report, empty = folder / "report.html", folder / "empty.html"
        empty.write_text(EMPTY, encoding="utf-8")
        before = time.perf_counter()
        write_report(found, str(report))
        print(f"{len(found.problems):,} problems, {len(found.runs)} runs: {report.stat().st_size / 1e6:.1f} MB", end="")
        print(f", written in {time.perf_counter() - before:.1f} s")
        program = next(filter(None, map(shutil.which, BROWSERS)))
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
            seconds = [median([opening(browser, file) for _ in range(options.times)]) for file in (report, empty)]
            browser.close()
        print("opened in {:.2f} s; an empty page in {:.2f} s".format(*seconds))


if __name__ == "__main__":
    main()
