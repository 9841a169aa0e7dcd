"""The space: what a path is after it has grown, blank steps, whole solutions, scores and usage."""

from __future__ import annotations

import pytest
from worlds import ScriptedGenerator, TellingPRM, reworded, scripted_space, table, tape_space

from tt_scale.base_classes import Problem, Step, StepRequest
from tt_scale.config import Config
from tt_scale.core.path import Path
from tt_scale.space.search_space import SearchSpace


async def walk(space: SearchSpace) -> list[Path]:
    """Grow one root to its end, step by step; every path on the way."""
    path = space.roots()[0]
    way = []
    while path.is_open:
        assert space.expansions < 50, "a path grows for ever"
        [[path]] = await space.expand([path], temperature=0.7)
        way.append(path)
    return way


def drawn(text: str, ended: str, **keys: object) -> SearchSpace:
    generator = ScriptedGenerator({(0, 0): (text, ended)})
    return SearchSpace(Problem("drawn", "?", "0"), generator, TellingPRM(), Config(**keys))


@pytest.mark.parametrize(
    ("text", "ended", "prefix", "state"),
    [
        ("think\n\n", "stop", "", "open"),
        ("\\boxed{5}.\n\n", "stop", "", "finished"),
        ("\\boxed{5\n\n", "stop", "", "open"),
        ("So a = {5}.\n\n", "stop", "", "open"),
        ("Answer: 5\n\n", "stop", "", "open"),
        ("Answer: 5\n\n", "stop", "Answer:", "finished"),
        ("\\boxed{}\n\n", "stop", "", "open"),
        ("Answer: \n\n", "stop", "Answer:", "open"),
        ("I give up", "eos", "", "finished"),
        ("\\boxed{5}", "eos", "", "finished"),
        ("think", "length", "", "open"),
        ("\\boxed{5} because", "length", "", "open"),
        ("think", "context", "", "truncated"),
        ("\\boxed{5} because", "context", "", "finished"),
        ("Answer: 5", "context", "Answer:", "truncated"),
        ("think", "error", "", "failed"),
        ("\\boxed{5}", "error", "", "failed"),
    ],
)
async def test_why_a_step_ended_decides_the_state(text: str, ended: str, prefix: str, state: str) -> None:
    """Truncated taken for finished; an answer taken before its sentence ended; a failed request that votes."""
    space = drawn(text, ended, final_answer_prefix=prefix, path_end="answer")
    [[child]] = await space.expand(space.roots(), temperature=0.7)
    assert child.state == state
    assert len(child.scores) == (1 if state in ("open", "finished") else 0)


@pytest.mark.parametrize(
    ("text", "ended", "state"),
    [("a\n\nb", "length", "truncated"), ("a\n\n\\boxed{5}", "length", "finished"), ("a\n\nb", "eos", "finished")],
)
async def test_whole_solutions_are_finished_by_the_same_rule(text: str, ended: str, state: str) -> None:
    """A whole solution that was cut at `max_tokens` and still votes."""
    space = drawn(text, ended)
    [[child]] = await space.complete(space.roots(), temperature=0.7)
    assert child.state == state


async def test_an_answer_of_an_earlier_step_is_complete_at_the_next_step_end() -> None:
    """A long sentence cut by `k_tokens` right after its box: the path talks on although its answer is complete."""
    space, _ = tape_space(["so ", "\\boxed{5}", " as ", "said.\n\n", "more", "\n\n"], k_tokens=2, path_end="answer")
    assert [path.state for path in await walk(space)] == ["open", "finished"]


@pytest.mark.parametrize("state", ["end", "full", "fail"])
async def test_only_open_paths_grow(state: str) -> None:
    """A finished path that is grown is answered twice."""
    space = scripted_space(table(f"0.0 .9 {state} \n 0.0.0 .9"))
    [[child]] = await space.expand(space.roots(), temperature=0.7)
    with pytest.raises(ValueError, match="cannot grow"):
        await space.expand([child], temperature=0.7)


@pytest.mark.parametrize(
    ("tape", "steps"),
    [
        (["\n\n", "\n\n", "a", "\n\n", "b"], ["\n\n\n\na\n\n", "b"]),  # at the root: merged with what follows
        (["a\n\n", "\n\n", "b\n\n", "c"], ["a\n\n", "\n\nb\n\n", "c"]),  # in the middle: likewise
        (["a\n\n", "\n\n", " "], ["a\n\n\n\n "]),  # at the end: merged with what went before
        (["a\n\n"], ["a\n\n"]),
    ],
)
async def test_blank_steps_are_merged_and_never_scored(tape: list[str], steps: list[str]) -> None:
    """An empty step whose score drives the search (two public tools do this)."""
    prm = TellingPRM(lambda text: len(text.strip()) / 2)
    space, generator = tape_space(tape, prm=prm)
    end = (await walk(space))[-1]
    assert [step.text for step in end.steps] == steps
    assert (end.state, end.steps[-1].ended) == ("finished", "eos")
    assert all(step.startswith(text) for step, [text] in zip(steps, prm.shown, strict=True))  # one call for each step
    assert end.scores == (0.5,) * len(steps)
    assert end.ids == tuple(range(len(tape) + 1))
    assert space.usage.generated_tokens == len(tape) + 1
    assert space.usage.generator_calls == sum(map(len, generator.rounds))


async def test_draws_after_a_blank_step_have_seeds_of_their_own() -> None:
    """The same seed again after a blank step: on many engines it draws the blank step once more, for ever."""
    space, generator = tape_space(["\n\n", "\n\n", "a"])
    await space.expand(space.roots(), temperature=0.7)
    assert len({request.seed for [request] in generator.rounds}) == len(generator.rounds) == 3


async def test_a_model_that_says_nothing_is_not_asked_for_ever() -> None:
    """Blank steps drawn on without end hang a run."""
    space, generator = tape_space(["\n\n"] * 500)
    [[child]] = await space.expand(space.roots(), temperature=0.7)
    assert child.state == "open"
    assert child.scores == ()
    assert len(generator.rounds) <= 20


@pytest.mark.parametrize(("blanks", "k_tokens"), [(3, 2), (12, 256)])
async def test_a_blank_first_step_that_had_to_be_kept_is_merged_later(blanks: int, k_tokens: int) -> None:
    """A first step of nothing but line breaks, cut at its limit, and scored by the PRM one growth later."""
    prm = TellingPRM()
    space, _ = tape_space([*["\n\n"] * blanks, "a\n\n", "b"], prm=prm, k_tokens=k_tokens)
    end = (await walk(space))[-1]
    assert all(text.strip() for texts in prm.shown for text in texts)
    assert [step.text.strip() for step in end.steps] == ["a", "b"]
    assert len(end.scores) == 2


async def test_an_empty_solution_is_finished_without_a_score() -> None:
    """The PRM asked about nothing at all."""
    prm = TellingPRM()
    space, _ = tape_space([], prm=prm)
    [path] = await walk(space)
    assert (path.state, path.scores, path.score) == ("finished", (), 0.0)
    assert prm.shown == []


async def test_a_blank_end_is_aggregated_as_finished() -> None:
    """`mean_only_final` that depends on whether the end of the sequence came with the last words or after them."""
    prm = TellingPRM({"a\n\n": 0.2, "b\n\n": 0.8}.__getitem__)
    space, _ = tape_space(["a\n\n", "b\n\n"], prm=prm, agg="mean_only_final")
    end = (await walk(space))[-1]
    assert end.is_finished
    assert end.score == pytest.approx(0.5)


async def test_complete_cuts_at_the_first_finished_step_and_charges_the_rest() -> None:
    """Talk after the answer that is scored, or that is free because it was cut off."""
    prm = TellingPRM()
    space, _ = tape_space(["a\n\n", "\\boxed{1}", ".\n\n", "wait\n\n", "\\boxed{2}"], prm=prm, path_end="answer")
    [[path]] = await space.complete(space.roots(), temperature=0.7)
    assert path.text == "a\n\n\\boxed{1}.\n\n"
    assert path.state == "finished"
    assert prm.shown == [["a\n\n", "\\boxed{1}.\n\n"]]
    assert space.usage.generated_tokens == 6


async def test_only_new_steps_are_scored() -> None:
    """Steps scored again at every growth, by which old scores change under a path."""
    prm = TellingPRM()
    space, _ = tape_space(["a\n\n", "b\n\n", "c\n\n", "d"], prm=prm)
    [[first]] = await space.expand(space.roots(), temperature=0.7)
    [[whole]] = await space.complete([first], temperature=0.7)
    assert prm.shown == [["a\n\n"], ["b\n\n", "c\n\n", "d"]]
    assert whole.scores == (0.5,) * 4
    assert first.steps == whole.steps[:1]


async def test_without_delimiters_a_solution_is_one_step() -> None:
    """`stop_tokens: []` that stops at every token, or is taken for the default."""
    space, generator = tape_space(["a\n\n", "b\n\n", "c"], stop_tokens=(), k_tokens=1)
    [[path]] = await space.expand(space.roots(), temperature=0.7)
    assert generator.rounds[0][0].stop == ()
    assert [step.text for step in path.steps] == ["a\n\nb\n\nc"]
    assert path.state == "finished"


async def test_families_and_temperatures_belong_to_their_paths() -> None:
    """Children handed to another parent where paths have different counts, or temperatures mixed up."""
    space = scripted_space(table("0.0-1 .1 \n 2.0 .3 \n 2.1-2 .4"))
    roots = space.roots(3)
    families = await space.expand(roots, [2, 0, 1], temperature=[0.1, 0.2, 0.3])
    assert [[child.key for child in family] for family in families] == [[(0, 0), (0, 1)], [], [(2, 0)]]
    assert [child.steps[-1].temperature for family in families for child in family] == [0.1, 0.1, 0.3]
    [again] = await space.expand([roots[2]], 2, temperature=0.7)
    assert [(child.key, child.score) for child in again] == [((2, 1), 0.4), ((2, 2), 0.4)]
    assert [node.key for node in space.nodes] == [(0, 0), (0, 1), (2, 0), (2, 1), (2, 2)]


async def test_every_sampling_setting_is_explicit() -> None:
    """Settings left to the model's own generation_config, or set for one verb only."""
    keys = {"top_p": 0.9, "top_k": 7, "min_p": 0.05, "repetition_penalty": 1.1}
    space, generator = tape_space(["a\n\n", "b"], **keys)
    await space.expand(space.roots(), temperature=0.3)
    await space.complete(space.roots(), temperature=0.4)
    for [request], temperature in zip(generator.rounds, (0.3, 0.4), strict=True):
        sampling = request.sampling
        told = (sampling.temperature, sampling.top_p, sampling.top_k, sampling.min_p, sampling.repetition_penalty)
        assert told == (temperature, 0.9, 7, 0.05, 1.1)


async def test_usage_counts_prompts_caches_and_operations() -> None:
    """Cache hits charged as computed, prompts left out of the estimate, PRM tokens lost."""
    space, generator = tape_space(["a\n\n", "b\n\n", "c"])
    generate, generator.parameters = generator.generate, 10

    async def cached(requests: list[StepRequest]) -> list[Step]:
        steps = await generate(requests)
        return [reworded(step, cached=len(request.ids) - 1) for step, request in zip(steps, requests, strict=True)]

    generator.generate = cached  # type: ignore[assignment,method-assign]
    [[path]] = await space.expand(space.roots(), temperature=0.7)
    await space.expand([path], 2, temperature=0.7)
    usage = space.usage
    assert (usage.generated_tokens, usage.generator_calls) == (3, 3)
    assert (usage.prompt_tokens, usage.cached_prompt_tokens) == (1 + 2 + 2, 0 + 1 + 1)
    assert (usage.prm_calls, usage.prm_tokens) == (3, 3)
    assert usage.flops == 2 * 10 * (3 + 3)  # one computed prompt token and one generated token a request
