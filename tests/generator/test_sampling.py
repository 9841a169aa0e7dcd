"""The filters before a draw, on logits that a person can check."""

from __future__ import annotations

import math
from collections import Counter

import pytest

from tt_scale.base_classes import Sampling

pytestmark = pytest.mark.hf
PROBABILITIES = (0.5, 0.25, 0.15, 0.1)


def kept(sampling: Sampling, seen: tuple[int, ...] = ()) -> list[int]:
    import torch

    from tt_scale.generator.sampling import filtered

    logits = torch.tensor([math.log(each) for each in PROBABILITIES])
    return [place for place, logit in enumerate(filtered(logits, sampling, seen)) if logit > -math.inf]


@pytest.mark.parametrize(
    ("sampling", "expected"),
    [
        (Sampling(1.0), [0, 1, 2, 3]),
        (Sampling(1.0, top_k=2), [0, 1]),
        (Sampling(1.0, top_k=9), [0, 1, 2, 3]),
        (Sampling(1.0, top_p=0.5), [0]),
        (Sampling(1.0, top_p=0.51), [0, 1]),
        (Sampling(1.0, top_p=0.8), [0, 1, 2]),
        (Sampling(1.0, min_p=0.25), [0, 1, 2]),
        (Sampling(1.0, min_p=0.6), [0]),
    ],
)
def test_filters(sampling: Sampling, expected: list[int]) -> None:
    """A cut that is off by one token samples another distribution than vLLM."""
    assert kept(sampling) == expected


def test_penalty_makes_seen_tokens_less_likely() -> None:
    """Dividing a negative logit would reward repetition."""
    import torch

    from tt_scale.generator.sampling import filtered

    logits = torch.tensor([2.0, -2.0, 1.0])
    found = filtered(logits, Sampling(1.0, repetition_penalty=2.0), (0, 1)).tolist()
    assert found == [1.0, -4.0, 1.0]


def test_draws_follow_the_probabilities() -> None:
    """Temperature in the wrong place sharpens or flattens every sample."""
    import torch

    from tt_scale.generator.sampling import draw

    logits = torch.tensor([math.log(each) for each in PROBABILITIES])
    chance = torch.Generator().manual_seed(3)
    counts = Counter(draw(logits, Sampling(0.5), (), chance) for _ in range(4000))
    squares = [each**2 for each in PROBABILITIES]
    for place, square in enumerate(squares):
        expected = square / sum(squares)
        assert abs(counts[place] / 4000 - expected) < 4 * math.sqrt(expected * (1 - expected) / 4000)
    assert draw(logits, Sampling(0.0), (), chance) == 0
