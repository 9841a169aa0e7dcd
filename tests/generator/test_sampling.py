"""The filters before a draw, on logits that a person can check."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from margins import UNIT

from tt_scale.base_classes import Sampling

pytestmark = pytest.mark.hf
PROBABILITIES = (0.5, 0.25, 0.15, 0.1)


def kept(*samplings: Sampling) -> list[list[int]]:
    import torch

    from tt_scale.generator.sampling import SamplingTensors, filtered

    logits = torch.tensor([[math.log(each) for each in PROBABILITIES]] * len(samplings))
    found = filtered(logits, SamplingTensors.of(samplings, torch.device("cpu")))
    return [[place for place, logit in enumerate(row) if logit > -math.inf] for row in found]


FILTERS = [
    (Sampling(1.0), [0, 1, 2, 3]),
    (Sampling(1.0, top_k=2), [0, 1]),
    (Sampling(1.0, top_k=9), [0, 1, 2, 3]),
    (Sampling(1.0, top_p=0.5), [0]),
    (Sampling(1.0, top_p=0.51), [0, 1]),
    (Sampling(1.0, top_p=0.8), [0, 1, 2]),
    (Sampling(1.0, min_p=0.25), [0, 1, 2]),
    (Sampling(1.0, min_p=0.6), [0]),
    (Sampling(1.0, top_k=3, top_p=0.6), [0, 1]),
    (Sampling(0.5, top_p=0.7), [0]),
]


@pytest.mark.parametrize(("sampling", "expected"), FILTERS)
def test_filters(sampling: Sampling, expected: list[int]) -> None:
    """A cut that is off by one token samples another distribution than vLLM."""
    assert kept(sampling) == [expected]


def test_rows_keep_their_own_settings() -> None:
    """One row's nucleus would be another row's."""
    assert kept(*[sampling for sampling, _ in FILTERS]) == [expected for _, expected in FILTERS]


def test_penalty_makes_seen_tokens_less_likely() -> None:
    """Dividing a negative logit would reward repetition."""
    import torch

    from tt_scale.generator.sampling import SamplingTensors, penalised

    logits = torch.tensor([[2.0, -2.0, 1.0]] * 2)
    sampling = SamplingTensors.of([Sampling(1.0, repetition_penalty=2.0), Sampling(1.0)], logits.device)
    seen = torch.tensor([[True, True, False]] * 2)
    assert penalised(logits, sampling, seen).tolist() == [[1.0, -4.0, 1.0], [2.0, -2.0, 1.0]]


def test_draws_follow_the_probabilities() -> None:
    """Temperature in the wrong place sharpens or flattens every sample."""
    import torch

    from tt_scale.generator.sampling import SamplingTensors, draw

    count = 4000
    logits = torch.tensor([[math.log(each) for each in PROBABILITIES]]).expand(count, -1)
    uniforms = torch.rand(count, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    counts = Counter(draw(logits, SamplingTensors.of([Sampling(0.5)] * count, logits.device), None, uniforms).tolist())
    squares = [each**2 for each in PROBABILITIES]
    for place, square in enumerate(squares):
        expected = square / sum(squares)
        assert abs(counts[place] / count - expected) < 4 * math.sqrt(expected * (1 - expected) / count)


def test_the_edges_of_the_unit_interval_draw_possible_tokens() -> None:
    """A uniform of exactly 0 would draw token 0 though a filter forbids it; one near 1, a token past the last."""
    import torch

    from tt_scale.generator.sampling import SamplingTensors, draw

    logits = torch.tensor([[0.0, 5.0, 4.0, 0.0]] * 3)
    uniforms = torch.tensor([0.0, 1 - 2**-53, 0.5], dtype=torch.float64)
    sampling = SamplingTensors.of([Sampling(1.0, top_k=2), Sampling(1.0, top_k=2), Sampling(0.0)], logits.device)
    assert draw(logits, sampling, None, uniforms).tolist() == [1, 2, 1]


def test_last_digits_are_not_told() -> None:
    """They depend on what shares a batch; what a search compares would stand in another order each time."""
    import torch

    from tt_scale.generator.sampling import likelihoods

    logits = torch.tensor([[math.log(each) for each in PROBABILITIES]] * 3)
    noise = torch.tensor([[0.0], [1.0], [-1.0]]) * torch.tensor([3e-7, -3e-7, 2e-7, 0.0])
    first, *others = likelihoods(logits + noise, torch.tensor([1, 1, 1]), [2, 2, 2])
    assert others == [first, first]
    assert first == pytest.approx((math.log(0.25), -math.log(0.5 * 0.25) / 2), abs=UNIT)
