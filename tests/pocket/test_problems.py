"""`pocket-math`: right answers, the promised difficulty, the same set everywhere, and nothing shared with training."""

from __future__ import annotations

import hashlib
import re

import pytest
from reading import NotUnderstoodError, read_answer

from tt_scale.base_classes import Problem
from tt_scale.errors import ProblemSetError
from tt_scale.pocket import pocket_math, problems, read_request
from tt_scale.pocket.problems import Request, as_problem

LIMITS = {1: 30, 2: 60, 3: 100, 4: 150, 5: 200}
SUBJECTS = {"expression", "goods", "money", "time", "distance", "comparison"}


@pytest.fixture(scope="module")
def train():
    return pocket_math(20_000, split="train")


@pytest.fixture(scope="module")
def test():
    return pocket_math(20_000)


def skeleton(problem):
    return "; ".join(operation.equation for operation in problem.plan)


def assert_read(found):
    for problem in found:
        assert str(read_answer(problem.question)) == problem.answer, problem.question


def test_answers_against_an_independent_reader(train, test):
    """A sentence that says one thing while the plan does another makes a wrong gold answer, in 40,000 problems."""
    assert_read(train)
    assert_read(test)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_answers_of_other_seeds_against_an_independent_reader(seed):
    """Sentences that one set in a hundred thousand problems does not hold."""
    assert_read(pocket_math(20_000, seed, split="train"))


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("What is 12 / 3 * (9 - 2 - 1)?", 24),
        ("Ben has 20 eggs. Ben is 7 years old. 50 percent of the eggs break. How many eggs are left in the end?", 10),
        ("Zoe plans 9 minutes of work. 2 friends save 3 minutes each. How many minutes does it take now?", 3),
        ("Eva walks 20 km. Eva rests after every 6 km. How many km are left over after the last rest?", 2),
        (
            "Tom has 3 more pens than Ann. Ann has 4 pens. Ann has 9 cups. How many pens do Ann and Tom have together?",
            11,
        ),
    ],
)
def test_the_reader_reads(question, answer):
    """A reader that misreads would blame right problems."""
    assert read_answer(question) == answer


@pytest.mark.parametrize(
    "question",
    [
        "What is 7 / 2?",
        "What is 7 ** 2?",
        "Ben has 20 eggs. Ben paints 7 eggs. How many eggs does Ben have now?",
        "Ben has 20 eggs. Ben buys 7 more pens. How many eggs does Ben have now?",
        "Ben has 21 eggs. 50 percent of the eggs break. How many eggs are left in the end?",
        "Ben has 20 eggs. Ben buys 7 more eggs.",
        "Ann has 4 pens. Tom has 3 red pens more than Ann has. How many pens does Tom have?",
        "Tom has 3 more pens than Ann. Ann has 3 fewer pens than Tom. How many pens does Tom have?",
        "Ann has 4 pens. Ann has 5 pens. How many pens does Ann have?",
    ],
)
def test_the_reader_refuses(question):
    """A reader that skips what it does not know would prove nothing."""
    with pytest.raises(NotUnderstoodError):
        read_answer(question)


def test_a_row():
    """The record as a person reads it; a search sees the question and nothing of the plan."""
    first = pocket_math(1)[0]
    assert first.id == "pocket-test-0-00000"
    assert first.question == (
        "Ben has 9 apples. Tom has 4 apples more than Ben has. Tom also owns 3 balls. "
        "How many apples do Ben and Tom have together?"
    )
    assert first.solution == (
        "Tom has 9 + 4 = 13 apples.\n\nTogether they have 9 + 13 = 22 apples.\n\nThe answer is \\boxed{22}."
    )
    assert as_problem(first) == Problem("pocket-test-0-00000", first.question, "22", 1, "comparison", "pocket-math")


def test_solutions_follow_their_plan(train, test):
    """One operation too few would make a level easier; a step that shows another equation would teach a wrong one."""
    for problem in train + test:
        assert len(problem.plan) == problem.level + 1
        assert len(problem.steps) == problem.level + 2
        assert problem.answer == str(problem.plan[-1].value)
        assert problem.steps[-1] == f"The answer is \\boxed{{{problem.answer}}}."
        for place, (operation, step) in enumerate(zip(problem.plan, problem.steps, strict=False)):
            assert operation.equation in step
            for operand in (operation.left, operation.right):
                if operand.source is not None:
                    assert operand.source < place
                    assert operand.value == problem.plan[operand.source].value


def test_every_operation_counts(train, test):
    """A result that nothing uses is a step that a solution could leave out."""
    for problem in train + test:
        used = {operand.source for operation in problem.plan for operand in (operation.left, operation.right)}
        assert used - {None} == set(range(problem.level))


def test_numbers_keep_to_their_level(train, test):
    """Numbers beyond the limit would make a level harder than it says. Percents, 10 to 50, are alike at all levels."""
    for problem in train + test:
        stated = re.findall(r"\d+(?! percent)(?!\d)", problem.question)
        computed = [operation.value for operation in problem.plan]
        assert min(computed) >= 0
        assert max(computed + [int(number) for number in stated]) <= LIMITS[problem.level], problem.question


def test_levels_take_turns_and_hold_every_subject(train, test):
    """A subject that a level never has would make levels differ in more than difficulty."""
    for found in (train, test):
        assert [problem.level for problem in found[:10]] == [1, 2, 3, 4, 5] * 2
        kinds = {(problem.level, problem.subject) for problem in found}
        assert kinds == {(level, subject) for level in LIMITS for subject in SUBJECTS}


def test_nothing_occurs_twice(train, test):
    """A journal takes equal ids for one problem, and a question asked twice counts twice."""
    for found in (train, test):
        assert len({problem.id for problem in found}) == len(found)
        assert len({problem.question for problem in found}) == len(found)


def test_ids_of_different_sets_differ():
    """Results of two sets that are joined would mix problems of equal ids."""
    sets = [{}, {"seed": 1}, {"split": "train"}, {"levels": [1]}, {"levels": [1, 2]}, {"levels": [5], "seed": 1}]
    ids = [problem.id for kwargs in sets for problem in pocket_math(20, **kwargs)]
    assert len(set(ids)) == len(ids)


def test_training_shares_no_arithmetic_with_the_test(train, test):
    """A model that has learnt a solution by heart would pass for one that can solve it."""
    assert {skeleton(problem) for problem in train}.isdisjoint(skeleton(problem) for problem in test)


@pytest.mark.parametrize("kwargs", [{}, {"seed": 5, "split": "train"}, {"levels": (2, 4)}])
def test_a_longer_set_begins_with_the_shorter(kwargs):
    """More problems, asked for later, would make the first results useless."""
    assert pocket_math(60, **kwargs)[:25] == pocket_math(25, **kwargs)


def test_seeds_give_different_sets():
    """A seed that is ignored."""
    questions = [frozenset(problem.question for problem in pocket_math(50, seed)) for seed in range(4)]
    assert len(frozenset.union(*questions)) > 190


@pytest.mark.parametrize(
    ("split", "digest"),
    [
        ("train", "c01e3579e22cfece4b4b882f46e82e40d50e4ec6b5f4f54744f7955ca0591ef2"),
        ("test", "0ee492d58ecf9ed3c7abbbe6c22d1ed4f9d12492607ef0acf9173ba903d061bb"),
    ],
)
def test_the_same_everywhere(split, digest):
    """Other problems on another machine or Python: the shipped models would be measured on their own training."""
    texts = [
        "\t".join([problem.id, str(problem.level), problem.subject, problem.question, problem.solution, problem.answer])
        for problem in pocket_math(200, seed=7, split=split)
    ]
    assert hashlib.sha256("\n".join(texts).encode()).hexdigest() == digest


@pytest.mark.parametrize(
    ("kwargs", "said"),
    [
        ({"count": 0}, "count of pocket-math is 0; allowed: 1 or more. Type: count=200"),
        ({"count": -3}, "count of pocket-math is -3; allowed: 1 or more."),
        ({"levels": ()}, "levels of pocket-math are none; allowed: 1 to 5, ascending. Type: levels=3-5"),
        ({"levels": (0, 1)}, "levels of pocket-math are 0, 1; allowed: 1 to 5"),
        ({"levels": (6,)}, "levels of pocket-math are 6; allowed: 1 to 5"),
        ({"levels": (3, 2)}, "levels of pocket-math are 3, 2; allowed: 1 to 5, ascending."),
        ({"levels": (3, 3)}, "levels of pocket-math are 3, 3; allowed: 1 to 5, ascending."),
        ({"split": "dev"}, "split of pocket-math is 'dev'; allowed: train, test. Type: split=test"),
    ],
)
def test_sets_that_do_not_exist(kwargs, said):
    """An empty set, an IndexError or an endless search for a problem."""
    with pytest.raises(ProblemSetError, match=re.escape(said)):
        pocket_math(**kwargs)


def test_no_more_questions(monkeypatch):
    """A search for a new question that never ends."""
    monkeypatch.setattr(problems, "_ATTEMPTS", 0)
    with pytest.raises(ProblemSetError, match=r"No new question of level 2 .* Request fewer problems\."):
        pocket_math(1, levels=(2,))


@pytest.mark.parametrize(
    ("text", "request_read"),
    [
        ("", Request()),
        ("count=200,seed=7,levels=3-5", Request(200, 7, (3, 4, 5), "test")),
        ("levels=2", Request(levels=(2,))),
        ("levels=4-4", Request(levels=(4,))),
        ("split=train,count=5", Request(count=5, split="train")),
    ],
)
def test_requests(text, request_read):
    """A range without its last level, or a setting that only works in one place of the list."""
    assert read_request(text) == request_read


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("200", "pocket-math has no setting '200'; allowed: count, seed, levels, split. Type for example:"),
        ("size=3", "no setting 'size=3'; allowed: count, seed, levels, split."),
        ("count", "no setting 'count'; allowed:"),
        ("count=", "no setting 'count='; allowed:"),
        ("levels=1,3", "no setting '3'; allowed:"),
        ("count=0", "count of pocket-math is 0; allowed: 1 or more."),
        ("count=-1", "count of pocket-math is '-1'; allowed: an integer of at most 18 digits. Type: count=200"),
        ("count=1e3", "count of pocket-math is '1e3'; allowed: an integer"),
        ("count=\u0663", "count of pocket-math is '\u0663'; allowed: an integer"),
        ("count=1000000000000000000", "allowed: an integer of at most 18 digits. Type: count=200"),
        ("seed=x", "seed of pocket-math is 'x'; allowed: an integer of at most 18 digits. Type: seed=7"),
        (
            "levels=hard",
            "levels of pocket-math is 'hard'; allowed: an integer of at most 18 digits. Type: levels=3-5",
        ),
        ("levels=3-", "levels of pocket-math is ''; allowed: an integer"),
        ("levels=0", "levels of pocket-math are 0; allowed: 1 to 5"),
        ("levels=6", "levels of pocket-math are 6; allowed: 1 to 5"),
        ("levels=0-3", "levels of pocket-math are 0, 3; allowed: 1 to 5"),
        ("levels=5-3", "levels of pocket-math are 5, 3; allowed: 1 to 5, ascending."),
        ("levels=1-999999999999", "levels of pocket-math are 1, 999999999999; allowed: 1 to 5"),
        ("split=dev", "split of pocket-math is 'dev'; allowed: train, test."),
    ],
)
def test_requests_that_are_refused(text, said):
    """A typing error that is ignored, a traceback, a hint that does not work, or a range that fills the memory."""
    with pytest.raises(ProblemSetError, match=re.escape(said)):
        read_request(text)
