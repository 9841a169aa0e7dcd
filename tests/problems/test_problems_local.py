"""Local files: what is read, and what is said about bad ones."""

from __future__ import annotations

import csv
import json
import os
import sys

import pytest

from tt_scale.base_classes import Problem
from tt_scale.errors import MissingExtraError, ProblemSetError
from tt_scale.problems import load_problems

ROWS = [
    {"id": "a", "question": 'Say "1, 2",\nthen √4.', "answer": "2", "level": 3, "subject": "Algebra"},
    {"id": "b", "question": "Half\u2028of 1?", "answer": "0.5", "level": 1, "subject": "Fractions"},
]
EXPECTED = [Problem(**row, source="mine") for row in ROWS]
GOOD = '{"question": "1 + 1?", "answer": "2"}\n'


def write_jsonl(path):
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS) + "\n\n", encoding="utf-8")


def write_windows_jsonl(path):
    text = "\r\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS)
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())


def write_json(path):
    path.write_text(json.dumps(ROWS, indent=1), encoding="utf-8")


def write_csv(path):
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, list(ROWS[0]))
        writer.writeheader()
        writer.writerows(ROWS)


def write_parquet(path):
    parquet = pytest.importorskip("pyarrow.parquet")
    table = pytest.importorskip("pyarrow").Table.from_pylist(ROWS)
    parquet.write_table(table, path)


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("mine.jsonl", write_jsonl),
        ("mine.JSONL", write_windows_jsonl),
        ("mine.json", write_json),
        ("mine.csv", write_csv),
        ("mine.parquet", write_parquet),
    ],
)
def test_round_trip(tmp_path, name, write):
    """Line ends inside quotes or strings, a byte order mark, or a level that comes back as text."""
    write(tmp_path / name)
    assert load_problems(tmp_path / name) == EXPECTED


@pytest.mark.parametrize(
    ("row", "answer"),
    [
        ({"answer": "So 2 * 600 = <<2*600=1200>>1,200.\n#### 1,200"}, "1200"),
        ({"answer": "#### (1,2)"}, "(1,2)"),
        ({"answer": r"\boxed{\frac{1}{2}}"}, r"\frac{1}{2}"),
        ({"solution": r"First \boxed{1}, no: \boxed{x^{2}}."}, "x^{2}"),
        ({"solution": r"It is $\boxed 2$."}, "2"),
        ({"solution": r"It is \fbox{2}."}, "2"),
        ({"solution": r"We get $x=\boxed{3}$ or $x=\boxed{5}$."}, "3, 5"),
        ({"solution": r"So $\boxed{30}$. And $\boxed{150}$. In all $\boxed{30}$, $\boxed{150}$."}, "30, 150"),
        ({"solution": r"It is $\boxed{\frac12}$, that is $\boxed{0.5}$."}, "0.5"),
        ({"answer": "7", "solution": r"\boxed{8}"}, "7"),
        ({"gold": 142.0}, "142"),
        ({"target": 10**20}, str(10**20)),
        ({"final_answer": ["12"]}, "12"),
        ({"answer": " 0 "}, "0"),
        ({"answer": 0}, "0"),
    ],
)
def test_gold_answers(tmp_path, row, answer):
    """The whole solution as gold answer, 142.0 for 142, or 0 taken for nothing."""
    path = tmp_path / "mine.jsonl"
    path.write_text(json.dumps({"prompt": "?", **row}), encoding="utf-8")
    assert load_problems(path)[0].answer == answer


@pytest.mark.parametrize(
    ("level", "read"),
    [("Level 3", 3), ("3", 3), (3.0, 3), (3, 3), ("Level ?", None), ("hard", None), (None, None), (2.5, None)],
)
def test_levels(tmp_path, level, read):
    """The "Level 3" of MATH and the 3 of MATH-500 are one level."""
    path = tmp_path / "mine.jsonl"
    path.write_text(json.dumps({"problem": "?", "answer": "1", "level": level}), encoding="utf-8")
    assert load_problems(path)[0].level == read


def test_fields_in_capitals_and_the_whole_question(tmp_path):
    """In SVAMP's table "Question" is only the last sentence; reading it made every problem unanswerable."""
    path = tmp_path / "mine.csv"
    path.write_text("ID,Body,Question,question_concat,Answer\n1,Two.,And two?,Two. And two?,4.0\n", encoding="utf-8")
    assert load_problems(path) == [Problem("1", "Two. And two?", "4.0", source="mine")]


def test_chosen_fields(tmp_path):
    """--question-field lost against a field with a usual name."""
    path = tmp_path / "mine.jsonl"
    path.write_text('{"question": "wrong", "Frage": "1 + 1?", "Antwort": 2}', encoding="utf-8")
    problem = load_problems(path, question_field="Frage", answer_field="Antwort")[0]
    assert (problem.question, problem.answer) == ("1 + 1?", "2")


FIELDS = "fields present: 'q', 'answer'"
BAD = {
    "empty": ("mine.jsonl", "", "contains no problems."),
    "blank": ("mine.jsonl", "\n \n", "contains no problems."),
    "empty json": ("mine.json", "[]", "contains no problems."),
    "empty csv": ("mine.csv", "", "contains no problems."),
    "broken row": (
        "mine.jsonl",
        GOOD + '\n{"question": oops}\n',
        "mine.jsonl, line 3: invalid JSON at column 14: Expecting",
    ),
    "torn row": ("mine.jsonl", GOOD + GOOD[:20], "mine.jsonl, line 2: invalid JSON at column"),
    "nested": ("mine.jsonl", "[" * 200_000, "mine.jsonl, line 1: invalid JSON: "),
    "list row": ("mine.jsonl", GOOD + "[1, 2]", 'mine.jsonl, line 2: a list of 2, not an object. Write {"question"'),
    "text row": ("mine.json", '["a"]', "mine.json, row 1: a text, not an object."),
    "null row": ("mine.jsonl", "null", "mine.jsonl, line 1: a null, not an object."),
    "no list": ("mine.json", '{"question": 1}', "contains a JSON object, not a list of objects."),
    "jsonl as json": (
        "mine.json",
        GOOD + GOOD,
        "invalid JSON at line 2, column 1: Extra data. If it has one object per line,",
    ),
    "no question": ("mine.jsonl", '{"q": "?", "answer": "1"}', FIELDS + ". Name the right one with --question-field."),
    "no answer": ("mine.jsonl", '{"question": "?"}', "line 1: no field for the answer (answer, gold, "),
    "empty question": (
        "mine.jsonl",
        GOOD + '{"question": " ", "answer": "1"}',
        "line 2: the question, field 'question', is empty.",
    ),
    "null question": ("mine.jsonl", '{"question": null, "answer": "1"}', "the question, field 'question', is empty."),
    "chat": ("mine.jsonl", '{"prompt": [{}], "answer": "1"}', "field 'prompt', is a list of 1, not text."),
    "empty answer": (
        "mine.jsonl",
        '{"question": "?", "answer": ""}',
        "line 1: the gold answer, field 'answer', is empty.",
    ),
    "nan answer": ("mine.jsonl", '{"question": "?", "answer": NaN}', "the gold answer, field 'answer', is empty."),
    "empty tail": ("mine.jsonl", '{"question": "?", "answer": "So.\\n####"}', "field 'answer', is empty."),
    "two answers": ("mine.jsonl", '{"question": "?", "answer": [1, 2]}', "is a list of 2, not text or a number."),
    "true answer": ("mine.jsonl", '{"question": "?", "answer": true}', "is a boolean, not text or a number."),
    "no box": (
        "mine.jsonl",
        '{"question": "?", "solution": "1"}',
        "contains no complete \\boxed{}. Name the right field",
    ),
    "several boxes": (
        "mine.jsonl",
        r'{"question": "?", "solution": "One angle is $\\boxed{30}$. The other is $\\boxed{75}$."}',
        "has several boxes that do not form a list: 30; 75. Write the whole answer into one \\boxed{}",
    ),
    "open box": ("mine.jsonl", '{"question": "?", "answer": "\\\\boxed{1"}', "contains no complete \\boxed{}."),
    "bad id": ("mine.jsonl", '{"id": {}, "question": "?", "answer": "1"}', "the id is a JSON object, not text"),
    "extension": ("mine.txt", GOOD, "has the extension '.txt'; allowed: .jsonl, .json, .csv, .parquet."),
    "no extension": ("mine", GOOD, "has the extension ''; allowed: .jsonl"),
    "no header": (
        "mine.csv",
        "1 + 1?,2\n2 + 2?,4\n",
        "fields present: '1 + 1?', '2'. Name the right one with --question-field. The first line of a CSV",
    ),
    "one line": (
        "mine.csv",
        "1 + 1?,2\n",
        "contains no problems, only column names: 1 + 1?, 2. The first line of a CSV file names",
    ),
    "same columns": ("mine.csv", "a,a\n1,2\n", "line 1: column names must not be empty or repeated: 'a', 'a'."),
    "no column name": ("mine.csv", "question,\n1,2\n", "column names must not be empty or repeated: 'question', ''."),
    "comma": (
        "mine.csv",
        'question,answer\n"a\nb",1\n1, 2 or 3?,3\n',
        "mine.csv, line 4: 3 cells, but the first line names 2",
    ),
    "open quote": (
        "mine.csv",
        'question,answer\n"1 + 1?,2\n',
        "mine.csv, line 2: invalid CSV: unexpected end of data.",
    ),
    "csv empty": (
        "mine.csv",
        "question,answer\n1 + 1?,\n",
        "mine.csv, line 2: the gold answer, field 'answer', is empty.",
    ),
    "half": ("mine.jsonl", '{"question": "\\ud83d", "answer": "1"}', "line 1: \\ud83d is a lone surrogate."),
    "parquet": ("mine.parquet", "PAR1 this is none", "mine.parquet is not a valid Parquet file: "),
}


@pytest.mark.parametrize(("name", "text", "message"), BAD.values(), ids=BAD)
def test_bad_files(tmp_path, monkeypatch, name, text, message):
    """Each of these ended in a traceback, or in a run over problems that nobody wrote."""
    monkeypatch.chdir(tmp_path)
    if name.endswith(".parquet"):
        pytest.importorskip("pyarrow")
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(ProblemSetError) as caught:
        load_problems(name)
    assert message in str(caught.value)
    assert str(caught.value).startswith(name)
    assert "\n" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize("name", ["mine.jsonl", "mine.csv", "mine.json"])
def test_encoding(tmp_path, name):
    """A file saved by an old spreadsheet: "can't decode byte 0xe9 in position 41" of which line?"""
    (tmp_path / name).write_bytes(b"question,answer\nCaf\xe9?,1\n")
    with pytest.raises(ProblemSetError, match=r", line 2: byte 4 is not valid UTF-8\. Save the file as UTF-8\."):
        load_problems(tmp_path / name)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may read everything")
def test_unreadable_file(tmp_path):
    """A file of somebody else."""
    path = tmp_path / "mine.jsonl"
    path.touch(mode=0)
    with pytest.raises(ProblemSetError, match=r"mine\.jsonl cannot be read: Permission denied\."):
        load_problems(path)


def test_file_that_fails_while_it_is_read(tmp_path, monkeypatch):
    """A disk or network drive that fails; the superuser cannot be refused a file, so the failure is made."""
    path = tmp_path / "mine.jsonl"
    path.write_text(GOOD, encoding="utf-8")

    def broken(*_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("builtins.open", broken)
    with pytest.raises(ProblemSetError, match=r"mine\.jsonl cannot be read: Input/output error\."):
        load_problems(path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("maht500", "There is no problem set or file 'maht500'. Did you mean 'math500'?"),
        ("MATH-500", "Did you mean 'math500'?"),
        ("aime_2024", "Did you mean 'aime_2025'?"),
        ("gsm8k.jsonl", "There is no problem set or file 'gsm8k.jsonl'. Did you mean 'gsm8k'?"),
        ("zzz", "Allowed: aime_2025, apex_2025, "),
        ("", "There is no problem set or file ''."),
        ("folder", "folder is a folder. Name a file in it that ends in .jsonl, .json, .csv, .parquet."),
        ("folder/mine.jsonl", "There is no file 'folder/mine.jsonl'."),
        ("../mine", "There is no file '../mine'."),
        ("a" * 5000, "There is no problem set or file"),
        ("a\0b", "There is no problem set or file"),
    ],
)
def test_missing(tmp_path, monkeypatch, name, message):
    """A mistyped name went to the hub, and came back as a page about repositories and tokens."""
    monkeypatch.setitem(sys.modules, "datasets", None)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    with pytest.raises(ProblemSetError) as caught:
        load_problems(name)
    assert message in str(caught.value)


def test_missing_pyarrow(tmp_path, monkeypatch):
    """Parquet without pyarrow must say what to install."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (tmp_path / "mine.parquet").write_bytes(b"PAR1")
    with pytest.raises(MissingExtraError, match=r"Reading Parquet files needs .* pip install 'tt-scale\[hub\]'"):
        load_problems(tmp_path / "mine.parquet")


def test_bundled_names_win_over_files_and_files_over_the_hub(tmp_path, monkeypatch):
    """A file in the working folder silently replaced a benchmark."""
    monkeypatch.setitem(sys.modules, "datasets", None)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "svamp").write_text(GOOD, encoding="utf-8")
    (tmp_path / "owner").mkdir()
    (tmp_path / "owner" / "name.jsonl").write_text(GOOD, encoding="utf-8")
    assert len(load_problems("svamp")) == 1000
    assert len(load_problems("owner/name.jsonl")) == 1


def test_problems_without_gold_answers(tmp_path):
    """Where nothing is graded, none is needed; a field that was named must be there all the same."""
    path = tmp_path / "mine.jsonl"
    path.write_text('{"question": "What is 2 + 3?"}\n{"question": "2 + 4?", "answer": null}\n'
                    '{"question": "2 + 5?", "answer": "7"}\n')  # fmt: skip
    assert [problem.answer for problem in load_problems(path, gold=False)] == ["", "", "7"]
    with pytest.raises(ProblemSetError, match="no field for the answer"):
        load_problems(path)
    with pytest.raises(ProblemSetError, match="no field 'gold_answer'"):
        load_problems(path, gold=False, answer_field="gold_answer")
