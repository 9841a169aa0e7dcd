"""One number for the compute of every method."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from worlds import run, sim_problem, sim_space

from tt_scale.base_classes import Problem
from tt_scale.bench.record import Row, failure_record
from tt_scale.bench.run.csv_logs import summary_line
from tt_scale.bench.run.manifest import experiment
from tt_scale.config import WIDTH_KEYS, Config, merged
from tt_scale.config.widths import budgeted
from tt_scale.core.budget import Usage
from tt_scale.core.path import best
from tt_scale.errors import ConfigError
from tt_scale.models import make_searcher
from tt_scale.registry import BUILT_IN, searcher_class
from tt_scale.scripts.budget_table import budget_table
from tt_scale.searcher.beam_search import BeamSearch
from tt_scale.searcher.parts.allocation import near_square, paths_and_widths

METHODS = sorted(BUILT_IN["searchers"])
SIMULATED: dict[str, Any] = {"model_name": "simulated", "prm_name": "simulated"}
COST = {
    "independent": (0.5, 2.0),  # starts from one root, and widens only where steps fail
    "collective": (0.7, 2.3),  # retries with the whole width, grows with a third of it
    "best_first": (0.1, 1.2),  # ends with the first solution that passes
    "mcts": (0.6, 1.1),  # walks share nodes
    "gumbel": (0.7, 1.35),  # what was drawn for one step serves the next
    "particle_gibbs": (0.45, 1.1),
    "power_backtrack": (0.6, 1.4),  # how often they come back is not known before
    "subpool": (0.6, 1.4),
}
"""Tokens against best_of_n's at the same budget; all others within a tenth."""


def config(method: str, budget: int | None, **keys: Any) -> Config:
    return Config(**{**SIMULATED, "method": method, "budget": budget, **keys})


def spent(method: str, budget: int) -> int:
    """Tokens of 25 problems."""
    total = 0
    for number in range(25):
        space = sim_space(sim_problem(number, level=1 + number % 5, steps=6), budget=budget)
        run(make_searcher(config(method, budget)), space)
        total += space.usage.generated_tokens
    return total


@pytest.mark.parametrize("budget", [1, 2, 4, 9, 16])
def test_methods_cost_about_the_same(budget: int) -> None:
    """A budget that means nine candidates here and three there makes a table of budgets, not of methods."""
    unit = spent("best_of_n", budget)
    for method in METHODS:
        least, most = COST.get(method, (0.9, 1.1))
        if method == "greedy":
            least, most = 0.8 / budget, 1.1 / budget
        assert least <= spent(method, budget) / unit <= most, method


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("budget", [1, 2, 3, 5, 7, 64])
def test_every_width_is_one_that_the_schema_allows(method: str, budget: int) -> None:
    """A derived width of 0, or more paths kept than proposed, fails in the middle of a run."""
    resolved = budgeted(config(method, budget), make_searcher(config(method, budget)).widths)
    widths = make_searcher(config(method, budget)).widths(budget)
    assert Config(**resolved.model_dump()) == resolved
    assert {key: getattr(resolved, key, None) or resolved.method_args[key] for key in widths} == widths
    assert make_searcher(resolved) == make_searcher(config(method, budget))
    assert all(value >= 1 for value in widths.values())


def test_every_count_is_charged() -> None:
    """A count that is left out is compute that no table shows."""
    spent, total = Usage(*range(1, 10)), Usage(*range(10, 100, 10))
    expected = total + spent
    total.charge(spent)
    assert total == expected == Usage(*[11 * number for number in range(1, 10)])
    assert len(total.spent()) == len(dataclasses.fields(Usage)) == 9


@pytest.mark.parametrize("width", [*range(1, 200), 10**9, 10**20 + 39, 2**256 - 1])
def test_near_square(width: int) -> None:
    """A prime budget made one greedy beam of it, and 7 became 1 x 7; a large one took all memory."""
    few, more = near_square(width)
    assert 1 <= few <= more
    assert 0.79 * width <= few * more <= width  # the worst is 4 of 5
    assert more <= max(3, 1.75 * width**0.5)


def test_near_square_worked_values() -> None:
    """Powers of two are met exactly, other numbers as nearly as whole ones allow."""
    found = {width: near_square(width) for width in (1, 2, 3, 4, 5, 7, 8, 9, 16, 32)}
    assert found == {1: (1, 1), 2: (1, 2), 3: (1, 3), 4: (2, 2), 5: (2, 2), 7: (2, 3), 8: (2, 4), 9: (3, 3),
                     16: (4, 4), 32: (4, 8)}  # fmt: skip


@pytest.mark.parametrize("width", [*range(1, 200), 1023])
def test_paths_and_widths_use_the_whole_width(width: int) -> None:
    """A budget of 14 became 3 x 4, of 5 it became 2 x 2."""
    paths, children, wider = paths_and_widths(width)
    assert paths * children + wider == width
    assert 0 <= wider < paths <= children
    few, more = near_square(width)
    assert few * more < width or (paths, children, wider) == (few, more, 0)  # even ones are what they were


@pytest.mark.parametrize("budget", [1, 2, 3, 5, 7, 11, 13, 14, 16, 23, 29, 64])
@pytest.mark.parametrize("method", ["beam_search", "dvts"])
def test_every_depth_proposes_the_whole_budget(method: str, budget: int) -> None:
    """Widths that sum to less than the budget, or that lose the remainder from the second depth on."""
    space = sim_space(sim_problem(0, level=1, steps=4), budget=budget)
    run(make_searcher(config(method, budget)), space)
    drawn = Counter([len(node.key) for node in space.nodes])
    assert drawn[2] == drawn[3] == budget
    if method == "beam_search":  # a tree of dvts ends where its best child does
        assert drawn[4] == drawn[5] == budget


def test_the_wider_beams_are_the_best_ones_and_the_first_trees() -> None:
    """A remainder that goes to a poor beam, or to a tree that depends on its neighbours."""
    assert make_searcher(config("beam_search", 14)) == BeamSearch(n_beams=3, beam_width=4, wider_beams=2, N=14)
    space = sim_space(sim_problem(0, level=1, steps=3), budget=14)
    run(make_searcher(config("beam_search", 14)), space)
    families = Counter([node.key[:-1] for node in space.nodes if len(node.key) == 3])
    beams = best([node for node in space.nodes if len(node.key) == 2], 3)
    assert [families[beam.key] for beam in beams] == [5, 5, 4]
    space = sim_space(sim_problem(0, level=1, steps=3), budget=14)
    run(make_searcher(config("dvts", 14)), space)
    assert Counter([node.key[0] for node in space.nodes if len(node.key) == 2]) == {0: 5, 1: 5, 2: 4}


def test_wider_beams_that_contradict_the_budget_are_rejected() -> None:
    """Left over in a configuration, it would add children that the budget does not have."""
    with pytest.raises(ConfigError, match="wider_beams is 2, but budget 9 makes it 0 for dvts"):
        make_searcher(config("dvts", 9, wider_beams=2))
    assert make_searcher(config("dvts", 14, wider_beams=2)) == make_searcher(config("dvts", 14))


def test_a_budget_limits_the_tokens_of_every_method() -> None:
    """Without a limit a method that retries may spend any number of tokens."""
    assert config("collective", 4, max_tokens=100).limits.max_generated_tokens == 400
    assert config("collective", 4, max_tokens=100, max_generated_tokens=90).limits.max_generated_tokens == 90
    assert config("collective", None).limits.max_generated_tokens is None
    space = sim_space(budget=2, max_tokens=60)
    run(make_searcher(config("collective", 2, tau=1.0)), space)
    assert space.usage.generated_tokens <= 120


def test_lookahead_counts_towards_the_budget() -> None:
    """A lookahead on top of the width is compute that no other method gets."""
    beam = make_searcher(config("beam_search", 16, lookahead=3))
    assert beam.widths(16) == {"n_beams": 2, "beam_width": 2, "N": 4}
    with pytest.raises(ConfigError, match=r"budget is 3; .*The smallest is 4: --budget 4"):
        make_searcher(config("beam_search", 3, lookahead=3))


def test_a_width_that_contradicts_the_budget_is_rejected() -> None:
    """One of the two would be ignored silently."""
    with pytest.raises(ConfigError, match="N is 4, but budget 8 makes it 8 for best_of_n"):
        make_searcher(config("best_of_n", 8, N=4))
    assert make_searcher(config("best_of_n", 4, N=4)) == make_searcher(config("best_of_n", 4))
    make_searcher(config("best_of_n", 8, n_beams=2))  # no width of this method


def test_a_budget_on_the_command_line_overrides_the_widths_of_a_file() -> None:
    """No recipe that names a width could be run at another budget."""
    file = {"N": 9, "max_total_branches": 9, "tau": 0.5}
    assert merged(file, {"budget": 4}) == {"tau": 0.5, "budget": 4}
    assert merged(file, {"budget": 4, "N": 4}) == {"tau": 0.5, "budget": 4, "N": 4}
    assert merged(file, {"N": 4}) == {**file, "N": 4}
    assert merged({**file, "budget": 4}, {"budget": None}) == {**file, "budget": None}


def test_records_contain_the_widths_of_the_run(tmp_path: Path) -> None:
    """A record of the budget alone names no widths once the rule is changed."""
    resolved = budgeted(config("beam_search", 8), make_searcher(config("beam_search", 8)).widths)
    told = experiment(resolved, "simulated", [], "grader")
    assert {key: told[key] for key in ("budget", "N", "n_beams", "beam_width", "max_generated_tokens")} == {
        "budget": 8, "N": 8, "n_beams": 2, "beam_width": 4, "max_generated_tokens": 8 * 2048,
    }  # fmt: skip
    assert told != experiment(
        budgeted(config("beam_search", 9), make_searcher(config("beam_search", 9)).widths), "simulated", [], "grader"
    )
    four = budgeted(config("best_of_n", 4), make_searcher(config("best_of_n", 4)).widths)
    row = Row.of(failure_record(0, 0, Problem("p", "?", "1"), Usage(), RuntimeError("no")))
    assert "N=4 " in summary_line(four, "simulated", tmp_path, [row], 0.0).knobs  # the default, but derived


def test_the_schema_marks_every_width() -> None:
    """A width that is not marked in the schema would be kept from a file, and then refused."""
    derived = {key for name in METHODS for key in searcher_class(name)().widths(16)}
    assert derived & set(Config.model_fields) == WIDTH_KEYS


def test_the_documented_table_matches_the_code() -> None:
    """Regenerate it with `python -m tt_scale.scripts.budget_table`."""
    page = Path(__file__).parents[2] / "docs" / "algorithms.md"
    if not page.exists():
        pytest.skip("the pages are part of a checkout, not of the wheel")
    assert budget_table() in page.read_text(encoding="utf-8")
