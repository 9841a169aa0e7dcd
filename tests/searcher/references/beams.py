"""Beam search and DVTS: huggingface/search-and-learn, `src/sal/search/` at 6f81cac."""

from __future__ import annotations

from references.world import KeyWorld
from tt_scale.core.path import Key


def beam_search(world: KeyWorld, n: int, beam_width: int, iterations: int, *, refill: bool) -> tuple[list[Key], bool]:
    """`beam_search.py`: n beams grow by a step, completed ones are set aside, the top n / beam_width are repeated.

    Args:
        world: that is searched.
        n: beams.
        beam_width: copies of each beam that remains.
        iterations: most steps.
        refill: make n copies of too few beams, as the source does. Snell et al. let the width shrink, as ours does.

    Returns:
        Completed beams in order, and whether there ever were too few beams.
    """
    completed: list[Key] = []
    few = False
    active: list[Key] = [(0,)] * n
    for _ in range(iterations):
        copies = n if refill or len(active) == n else len(active) * beam_width
        few |= len(active) < n // beam_width
        active = (active * (copies // len(active) + 1))[:copies]
        active = [world.children(beam, 1)[0] for beam in active]
        completed += [beam for beam in active if world.ends(beam)]
        active = [beam for beam in active if not world.ends(beam)]
        if not active:
            break
        active = sorted(active, key=world.score)[-(n // beam_width) :]
    return completed, few


def dvts(world: KeyWorld, n_beams: int, beam_width: int, iterations: int) -> list[Key]:
    """`diverse_verifier_tree_search.py`: each beam samples beam_width steps and keeps the best, until that one ends.

    Returns:
        The completed beams in order. The source gives all siblings of the last round instead, unfinished ones too.
    """
    completed: list[Key] = []
    beams: list[Key] = [(number,) for number in range(n_beams)]
    for _ in range(iterations):
        if not beams:
            break
        grown = [max(world.children(beam, beam_width), key=world.score) for beam in beams]
        completed += [beam for beam in grown if world.ends(beam)]
        beams = [beam for beam in grown if not world.ends(beam)]
    return completed
