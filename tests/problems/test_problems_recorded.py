"""Files of recorded samples as they are read."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest
from recorded_sets import PRM, row, rows, sample, write_set

from tt_scale.core.last_number import last_number
from tt_scale.core.logprobs import confidence
from tt_scale.errors import ProblemSetError
from tt_scale.problems import load_problems
from tt_scale.problems.recorded import read_recorded

HEADER = {"format": "recorded samples", "answer_rule": "last_number", "generator": "maker/gen", "temperature": 0.8}


@pytest.mark.parametrize("name", ["mine.jsonl", "mine.jsonl.gz"])
def test_a_file_is_a_problem_set_with_samples(tmp_path: Path, name: str) -> None:
    """The same problems by the ordinary reader; a header is no problem, ".gz" no part of the set's name."""
    path = write_set(tmp_path / name, HEADER, *rows())
    found = read_recorded(path)
    assert [*found.problems] == load_problems(path)
    assert (found.name, found.problems[0].source, found.prms) == ("mine", "mine", [PRM])
    assert (found.header.answer_rule, found.header.generator, found.header.temperature) == (
        "last_number",
        "maker/gen",
        0.8,
    )
    first, *_, last = found.samples["p1"]
    assert (first.tokens, first.correct, first.scores, first.finished) == (10, True, {PRM: (0.2, 0.9)}, True)
    assert len(last.scores[PRM]) == 3  # more than paragraphs: nothing is split or counted again
    assert found.counts_tokens


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    """A set that was corrected, and is remembered as it was."""
    path = tmp_path / "mine.jsonl"
    before = read_recorded(write_set(path, *rows()))
    assert read_recorded(str(path)) is before
    after = read_recorded(write_set(path, *rows(tokens=123)))
    assert after.samples["p1"][0].tokens == 123
    assert after.digest != before.digest


def test_the_published_names_of_fields(tmp_path: Path) -> None:
    """Replays of StrictPRMBench are read as they are."""
    published = {
        "text": "so 5",
        "n_tokens": 3,
        "n_steps": 2,
        "upstream_correct": False,
        "scores": {"a b (c)": [1, 0.5]},
    }
    found = read_recorded(write_set(tmp_path / "mine.jsonl", row([published], id="x", upstream_answer="2")))
    [each] = found.samples["x"]
    assert (each.tokens, each.correct, each.scores) == (3, False, {"a b (c)": (1.0, 0.5)})


def test_what_a_sample_may_leave_out(tmp_path: Path) -> None:
    """Text or steps are enough."""
    lean = [{"text": r"\boxed{5}"}, {"steps": ["2 + 3", r"\boxed{5}"], "scores": [0.5, 1]}, {"text": ""}]
    found = read_recorded(write_set(tmp_path / "mine.jsonl", row(lean, id="x")))
    text, steps, nothing = found.samples["x"]
    assert (text.tokens, text.correct, text.scores, text.steps) == (None, None, {}, ())
    assert (steps.text, steps.steps) == ("2 + 3\n\n\\boxed{5}", ("2 + 3", r"\boxed{5}"))
    assert (steps.scores, nothing.text) == ({"recorded": (0.5, 1.0)}, "")
    assert not found.counts_tokens


def test_confidences_from_the_likeliest_tokens(tmp_path: Path) -> None:
    """As servers return them: a list for each token."""
    likeliest = [[-0.1, -2.5], [-0.3, -1.5, -4.0]]
    given = sample("5", True, [0.5], 2, logprobs=[-0.1, -1.5], top_logprobs=likeliest)
    [each] = read_recorded(write_set(tmp_path / "mine.jsonl", row([given], id="x"))).samples["x"]
    assert each.confidences == tuple([confidence(own, 20) for own in likeliest])


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ({"question": "q", "answer": "5"}, "no field samples; .*'question'.*omit --generator recorded"),
        (row([]), "samples is a list of 0"),
        (row(["text"]), "samples holds 'text'; allowed: object"),
        (row([{"text": 5}]), "sample 0 has no steps; fields present: text"),
        (row([{"tokens": 5}]), "sample 0 has no steps; fields present: tokens"),
        (row([{"end": "5", "scores": [0.5]}]), "sample 0 has only its end"),
        (row([{"steps": []}]), "steps is a list of 0"),
        (row([sample("5", True, [1.5])]), "sample 0 has the score 1.5 by 'maker/prm'; a score must be between 0 and 1"),
        (row([sample("5", True, [float("nan")])]), "has the score nan"),
        (row([sample("5", True, [])]), "scores is a list of 0"),
        (row([sample("5", True, ["high"])]), "scores holds 'high'"),  # type: ignore[list-item]
        (row([{"text": "5", "scores": {"a, b": [1]}}]), "names the PRM 'a, b'; a name is not empty and has no comma"),
        (row([sample("5", True, [0.5], -1)]), "tokens of sample 0 is -1, not an integer of at least 0"),
        (row([sample("5", True, [0.5], True)]), "tokens of sample 0 is True"),
        (row([{"text": "5", "correct": "yes"}]), "correct of sample 0 is 'yes', not true or false"),
        (row([{"text": "5", "answer": 5}]), "answer of sample 0 is 5, not text or null"),
        (row([{"text": "5", "finish_reason": 5}]), "finish_reason of sample 0 is 5"),
        (row([sample("5", True, [1], 3, logprobs=[-1], confidences=[1])]), "1 logprobs and 1 confidences for 3 tokens"),
        (row([sample("5", True, [1], None, logprobs=[-1], confidences=[1])]), "for an unknown number of tokens"),
        (row([sample("5", True, [1], text="\ud83d")]), "lone surrogate"),
        (row([sample("5", True, [1])], answer_rule="first"), "answer_rule is 'first'; allowed: boxed, last_number"),
    ],
)
def test_broken_rows_are_named(tmp_path: Path, line: dict[str, Any], told: str) -> None:
    """Each names the line, the sample, what stands there and what may."""
    path = write_set(tmp_path / "mine.jsonl", line)
    with pytest.raises(ProblemSetError, match=told) as caught:
        read_recorded(path)
    assert "line 1" in str(caught.value)


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ({"answer_rule": "any"}, "answer_rule is 'any'"),
        ({"generator": 5}, "generator is 5; the name of a model is needed"),
        ({"temperature": "hot"}, "temperature is 'hot'"),
    ],
)
def test_broken_headers_are_named(tmp_path: Path, header: dict[str, Any], told: str) -> None:
    with pytest.raises(ProblemSetError, match=told):
        read_recorded(write_set(tmp_path / "mine.jsonl", {"format": "recorded samples", **header}, *rows()))


def test_one_rule_for_a_file(tmp_path: Path) -> None:
    """Rows that state two: the table could name but one."""
    one, two = rows()
    path = write_set(tmp_path / "mine.jsonl", one | {"answer_rule": "boxed"}, two | {"answer_rule": "last_number"})
    with pytest.raises(ProblemSetError, match="line 2: answer_rule is 'last_number', but 'boxed' in an earlier row"):
        read_recorded(path)


@pytest.mark.parametrize("name", ["gone.jsonl", "math500", "mine.csv"])
def test_what_is_no_such_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.csv").write_text("question,answer\n1,2\n")
    with pytest.raises(ProblemSetError, match=r"is not a file of recorded samples.*--dataset FILE"):
        read_recorded(name)


def test_a_damaged_archive_is_named(tmp_path: Path) -> None:
    """Cut in the middle, and never packed."""
    path = Path(write_set(tmp_path / "mine.jsonl.gz", *rows()))
    path.write_bytes(path.read_bytes()[:-20])
    for _ in range(2):
        with pytest.raises(ProblemSetError, match="is no complete gzip file"):
            read_recorded(str(path))
        path.write_text("hello")
    path.write_bytes(gzip.compress(b""))
    with pytest.raises(ProblemSetError, match="contains no problems"):
        read_recorded(str(path))


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("She sells 3 of 1,250 eggs for $2,500.50.", "2500.50"),
        ("It is -4", "-4"),
        ("20-5", "5"),
        ("x = -1.", "-1"),
        ("(3)-2", "2"),
        (".5 of it", ".5"),
        ("3/4", "4"),
        ("1,000, or so", "1000"),
        ("no number", None),
        ("", None),
        ("\u0664", None),
    ],
)
def test_the_last_number(text: str, number: str | None) -> None:
    assert last_number(text) == number
