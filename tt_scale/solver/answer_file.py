"""A file of answers: one line of JSON for each question, in the order of the questions.

    answers.jsonl        written whole, or not at all, whenever a run ends
    answers.jsonl.run/   the journal, to which each answer goes as it is found, and the manifest of its configuration

A later run with the same questions and the same configuration goes on with what is in the journal.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any, ClassVar

from tt_scale.bench.format.lines import read_line
from tt_scale.bench.run.manifest import described, experiment
from tt_scale.bench.run.run_folder import JournalOf
from tt_scale.config import Config
from tt_scale.core.atomic_file import replacing
from tt_scale.core.question_id import question_id
from tt_scale.core.records import Problem
from tt_scale.core.solution import Solution, solution_record
from tt_scale.errors import JournalError

__all__ = ["AnswerJournal", "answer_line", "answer_record"]

NO_GRADER = "none"


@dataclass(frozen=True, slots=True)
class Answered:
    """What stays of a line in memory.

    Attributes:
        id: of the question.
        asked: digest of its text.
        error: empty where nothing failed.
        answer: None where no path gave one.
    """

    id: str
    asked: str
    error: str
    answer: str | None


class AnswerJournal(JournalOf[Answered]):
    """The answers to a list of questions, open for appending. Use it as a context manager.

    Args:
        path: of the file of answers; its journal lies in a folder beside it.
        config: must be that of the answers that the journal holds already.
        questions: all of them, in order.

    Raises:
        JournalError: the journal cannot be written, another process writes to it, it holds answers of another
            configuration, or there is a file at `path` that is not of it.
    """

    file: ClassVar[str] = "answers.jsonl"
    remedy: ClassVar[str] = "Give another file as -o."
    elsewhere: ClassVar[str] = remedy

    def __init__(self, path: FilePath, config: Config, questions: Sequence[Problem]) -> None:
        folder = path.with_name(f"{path.name}.run")
        if path.exists() and not folder.exists():
            raise JournalError(f"{str(path)!r} exists, and was not made by this command.", self.remedy)
        super().__init__(folder, described(experiment(config, "questions", [], NO_GRADER), config), retry_failed=True)
        self.path = path
        self._questions = list(questions)

    def entry(self, record: Mapping[str, Any]) -> Answered:
        """Take what is needed to go on."""
        return Answered(record["id"], question_id(record["question"]), record["error"], record["answer"])

    def name_of(self, entry: Answered) -> Hashable:
        """The id of the question."""
        return entry.id

    def check_questions(self) -> None:
        """Make sure that the answers in the journal are to questions that are asked now.

        Raises:
            JournalError: one is not.
        """
        asked = {question.id: question_id(question.question) for question in self._questions}
        for row in self.rows:
            if asked.get(row.id) != row.asked:
                told = "is asked something else now" if row.id in asked else "is not asked now"
                raise JournalError(f"{str(self.path)!r} answers {row.id!r}, which {told}.", self.remedy)

    def waiting(self) -> list[Problem]:
        """The questions without an answer, in order."""
        done = {row.id for row in self.rows}
        return [question for question in self._questions if question.id not in done]

    def write(self) -> None:
        """Write the file of answers: what is answered so far, in the order of the questions.

        Raises:
            JournalError: it cannot be written.
        """
        places = {row.id: place for place, row in enumerate(self.rows)}
        order = [places[question.id] for question in self._questions if question.id in places]
        try:
            lines = (self.folder / self.file).read_bytes().splitlines(keepends=True)
            with replacing(self.path) as file:
                file.writelines(_plain(lines[place]) + "\n" for place in order)
        except OSError as error:
            raise JournalError(f"{str(self.path)!r} cannot be written: {error.strerror or error}.") from None


def answer_record(solution: Solution) -> dict[str, Any]:
    """Write a solution and its question down."""
    about = {"id": solution.id, "question": solution.question}
    return {**about, **solution_record(solution), "error": solution.error}


def answer_line(solution: Solution) -> str:
    """The line of a solution, without its end."""
    return json.dumps(answer_record(solution), ensure_ascii=False)


def _plain(line: bytes) -> str:
    return json.dumps(read_line(line), ensure_ascii=False)
