"""A short training loop: batches of sequences of like length, Muon for matrices, AdamW for the rest."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import torch

IGNORED = -100
"""Marks positions that no loss looks at, as in Transformers."""


@dataclass(frozen=True)
class Schedule:
    """How long and how fast.

    Attributes:
        tokens: to train on, padding not counted.
        batch: tokens in a batch, padding counted.
        matrix_rate: highest learning rate of matrices inside the layers (Muon).
        rate: highest learning rate of everything else (AdamW).
        warmup: share of the tokens over which the rates rise.
        cooldown: share of the tokens over which they fall to a twentieth.
    """

    tokens: int
    batch: int = 8192
    matrix_rate: float = 0.02
    rate: float = 0.003
    warmup: float = 0.03
    cooldown: float = 0.5

    def factor(self, done: float) -> float:
        """Share of the highest rate once a share `done` of the tokens has been seen."""
        rising = min(1.0, (done + 1e-3) / self.warmup)
        falling = min(1.0, max(0.05, (1.0 - done) / self.cooldown))
        return rising * falling


class Optimizers:
    """Muon on the matrices of the layers, AdamW on embeddings, norms, biases and heads.

    Args:
        model: to train.
        schedule: of the rates.
    """

    def __init__(self, model: torch.nn.Module, schedule: Schedule) -> None:
        named = [(name, each) for name, each in model.named_parameters() if each.requires_grad]
        matrices = [each for name, each in named if each.ndim == 2 and ".layers." in name]
        others = [each for name, each in named if not (each.ndim == 2 and ".layers." in name)]
        self.schedule = schedule
        self.parameters = [each for _, each in named]
        self.pairs: list[tuple[torch.optim.Optimizer, float]] = [
            (torch.optim.AdamW(others, lr=schedule.rate, betas=(0.9, 0.98), weight_decay=0.01), schedule.rate)
        ]
        if matrices:
            muon = torch.optim.Muon(matrices, lr=schedule.matrix_rate, weight_decay=0.01)
            self.pairs.append((muon, schedule.matrix_rate))

    def step(self, done: float) -> None:
        """Take one step with the gradients that there are, then clear them."""
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        for optimizer, rate in self.pairs:
            for group in optimizer.param_groups:
                group["lr"] = rate * self.schedule.factor(done)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)


def batches(rows: Sequence[Any], size: int, random: Random, length: Callable[[Any], int]) -> Iterator[list[Any]]:
    """Cut rows into batches of at most `size` tokens, padding counted; rows of like length share a batch.

    Args:
        rows: to batch; every one is used once.
        size: tokens.
        random: of the order.
        length: of a row, in tokens.
    """
    rows = sorted(rows, key=lambda row: (length(row), random.random()))
    cut: list[list[Any]] = []
    batch: list[Any] = []
    for row in rows:
        if batch and length(row) * (len(batch) + 1) > size:
            cut.append(batch)
            batch = []
        batch.append(row)
    if batch:
        cut.append(batch)
    random.shuffle(cut)
    yield from cut


def padded(rows: Sequence[Sequence[Any]], filler: Any, **kind: Any) -> torch.Tensor:
    """Pad on the right, where causal attention makes padding invisible [rows, longest]."""
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[filler] * (longest - len(row))] for row in rows], **kind)


def train(
    model: torch.nn.Module,
    schedule: Schedule,
    rows: Iterator[list[Any]],
    loss_of: Callable[[list[Any]], tuple[torch.Tensor, int, dict[str, float]]],
    report: Callable[[str], None],
    *,
    every: int = 100,
    pause: Callable[[int], bool] | None = None,
) -> int:
    """Train until the schedule's tokens are used up.

    Args:
        model: in training mode; its parameters change.
        schedule: how long and how fast.
        rows: batches without end.
        loss_of: batch -> loss, its tokens, figures to report.
        report: takes a line now and then.
        every: steps between lines.
        pause: called after each line with the tokens seen; ends the training by returning True.

    Returns:
        Tokens seen.
    """
    optimizers = Optimizers(model, schedule)
    seen, steps = 0, 0
    began = last = time.perf_counter()
    figures: dict[str, float] = {}
    seen_last = 0
    while seen < schedule.tokens:
        loss, tokens, shown = loss_of(next(rows))
        loss.backward()
        optimizers.step(seen / schedule.tokens)
        if not math.isfinite(loss.item()):
            raise FloatingPointError(f"the loss is {loss.item()} after {seen:,} tokens")
        seen, steps = seen + tokens, steps + 1
        for key, value in shown.items():
            figures[key] = figures.get(key, 0.0) + value / every
        if steps % every == 0:
            now = time.perf_counter()
            shown_text = "  ".join(f"{key} {value:.4f}" for key, value in figures.items())
            speed = (seen - seen_last) / (now - last)
            report(f"{seen / 1e6:7.2f} M tokens  {now - began:6.0f} s  {speed:6.0f} tokens/s  {shown_text}")
            figures, last, seen_last = {}, now, seen
            if pause is not None and pause(seen):
                break
            last = time.perf_counter()
    return seen


def device() -> torch.device:
    """The first CUDA device, or the CPU."""
    return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")


def mixed_precision() -> Any:
    """Compute in bfloat16 where it is safe."""
    return torch.autocast(device().type, torch.bfloat16)
