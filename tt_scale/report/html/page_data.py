"""Everything that the page shows, as data: the index that it opens with, and one part for each problem's trees."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tt_scale.bench.reader.run_data import ProblemRecord, RunData
from tt_scale.bench.reader.search_record import Row
from tt_scale.core.printable import excerpt
from tt_scale.errors import JournalError
from tt_scale.report.charts.kinds import CHARTS, makeable
from tt_scale.report.charts.palette import PAGE, Style, config_of
from tt_scale.report.charts.render import whole_chart
from tt_scale.report.charts.tree import MARK_SIGNS, SCORE_BOUNDS, SHAPE_PATHS, tree_spec
from tt_scale.report.html.tree_data import ENDED, ProblemData
from tt_scale.report.search_tree import KINDS, MARKS
from tt_scale.report.show.problem_rows import SIGNS, verdict_of
from tt_scale.report.side_by_side import SideBySide

__all__ = ["FLAGS", "index_data", "problem_parts"]

FLAGS: Mapping[str, str] = {"truncated": "truncated", "cut": "cut", "backtracks": "backtracked"}
"""Counts of a search that the page filters by, and what it calls them."""

QUESTION_WIDTH, ANSWER_WIDTH = 160, 40


def index_data(found: SideBySide) -> dict[str, Any]:
    """What the page needs before a problem is chosen."""
    return {
        "runs": [_run(run) for run in found.runs],
        "problems": [_problem(found, problem) for problem in found.problems],
        "charts": chart_specs(found),
        "tree": tree_spec(PAGE),
        "kinds": [[name, told, SHAPE_PATHS[name]] for name, told in KINDS.items()],
        "marks": [[name, told, MARK_SIGNS[name]] for name, told in MARKS.items()],
        "ended": dict(ENDED),
        "verdicts": dict(SIGNS),
        "flags": list(FLAGS.values()),
        "bounds": list(SCORE_BOUNDS),
    }


def chart_specs(found: SideBySide) -> dict[str, Any]:
    """Every chart that there is something to draw for, by name."""
    style = Style(PAGE, found.series)
    specs = {}
    for name in makeable(found):
        chart = CHARTS[name]
        size = {} if chart.facets else {"height": 280, "autosize": {"type": "fit-x", "contains": "padding"}}
        specs[name] = whole_chart({**size, **chart.make(found, style)}, PAGE)
        specs[name]["config"] = {**config_of(PAGE), "padding": {"left": 0, "top": 2, "right": 8, "bottom": 6}}
    return specs


def _run(run: RunData) -> dict[str, Any]:
    return {"name": run.name, "method": run.method, "tau": run.tau, "scored": run.scored}


def _problem(found: SideBySide, problem: ProblemRecord) -> list[Any]:
    """Index, id, level, subject, beginning of the question, gold answer, and each run's searches."""
    question = excerpt(problem.question, QUESTION_WIDTH)
    searches = [
        [_search(row) for row in sorted(run.rows_of(problem.id), key=lambda row: row.repeat)] for run in found.runs
    ]
    gold = excerpt(problem.gold, ANSWER_WIDTH)
    return [problem.index, problem.id, problem.level, problem.subject, question, gold, searches]


def _search(row: Row) -> list[Any]:
    """Repeat, verdict, answer, tokens, seconds, flags; numbers that are unknown are None."""
    answer = None if row.answer is None else excerpt(row.answer, ANSWER_WIDTH)
    flags = sum([1 << place for place, count in enumerate(FLAGS) if row.telemetry.get(count, 0)])
    verdict = list(SIGNS).index(verdict_of(row))
    return [row.repeat, verdict, answer, row.usage.counted_tokens, round(row.usage.seconds, 3) or None, flags]


def problem_parts(found: SideBySide) -> Iterator[dict[str, Any]]:
    """The trees of each problem, in the order of the index."""
    for problem in found.problems:
        data = ProblemData(problem)
        for place, run in enumerate(found.runs):
            _add_searches(data, place, run, run.rows_of(problem.id))
        yield data.data()


def _add_searches(data: ProblemData, place: int, run: RunData, rows: Sequence[Row]) -> None:
    for row in rows:
        try:
            data.add(place, run, run.search((row.id, row.repeat)))
        except JournalError as error:
            data.add_damaged(place, row.repeat, error.message)
