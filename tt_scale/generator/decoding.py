"""Batched token-by-token decoding on a Transformers model.

Rows are padded on the left, and position ids do not count the padding. Each distinct prompt is prefilled once, and its
cache is copied to all rows that continue it. Finished rows leave the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from inspect import signature
from typing import Any

from tt_scale.core.logprobs import DIGITS
from tt_scale.core.records import Ended, Step, StepRequest
from tt_scale.errors import GeneratorError
from tt_scale.generator.language_model import Choice
from tt_scale.generator.sampling import SamplingTensors, draw, likelihoods
from tt_scale.generator.tokens import UNKNOWN, Tokens

__all__ = ["NOT_A_NUMBER", "Decoder", "DecodeRequest", "Row", "uniforms_of"]

DecodeRequest = tuple[tuple[int, ...], tuple[int, ...]]
"""A prompt, and the tokens whose next-token log-probabilities are requested."""


@dataclass(slots=True)
class Row:
    """A request that is being decoded.

    Attributes:
        request: the request.
        uniforms: random number of each token, in order.
        cached: prompt tokens that are not computed for this row.
        ids: token ids sampled so far.
        ended: why it ended; None while it is being decoded.
        error: the reason if `ended` is "error".
        logprobs: log-probabilities of `ids`, if requested.
        confidences: confidences at `ids`, if requested.
    """

    request: StepRequest
    uniforms: list[float]
    cached: int
    ids: list[int] = field(default_factory=list)
    ended: Ended | None = None
    error: str = ""
    logprobs: list[float] = field(default_factory=list)
    confidences: list[float] = field(default_factory=list)


@dataclass(slots=True)
class _Batch:
    """Rows that are being decoded, and their decoding state; every field has one entry for each row."""

    rows: list[Row]
    cache: Any
    mask: Any
    sampling: SamplingTensors
    seen: Any

    def drop_ended(self) -> None:
        """Remove rows that have ended."""
        import torch

        active = [index for index, row in enumerate(self.rows) if row.ended is None]
        if len(active) == len(self.rows):
            return
        self.rows = [self.rows[index] for index in active]
        if active:
            chosen = torch.tensor(active, device=self.mask.device)
            self.cache.reorder_cache(chosen)
            self.mask = self.mask.index_select(0, chosen)
            self.sampling = self.sampling.rows(chosen)
            self.seen = None if self.seen is None else self.seen.index_select(0, chosen)


class Decoder:
    """Decodes batches of requests on a loaded model; not thread-safe.

    Args:
        model: a causal language model of Transformers.
        tokens: its tokenizer.
        device: device of the model.
        stopped: called between two tokens; if it returns True, the batch is aborted.
    """

    def __init__(self, model: Any, tokens: Tokens, device: Any, stopped: Callable[[], bool] = lambda: False) -> None:
        self._model = model
        self._tokens = tokens
        self._device = device
        self._stopped = stopped
        self._can_complete: dict[tuple[int, tuple[str, ...]], bool] = {}
        # The logits of all prompt tokens can take more memory than the model.
        self._last_row = {"logits_to_keep": 1} if "logits_to_keep" in signature(model.forward).parameters else {}

    def sample(self, requests: Sequence[StepRequest]) -> list[Step]:
        """Decode each request to its end [requests].

        Raises:
            GeneratorError: the decoder was stopped.
        """
        import torch

        with torch.inference_mode():
            logits, batch = self._read(requests)
            rows = batch.rows
            while True:
                self._extend(batch, logits)
                batch.drop_ended()
                if not batch.rows:
                    return [self.step(row) for row in rows]
                if self._stopped():
                    raise GeneratorError("The generator was closed while it was sampling.")
                logits = self._advance(batch)

    def choose(self, requests: Sequence[DecodeRequest]) -> list[Choice]:
        """Compute the log-probabilities of the requested next tokens, to four decimals [requests]."""
        import torch

        with torch.inference_mode():
            distinct, indices, cached = _distinct([prompt for prompt, _ in requests])
            logits = self._prefill(distinct, use_cache=False)[0]
            logprobs = torch.log_softmax(logits.float(), dim=-1).cpu()
        if bool(logprobs.isnan().any()):
            raise GeneratorError(NOT_A_NUMBER)
        return [
            Choice(tuple([round(value, DIGITS) for value in logprobs[index, list(choices)].tolist()]), hits)
            for (_, choices), index, hits in zip(requests, indices, cached, strict=True)
        ]

    def _read(self, requests: Sequence[StepRequest]) -> tuple[Any, _Batch]:
        """Prefill the prompts: logits of the first tokens [requests, vocabulary], and the batch to decode."""
        import torch

        distinct, indices, cached = _distinct([request.ids for request in requests])
        logits, cache, mask = self._prefill(distinct, use_cache=True)
        if len(distinct) < len(requests):
            chosen = torch.tensor(indices, device=self._device)
            cache.reorder_cache(chosen)
            logits, mask = logits.index_select(0, chosen), mask.index_select(0, chosen)
        rows = [Row(request, uniforms_of(request), hits) for request, hits in zip(requests, cached, strict=True)]
        samplings = [request.sampling for request in requests]
        seen = None
        if any(sampling.repetition_penalty != 1 for sampling in samplings):
            seen = torch.zeros_like(logits, dtype=torch.bool)
            for row, request in enumerate(requests):
                seen[row, list(request.ids)] = True
        return logits, _Batch(rows, cache, mask, SamplingTensors.of(samplings, self._device), seen)

    def _prefill(self, prompts: Sequence[tuple[int, ...]], *, use_cache: bool) -> tuple[Any, Any, Any]:
        """Compute prompts, padded on the left: logits of the next token [prompts, vocabulary], cache, mask."""
        import torch

        longest = max(len(prompt) for prompt in prompts)
        ids = torch.tensor([[0] * (longest - len(prompt)) + list(prompt) for prompt in prompts], device=self._device)
        mask = torch.tensor(
            [[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts], device=self._device
        )
        positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
        out = self._model(
            input_ids=ids, attention_mask=mask, position_ids=positions, use_cache=use_cache, **self._last_row
        )
        return out.logits[:, -1], out.past_key_values if use_cache else None, mask

    def _advance(self, batch: _Batch) -> Any:
        """Compute the newest token of each row: logits of the next one [rows, vocabulary]."""
        import torch

        newest = torch.tensor([[row.ids[-1]] for row in batch.rows], device=self._device)
        if batch.seen is not None:
            batch.seen.scatter_(1, newest, True)
        batch.mask = torch.cat([batch.mask, batch.mask.new_ones(len(batch.rows), 1)], dim=1)
        out = self._model(
            input_ids=newest,
            attention_mask=batch.mask,
            position_ids=batch.mask.sum(dim=1, keepdim=True) - 1,
            past_key_values=batch.cache,
            use_cache=True,
        )
        return out.logits[:, -1]

    def _extend(self, batch: _Batch, logits: Any) -> None:
        """Sample a token for each row, and set `ended` where it is the last one."""
        import torch

        uniforms = torch.tensor([row.uniforms[len(row.ids)] for row in batch.rows], dtype=torch.float64)
        drawn = draw(logits, batch.sampling, batch.seen, uniforms.to(self._device))
        broken = logits.isnan().any(dim=-1).tolist()
        pairs = likelihoods(logits, drawn, [row.request.top_logprobs for row in batch.rows])
        for row, token, is_nan, (logprob, confidence) in zip(batch.rows, drawn.tolist(), broken, pairs, strict=True):
            if is_nan:
                row.ended, row.error = "error", NOT_A_NUMBER
                continue
            row.ids.append(token)
            if row.request.top_logprobs:
                row.logprobs.append(logprob)
                row.confidences.append(confidence)
            row.ended = self._ended(row)

    def _ended(self, row: Row) -> Ended | None:
        """Return why a row ends with its newest token; None if it continues."""
        request = row.request
        if row.ids[-1] in self._tokens.eos_ids:
            return "eos"
        if request.stop and self._completes(row.ids, request.stop):
            return "stop"
        return "length" if len(row.ids) >= request.max_tokens else None

    def _completes(self, ids: list[int], stop: tuple[str, ...]) -> bool:
        """Check whether the newest token completes a delimiter; only a tail that can contain one is decoded."""
        if (ids[-1], stop) not in self._can_complete:
            ends = {UNKNOWN, *[delimiter[-1] for delimiter in stop]}  # a token may be the last byte of a character
            self._can_complete[ids[-1], stop] = not ends.isdisjoint("".join(self._tokens.pieces(ids[-1:])))
        if not self._can_complete[ids[-1], stop]:
            return False
        tail = 4 * max([len(delimiter) for delimiter in stop]) + 4  # a character has up to four tokens
        text = self._text(tuple(ids[-tail:]))
        return any(delimiter in text for delimiter in stop)

    def step(self, row: Row) -> Step:
        """Convert an ended row into a `Step`."""
        request = row.request
        assert row.ended is not None
        ids = tuple(row.ids)
        return Step(
            self._text(ids),
            ids,
            row.ended,
            request.seed,
            request.sampling.temperature,
            row.cached,
            row.error,
            tuple(row.logprobs),
            tuple(row.confidences),
        )

    def _text(self, ids: tuple[int, ...]) -> str:
        return "".join(self._tokens.pieces(ids))


NOT_A_NUMBER = "The model returned NaN; float16 is too narrow for some models. Type: --dtype bfloat16"


def uniforms_of(request: StepRequest) -> list[float]:
    """Generate the random numbers of a request from its seed; on the CPU, so that all devices sample the same."""
    import torch

    stream = torch.Generator().manual_seed(request.seed)
    return torch.rand(request.max_tokens, generator=stream, dtype=torch.float64).tolist()  # type: ignore[no-any-return]


def _distinct(prompts: Sequence[tuple[int, ...]]) -> tuple[list[tuple[int, ...]], list[int], list[int]]:
    """Deduplicate prompts: the distinct ones, the index of each prompt among them, and its cached tokens."""
    index_of: dict[tuple[int, ...], int] = {}
    indices, cached = [], []
    for prompt in prompts:
        cached.append(len(prompt) if prompt in index_of else 0)
        indices.append(index_of.setdefault(prompt, len(index_of)))
    return list(index_of), indices, cached
