"""Loading of a problem set by name, path or hub name."""

from __future__ import annotations

import os

from tt_scale.core.records import Problem
from tt_scale.errors import ConfigError, ProblemSetError, nearest
from tt_scale.pocket import problems as pocket
from tt_scale.problems.bundled import BUNDLED
from tt_scale.problems.catalogue import HUB_NAMES, list_problem_sets
from tt_scale.problems.header import without_header
from tt_scale.problems.hub import HUB_NAME, read_hub
from tt_scale.problems.identity import identified_by_question, identify, sample, split_ids
from tt_scale.problems.local import READERS, extension_of, name_of, read_local
from tt_scale.problems.rows import RawRow, read_problem
from tt_scale.problems.simulated import simulated_problems

__all__ = ["load_problems"]


def load_problems(
    name: str | os.PathLike[str],
    *,
    split: str = "train",
    num_samples: int | None = None,
    seed: int = 79,
    question_field: str | None = None,
    answer_field: str | None = None,
    gold: bool = True,
) -> list[Problem]:
    """Load a problem set.

    Args:
        name: a bundled set (`math500`, `gsm8k`, `svamp`, `simulated`, or `pocket-math`, which accepts settings:
            `pocket-math:count=200,seed=7,levels=3-5,split=test`), else a local file (.jsonl, .jsonl.gz, .json, .csv,
            .parquet), else a set of the Hugging Face hub: the short name of a MathArena set (`aime_2025`) or
            `owner/name`, `owner/name:configuration`, `owner/name:configuration:split`; `@revision` after the name is a
            branch, tag or commit. With `:ids=question` at the end (`,ids=question` after other settings), the id of a
            problem is `question-` and a digest of the question, as in `solve` and in a server.
        split: split of a hub set that has several; openai/gsm8k is read from "test" unless its name contains a split.
        num_samples: size of a seeded random sample, at least 1, in file order; None, or more than there are, means all.
        seed: seed of the sample.
        question_field: field of the question, if it has no common name; not used for bundled sets.
        answer_field: field of the gold answer, if it has no common name; not used for bundled sets.
        gold: whether each problem must have a gold answer; with False, a missing one is "", for problems that are
            solved but not graded.

    Returns:
        The problems, with ids that are unique in the set and the same on every machine.

    Raises:
        ProblemSetError: the set cannot be found or read, or a row is invalid.
        ConfigError: `num_samples` is below 1.
        MissingExtraError: the library for hub sets or Parquet files is not installed.
    """
    name = os.fspath(name)
    if num_samples is not None and num_samples < 1:
        raise ConfigError(f"num_samples is {num_samples}; allowed: 1 or more.", "Omit it to use the whole set.")
    by_question = False
    if not os.path.exists(os.path.expanduser(name)):
        name, by_question = split_ids(name)
    problems = _whole_set(name, split, question_field, answer_field, gold=gold)
    return sample(identified_by_question(problems) if by_question else problems, num_samples, seed)


def _whole_set(
    name: str, split: str, question_field: str | None, answer_field: str | None, *, gold: bool
) -> list[Problem]:
    _refuse_revision(name)
    if name == "simulated":
        return simulated_problems()
    short, _, settings = name.partition(":")
    if short == pocket.NAME:
        return _pocket(settings)
    if name in BUNDLED:
        question_field = answer_field = None
    source, rows = _read(name, split)
    if not rows:
        raise ProblemSetError(f"{name} contains no problems.", "Use a set with at least one row.")
    problems = [read_problem(row, source, question_field, answer_field, gold=gold) for row in rows]
    return identify(problems, [row.place for row in rows])


def _pocket(settings: str) -> list[Problem]:
    request = pocket.read_request(settings)
    generated = pocket.pocket_math(request.count, request.seed, request.levels, request.split)
    return [pocket.as_problem(problem) for problem in generated]


def _read(name: str, split: str) -> tuple[str, list[RawRow]]:
    """Read the rows of a set, and return them with the set's name in results: never a path of this machine."""
    if name in BUNDLED:
        return name, BUNDLED[name]()
    path = os.path.expanduser(name)
    if os.path.isfile(path):
        return name_of(path), without_header(read_local(path))
    short, _, revision = name.partition("@")
    hub = f"{HUB_NAMES[short]}@{revision}" if revision and short in HUB_NAMES else HUB_NAMES.get(name, name)
    looks_like_file = os.path.isdir(path) or extension_of(name) in READERS
    if HUB_NAME.fullmatch(hub) and (short in HUB_NAMES or not looks_like_file):
        return hub, read_hub(hub, split)
    raise _missing(name, path)


def _refuse_revision(name: str) -> None:
    """Reject a revision of a set that is not on the hub, instead of ignoring it."""
    short, mark, revision = name.partition("@")
    if os.path.exists(os.path.expanduser(name)) or not mark:
        return
    if not revision:
        raise ProblemSetError(f"{name!r} names no revision.", f"Type: --dataset {short}, or {short}@ and the revision")
    if short.partition(":")[0] in (*BUNDLED, "simulated", pocket.NAME):
        raise ProblemSetError(f"{name}: {short} comes with tt_scale and has no revisions.", f"Type: --dataset {short}")


def _missing(name: str, path: str) -> ProblemSetError:
    if os.path.isdir(path):
        return ProblemSetError(f"{name} is a folder.", f"Name a file in it that ends in {', '.join(READERS)}.")
    if os.path.basename(name) != name:
        return ProblemSetError(f"There is no file {name!r}.", f"Here is {os.getcwd()!r}; check the path.")
    known = [known.name for known in list_problem_sets()]
    stem = name_of(name).lower()
    return ProblemSetError(f"There is no problem set or file {name!r}.", nearest(stem, known))
