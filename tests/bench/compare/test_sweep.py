"""`tt-scale sweep`: what is tried, how it is ranked, what is shown, what is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from commands import Command, snapshot
from hand_made import entry

from tt_scale.bench.compare import grid
from tt_scale.bench.compare.grid import default_grid, grid_recipes, random_recipes
from tt_scale.bench.compare.sweep import Sweep, ranked
from tt_scale.bench.compare.variants import Variant, with_knobs
from tt_scale.bench.run.idle_knobs import idle_knobs
from tt_scale.bench.stats.pairs import paired_differences
from tt_scale.config import Config
from tt_scale.errors import ConfigError
from tt_scale.report.sweep_report import conclusions

WORLD = ("--model-name", "simulated", "--prm-name", "simulated", "--dataset", "simulated")
SWEEP = ("sweep", *WORLD, "--num-samples", "20", "--run-tag", "t")
SIMULATED = Config(model_name="simulated", prm_name="simulated", method="collective")


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "g.yaml").write_text("tau: [0.3, 0.6]\nmax_backtracks: [1, 3]\n")
    return Command(capsys)


def labels(recipes: list[Variant]) -> list[str]:
    return [recipe.label for recipe in recipes]


def test_a_grid_is_every_combination_once() -> None:
    """The combination that changes nothing is the default, which stands first."""
    found = grid_recipes(SIMULATED, {"tau": [0.3, 0.6], "max_backtracks": [1, 3]})
    assert labels(found) == [
        "default",
        "tau=0.3 max_backtracks=1",
        "tau=0.3 max_backtracks=3",
        "tau=0.6 max_backtracks=1",
    ]
    assert [(each.config.tau, each.config.max_backtracks) for each in found] == [(0.6, 3), (0.3, 1), (0.3, 3), (0.6, 1)]


def test_combinations_that_cannot_run_are_left_out() -> None:
    """Keeping more than is proposed is impossible; a value that fits nowhere is a mistake."""
    found = grid_recipes(SIMULATED, {"keeping_branches": [2, 12], "max_total_branches": [9, 18]})
    assert "keeping_branches=12 max_total_branches=18" in labels(found)
    assert "keeping_branches=12 max_total_branches=9" not in labels(found)
    with pytest.raises(Exception, match="keeping_branches is 40, but max_total_branches"):
        grid_recipes(SIMULATED, {"keeping_branches": [2, 40], "max_total_branches": [9, 18]})


def test_random_recipes_depend_on_the_seed_alone() -> None:
    """A sweep that drew others on its second call could not go on."""
    grid = {"tau": {"from": 0.2, "to": 0.8}, "max_backtracks": {"from": 1, "to": 4}, "always_expand": [False, True]}
    found = random_recipes(SIMULATED, grid, 12)
    assert labels(found) == labels(random_recipes(SIMULATED, grid, 12))
    other = Config(model_name="simulated", prm_name="simulated", seed=1)
    assert labels(found) != labels(random_recipes(other, grid, 12))
    assert len(set(labels(found))) == 13
    assert all(0.2 <= each.config.tau <= 0.8 and 1 <= each.config.max_backtracks <= 4 for each in found)
    assert labels(random_recipes(SIMULATED, {"tau": [0.1, 0.2]}, 20))[0] == "default"
    assert len(random_recipes(SIMULATED, {"tau": [0.1, 0.2]}, 20)) == 3


def test_a_random_search_knows_the_knobs_of_a_method() -> None:
    """With a budget the widths follow from it; the limits of a search are no knobs to try."""
    assert default_grid(SIMULATED)["tau"] == {"from": 0.0, "to": 1.0}
    assert default_grid(SIMULATED)["max_backtracks"] == {"from": 0, "to": 6}
    assert {"keeping_branches", "max_total_branches"} <= set(default_grid(SIMULATED))
    assert "wider_beams" not in default_grid(with_knobs(SIMULATED, {"method": "beam_search", "budget": 4}))
    budgeted = set(default_grid(Config(model_name="simulated", prm_name="simulated", method="collective", budget=4)))
    assert "tau" in budgeted
    assert not {"keeping_branches", "max_total_branches", "N", "max_steps"} & budgeted


def knobs(variant: Variant) -> dict[str, str]:
    return dict(word.split("=") for word in variant.label.split() if "=" in word)


def test_only_knobs_that_matter_are_drawn() -> None:
    """Recipes that differed in the retries of a search without retries were run, and one of them won."""
    found = [knobs(each) for each in random_recipes(SIMULATED, {}, 60)]
    off = [each for each in found if each.get("backtrack") == "False"]
    assert off
    assert not any({"max_backtracks", "backtrack_depth"} & each.keys() for each in off)
    still = [each for each in off if each["always_expand"] == "False"]
    assert not any("max_total_branches" in each for each in still)
    assert any("max_backtracks" in each for each in found)


def test_a_grid_ends_where_it_is_exhausted() -> None:
    """Two recipes that differ in an idle knob are one; asking for more than there are gives all of them."""
    grid = {"backtrack": [True, False], "max_backtracks": [1, 2]}
    assert labels(grid_recipes(SIMULATED, grid)) == [
        "default", "backtrack=True max_backtracks=1", "backtrack=True max_backtracks=2", "backtrack=False",
    ]  # fmt: skip
    assert len(random_recipes(SIMULATED, grid, 50)) == 4
    whole = {"max_backtracks": {"from": 0, "to": 3}}
    assert len(random_recipes(SIMULATED, whole, 50)) == 4  # 3 is the default


def test_an_exhausted_grid_is_not_drawn_from_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fifty draws were made for each recipe asked for, however few there were."""
    calls = []
    real = grid._valid
    monkeypatch.setattr(grid, "_valid", lambda *given: calls.append(1) or real(*given))
    random_recipes(SIMULATED, {"tau": [0.1, 0.2]}, 1000)
    assert len(calls) < 50


@pytest.mark.parametrize(
    ("method", "keys", "idle"),
    [
        ("independent", {"max_backtracks": 0}, {"tau_relax", "expansion_factor", "temp_step"}),
        ("independent", {}, set()),
        ("beam_search", {"n_beams": 2}, {"keeping_branches"}),
        ("dvts", {"beam_width": 2, "num_iterations": 3}, {"max_total_branches", "max_steps"}),
        ("mcts", {"exploration": 0, "beam_width": 2}, {"exploration_base", "max_total_branches", "keeping_branches"}),
        ("self_consistency", {}, {"confidence", "window"}),
        ("self_consistency", {"adaptive": "early_stopping"}, {"confidence"}),
        ("self_consistency", {"adaptive": "beta"}, set()),
        ("particle_filter", {"ess_threshold": 0}, {"resampling", "weight_temperature"}),
        ("power_backtrack", {"power": 0}, {"decay"}),
        ("best_of_n", {}, set()),
    ],
)
def test_idle_knobs(method: str, keys: dict[str, Any], idle: set[str]) -> None:
    """What each method's docstring says of its knobs."""
    assert idle_knobs(Config(model_name="simulated", prm_name="simulated", method=method, **keys)) == idle


def test_an_idle_knob_of_a_grid_is_refused() -> None:
    """Whoever varies a knob wants to see what it does."""
    with pytest.raises(ConfigError, match="confidence has no effect on self_consistency"):
        grid_recipes(SIMULATED.changed(method="self_consistency"), {"confidence": [0.8, 0.9]})


def test_ranking_at_equal_tokens() -> None:
    """Best but a tenth dearer is not ranked; at five per cent it is; ties go to fewer tokens."""
    entries = [
        entry("default", "++--", 100),
        entry("dear", "++++", 110),
        entry("allowed", "+++-", 105),
        entry("cheap", "+++-", 50),
        entry("bad", "----", 10),
    ]
    places, dearer = ranked(entries)
    assert [each.label for each in places] == ["cheap", "allowed", "default", "bad"]
    assert [each.label for each in dearer] == ["dear"]


def swept(winner: str, default: str) -> list[str]:
    """What is told of a winner and the default on held-out problems."""
    held = (entry("tau=0.3", winner, 90), entry("default", default))
    [pair] = paired_differences({each.label: each.rows for each in held})
    recipe = Variant("tau=0.3", None, SIMULATED)
    return conclusions(Sweep("set", [entry("tau=0.3", "+++-", 90)], [], {}, recipe, held, pair, len(winner)))


def test_words() -> None:
    """Win, no win and loss on problems that did not choose."""
    assert swept("+" * 30 + "-" * 10, "-" * 20 + "+" * 10 + "-" * 10)[1:] == [
        "On 40 held-out problems: 75.0% with 90 tokens, the default 25.0% with 100 (+50.0 points, "
        "+31.7 to +64.8, p < 0.001).",
        "It is better than the default.",
    ]
    assert swept("+" * 25 + "-" * 15, "+" * 20 + "-" * 20)[2] == "It is not shown to be better than the default."
    assert swept("-" * 40, "+" * 40)[2] == "It is worse than the default there; keep the default."
    recipe = Variant("default", None, SIMULATED)
    alone = Sweep("set", [entry("default", "+-")], [], {}, recipe, None, None, 3)
    assert conclusions(alone) == ["No recipe beats the default (50.0%, 100 tokens) at equal tokens; keep it."]
    unheld = Sweep("set", [entry("a", "+-")], [], {}, recipe, None, None, 0)
    assert conclusions(unheld)[1].startswith("No problems were held out, so it is not shown to be better")


def test_the_recipe_is_what_won(command: Command, tmp_path: Path) -> None:
    """`bench` takes it and runs what the sweep ran; what it says stands in its head."""
    answer = command(*SWEEP, "--grid", "g.yaml", "--prm-quality", "0.5")
    assert (answer.status, answer.err) == (0, "")
    path = tmp_path / "logs" / "t" / "recipe.yaml"
    recipe = Config.from_yaml(path)
    winner = answer.out.split("Best at equal tokens: ")[1].split(" (")[0]
    assert winner == f"tau={recipe.tau} max_backtracks={recipe.max_backtracks}"
    whole = json.loads((tmp_path / f"logs/t/simulated-{winner.replace(' ', '-')}/manifest.json").read_text())
    assert Config(**whole["config"]).experiment() == recipe.experiment()
    assert f"# Best at equal tokens: {winner}" in path.read_text()
    assert (recipe.run_tag, recipe.output_dir) == ("", "logs")
    assert command("bench", "--config", str(path), "--num-samples", "2").status == 0


def test_held_out_problems_choose_nothing(command: Command, tmp_path: Path) -> None:
    """The two sides share no problem and together are the whole set."""
    assert command(*SWEEP, "--grid", "g.yaml", "--holdout", "0.25", "--prm-quality", "0.5").status == 0
    sides: dict[bool, set[str]] = {True: set(), False: set()}
    for path in tmp_path.rglob("problems.jsonl"):
        held = "holdout" in path.parent.name
        names = {json.loads(line)["id"] for line in path.read_text().splitlines()}
        assert sides[held] in (set(), names)
        sides[held] = names
    assert (len(sides[True]), len(sides[False])) == (5, 15)
    assert not sides[True] & sides[False]


def test_a_sweep_goes_on(command: Command, tmp_path: Path) -> None:
    """Killed half-way, it ends as one that was left alone, and searches nothing twice."""
    first = command(*SWEEP, "--random", "3")
    journals = sorted(tmp_path.rglob("problems.jsonl"))
    whole = journals[1].read_bytes()
    journals[1].write_bytes(b"".join(whole.splitlines(keepends=True)[:3]))
    again = command(*SWEEP, "--random", "3")
    assert again.status == 0
    assert again.out[again.out.index("simulated: ") :] == first.out[first.out.index("simulated: ") :]
    before = snapshot(tmp_path)
    command(*SWEEP, "--random", "3")
    assert {name for name, text in snapshot(tmp_path).items() if before[name] != text} == set()


def test_a_foreign_recipe_is_left_alone(command: Command, tmp_path: Path) -> None:
    """Neither a file of the user nor that of another sweep is replaced; nothing is run for it."""
    for text in ("tau: 0.4\n", "# Written by tt-scale sweep 000000000000\ntau: 0.4\n"):
        (tmp_path / "mine.yaml").write_text(text)
        answer = command(*SWEEP, "--grid", "g.yaml", "--recipe", "mine.yaml")
        assert (answer.status, answer.out) == (2, "")
        assert "was not written by this sweep. Nothing was changed." in answer.err
        assert (tmp_path / "mine.yaml").read_text() == text
        assert not (tmp_path / "logs").exists()


@pytest.mark.parametrize(
    ("grid", "typed", "expected"),
    [
        ("taus: [0.4]", (), "'taus' is not a knob of collective. Did you mean 'tau'?"),
        ("tau: 0.4", (), "tau is 0.4; a list of values is needed."),
        ("tau: [0.4, 3]", (), "tau is 3, but should be less than or equal to 1."),
        ("tau: {from: 0.2, to: 0.4}", (), "Add --random 20, or list its values."),
        ("tau: {from: 0.4, to: 0.2}", ("--random", "2"), "Write tau: {from: 0.2, to: 0.8}"),
        ("tau: {from: 0.4, to: 3.0}", ("--random", "2"), "tau is 3.0, but should be"),
        ("{}", (), "The grid is empty."),
        ("keeping_branches: [1, 2]", ("--budget", "4"), "keeping_branches is 2, but budget 4 makes it 1"),
        ("tau: [0.4]", ("--holdout", "1.5"), "--holdout is 1.5; it is a share from 0 to below 1."),
        ("tau: [0.4]", ("--holdout", "0.01"), "leaves one part empty"),
        ("tau: [0.4]", ("--method", "dvts", "--method", "greedy"), "sweep takes one --method."),
        ("N: [1, 2]", ("--method", "greedy"), "'N' is not a knob of greedy."),
    ],
)
def test_bad_input_is_found_before_anything_is_written(
    command: Command, tmp_path: Path, grid: str, typed: tuple[str, ...], expected: str
) -> None:
    """A sweep is the longest of all commands."""
    (tmp_path / "g.yaml").write_text(grid + "\n")
    answer = command(*SWEEP, "--grid", "g.yaml", *typed)
    assert (answer.status, answer.out) == (2, "")
    assert expected in answer.err
    assert answer.err.count("\n") == 1
    assert not (tmp_path / "logs").exists()


def test_something_must_vary(command: Command) -> None:
    """Without grid and number there is nothing to do."""
    assert "Type: --grid grid.yaml, or --random 20" in command(*SWEEP).err
    assert "no knob with a default range" in command(*SWEEP, "--random", "2", "--method", "greedy").err
