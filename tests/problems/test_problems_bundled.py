"""The sets that come with the package."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections import Counter
from importlib.resources import files

import pytest

from tt_scale.config import MATH_ARENA
from tt_scale.problems import list_problem_sets, load_problems
from tt_scale.problems.catalogue import HUB_NAMES

IDS = {
    "math500": "f59cccea6ec23dc33ee15d110c013a2eac63fad91327b4d3ac4ba3445d874e53",
    "gsm8k": "95979f484a11d16b9f3fb5da691a587ad20012aacc60029c1e290434b31d1b0d",
    "svamp": "142d492d5e7c30d74c4713683da50c5e2e94abe0b95f4048163dbb11ee87b055",
    "simulated": "4d03e3bd5e179a853914ca5e13efeb4215693b4db92e2779557276fd40038fd3",
}
BUNDLED = [known for known in list_problem_sets() if known.hub is None]


@pytest.mark.parametrize("known", BUNDLED, ids=lambda known: known.name)
def test_counts_agree_with_the_catalogue(known):
    """`tt-scale list` said 500 problems, the file held fewer."""
    problems = load_problems(known.name)
    assert len(problems) == known.count
    assert {problem.source for problem in problems} == {known.name}
    assert len({problem.question for problem in problems}) == known.count


@pytest.mark.parametrize("name", IDS)
def test_ids_never_change(name):
    """An edited file or a new id rule gave old journals ids that no problem has any more."""
    ids = [problem.id for problem in load_problems(name)]
    assert len(set(ids)) == len(ids)
    assert hashlib.sha256("\n".join(ids).encode()).hexdigest() == IDS[name]


@pytest.mark.parametrize(
    ("name", "levels"),
    [
        ("math500", {1: 43, 2: 90, 3: 105, 4: 128, 5: 134}),
        ("gsm8k", {None: 1319}),
        ("svamp", {None: 1000}),
        ("simulated", {1: 200, 2: 200, 3: 200, 4: 200, 5: 200}),
    ],
)
def test_levels(name, levels):
    """Rows by level in the table stand on these; a level read as text or shifted by one would move them."""
    assert Counter(problem.level for problem in load_problems(name)) == levels


def test_subjects():
    """MATH-500 without subjects, or the source's misspelt subject of SVAMP as a sixth one."""
    math = Counter(problem.subject for problem in load_problems("math500"))
    assert (len(math), math["Algebra"], math["Counting & Probability"]) == (7, 124, 38)
    svamp = {problem.subject for problem in load_problems("svamp")}
    assert svamp == {"Addition", "Subtraction", "Multiplication", "Common-Division"}


def test_known_rows():
    """Answers shifted against questions by one row pass every count."""
    math = {problem.id: problem for problem in load_problems("math500")}
    assert math["test/precalculus/807.json"].answer == r"\left( 3, \frac{\pi}{2} \right)"
    assert math["test/precalculus/807.json"].question.startswith("Convert the point $(0,3)$")
    gsm8k = load_problems("gsm8k")[1]
    assert (gsm8k.question[:12], gsm8k.answer) == ("A robe takes", "3")
    fault = next(problem for problem in load_problems("svamp") if problem.id == "chal-680")
    assert fault.answer == "1", "kept as in the source, see ATTRIBUTION.md"


def test_fields_chosen_for_other_sets_do_not_break_bundled_ones():
    """--question-field for a second, local set made the bundled first one fail."""
    assert len(load_problems("svamp", question_field="frage", answer_field="antwort")) == 1000


def test_every_bundled_file_is_attributed():
    """A data file that came in without a word about its source and licence."""
    folder = files("tt_scale.problems").joinpath("data")
    text = folder.joinpath("ATTRIBUTION.md").read_text(encoding="utf-8")
    names = [file.name for file in folder.iterdir() if not file.name.endswith(".md")]
    assert sorted(names) == ["gsm8k.jsonl", "math500.jsonl", "svamp.jsonl"]
    assert all(f"## {name}:" in text for name in names)


def test_catalogue_names_the_default_sets():
    """A default of the configuration that the catalogue does not know would not resolve."""
    assert {name: f"MathArena/{name}" for name in MATH_ARENA} == HUB_NAMES


def test_import_is_light():
    """`tt-scale --help` took seconds because a problem set module imported datasets."""
    heavy = ["torch", "transformers", "vllm", "datasets", "pyarrow", "pandas", "huggingface_hub"]
    code = (
        "import sys, tt_scale.problems as p; p.load_problems('gsm8k', num_samples=3)\n"
        f"sys.exit(' '.join(name for name in {heavy} if name in sys.modules) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
