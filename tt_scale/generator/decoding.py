"""Growing a batch of requests token by token on a Transformers model.

Rows are padded on the left, with positions that do not count the padding. Each distinct prompt is read once and its
cache handed to all who continue it; rows that are done leave the batch.
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
"""A prompt, and the tokens whose chances to come next are asked for."""


@dataclass(slots=True)
class Row:
    """A request while it grows.

    Attributes:
        request: what is asked.
        uniforms: the random numbers of its tokens, in order.
        cached: how many prompt tokens need not be read for it.
        ids: drawn so far.
        ended: why it ended; None while it grows.
        error: what went wrong where it ended in "error".
        logprobs: of its ids, where they are asked for.
        confidences: likewise.
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
    """Rows that still grow, and what the model needs to go on; all have one entry for each row."""

    rows: list[Row]
    cache: Any
    mask: Any
    sampling: SamplingTensors
    seen: Any

    def keep_growing(self) -> None:
        """Let rows go that have ended."""
        import torch

        places = [place for place, row in enumerate(self.rows) if row.ended is None]
        if len(places) == len(self.rows):
            return
        self.rows = [self.rows[place] for place in places]
        if places:
            chosen = torch.tensor(places, device=self.mask.device)
            self.cache.reorder_cache(chosen)
            self.mask = self.mask.index_select(0, chosen)
            self.sampling = self.sampling.rows(chosen)
            self.seen = None if self.seen is None else self.seen.index_select(0, chosen)


class Decoder:
    """A loaded model, one call at a time.

    Args:
        model: a causal language model of Transformers.
        tokens: its tokenizer.
        device: where it is.
        stopped: asked between two tokens; once it says yes, a batch is given up.
    """

    def __init__(self, model: Any, tokens: Tokens, device: Any, stopped: Callable[[], bool] = lambda: False) -> None:
        self._model = model
        self._tokens = tokens
        self._device = device
        self._stopped = stopped
        self._can_complete: dict[tuple[int, tuple[str, ...]], bool] = {}
        # The logits of a whole prompt over the whole vocabulary can be larger than the model.
        self._last_row = {"logits_to_keep": 1} if "logits_to_keep" in signature(model.forward).parameters else {}

    def sample(self, requests: Sequence[StepRequest]) -> list[Step]:
        """Grow each request to its end [requests].

        Raises:
            GeneratorError: it was stopped.
        """
        import torch

        with torch.inference_mode():
            logits, batch = self._read(requests)
            rows = batch.rows
            while True:
                self._extend(batch, logits)
                batch.keep_growing()
                if not batch.rows:
                    return [self.step(row) for row in rows]
                if self._stopped():
                    raise GeneratorError("The generator was closed while it was sampling.")
                logits = self._advance(batch)

    def choose(self, asked: Sequence[DecodeRequest]) -> list[Choice]:
        """Give the logarithms of the probabilities of tokens that may come next, to four decimals [asked]."""
        import torch

        with torch.inference_mode():
            distinct, places, cached = _distinct([prompt for prompt, _ in asked])
            logits = self._prefill(distinct, use_cache=False)[0]
            logprobs = torch.log_softmax(logits.float(), dim=-1).cpu()
        if bool(logprobs.isnan().any()):
            raise GeneratorError(NOT_A_NUMBER)
        return [
            Choice(tuple([round(value, DIGITS) for value in logprobs[place, list(choices)].tolist()]), saved)
            for (_, choices), place, saved in zip(asked, places, cached, strict=True)
        ]

    def _read(self, requests: Sequence[StepRequest]) -> tuple[Any, _Batch]:
        """Read the prompts: logits of the first tokens [requests, vocabulary], and the batch that they open."""
        import torch

        distinct, places, cached = _distinct([request.ids for request in requests])
        logits, cache, mask = self._prefill(distinct, use_cache=True)
        if len(distinct) < len(requests):
            chosen = torch.tensor(places, device=self._device)
            cache.reorder_cache(chosen)
            logits, mask = logits.index_select(0, chosen), mask.index_select(0, chosen)
        rows = [Row(request, uniforms_of(request), saved) for request, saved in zip(requests, cached, strict=True)]
        samplings = [request.sampling for request in requests]
        seen = None
        if any(sampling.repetition_penalty != 1 for sampling in samplings):
            seen = torch.zeros_like(logits, dtype=torch.bool)
            for row, request in enumerate(requests):
                seen[row, list(request.ids)] = True
        return logits, _Batch(rows, cache, mask, SamplingTensors.of(samplings, self._device), seen)

    def _prefill(self, prompts: Sequence[tuple[int, ...]], *, use_cache: bool) -> tuple[Any, Any, Any]:
        """Read prompts, padded on the left: logits of the next token [prompts, vocabulary], cache, mask."""
        import torch

        longest = max(len(prompt) for prompt in prompts)
        ids = torch.tensor([[0] * (longest - len(prompt)) + list(prompt) for prompt in prompts], device=self._device)
        mask = torch.tensor(
            [[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts], device=self._device
        )
        places = (mask.cumsum(dim=1) - 1).clamp(min=0)
        out = self._model(
            input_ids=ids, attention_mask=mask, position_ids=places, use_cache=use_cache, **self._last_row
        )
        return out.logits[:, -1], out.past_key_values if use_cache else None, mask

    def _advance(self, batch: _Batch) -> Any:
        """Read the newest token of each row: logits of the next one [rows, vocabulary]."""
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
        """Draw a token for each row and see whether it is the last one."""
        import torch

        uniforms = torch.tensor([row.uniforms[len(row.ids)] for row in batch.rows], dtype=torch.float64)
        drawn = draw(logits, batch.sampling, batch.seen, uniforms.to(self._device))
        broken = logits.isnan().any(dim=-1).tolist()
        told = likelihoods(logits, drawn, [row.request.top_logprobs for row in batch.rows])
        for row, token, nonsense, (logprob, confidence) in zip(batch.rows, drawn.tolist(), broken, told, strict=True):
            if nonsense:
                row.ended, row.error = "error", NOT_A_NUMBER
                continue
            row.ids.append(token)
            if row.request.top_logprobs:
                row.logprobs.append(logprob)
                row.confidences.append(confidence)
            row.ended = self._ended(row)

    def _ended(self, row: Row) -> Ended | None:
        """Why a row ends with its newest token; None where it goes on."""
        request = row.request
        if row.ids[-1] in self._tokens.eos_ids:
            return "eos"
        if request.stop and self._completes(row.ids, request.stop):
            return "stop"
        return "length" if len(row.ids) >= request.max_tokens else None

    def _completes(self, ids: list[int], stop: tuple[str, ...]) -> bool:
        """Whether the newest token completes a delimiter; only the tail that can hold one is decoded."""
        if (ids[-1], stop) not in self._can_complete:
            ends = {UNKNOWN, *[delimiter[-1] for delimiter in stop]}  # a part of a character may finish it
            self._can_complete[ids[-1], stop] = not ends.isdisjoint("".join(self._tokens.pieces(ids[-1:])))
        if not self._can_complete[ids[-1], stop]:
            return False
        tail = 4 * max([len(delimiter) for delimiter in stop]) + 4  # a character has up to four tokens
        text = self._text(tuple(ids[-tail:]))
        return any(delimiter in text for delimiter in stop)

    def step(self, row: Row) -> Step:
        """What a row has come to, at its end."""
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


NOT_A_NUMBER = "The model gave numbers that are none; float16 is too narrow for some models. Type: --dtype bfloat16"


def uniforms_of(request: StepRequest) -> list[float]:
    """All random numbers of a request, from its seed alone; on the CPU, so that every device draws the same."""
    import torch

    stream = torch.Generator().manual_seed(request.seed)
    return torch.rand(request.max_tokens, generator=stream, dtype=torch.float64).tolist()  # type: ignore[no-any-return]


def _distinct(prompts: Sequence[tuple[int, ...]]) -> tuple[list[tuple[int, ...]], list[int], list[int]]:
    """Find equal prompts: each one once, where every prompt is among them, and the tokens it need not read."""
    where: dict[tuple[int, ...], int] = {}
    places, cached = [], []
    for prompt in prompts:
        cached.append(len(prompt) if prompt in where else 0)
        places.append(where.setdefault(prompt, len(where)))
    return list(where), places, cached
