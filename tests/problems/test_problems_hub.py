"""Hub sets, with `datasets.load_dataset` replaced: no test reaches the network."""

from __future__ import annotations

import re
import sys
from types import SimpleNamespace

import pytest

from tt_scale.base_classes import Problem
from tt_scale.errors import MissingExtraError, ProblemSetError
from tt_scale.problems import load_problems

MATH_500 = {
    "problem": "What is 1 + 1?",
    "solution": r"It is $\boxed{2}$.",
    "answer": "2",
    "subject": "Algebra",
    "level": 2,
    "unique_id": "test/algebra/1.json",
}
GSM8K = {"question": "How many?", "answer": "It is 2 * 600 = <<2*600=1200>>1,200.\n#### 1,200"}
MATH_ARENA = {"problem_idx": 3, "problem": "Find $x$.", "answer": "103", "problem_type": ["Algebra", "Geometry"]}
APEX = {"problem_idx": 1, "answer": "5", "source": "somewhere", "problem": "Find $y$."}


class Hub:
    """Stands for `datasets`: remembers what was asked for."""

    def __init__(self):
        self.answer = {}
        self.asked = []

    def load_dataset(self, *args):
        self.asked.append(args)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture(autouse=True)
def _no_network(monkeypatch):
    monkeypatch.setattr("tt_scale.engines.hub._is_reachable", lambda: False)


@pytest.fixture
def hub(monkeypatch):
    hub = Hub()
    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=hub.load_dataset))
    return hub


@pytest.mark.parametrize("name", ["aime_2025", "MathArena/aime_2025"])
def test_math_arena(hub, name):
    """The default sets have their own field names; a short name and the hub name are one set, with the same ids."""
    hub.answer = {"train": [MATH_ARENA]}
    assert load_problems(name) == [
        Problem("3", "Find $x$.", "103", subject="Algebra, Geometry", source="MathArena/aime_2025")
    ]
    assert hub.asked == [("MathArena/aime_2025", None)]


def test_apex_has_no_types(hub):
    """MathArena's Apex names each problem's competition `source`; that is not the set."""
    hub.answer = {"train": [APEX]}
    assert load_problems("apex_2025") == [Problem("1", "Find $y$.", "5", source="MathArena/apex_2025")]


def test_math_500(hub):
    """The set has only a test split: the default `split` must not stand in its way."""
    hub.answer = {"test": [MATH_500]}
    expected = Problem("test/algebra/1.json", "What is 1 + 1?", "2", 2, "Algebra", "HuggingFaceH4/MATH-500")
    assert load_problems("HuggingFaceH4/MATH-500") == [expected]


@pytest.mark.parametrize(
    ("name", "config", "question"),
    [
        ("openai/gsm8k", "main", "test"),
        ("openai/gsm8k:main", "main", "train"),
        ("openai/gsm8k:socratic:test", "socratic", "test"),
    ],
)
def test_gsm8k(hub, name, config, question):
    """GSM8K was measured on the problems that models train on; its answer is the end of a solution."""
    hub.answer = {split: [{**GSM8K, "question": split}] for split in ("train", "test")}
    problem = load_problems(name)[0]
    assert (problem.question, problem.answer, problem.source) == (question, "1200", name)
    assert hub.asked == [("openai/gsm8k", config)]


def test_missing_split_names_the_others(hub):
    """ "Unknown split" without a word about the splits that there are."""
    hub.answer = {"validation": [GSM8K], "test": [GSM8K]}
    with pytest.raises(ProblemSetError) as caught:
        load_problems("owner/name", split="train")
    assert str(caught.value) == (
        "owner/name has no split 'train'; available: test, validation. Type for example: --split test"
    )
    assert len(load_problems("owner/name", split="validation")) == 1


def test_labels_are_decoded():
    """A level stored as the number of a label is one too low: number 0 means "Level 1"."""
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        problem=datasets.Value("string"),
        answer=datasets.Value("string"),
        level=datasets.ClassLabel(names=["Level 1", "Level 2"]),
    )
    table = datasets.Dataset.from_list([{"problem": "?", "answer": "1", "level": 0}], features=features)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets, "load_dataset", lambda repo, config: datasets.DatasetDict(train=table))
        assert load_problems("owner/name")[0].level == 1


class DatasetNotFoundError(Exception):
    """Of the same name as the library's."""


CONFIGS = "Config name is missing.\nPlease pick one among the available configs: ['algebra', 'geometry']\nExample: ..."
HINT = "Check the name and the network, or use a local file: --dataset problems.jsonl"


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            ConnectionError("Couldn't reach 'owner/name' on the Hub (LocalEntryNotFoundError)\n" + "long " * 500),
            "owner/name cannot be read from the Hugging Face hub: Couldn't reach 'owner/name' on the Hub "
            f"(LocalEntryNotFoundError). {HINT}",
        ),
        (
            DatasetNotFoundError("Dataset 'owner/name' doesn't exist on the Hub or cannot be accessed."),
            f"The Hugging Face hub has no public problem set 'owner/name'. {HINT}",
        ),
        (
            ValueError(CONFIGS),
            "owner/name has these configurations: algebra, geometry. Name one: --dataset owner/name:algebra",
        ),
        (RuntimeError(), f"owner/name cannot be read from the Hugging Face hub: RuntimeError. {HINT}"),
    ],
    ids=["network", "unknown", "configurations", "silent"],
)
def test_failures_are_one_sentence(hub, error, message):
    """The library's pages of traceback hid that only the network was down."""
    hub.answer = error
    with pytest.raises(ProblemSetError) as caught:
        load_problems("owner/name")
    assert str(caught.value) == message
    assert caught.value.__suppress_context__


def test_bad_rows_name_the_row(hub):
    """A hub row without an answer."""
    hub.answer = {"train": [MATH_ARENA, {**MATH_ARENA, "answer": None}]}
    with pytest.raises(ProblemSetError, match=re.escape("MathArena/aime_2025, row 2: the gold answer")):
        load_problems("aime_2025")


def test_missing_library(monkeypatch):
    """Without `datasets` the message must say what to install, not "No module named"."""
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtraError, match=r"'MathArena/aime_2025'.*pip install 'tt-scale\[hub\]'"):
        load_problems("aime_2025")


def test_the_real_library_offline(tmp_path):
    """The library's own exception without network, which no replacement can promise to resemble."""
    pytest.importorskip("datasets")
    import subprocess

    code = (
        "from tt_scale.problems import load_problems; from tt_scale.errors import ProblemSetError\n"
        "try: load_problems('owner/name')\nexcept ProblemSetError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, check=True,
        env={"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path), "PATH": ""},
    )  # fmt: skip
    assert done.stdout.startswith("owner/name cannot be read from the Hugging Face hub: ")
    assert done.stdout.endswith(HINT + "\n")
    assert len(done.stdout.splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("owner/name@v1.0", ("owner/name", None, "v1.0")),
        ("owner/name@refs/pr/3:algebra", ("owner/name", "algebra", "refs/pr/3")),
        ("owner/name:algebra@0123abc", ("owner/name", "algebra", "0123abc")),
        ("owner/name:algebra:train@main", ("owner/name", "algebra", "main")),
        ("aime_2025@v2", ("MathArena/aime_2025", None, "v2")),
        ("openai/gsm8k@v2", ("openai/gsm8k", "main", "v2")),
    ],
)
def test_a_revision_of_a_set(monkeypatch, name, asked):
    """A set that is corrected later gives other numbers for the same name."""
    seen = []

    def load_dataset(repo, config, revision=None):
        seen.append((repo, config, revision))
        return {split: [{"question": "1 + 1?", "answer": "2"}] for split in ("train", "test")}

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load_dataset))
    assert len(load_problems(name)) == 1
    assert seen == [asked]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("math500@main", "math500 comes with tt_scale and has no revisions. Type: --dataset math500"),
        ("pocket-math:count=5@main", "has no revisions"),
        ("owner/name@a:b@c", "two revisions, a and c"),
        ("owner/name@", "names no revision"),
    ],
)
def test_a_revision_of_a_set_that_has_none(name, message):
    """A revision that is ignored is worse than one that is refused."""
    with pytest.raises(ProblemSetError, match=re.escape(message)):
        load_problems(name)


def test_a_revision_that_does_not_exist(hub):
    """`datasets` tells a missing revision as a set that does not exist."""
    hub.answer = DatasetNotFoundError("Revision 'v9' doesn't exist for dataset 'owner/name' on the Hub.")
    hub.load_dataset = lambda *args, **named: (_ for _ in ()).throw(hub.answer)
    sys.modules["datasets"].load_dataset = hub.load_dataset
    with pytest.raises(ProblemSetError, match="no revision 'v9'"):
        load_problems("owner/name@v9")
