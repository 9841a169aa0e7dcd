"""The end of a path, and which of its answers counts."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from worlds import TapeGenerator, TellingPRM, run, tape_space

from tt_scale.base_classes import Problem, Searcher
from tt_scale.config import Config
from tt_scale.core.final_answer import THINK, FinalAnswer, named_tags, outside_reasoning
from tt_scale.core.path import Path
from tt_scale.errors import ConfigError
from tt_scale.searcher.beam_search import BeamSearch
from tt_scale.searcher.best_of_n import BestOfN
from tt_scale.searcher.collective_backtrack import CollectiveBacktrack
from tt_scale.space.search_space import SearchSpace

METHODS: list[Searcher] = [
    BestOfN(N=2),
    BeamSearch(n_beams=1, beam_width=2, N=1),
    CollectiveBacktrack(passing_minimum=1, keeping_branches=1, max_total_branches=1, N=1),
]


def pieces(text: str) -> list[str]:
    """Cut a text into tokens: words with the space before them, delimiters alone."""
    found: list[str] = []
    for paragraph in text.split("\n\n"):
        found += [*[word if not place else f" {word}" for place, word in enumerate(paragraph.split(" "))], "\n\n"]
    return found[:-1]


@pytest.mark.parametrize("searcher", METHODS, ids=lambda searcher: type(searcher).__name__)
@pytest.mark.parametrize(
    ("solution", "prefix", "answer"),
    [
        ("I must put my final answer within \\boxed{}.\n\n2+5=7\n\nSo \\boxed{7}.", "", "7"),
        ("It goes into \\boxed{...}.\n\n2+5=7\n\nSo \\boxed{7}.", "", "7"),
        ("First attempt gives \\boxed{5}.\n\nThat is wrong; it is \\boxed{7}.", "", "7"),
        ("So \\boxed{7}.\n\nI was asked to use \\boxed{} and did.", "", "7"),
        ('I shall end with "Answer: N".\n\n2+5=7\n\nAnswer: 7', "Answer:", "7"),
        ("I shall end with `Answer:` as asked.\n\nAnswer: 7", "Answer:", "7"),
        ("<think>Perhaps \\boxed{5}.\n\nNo.</think>\n\nSo \\boxed{7}.", "", "7"),
        ("Perhaps \\boxed{5}.\n\nNo.</think>\n\nSo \\boxed{7}.", "", "7"),
        ("So \\boxed{7}.\n\n<think>or \\boxed{5}</think>", "", "7"),
        ("<think>So \\boxed{7}.", "", None),
        ("<think>a</think>\n\n<think>Or \\boxed{5}.</think>\n\nSo \\boxed{7}.", "", "7"),
    ],
)
@pytest.mark.parametrize("path_end", ["eos", "answer"])
def test_the_last_complete_answer_counts(
    searcher: Searcher, solution: str, prefix: str, answer: str | None, path_end: str
) -> None:
    """A path that was cut at its first box was graded on a draft, or on the quoted prompt."""
    if path_end == "answer" and ("attempt" in solution or solution.startswith("Perhaps")):
        answer = "5"  # that is what the mode is for: models that write on behind their answer
    space, _ = tape_space(pieces(solution), final_answer_prefix=prefix, path_end=path_end)
    outcome = run(searcher, space)
    assert {space.answer(path) for path in outcome.pool} == {answer}


@pytest.mark.parametrize("searcher", METHODS, ids=lambda searcher: type(searcher).__name__)
def test_by_default_only_the_model_ends_a_path(searcher: Searcher) -> None:
    """best_of_n must be what plain sampling and a grader give: nothing is cut off behind an answer."""
    solution = "So \\boxed{7}.\n\nThat was \\boxed{8} in fact.\n\nDone."
    space, _ = tape_space(pieces(solution))
    outcome = run(searcher, space)
    assert {path.text for path in outcome.pool} == {solution}
    assert {path.steps[-1].ended for path in outcome.pool} == {"eos"}
    space, _ = tape_space(pieces(solution), path_end="answer")
    assert {path.text for path in run(searcher, space).pool} == {"So \\boxed{7}.\n\n"}


@pytest.mark.parametrize("searcher", METHODS, ids=lambda searcher: type(searcher).__name__)
@pytest.mark.parametrize("keys", [{"max_tokens": 6}, {"context": 7}, {"max_generated_tokens": 6, "N": 1}])
def test_a_path_cut_behind_its_answer_votes(searcher: Searcher, keys: dict[str, Any]) -> None:
    """A model that boxes and rambles on until a limit had answered; its answer was thrown away."""
    own = {**keys}
    context = own.pop("context", 10_000)
    space, _ = tape_space(pieces("So \\boxed{7}.\n\nAnd now I go on and on and on and on"), context=context, **own)
    outcome = run(searcher, space)
    assert outcome.pool
    assert all(path.cut and space.answer(path) == "7" for path in outcome.pool)
    assert {path.steps[-1].ended for path in outcome.pool} <= {"length", "context"}


@pytest.mark.parametrize(
    ("text", "prefix", "answer"),
    [
        ("So \\boxed{7} and", "", "7"),
        ("So \\boxed{7} and \\boxed{1", "", "7"),
        ("So \\boxed{1", "", None),
        ("Answer: 1", "Answer:", None),
        ("Answer: 12.", "Answer:", None),
        ("Answer: 12\n", "Answer:", "12"),
        ("Answer: 12\nThen", "Answer:", "12"),
        ("\\boxed{5}\nAnswer: 1", "Answer:", "5"),
        ("Answer: 5\nno\nAnswer: 1", "Answer:", "5"),
        ("<think>\\boxed{7}", "", None),
    ],
)
def test_an_answer_that_a_limit_may_have_cut_does_not_count(text: str, prefix: str, answer: str | None) -> None:
    """Half of a number votes for another number."""
    assert FinalAnswer(prefix).of(text, cut=True) == answer


@pytest.mark.parametrize(
    ("text", "opened", "seen"),
    [
        ("plain", False, "plain"),
        ("<think>a</think>b", False, "b"),
        ("a</think>b", False, "b"),
        ("a</think>b", True, "b"),
        ("a", True, ""),
        ("x<think>a</think>b<think>c", False, "xb"),
        ("<think>a<think>b</think>c</think>d", False, "d"),
        ("a</think>b</think>c", True, "c"),
        ("[THINK]a[/THINK]b", False, "b"),
        ("<THINK>5</Think>6", False, "6"),
        ("I write `<think>` first. 5", False, "I write `<think>` first. 5"),
        ("5 `</think>` 6", False, "5 `</think>` 6"),
        ("<think>`</think>`5</think>6", False, "6"),
    ],
)
def test_outside_reasoning(text: str, opened: bool, seen: str) -> None:
    """Drafts inside a block are no answers, also while it is open, or was opened by the prompt."""
    assert outside_reasoning(text, [THINK, ("[THINK]", "[/THINK]")], opened=opened) == seen


def test_tags_that_a_template_names() -> None:
    """A template says how its model thinks; `<|end|>` alone does not."""
    assert named_tags("{% if '</think>' in message.content %}") == (THINK,)
    assert named_tags("[THINK] {{ x }}")[0][1] == "[/THINK]"
    assert named_tags("<|user|>{{ x }}<|end|>") == ()


class Thinking(TapeGenerator):
    """A generator whose prompt opens a reasoning block, as the templates of R1 and QwQ do."""

    def prompt(self, problem: Problem, system_prompt: str) -> tuple[int, ...]:
        return (-2,)

    def pieces(self, ids: Any) -> list[str]:
        return ["<think>\n" if token == -2 else self.tape[token] for token in ids]


@pytest.mark.parametrize("path_end", ["eos", "answer"])
def test_a_prompt_may_open_the_block(path_end: str) -> None:
    """The output holds only the closing tag, and while it has not come every answer is a draft."""
    generator = Thinking(pieces("Maybe \\boxed{5}.\n\nNo.</think>\n\nSo \\boxed{7}."))
    space = SearchSpace(Problem("p", "?", "7"), generator, TellingPRM(), Config(path_end=path_end))
    outcome = run(BestOfN(N=1), space)
    assert [space.answer(path) for path in outcome.pool] == ["7"]
    unclosed = Thinking(pieces("Maybe \\boxed{5}.\n\nOr"))
    space = SearchSpace(Problem("p", "?", "7"), unclosed, TellingPRM(), Config(path_end=path_end))
    assert [space.answer(path) for path in run(BestOfN(N=1), space).pool] == [None]


def test_own_tags() -> None:
    """A model may think between tags that nobody knows."""
    space, _ = tape_space(pieces("<plan>\\boxed{5}</plan>\n\n\\boxed{7}"), reasoning_tags=["<plan>", "</plan>"])
    [path] = asyncio.run(space.complete(space.roots(), 1, temperature=1.0))[0]
    assert space.answer(path) == "7"
    assert isinstance(path, Path)
    with pytest.raises(ConfigError, match="pairs of an opening tag and its closing tag"):
        Config(reasoning_tags=["<plan>"])


def test_answers_in_a_long_text_take_linear_time() -> None:
    """Every step end asks whether there is an answer; a quadratic look would hold up the event loop."""
    text = "<think>" * 20_000 + "\\boxed{" * 20_000
    assert FinalAnswer().of(text) is None
