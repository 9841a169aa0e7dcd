"""`tt-scale solve FILE`: answer a file of questions, or the lines of standard input."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from contextlib import aclosing
from pathlib import Path
from typing import BinaryIO

import click

from tt_scale.bench.run.events import Reporter, Resumed, RunCounter, RunProgress, Warned
from tt_scale.bench.run.signals import wait_for
from tt_scale.cli.configs import INTERRUPTED, RESUME, fail, resumable, status_of
from tt_scale.config import Config
from tt_scale.core.output_path import check_output
from tt_scale.core.records import Problem
from tt_scale.core.solution import Solution
from tt_scale.errors import ConfigError
from tt_scale.problems.questions import read_questions, stream_questions
from tt_scale.report.console_reporter import ConsoleReporter
from tt_scale.report.terminal import Terminal
from tt_scale.solver.answer_file import AnswerJournal, answer_line, answer_record
from tt_scale.solver.async_solver import AsyncSolver

__all__ = ["solve_file"]

STANDARD_INPUT = "standard input"

RESUME_STANDARD_INPUT = "Finished work is kept; the same command with the same input resumes from there."


def solve_file(source: str, output: str | None, config: Config, *, as_json: bool) -> int:
    """Answer questions; gives the exit status.

    Args:
        source: a file, or "-".
        output: file for the answers, which is continued; None prints them as they come.
        config: model, PRM, method and parameters.
        as_json: print one JSON object for each question instead of its id and answer.

    Raises:
        ConfigError: `as_json` with an output file, or an output file that cannot be written.
        ProblemSetError: a question cannot be read.
        JournalError: the file of answers belongs to other questions or another configuration.
        TTScaleError: the configuration cannot run, or a model failed.
    """
    if output is not None and as_json:
        raise ConfigError("--json concerns standard output; answers in a file are JSON Lines.", "Leave out --json.")
    if output is not None:
        check_output(output, "-o", "Type: -o answers.jsonl", new_folders=True)
    report = ConsoleReporter(Terminal(stderr=True))
    standard = source == "-"
    field = config.question_field
    if output is None:
        questions = _lines(field) if standard else read_questions(source, field)
        return _status(wait_for(_print_all(questions, config, report, as_json=as_json)))  # nothing is kept
    known = _all_lines(field) if standard else read_questions(source, field)
    told = RESUME_STANDARD_INPUT if standard else RESUME
    return _status(resumable(_write_all(known, Path(output), config, report), told))


def _lines(field: str | None) -> Iterable[Problem]:
    return stream_questions(_standard_input(), STANDARD_INPUT, field)


def _all_lines(field: str | None) -> list[Problem]:
    """Read standard input to its end: a file of answers has the order of its questions, all of which it knows."""
    try:
        return list(_lines(field))
    except KeyboardInterrupt:
        fail("interrupted while reading the questions; with -o the search begins at their end.", INTERRUPTED)


def _standard_input() -> BinaryIO:
    """Open standard input a second time: Python aborts at its end while a thread waits in `sys.stdin` itself."""
    try:
        return open(sys.stdin.fileno(), "rb", closefd=False)
    except (OSError, ValueError):  # it is no file of the system
        return sys.stdin.buffer


async def _print_all(
    questions: Iterable[Problem], config: Config, report: Reporter, *, as_json: bool
) -> list[tuple[str | None, str]]:
    """Print each solution as it is finished; gives answer and error of each."""
    solver = AsyncSolver(config, report)
    ends: list[tuple[str | None, str]] = []
    try:
        await solver.open()
        async with aclosing(solver.solve_many(questions)) as solutions:
            async for solution in solutions:
                click.echo(answer_line(solution) if as_json else _short(solution))
                sys.stdout.flush()  # whoever asked through a pipe waits for it
                ends.append((solution.answer, solution.error))
    finally:
        await solver.close()
    return ends


async def _write_all(
    questions: list[Problem], output: Path, config: Config, report: Reporter
) -> list[tuple[str | None, str]]:
    """Write each solution down as it is finished, and the file of answers at the end, also at an early one."""
    solver = AsyncSolver(config, report)
    with AnswerJournal(output, config, questions) as journal:
        journal.check_questions()
        for warning in journal.warnings:
            report(Warned(warning))
        try:
            if journal.waiting():
                await _answer(solver, journal, len(questions), report)
        finally:
            journal.write()
        ends = [(row.answer, row.error) for row in journal.rows]
    told = Counter(["failed" if error else "no answer" if answer is None else "answered" for answer, error in ends])
    click.echo(f"{output}: {', '.join([f'{count} {what}' for what, count in sorted(told.items())])}", err=True)
    return ends


async def _answer(solver: AsyncSolver, journal: AnswerJournal, total: int, report: Reporter) -> None:
    done = len(journal.rows)
    if done:
        report(Resumed(done, "searches", total))
    run = RunProgress("questions", total, done, unit="problems", at_once=solver.config.concurrency)
    try:
        await solver.open()
        with RunCounter(report, run) as counter:
            async with aclosing(solver.solve_many(journal.waiting())) as solutions:
                async for solution in solutions:
                    journal.append(answer_record(solution))
                    counter.one_more()
    finally:
        await solver.close()


def _short(solution: Solution) -> str:
    """Id and answer, or what went wrong, on one line."""
    answer = "no answer" if solution.answer is None else " ".join(solution.answer.split())
    return f"{solution.id}\t{' '.join(solution.error.split()) or answer}"


def _status(ends: list[tuple[str | None, str]]) -> int:
    if status := status_of([error for _, error in ends], "every question failed"):
        return status
    return 0 if not ends or any(answer is not None for answer, _ in ends) else 1
