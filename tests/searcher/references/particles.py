"""The particle filter and particle Gibbs of its_hub: `its_hub/algorithms/particle_gibbs.py` at 005d903 and 8eb02a6."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from random import Random

from references.world import KeyWorld
from tt_scale.core.path import Key


def probabilities(scores: Sequence[float]) -> list[float]:
    """Softmax of the inverse sigmoid of scores that are clipped to [1e-7, 1 - 1e-7]."""
    clipped = [min(max(score, 1e-7), 1 - 1e-7) for score in scores]
    logits = [math.log(score / (1 - score)) for score in clipped]
    powers = [math.exp(logit - max(logits)) for logit in logits]
    return [power / sum(powers) for power in powers]


def particle_gibbs(world: KeyWorld, particles: int, iterations: int, random: Random) -> list[list[Key]]:
    """Sweep: propagate what is not stopped, resample the free particles among all, until all are stopped.

    A held particle competes with the weight it had at the same step (its last one once the sweep is deeper), and a free
    copy of it is cut to that step and goes on. After a sweep one of all particles is drawn by weight and held. The
    source resamples once more after the last step; that is left out here. Indices are sorted, since the order of the
    particles means nothing.

    Returns:
        The stopped particles of each sweep, the held one of it last.
    """
    held: list[Key] = []
    found = []
    for _ in range(iterations):
        free: list[Key] = [(0,)] * (particles - len(held))
        step = 0
        while any(len(key) == 1 or not world.ends(key) for key in free):
            if step:
                everyone = free + [key[: step + 1] for key in held]
                weights = probabilities([world.score(key) for key in everyone])
                places = sorted(random.choices(range(len(everyone)), weights, k=len(free)))
                free = [everyone[place] for place in places]
            free = [key if len(key) > 1 and world.ends(key) else world.children(key, 1)[0] for key in free]
            step += 1
        everyone = free + held
        found.append(everyone)
        [place] = random.choices(range(len(everyone)), probabilities([world.score(key) for key in everyone]))
        held = [everyone[place]]
    return found


Law = Mapping[str, float]
"""What happened -> its probability."""


def exact_sweep(held: str | None, particles: int, chance: Callable[[str], Law], score: Mapping[str, float]) -> Law:
    """Work out by enumeration which solution is held after one sweep of the loop above.

    Args:
        held: the solution held before it; None in the first sweep.
        particles: the held one among them.
        chance: prefix -> text of each possible next step and its probability; nothing at an end.
        score: prefix -> score.
    """
    law: Counter[str] = Counter()
    populations: dict[tuple[str, ...], float] = {("",) * (particles - bool(held)): 1.0}
    step = 0
    while populations:
        grown: Counter[tuple[str, ...]] = Counter()
        for free, weight in populations.items():
            everyone = [*free, *([held[:step]] if held else [])]
            shares = probabilities([score[text] for text in everyone]) if step else [1.0] * len(everyone)
            drawn = product(range(len(everyone)), repeat=len(free)) if step else [tuple(range(len(free)))]
            for places in drawn:
                share = weight * math.prod([shares[place] for place in places])
                options = [list((chance(everyone[place]) or {"": 1.0}).items()) for place in places]
                for steps in product(*options):
                    after = [everyone[place] + text for place, (text, _) in zip(places, steps, strict=True)]
                    grown[tuple(sorted(after))] += share * math.prod([odds for _, odds in steps])
        step += 1
        populations = {}
        for free, weight in grown.items():
            if any(chance(text) for text in free):
                populations[free] = weight
                continue
            everyone = [*free, *([held] if held else [])]
            for text, share in zip(everyone, probabilities([score[each] for each in everyone]), strict=True):
                law[text] += weight * share
    return law
