"""Token log-probabilities: confidences, the check for them, and their alignment with tokens through segmentation."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import chain
from math import inf, log
from statistics import fmean
from typing import Any

import pytest
from measuring import assert_share
from worlds import ScriptedGenerator, reworded, run, sim_problem, tape_space

from tt_scale.base_classes import Scores, Step, StepRequest
from tt_scale.config import Config
from tt_scale.core.logprobs import confidence, require_logprobs
from tt_scale.core.path import Path
from tt_scale.core.segmentation import split_steps
from tt_scale.errors import ConfigError, GeneratorError
from tt_scale.generator.simulated import SimulatedGenerator, World, path_is_right
from tt_scale.models import make_models, make_searcher
from tt_scale.prm.simulated import SimulatedPRM
from tt_scale.searcher.beam_search import BeamSearch
from tt_scale.searcher.best_of_n import BestOfN
from tt_scale.space.search_space import SearchSpace


def test_confidence_worked_values() -> None:
    """The corners: an even distribution over V tokens has ln V; a sure model has much more."""
    assert confidence([log(1 / 8)] * 8, 8) == pytest.approx(log(8))
    assert confidence([log(0.5), log(0.25), log(0.125)], 2) == pytest.approx((log(2) + log(4)) / 2)
    assert confidence([log(0.5), log(0.25)], 20) == pytest.approx((log(2) + log(4)) / 2)  # a vocabulary of two
    assert confidence([0.0, -inf], 2) == inf


def test_the_drawn_token_counts_only_where_it_is_among_the_likeliest() -> None:
    """The published code has 21 terms where the drawn token is none of the 20: unlikely draws look confident."""
    likeliest = [log(0.5), log(0.3)]
    assert confidence([log(0.01), *likeliest], 2) == confidence(likeliest, 2)
    assert confidence([likeliest[1], likeliest[0]], 2) == confidence(likeliest, 2)


class Numbered(SimulatedGenerator):
    """Returns log-probabilities that are a function of the token ids, so that any misalignment shows."""

    async def generate(self, requests: Sequence[StepRequest]) -> list[Step]:
        steps = await super().generate(requests)
        return [
            reworded(step, logprobs=numbered(step.ids), confidences=numbered(step.ids, 2.0))
            if request.top_logprobs
            else step
            for step, request in zip(steps, requests, strict=True)
        ]


def numbered(ids: Sequence[int], factor: float = -1.0) -> tuple[float, ...]:
    return tuple([factor * (1 + token % 1000) for token in ids])


def space_of(
    generator: SimulatedGenerator, prm: SimulatedPRM | None = None, number: int = 0, **keys: Any
) -> SearchSpace:
    config = Config(model_name="simulated", prm_name="simulated", **keys)
    return SearchSpace(sim_problem(number), generator, prm or SimulatedPRM(0.6, 79, generator), config)


@pytest.mark.parametrize("blank", [0.0, 0.6])
@pytest.mark.parametrize("keys", [{}, {"step_tokens": 7}, {"k_tokens": 5}, {"max_tokens": 33}, {"stop_tokens": ()}])
@pytest.mark.parametrize("searcher", [BestOfN(N=6), BeamSearch(N=3)])
def test_numbers_stay_with_their_tokens(searcher: Any, keys: dict[str, Any], blank: float) -> None:
    """Steps that are split, merged with blank ones, divided or cut, whose numbers are those of other tokens."""
    for number in range(4):
        space = space_of(Numbered(World(blank=blank)), number=number, **keys)
        space.request_logprobs(3)
        run(searcher, space)
        steps = list(chain.from_iterable([node.steps for node in space.nodes]))
        assert steps
        for step in steps:
            assert step.logprobs == numbered(step.ids)
            assert step.confidences == numbered(step.ids, 2.0)


def test_a_whole_solution_is_split_with_its_numbers() -> None:
    """A blank step at the end is merged into the step before, and so are its numbers."""
    step = Step(
        "a\n\nb\n\n \n\n", (1, 2, 3, 4), "eos", logprobs=(-1.0, -2.0, -3.0, -4.0), confidences=(1.0, 2.0, 3.0, 4.0)
    )
    first, last = split_steps(step, ["a\n\n", "b", "\n\n", " \n\n"], ("\n\n",))
    assert (first.logprobs, last.logprobs) == ((-1.0,), (-2.0, -3.0, -4.0))
    assert (first.confidences, last.confidences) == ((1.0,), (2.0, 3.0, 4.0))


def test_nobody_asks_nothing_is_numbered() -> None:
    """Numbers that are computed, sent and stored for every search that does not look at them."""
    generator = SimulatedGenerator()
    space = space_of(generator)
    run(BestOfN(), space)
    assert all(step.logprobs == step.confidences == () for node in space.nodes for step in node.steps)


@pytest.mark.parametrize("temperature", [0.0, 0.8])
def test_asking_changes_no_sample(temperature: float) -> None:
    """Numbers drawn from the stream of the tokens: a method that looks at them would be compared on other samples."""
    trees = []
    for top in (0, 20):
        space = space_of(SimulatedGenerator(World(blank=0.3)))
        space.request_logprobs(top)
        run(BestOfN(N=8, temperature=temperature), space)
        trees.append([(node.text, node.ids, node.scores) for node in space.nodes])
    assert trees[0] == trees[1]


def drawn(world: World, temperature: float, top: int) -> list[tuple[bool, Step]]:
    """Steps of the simulated world, and whether the path stands right after each."""
    found = []
    for number in range(80):
        space = space_of(SimulatedGenerator(world), number=number)
        space.request_logprobs(top)
        for path in run(BestOfN(N=3, temperature=temperature), space).pool:
            ids = space._prompt
            for step in path.steps:
                ids += step.ids
                found.append((path_is_right(ids), step))
    return found


@pytest.mark.parametrize(("temperature", "share"), [(0.0, 1.0), (1.0, 0.9), (2.0, 1 - 2 / 3 * 0.2**0.5)])
def test_how_often_the_likeliest_token_is_drawn(temperature: float, share: float) -> None:
    """1 - E[q^(1/T)] for q uniform in [0, 0.2]: numbers at another temperature than 1, or not of the drawn token."""
    steps = drawn(World(doubt=(0.1, 0.1)), temperature, 1)
    shares = [
        fmean(logprob == pytest.approx(-sure) for logprob, sure in zip(step.logprobs, step.confidences, strict=True))
        for _, step in steps
    ]
    assert_share(fmean(shares), share, len(steps))


def test_wrong_steps_are_less_likely() -> None:
    """A world whose doubts say nothing of the truth, in which no method that reads them could be tried."""
    steps = drawn(World(), 0.8, 20)
    for numbers in ("logprobs", "confidences"):
        right, wrong = (
            fmean(fmean(getattr(step, numbers)) for stands, step in steps if stands is wanted)
            for wanted in (True, False)
        )
        assert right > wrong + 0.1


def test_numbers_depend_on_the_request_alone() -> None:
    """A stream that siblings share: the same request would be told other numbers in company."""
    generator, config = SimulatedGenerator(), Config()
    prompt = generator.prompt(sim_problem(), "")
    asked = [StepRequest(prompt, config.sampling(0.8), (), 300, seed, top_logprobs=5) for seed in range(6)]
    together = asyncio.run(generator.generate(asked))
    assert together == [asyncio.run(generator.generate([request]))[0] for request in asked]
    assert len({step.logprobs for step in together}) == 6


class Reading(SimulatedPRM):
    """Asks for log-probabilities as a PRM does."""

    top_logprobs = 4

    async def score(self, problem: Any, paths: Sequence[Path]) -> list[Scores]:
        assert all(len(step.logprobs) == len(step.ids) for path in paths for step in path.steps)
        return await super().score(problem, paths)


def test_a_prm_that_reads_them_gets_them() -> None:
    """A PRM that has to be wired up by hand at every place where a space is made."""
    generator = SimulatedGenerator()
    steps = []
    for top in (0, 2, 9):  # what a method asks for beside it
        space = space_of(generator, Reading(0.6, 79, generator))
        space.request_logprobs(top)
        run(BestOfN(N=1), space)
        steps.append(space.nodes[0].steps[0])
    assert steps[0] == steps[1]  # no less than the PRM asked for
    assert steps[2].logprobs == steps[0].logprobs
    assert steps[2].confidences != steps[0].confidences


class Short(SimulatedGenerator):
    """Forgets the last token's."""

    async def generate(self, requests: Sequence[StepRequest]) -> list[Step]:
        return [reworded(step, logprobs=step.logprobs[:-1]) for step in await super().generate(requests)]


def test_too_few_numbers_are_refused() -> None:
    """A backend that tells one number too few shifts all that follow."""
    space = space_of(Short())
    space.request_logprobs(1)
    with pytest.raises(GeneratorError, match=r"returned \d+ log-probabilities for \d+ tokens"):
        run(BestOfN(), space)


def test_who_cannot_tell_is_refused() -> None:
    """A generator of another package that knows nothing of all this: nonsense or a traceback in every row."""
    space, _ = tape_space(["a"])
    with pytest.raises(
        ConfigError, match="the log-probabilities of the 5 most likely tokens, but TapeGenerator returns none"
    ):
        space.request_logprobs(5)
    with pytest.raises(ConfigError, match="returns only those of 20"):
        require_logprobs(SimulatedGenerator, 21, "Somebody")


def test_refused_before_a_model_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message must come at once and name what asks; not in the row of each problem."""
    monkeypatch.setattr("tt_scale.backends.generator_class", lambda name: ScriptedGenerator)
    monkeypatch.setattr(ScriptedGenerator, "from_config", classmethod(lambda cls, config: cls({})))
    config = Config(model_name="x", generator="elsewhere", prm_name="confidence", method="deepconf")
    with pytest.raises(
        ConfigError, match=r"method 'deepconf' needs .* ScriptedGenerator returns none.* --generator vllm"
    ):
        make_searcher(config)
    with pytest.raises(ConfigError, match=r"The PRM 'confidence' needs .* ScriptedGenerator returns none"):
        make_models(config)
