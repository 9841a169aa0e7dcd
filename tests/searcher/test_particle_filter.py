"""Particle filtering."""

from __future__ import annotations

import asyncio
import math

import pytest
from measuring import chosen, is_right, searched
from worlds import asked_in, at, run, scripted_space, sim_problem, sim_space, table, tree_of

from tt_scale.config import Config
from tt_scale.core.path import Path
from tt_scale.errors import ConfigError
from tt_scale.generator.simulated import SimulatedGenerator, World
from tt_scale.prm.simulated import SimulatedPRM
from tt_scale.problems.simulated import simulated_problems
from tt_scale.searcher.best_of_n import BestOfN
from tt_scale.searcher.particle_filter import Particle, ParticleFilter, distinct, log_weight
from tt_scale.searcher.parts.allocation import RESAMPLERS
from tt_scale.space.search_space import SearchSpace


async def chain(space: SearchSpace) -> None:
    """One sample, step by step."""
    [path] = space.roots()
    while path.is_open:
        [[path]] = await space.expand([path], 1, temperature=0.8)


@pytest.mark.parametrize("ess_threshold", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("resampling", RESAMPLERS)
def test_one_particle_is_one_sample(resampling: str, ess_threshold: float) -> None:
    """One particle has all the weight: the tree must be that of a plain chain, seed for seed."""
    space, plain = sim_space(), sim_space()
    outcome = run(ParticleFilter(N=1, resampling=resampling, ess_threshold=ess_threshold), space)
    asyncio.run(chain(plain))
    assert tree_of(space) == tree_of(plain)
    assert [node.steps for node in space.nodes] == [node.steps for node in plain.nodes]
    assert outcome.pool == (plain.nodes[-1],)


def test_never_drawing_is_independent_chains() -> None:
    """With threshold 0 nothing is ever drawn anew: N chains of one child each."""
    space = sim_space()
    outcome = run(ParticleFilter(N=8, ess_threshold=0.0), space)
    assert len(outcome.pool) == 8
    assert all(set(node.key[2:]) <= {0} for node in space.nodes)


def test_hand_drawn_population() -> None:
    """Systematic draws by hand: odds 9, 1, 1/9, 0 of four particles have an effective size under two."""
    tree = """
        0.0    .9
        0.1    .5
        0.2    .1
        0.3    .9   full
        0.0.0-3  .9
        0.1.0  .5
    """
    space = scripted_space(table(tree))
    weights = [9 / (9 + 1 + 1 / 9), 1 / (9 + 1 + 1 / 9), (1 / 9) / (9 + 1 + 1 / 9)]
    place = space.random("resample").random()
    first = sum((stratum + place) / 4 < weights[0] for stratum in range(4))  # by hand: 3 or 4 copies of the first
    assert first in (3, 4)
    run(ParticleFilter(N=4, max_steps=2, resampling="systematic", ess_threshold=0.5), space)
    expected = at(0.8, f"0.0.0-{first - 1}", *["0.1.0"] * (4 - first))
    assert asked_in(space) == [at(0.8, "0.0-3"), expected]


def test_spread_weights_are_not_drawn() -> None:
    """Drawing anew when all is well only loses variety; the threshold is a share of N."""
    tree = """
        0.0    .6
        0.1    .5
        0.2    .5
        0.3    .4
        0.0.0  .5  end
        0.1.0  .5  end
        0.2.0  .5  end
        0.3.0  .5  end
    """
    outcome = run(ParticleFilter(N=4, ess_threshold=0.9), scripted_space(table(tree)))
    assert len(outcome.pool) == 4


def test_a_weight_is_paid_out_once() -> None:
    """Incremental weights: what a draw has turned into copies must not weigh again, only the gain since then counts."""
    method = ParticleFilter(N=4, ess_threshold=0.99, resampling="systematic", particle_weights="incremental")
    strong = Particle(Path((0, 0), score=0.9, state="open"), base_log_weight=log_weight(Path((0, 0), score=0.9), 1.0))
    fresh = Particle(Path((0, 1), score=0.9, state="open"))
    # strong gained nothing, fresh gained ln 9: of four copies fresh gets 3.6, strong 0.4
    drawn = method._resampled([strong, fresh], sim_space().random("any"))
    assert sum(particle.path.key == (0, 1) for particle in drawn) in (3, 4)
    assert [particle.base_log_weight for particle in drawn] == pytest.approx([math.log(9)] * 4)
    whole = ParticleFilter(N=4)._resampled([fresh, fresh], sim_space().random("any"))
    assert {particle.base_log_weight for particle in whole} == {0.0}  # the paper's form: whole odds at every step


def test_cut_paths_have_no_weight() -> None:
    """A truncated path that is copied is grown, and a finished one keeps its weight."""
    assert log_weight(Path((0,), score=0.9, state="truncated"), 1.0) == -math.inf
    assert log_weight(Path((0,), score=0.9, state="failed"), 1.0) == -math.inf
    assert log_weight(Path((0,), score=0.9, state="finished"), 2.0) == pytest.approx(math.log(9) / 2)


def test_copies_of_a_finished_particle_vote_once() -> None:
    """A pool with copies in it votes with one solution many times."""
    done = Particle(Path((0, 0), state="finished"))
    other = Particle(Path((0, 1), state="finished"))
    assert [path.key for path in distinct([done, done, other, Particle(Path((0, 2)))])] == [(0, 0), (0, 1)]


@pytest.mark.parametrize("resampling", RESAMPLERS)
@pytest.mark.parametrize(("score", "survives"), [(".99", True), (".0", False)])
def test_a_finished_particle_is_absorbed(score: str, survives: bool, resampling: str) -> None:
    """It competes with the score it ended with: it may be copied or die, but it is never grown or scored again.

    0.0 is finished, 0.1 goes on at .5: odds of 99 : 1 or 0 : 1 at each draw, until 0.1 or a copy of it has ended too.
    """
    tree = f"""
        0.0  {score}  end
        0.1  .5
        0.1.0-1  .5  end
    """
    space = scripted_space(table(tree))
    outcome = run(ParticleFilter(N=2, ess_threshold=1.0, resampling=resampling), space)
    finished = [path.key for path in outcome.pool]
    assert ((0, 0) in finished) is survives
    assert not any(len(node.key) > 2 and node.key[:2] == (0, 0) for node in space.nodes)
    assert len(set(finished)) == len(finished)


@pytest.mark.parametrize("resampling", RESAMPLERS)
def test_perfect_prm_leaves_only_right_particles(resampling: str) -> None:
    """With a perfect PRM and a draw at every step, nothing grows from a wrong step while any right one is left."""
    for number in range(20):
        space = sim_space(sim_problem(number), quality=1.0)
        run(ParticleFilter(N=8, ess_threshold=1.0, resampling=resampling), space)
        nodes = {node.key: node for node in space.nodes}
        for depth in range(3, 7):
            parents = [nodes[node.key[:-1]] for node in space.nodes if len(node.key) == depth]
            if any(node.score == 1.0 for node in space.nodes if len(node.key) == depth - 1):
                assert {parent.score for parent in parents} == {1.0}


def test_perfect_prm_beats_independent_samples() -> None:
    """Drawing by weight must make more of the final particles right than sampling does: a closed form."""

    def right(method: ParticleFilter | BestOfN) -> float:
        shares = []
        for number in range(60):
            pool = run(method, sim_space(sim_problem(number, level=5), quality=1.0)).pool
            shares.append(sum(path.score for path in pool) / len(pool))
        return sum(shares) / 60

    samples, every_step, seldom = (
        right(method) for method in (BestOfN(N=8), ParticleFilter(N=8), ParticleFilter(N=8, ess_threshold=0.5))
    )
    assert samples < 0.45
    assert every_step == pytest.approx(1 - World().slip_at(5, 0.8), abs=0.06)  # all last steps start out right
    assert seldom > samples + 0.15


def accuracy(method: ParticleFilter, count: int) -> float:
    """Of the best particle, over the first problems of the simulated set: levels 1 to 5 in turn."""
    config = Config(model_name="simulated", prm_name="simulated")
    generator = SimulatedGenerator()
    prm = SimulatedPRM(0.6, config.seed, generator)
    right = 0
    for problem in simulated_problems(count):
        pool = searched(method, SearchSpace(problem, generator, prm, config)).pool
        right += bool(pool) and is_right(problem, chosen("best", pool))
    return right / count


def test_the_published_method_is_the_default() -> None:
    """Seldom and low-variance resampling under the name of the paper: 7 points less at N = 4."""
    published = ParticleFilter(N=4)
    assert published == ParticleFilter(N=4, resampling="multinomial", ess_threshold=1.0, particle_weights="whole")
    assert ParticleFilter.from_config(Config(method="particle_filter")) == published
    seldom = ParticleFilter(N=4, resampling="systematic", ess_threshold=0.5, particle_weights="incremental")
    assert accuracy(published, 1_500) == pytest.approx(0.884, abs=0.005)
    assert accuracy(seldom, 1_500) == pytest.approx(0.813, abs=0.005)


@pytest.mark.parametrize("resampling", ["multinomial", "systematic"])
@pytest.mark.parametrize("weights", ["whole", "incremental"])
def test_results_are_continuous_in_the_threshold(weights: str, resampling: str) -> None:
    """At 1.0 another weighing began than at .999: .787 against .696."""

    def at_threshold(value: float) -> float:
        method = ParticleFilter(N=4, ess_threshold=value, particle_weights=weights, resampling=resampling)
        return accuracy(method, 250)

    assert at_threshold(1.0) == pytest.approx(at_threshold(0.999), abs=0.01)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({"resampling": "sistemattic"}, "Did you mean 'systematic'"),
        ({"particle_weights": "hole"}, "Did you mean 'whole'"),
        ({"ess_threshold": 2}, "between 0 and 1"),
        ({"weight_temperature": 0}, "above 0"),
    ],
)
def test_bad_knobs_are_explained(args: dict[str, object], words: str) -> None:
    """A bad knob must be found before a model is loaded."""
    with pytest.raises(ConfigError, match=words):
        ParticleFilter(**args)  # type: ignore[arg-type]
