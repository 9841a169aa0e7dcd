"""pocket-prm: the generator's layers taught further, more layers on top that compare what came with what was expected.

1. A Qwen2 with the generator's weights learns right solutions on, in the PRM's own format.
2. New layers go on top, with the two-class head. All is trained together on sampled and on spoilt solutions:
   * at each step's tag: does this step follow, and all before it? (cross-entropy; this is what is shipped),
   * at each token: its log-probability as the lower layers expected it (squared error; a dense, free signal that
     teaches the upper layers to compare),
   * in the lower layers: the next token of what is right (language modelling, so that they go on expecting well).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import torch
from transformers import Qwen2Config, Qwen2Model

from tt_scale.base_classes import Step
from tt_scale.core.path import Path
from tt_scale.pocket import PocketProblem, pocket_math, right_steps
from tt_scale.pocket.problems import as_problem
from tt_scale.prm.adapters.base import Checkpoint
from tt_scale.prm.adapters.qwen_math import QwenMath

from .corruption import corrupted
from .loop import IGNORED, Schedule, batches, device, mixed_precision, padded, train
from .sampling import Sample

UPPER_LAYERS = 5
LEAST_SURPRISE = -6.0
SURPRISE_SCALE = 3.0


@dataclass(frozen=True)
class Judged:
    """A solution as the PRM reads it.

    Attributes:
        ids: question, steps and tags [length].
        start: where the solution begins.
        tags: places of the tags [steps].
        right: whether each step and all before it follow [steps].
    """

    ids: list[int]
    start: int
    tags: list[int]
    right: list[bool]


class Verifier(torch.nn.Module):
    """The PRM in training: what is shipped (`model`, `score`), and what only teaches it (`early_norm`, `surprise`)."""

    def __init__(self, generator: Any, upper: int) -> None:
        super().__init__()
        lower = generator.config.num_hidden_layers
        settings = {
            key: getattr(generator.config, key)
            for key in (
                "vocab_size", "hidden_size", "intermediate_size", "num_attention_heads", "num_key_value_heads",
                "max_position_embeddings", "rms_norm_eps", "eos_token_id", "pad_token_id", "rope_parameters",
            )
        }  # fmt: skip
        self.config = Qwen2Config(num_hidden_layers=lower + upper, tie_word_embeddings=False, **settings)
        width = self.config.hidden_size
        self.lower = lower
        self.model = Qwen2Model(self.config)
        self.score = torch.nn.Sequential(torch.nn.Linear(width, width), torch.nn.ReLU(), torch.nn.Linear(width, 2))
        self.early_norm = torch.nn.RMSNorm(width, eps=self.config.rms_norm_eps)
        self.surprise = torch.nn.Linear(width, 1)
        self._take_over(generator)

    def _take_over(self, generator: Any) -> None:
        """Start from the generator's weights; the new layers start as layers that change nothing."""
        source = generator.model.state_dict()
        layers = {key: value for key, value in source.items() if not key.startswith("norm.")}
        missing, unexpected = self.model.load_state_dict(layers, strict=False)
        assert not unexpected, unexpected
        assert all(".bias" in key or key == "norm.weight" or int(key.split(".")[1]) >= self.lower for key in missing)
        with torch.no_grad():
            self.early_norm.weight.copy_(source["norm.weight"])
            for layer in self.model.layers[: self.lower]:
                for part in (layer.self_attn.q_proj, layer.self_attn.k_proj, layer.self_attn.v_proj):
                    part.bias.zero_()
            for layer in self.model.layers[self.lower :]:
                layer.self_attn.o_proj.weight.zero_()
                layer.mlp.down_proj.weight.zero_()

    def expected(self, early: torch.Tensor) -> torch.Tensor:
        """Next-token log-probabilities after the lower layers [rows, length, vocabulary]."""
        logits = self.early_norm(early) @ self.model.embed_tokens.weight.T
        return torch.log_softmax(logits.float(), dim=-1)

    def read(self, ids: torch.Tensor, *, upper: bool) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Run the lower layers alone, or all of them.

        Returns:
            Hidden states after the lower layers, and after all (normed) or None [rows, length, width].
        """
        if not upper:
            kept = self.model.layers
            norm = self.model.norm
            self.model.layers, self.model.norm = kept[: self.lower], torch.nn.Identity()
            try:
                return self.model(input_ids=ids, use_cache=False).last_hidden_state, None
            finally:
                self.model.layers, self.model.norm = kept, norm
        output = self.model(input_ids=ids, use_cache=False, output_hidden_states=True)
        return output.hidden_states[self.lower], output.last_hidden_state


class Layout:
    """Turns solutions into rows; knows where a solution starts."""

    def __init__(self, tokenizer: Any, context: int) -> None:
        from tt_scale.generator.tokens import Tokens

        self.adapter = QwenMath(Checkpoint("pocket-prm", Tokens(tokenizer, "pocket-prm"), {}))
        self.context = context
        self.opening = tokenizer.convert_tokens_to_ids("<|assistant|>")

    def row(self, problem: PocketProblem, steps: Sequence[str], right: Sequence[bool]) -> Judged:
        path = Path((0,), tuple(Step(text, (), "stop") for text in steps))
        reading = self.adapter.read(as_problem(problem), path)
        assert len(reading.ids) <= self.context
        ids = list(reading.ids)
        return Judged(ids, ids.index(self.opening) + 1, list(reading.positions), list(right))


def right_rows(layout: Layout, seed: int, size: int) -> Iterator[list[Judged]]:
    """Batches of right solutions of fresh training problems, without end."""
    while True:
        rows = [
            layout.row(problem, problem.steps, [True] * len(problem.steps))
            for problem in pocket_math(8000, seed, split="train")
        ]
        yield from batches(rows, size, Random(f"right {seed}"), lambda row: len(row.ids))
        seed += 1


def mixed_rows(
    layout: Layout, samples: Sequence[Sample], seed: int, size: int, shares: tuple[float, float] = (0.35, 0.1)
) -> Iterator[list[Judged]]:
    """Batches of sampled, spoilt and right solutions, without end.

    Args:
        layout: of the rows.
        samples: of pocket-gen, labelled; used over and over.
        seed: of problems and order.
        size: tokens of a batch.
        shares: of spoilt and of right solutions; the rest is sampled.
    """
    random = Random(f"mixed {seed}")
    lot = 8000
    deck: list[Sample] = []
    while True:
        fresh = pocket_math(lot, seed, split="train")
        rows = []
        for problem in fresh:
            kind = random.random()
            if kind < shares[0]:
                steps = corrupted(problem, random)
                rows.append(layout.row(problem, steps, right_steps(problem, steps)))
            elif kind < shares[0] + shares[1]:
                rows.append(layout.row(problem, problem.steps, [True] * len(problem.steps)))
            else:
                if not deck:
                    deck = random.sample(list(samples), len(samples))
                drawn = deck.pop()
                rows.append(layout.row(drawn.problem, drawn.steps, drawn.right))
        yield from batches(rows, size, random, lambda row: len(row.ids))
        seed += 1


def expectation_loss(verifier: Verifier, batch: list[Judged]) -> tuple[torch.Tensor, int, dict[str, float]]:
    """Language modelling in the lower layers alone, on right solutions."""
    ids = padded([row.ids for row in batch], 0, device=device())
    labels = _right_tokens(batch)
    with mixed_precision():
        early, _ = verifier.read(ids, upper=False)
        logp = verifier.expected(early[:, :-1])
    loss = _mean_loss(logp, labels)
    return loss, sum(len(row.ids) for row in batch), {"expectation": loss.item()}


def _mean_loss(logp: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Mean over the labelled tokens; 0 where a batch has none: every solution in it begins with a wrong step."""
    total = torch.nn.functional.nll_loss(
        logp.flatten(0, 1), labels[:, 1:].flatten(), ignore_index=IGNORED, reduction="sum"
    )
    return total / max(1, int((labels[:, 1:] != IGNORED).sum()))


def _right_tokens(batch: Sequence[Judged]) -> torch.Tensor:
    """The tokens of a solution up to its first wrong step [rows, length]."""
    labels = []
    for row in batch:
        end = row.start
        for place, right in zip(row.tags, row.right, strict=True):
            if right:
                end = place + 1
        labels.append([*[IGNORED] * row.start, *row.ids[row.start : end], *[IGNORED] * (len(row.ids) - end)])
    return padded(labels, IGNORED, device=device())


def verdict_loss(verifier: Verifier, batch: list[Judged]) -> tuple[torch.Tensor, int, dict[str, float]]:
    """All three losses together."""
    ids = padded([row.ids for row in batch], 0, device=device())
    verdicts = torch.full_like(ids, IGNORED)
    solution = torch.zeros_like(ids, dtype=torch.bool)
    for number, row in enumerate(batch):
        verdicts[number, row.tags] = torch.tensor(row.right, device=ids.device, dtype=ids.dtype)
        solution[number, row.start : len(row.ids)] = True
    labels = _right_tokens(batch)
    with mixed_precision():
        early, last = verifier.read(ids, upper=True)
        assert last is not None
        logp = verifier.expected(early[:, :-1])
        told = verifier.surprise(last[:, 1:]).squeeze(-1).float()
    scores = verifier.score(last.float())
    verdict = torch.nn.functional.cross_entropy(scores.flatten(0, 1), verdicts.flatten(), ignore_index=IGNORED)
    expectation = _mean_loss(logp, labels)
    came = logp.detach().gather(-1, ids[:, 1:, None]).squeeze(-1).clamp(min=LEAST_SURPRISE) / SURPRISE_SCALE
    surprise = ((told - came) ** 2)[solution[:, 1:]].mean()
    loss = verdict + expectation + surprise
    figures = {"verdict": verdict.item(), "expectation": expectation.item(), "surprise": surprise.item()}
    return loss, sum(len(row.ids) for row in batch), figures


@torch.inference_mode()
def scores(
    verifier: Verifier, rows: Sequence[Judged], size: int = 16384
) -> tuple[list[list[float]], list[list[float]]]:
    """Score solutions.

    Returns:
        For each row the probability at each tag, and the least log-probability that the lower layers gave to a token
        of the solution up to each tag [rows][steps].
    """
    right: list[list[float]] = [[] for _ in rows]
    least: list[list[float]] = [[] for _ in rows]
    numbered = list(enumerate(rows))
    for batch in batches(numbered, size, Random(0), lambda pair: len(pair[1].ids)):
        ids = padded([row.ids for _, row in batch], 0, device=device())
        with mixed_precision():
            early, last = verifier.read(ids, upper=True)
            assert last is not None
            logp = verifier.expected(early[:, :-1]).gather(-1, ids[:, 1:, None]).squeeze(-1)
        probability = torch.softmax(verifier.score(last.float()), -1)[..., 1]
        for place, (number, row) in enumerate(batch):
            right[number] = probability[place, row.tags].tolist()
            for tag in row.tags:
                least[number].append(logp[place, row.start - 1 : tag - 1].min().item())
    return right, least


def train_verifier(
    generator: Any,
    layout: Layout,
    samples: Sequence[Sample],
    seed: int,
    expect: Schedule,
    judge: Schedule,
    report: Callable[[str], None],
    pause: Callable[[Verifier, int], None] | None = None,
) -> Verifier:
    """Train pocket-prm: first what to expect, then what to make of it."""
    torch.manual_seed(seed)
    verifier = Verifier(generator, UPPER_LAYERS).to(device()).train()
    shipped = sum(each.numel() for part in (verifier.model, verifier.score) for each in part.parameters())
    report(f"pocket-prm: {shipped:,} parameters")
    upper = [each for layer in verifier.model.layers[verifier.lower :] for each in layer.parameters()]
    upper += [*verifier.score.parameters(), *verifier.surprise.parameters(), *verifier.model.norm.parameters()]
    for each in upper:
        each.requires_grad_(False)
    train(
        verifier,
        expect,
        right_rows(layout, seed, expect.batch),
        lambda batch: expectation_loss(verifier, batch),
        report,
    )
    for each in upper:
        each.requires_grad_(True)

    def look(seen: int) -> bool:
        if pause is not None:
            verifier.eval()
            pause(verifier, seen)
            verifier.train()
        return False

    rows = mixed_rows(layout, samples, seed + 10_000, judge.batch)
    train(verifier, judge, rows, lambda batch: verdict_loss(verifier, batch), report, pause=look)
    return verifier.eval()
