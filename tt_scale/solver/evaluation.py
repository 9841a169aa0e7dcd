"""`bench` for Python: search methods over problem sets, with typed results and the run folders on disk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

from tt_scale.bench.record import CALL_SECONDS, Row
from tt_scale.bench.run.events import Reporter, silent
from tt_scale.bench.run.plan import Plan
from tt_scale.bench.run.session import bench
from tt_scale.bench.stats.metrics import Summary, summarise
from tt_scale.config import Config
from tt_scale.errors import ConfigError, MissingExtraError
from tt_scale.solver.call_config import call_config
from tt_scale.solver.loop_thread import LoopThread

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Evaluation", "RunResult", "aevaluate", "evaluate"]

Methods = Sequence[str] | Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class RunResult:
    """One method over one problem set.

    Attributes:
        dataset: the problem set, as it was named.
        method: the search method.
        folder: of the run: manifest.json, problems.jsonl with every tree, detail.csv.
        config: of the run.
        rows: the numbers of each search, in the order in which they were finished.
        summary: accuracy with its 95 % interval, mean tokens, counts and total usage.
    """

    dataset: str
    method: str
    folder: FilePath
    config: Config
    rows: tuple[Row, ...]
    summary: Summary

    @property
    def accuracy(self) -> float:
        """Share of right answers, in [0, 1]; failed searches count as wrong."""
        return self.summary.accuracy

    @property
    def tokens(self) -> float:
        """Mean generated tokens of a search."""
        return self.summary.tokens


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All runs of one call, problem set by problem set, methods in the order in which they were named.

    Attributes:
        runs: at least one.
    """

    runs: tuple[RunResult, ...]

    def __iter__(self) -> Iterator[RunResult]:
        return iter(self.runs)

    def __getitem__(self, method: str) -> RunResult:
        """Find the run of a method; with several problem sets, that over the first."""
        for run in self.runs:
            if run.method == method:
                return run
        raise KeyError(f"no run of {method!r}; there are {', '.join(dict.fromkeys(run.method for run in self.runs))}")

    def to_pandas(self) -> pd.DataFrame:
        """Make a table with a row for each search: dataset, method, id, repeat, level, correct, answer, gold, tokens...

        Raises:
            MissingExtraError: pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError:
            raise MissingExtraError("pandas", "pandas", "A table of results") from None
        return pd.DataFrame([record for run in self.runs for record in _records(run)])


def evaluate(config: Config, methods: Methods | None = None, *, report: Reporter = silent) -> Evaluation:
    """Run search methods over the problem sets of a configuration, as `tt-scale bench` does; the models load once.

    The same call continues an interrupted run, and does nothing but read where everything is done.

    Args:
        config: models, problem sets, knobs and output folder.
        methods: names, or names with the knobs of each; None for the method of the configuration.
        report: called with events: warnings, loading, the progress of each run (`tt_scale.bench.run.events`), in
            another thread. `tt_scale.report.console_reporter.ConsoleReporter` prints them.

    Raises:
        TTScaleError: before any model is loaded where the input is at fault; an EngineDeadError or a JournalError
            later, with everything that was finished on disk.
    """
    thread = LoopThread()
    try:
        return thread.run(aevaluate(config, methods, report=report))
    finally:
        thread.close()


async def aevaluate(config: Config, methods: Methods | None = None, *, report: Reporter = silent) -> Evaluation:
    """Asynchronous `evaluate`, for code that runs in an event loop."""
    plans = await bench(_configs(config, methods), report)
    return Evaluation(tuple([_result(plan) for plan in plans]))


def _configs(config: Config, methods: Methods | None) -> list[Config]:
    if methods is None:
        return [config]
    if isinstance(methods, str) or not methods:
        raise ConfigError(f"methods is {methods!r}; it is a list of names.", 'Write: methods=["best_of_n", "dvts"]')
    knobs = methods if isinstance(methods, Mapping) else {name: {} for name in methods}
    return [call_config(config, {**own, "method": name})[0] for name, own in knobs.items()]


def _result(plan: Plan) -> RunResult:
    rows = tuple(plan.journal.rows)
    summary = summarise("Overall", rows)
    return RunResult(plan.dataset, plan.config.method, plan.journal.folder, plan.config, rows, summary)


def _records(run: RunResult) -> Iterator[dict[str, Any]]:
    for row in run.rows:
        yield {
            "dataset": run.dataset,
            "method": run.method,
            "id": row.id,
            "repeat": row.repeat,
            "level": row.level,
            "correct": row.correct,
            "grade": row.grade,
            "answer": row.answer,
            "gold": row.gold,
            "stopped": row.stopped,
            "error": row.error,
            **asdict(row.usage),
            **{name: getattr(row, name) for name in CALL_SECONDS},
        }
