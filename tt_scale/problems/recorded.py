"""Reader of files of recorded samples: problems with sampled solutions, and scores of their steps."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from tt_scale.core.printable import listed
from tt_scale.core.records import Problem
from tt_scale.errors import ProblemSetError
from tt_scale.problems.header import Header, read_header, without_header
from tt_scale.problems.identity import identify
from tt_scale.problems.local import extension_of, name_of, parse_jsonl, read_file
from tt_scale.problems.rows import RawRow, read_problem, refuse_half_characters
from tt_scale.problems.samples import RecordedSample, read_samples

__all__ = ["RecordedSet", "read_recorded"]


@dataclass(frozen=True)
class RecordedSet:
    """Problems with recorded samples.

    Attributes:
        path: path of the file.
        name: name of the set, the `source` of its problems.
        header: properties of all samples.
        problems: problems in file order.
        samples: samples by problem id, in file order.
        digest: hash of the file's content, in sixteen hex digits.
    """

    path: str
    name: str
    header: Header
    problems: Sequence[Problem]
    samples: Mapping[str, Sequence[RecordedSample]]
    digest: str

    @cached_property
    def prms(self) -> list[str]:
        """PRMs with scores of at least one sample, in the order of the file."""
        return list(dict.fromkeys([prm for each in self.samples.values() for sample in each for prm in sample.scores]))

    @cached_property
    def counts_tokens(self) -> bool:
        """Whether every sample has a token count."""
        return all(sample.tokens is not None for each in self.samples.values() for sample in each)

    @cached_property
    def longest(self) -> int:
        """Length of the longest sample in tokens; 0 if unknown."""
        return max([sample.tokens or 0 for each in self.samples.values() for sample in each], default=0)


def read_recorded(path: str, question_field: str | None = None, answer_field: str | None = None) -> RecordedSet:
    """Read a file of recorded samples; cached until the file changes.

    Args:
        path: path of a JSON Lines file, plain or compressed with gzip.
        question_field: field of the question, if it has no common name.
        answer_field: field of the gold answer, if it has no common name.

    Raises:
        ProblemSetError: it cannot be read, has another format, or a row is invalid.
    """
    if extension_of(path) != ".jsonl" or not os.path.isfile(os.path.expanduser(path)):
        raise ProblemSetError(
            f"{path!r} is not a file of recorded samples.", "Name one that ends in .jsonl or .jsonl.gz: --dataset FILE"
        )
    state = os.stat(os.path.expanduser(path))
    return _read(path, question_field, answer_field, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=2)
def _read(path: str, question_field: str | None, answer_field: str | None, changed: int, size: int) -> RecordedSet:
    data = read_file(os.path.expanduser(path))
    rows = parse_jsonl(path, data)
    header = read_header(rows)
    rows = without_header(rows)
    name = name_of(path)
    problems = [read_problem(row, name, question_field, answer_field) for row in rows]
    problems = identify(problems, [row.place for row in rows])
    samples = {problem.id: _samples(row) for problem, row in zip(problems, rows, strict=True)}
    if not problems:
        raise ProblemSetError(f"{path} contains no problems.", "Use a set with at least one row.")
    digest = hashlib.blake2b(data, digest_size=8).hexdigest()
    return RecordedSet(path, name, header, problems, samples, digest)


def _samples(row: RawRow) -> list[RecordedSample]:
    """Read and check the samples of one row."""
    if "samples" not in row.values:
        raise ProblemSetError(
            f"{row.place}: no field samples; fields present: {listed(row.values, quoted=True)}.",
            "This is a problem set, not a file of recorded samples: omit --generator recorded.",
        )
    samples = read_samples(row)
    for number, sample in enumerate(samples):
        if not sample.whole:
            raise ProblemSetError(
                f"{row.place}: sample {number} has only its end.", "A run needs the whole text; prm-eval reads ends."
            )
        for prm, scores in sample.scores.items():
            if not prm.strip() or "," in prm:
                raise ProblemSetError(
                    f"{row.place}: sample {number} names the PRM {prm!r}; a name is not empty and has no comma.",
                    "Rename it.",
                )
            wrong = next((score for score in scores if not 0.0 <= score <= 1.0), None)
            if wrong is not None:
                raise ProblemSetError(
                    f"{row.place}: sample {number} has the score {wrong} by {prm!r}; a score must be between 0 and 1."
                )
    refuse_half_characters(row.place, [sample.text for sample in samples])
    return samples
