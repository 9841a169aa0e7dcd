"""Sampling of the next token of every row of a batch, with parameters and random stream of each row independent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tt_scale.core.logprobs import DIGITS, confidence
from tt_scale.core.records import Sampling

__all__ = ["SamplingTensors", "distribution", "draw", "filtered", "likelihoods", "penalised"]

NOTHING = float("-inf")


@dataclass(frozen=True, slots=True)
class SamplingTensors:
    """Sampling parameters of each row, as tensors on the device.

    Attributes:
        temperature: 0 selects the most likely token [rows, 1].
        top_p: nucleus probability [rows, 1].
        top_k: number of most likely tokens; 0 is no limit [rows, 1].
        min_p: minimum probability relative to the most likely token [rows, 1].
        penalty: repetition penalty [rows, 1].
        sorts: whether any row needs its logits sorted.
    """

    temperature: Any
    top_p: Any
    top_k: Any
    min_p: Any
    penalty: Any
    sorts: bool

    @classmethod
    def of(cls, samplings: Sequence[Sampling], device: Any) -> SamplingTensors:
        """Stack the sampling parameters of rows."""
        import torch

        def column(values: Sequence[float], dtype: Any = torch.float32) -> Any:
            return torch.tensor(values, dtype=dtype, device=device)[:, None]

        return cls(
            temperature=column([each.temperature for each in samplings]),
            top_p=column([each.top_p for each in samplings]),
            top_k=column([each.top_k for each in samplings], torch.long),
            min_p=column([each.min_p for each in samplings]),
            penalty=column([each.repetition_penalty for each in samplings]),
            sorts=any(each.top_k > 0 or each.top_p < 1 for each in samplings),
        )

    def rows(self, chosen: Any) -> SamplingTensors:
        """Select rows by index."""
        return SamplingTensors(
            temperature=self.temperature.index_select(0, chosen),
            top_p=self.top_p.index_select(0, chosen),
            top_k=self.top_k.index_select(0, chosen),
            min_p=self.min_p.index_select(0, chosen),
            penalty=self.penalty.index_select(0, chosen),
            sorts=self.sorts,
        )


def penalised(logits: Any, sampling: SamplingTensors, seen: Any) -> Any:
    """Divide positive logits of seen tokens by the penalty and multiply negative ones (Keskar et al. 2019).

    Args:
        logits: float32 [rows, vocabulary].
        sampling: sampling parameters of the rows.
        seen: which tokens occur in prompt or continuation [rows, vocabulary]; None if no row has a penalty.
    """
    import torch

    if seen is None:
        return logits
    changed = torch.where(logits > 0, logits / sampling.penalty, logits * sampling.penalty)
    return torch.where(seen, changed, logits)


def filtered(logits: Any, sampling: SamplingTensors) -> Any:
    """Apply temperature, min-p, top-k and top-p, in the order in which vLLM applies them.

    Args:
        logits: float32 [rows, vocabulary].
        sampling: sampling parameters of the rows; a temperature of 0 counts as 1 here.

    Returns:
        Logits in which excluded tokens are minus infinity [rows, vocabulary].
    """
    import torch

    logits = logits / torch.where(sampling.temperature > 0, sampling.temperature, 1.0)
    probabilities = torch.softmax(logits, dim=-1)
    logits = logits.masked_fill(probabilities < sampling.min_p * probabilities.amax(dim=-1, keepdim=True), NOTHING)
    if not sampling.sorts:
        return logits
    ordered, order = torch.sort(logits, descending=True, stable=True)
    last = torch.where(sampling.top_k > 0, sampling.top_k, ordered.shape[-1]).clamp(max=ordered.shape[-1]) - 1
    ordered = ordered.masked_fill(ordered < ordered.gather(-1, last), NOTHING)
    probabilities = torch.softmax(ordered, dim=-1)
    before = torch.cumsum(probabilities, dim=-1) - probabilities  # the most likely token is never excluded
    ordered = ordered.masked_fill((before >= sampling.top_p) & (sampling.top_p < 1), NOTHING)
    return torch.empty_like(logits).scatter_(-1, order, ordered)


def distribution(logits: Any, sampling: SamplingTensors, seen: Any) -> tuple[Any, Any]:
    """Compute the distribution that a token is drawn from; arguments as in `draw`.

    Returns:
        The unnormalised cumulative distribution in the order of the vocabulary, float64 [rows, vocabulary]; and the
        most likely token, for temperature 0 [rows].
    """
    import torch

    logits = penalised(logits.float(), sampling, seen)
    cumulative = torch.softmax(filtered(logits, sampling), dim=-1).double().cumsum(dim=-1)
    return cumulative, logits.argmax(dim=-1)


def draw(logits: Any, sampling: SamplingTensors, seen: Any, uniforms: Any) -> Any:
    """Draw one token for each row by inverting its cumulative distribution, in the order of the vocabulary.

    Args:
        logits: logits of the next token [rows, vocabulary].
        sampling: sampling parameters of the rows.
        seen: as in `penalised`.
        uniforms: float64 in [0, 1), from a separate random stream for each row, so that the composition of the batch
            does not change a sample [rows].

    Returns:
        Token ids [rows].
    """
    import torch

    cumulative, likeliest = distribution(logits, sampling, seen)
    drawn = torch.searchsorted(cumulative, uniforms[:, None] * cumulative[:, -1:], right=True).squeeze(-1)
    drawn = drawn.clamp(max=logits.shape[-1] - 1)
    return torch.where(sampling.temperature.squeeze(-1) > 0, drawn, likeliest)


def likelihoods(logits: Any, drawn: Any, top_logprobs: Sequence[int]) -> list[tuple[float, float]]:
    """Compute log-probability of the drawn token and confidence of each row, at temperature 1.

    Args:
        logits: raw logits of the next token [rows, vocabulary].
        drawn: token ids [rows].
        top_logprobs: number of most likely tokens that a row's confidence uses [rows]; if all are 0, nothing is
            computed.

    Returns:
        Log-probability and confidence of each row, to four decimals [rows]; undefined for rows with 0 top_logprobs.
    """
    import torch

    most = max(top_logprobs)
    if not most:
        return [(0.0, 0.0)] * len(top_logprobs)
    logprobs = torch.log_softmax(logits.float(), dim=-1)
    chosen = logprobs.gather(-1, drawn[:, None]).squeeze(-1).tolist()
    likeliest = logprobs.topk(min(most, logits.shape[-1])).values.tolist()
    return [
        (round(logprob, DIGITS), round(confidence(row, max(count, 1)), DIGITS))
        for logprob, row, count in zip(chosen, likeliest, top_logprobs, strict=True)
    ]
