"""Methods, PRMs and generators of other packages, found through entry points by the real program."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from commands import SIMULATED, Answer, finish, records, start
from outside import install

import tt_scale.backends
from tt_scale.backends import resolve
from tt_scale.base_classes import PRM, Generator, Searcher
from tt_scale.config import Config
from tt_scale.errors import ConfigError
from tt_scale.generator.simulated import SimulatedGenerator
from tt_scale.registry import BUILT_IN, available, generator_class, prm_class, searcher_class


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(tmp_path_factory.mktemp("site"))


def typed(folder: Path, site: Path, *arguments: str) -> Answer:
    bench = ("bench", "--dataset", "simulated", "--num-samples", "4")
    return finish(start(*bench, *arguments, folder=folder, site=site), folder)


def test_a_package_brings_method_prm_and_generator(tmp_path: Path, site: Path) -> None:
    """Adding one had needed a line of ours: the schema and the registry must let them through by name alone."""
    outside = ("--method", "shots", "--prm", "halves", "--prm-name", "anything", "--generator", "slow")
    answer = typed(tmp_path, site, *outside, "--model-name", "anything", "--method-args", "{shots: 5}")
    assert (answer.status, answer.err) == (0, "")
    assert "shots" in answer.out
    found = records(tmp_path)
    assert len(found) == 4
    assert all(record["telemetry"]["nodes"] == 5 for record in found.values())
    assert {member["score"] for record in found.values() for member in record["pool"]} == {0.5}
    (row,) = csv.DictReader((tmp_path / "logs" / "summary.csv").read_text().splitlines())
    assert row["method"] == "shots"


def test_its_knobs_are_part_of_the_experiment(tmp_path: Path, site: Path) -> None:
    """A run continued with other `method_args` would mix two methods."""
    shots = ("--method", "shots", *SIMULATED, "--run-tag", "t")
    assert typed(tmp_path, site, *shots).status == 0
    answer = typed(tmp_path, site, *shots, "--method-args", "{shots: 3}")
    assert answer.status == 2
    assert "method_args: {} there, {'shots': 3} here" in answer.err


def test_each_method_of_a_comparison_gets_its_own_arguments(tmp_path: Path, site: Path) -> None:
    """A knob of one method made the other one refuse to run; one that none knows is still an error."""
    both = (*SIMULATED, "--method", "shots", "--method", "best_of_n")
    assert typed(tmp_path, site, *both, "--method-args", "{shots: 3}").status == 0
    told = {path.parent.name.split("-")[1]: json.loads(path.read_text()) for path in tmp_path.rglob("manifest.json")}
    given = {method: each["config"]["method_args"] for method, each in told.items()}
    assert given == {"shots": {"shots": 3}, "best_of_n": {}}
    answer = typed(tmp_path, site, *both, "--method-args", "{shoots: 3}")
    assert answer.status == 2
    assert "'shoots'" in answer.err


def test_the_prm_runs_on_an_installed_engine_where_the_generator_is_from_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`auto` took the generator's name for the PRM's too, and then there was no such PRM."""
    monkeypatch.setattr(tt_scale.backends, "find_spec", lambda name: name == "vllm")
    monkeypatch.setattr(tt_scale.backends, "generator_class", lambda name: SimulatedGenerator)
    models = resolve(Config(generator="slow", model_name="x", prm_name="y"))
    assert (models.generator.backend, models.prm_backends) == ("slow", "vllm")


@pytest.mark.parametrize(
    ("method", "told"),
    [
        ("no_searcher", "'outside:NoSearcher', which is no Searcher"),
        ("lacking", "lacks search"),
        ("no_knobs", "is no dataclass"),
        ("gone", "cannot be loaded from 'outside:Gone'"),
        ("broken", "no licence"),
        ("shoots", "Did you mean 'shots'?"),
    ],
)
def test_a_bad_class_is_refused(tmp_path: Path, site: Path, method: str, told: str) -> None:
    """A fault of another package ended in a traceback through ours."""
    answer = typed(tmp_path, site, "--method", method, *SIMULATED)
    assert answer.status == 2
    assert told in answer.err
    assert answer.err.count("\n") == 1
    assert not (tmp_path / "logs").exists()


def test_the_list_shows_what_is_outside_and_survives_what_is_broken(tmp_path: Path, site: Path) -> None:
    """One class that does not load hid all names."""
    answer = finish(start("list", folder=tmp_path, site=site), tmp_path)
    assert (answer.status, answer.err) == (0, "")
    assert "so many complete solutions" in answer.out
    assert "no licence" in answer.out
    assert "collective" in answer.out


def test_every_built_in_method_loads_under_its_name() -> None:
    """A moved class leaves a dead line in the registry."""
    for name in BUILT_IN["searchers"]:
        assert issubclass(searcher_class(name), Searcher)


@pytest.mark.parametrize(
    ("find", "contract", "name"), [(prm_class, PRM, "simulated"), (generator_class, Generator, "simulated")]
)
def test_the_simulated_pair_loads(find: object, contract: type, name: str) -> None:
    """As above, for what every test and every newcomer runs."""
    assert callable(find)
    assert issubclass(find(name), contract)


def test_names_are_sorted_and_an_unknown_one_lists_them() -> None:
    """`tt-scale list` and the message of an unknown name must agree."""
    names = list(available("searchers"))
    assert names == sorted(names)
    with pytest.raises(ConfigError) as caught:
        searcher_class("zzzzzzzz")
    assert all(name in str(caught.value) for name in names)
