"""pocket-gen: a small Llama, taught right solutions and stopped while it is still partly able."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from tt_scale.pocket import PocketProblem, pocket_math

from .loop import IGNORED, Schedule, batches, device, mixed_precision, padded, train

CONTEXT = 512
DEFAULT_LAYERS, DEFAULT_WIDTH, DEFAULT_INNER, HEAD = 4, 192, 640, 32


@dataclass(frozen=True)
class Example:
    """A question and its solution as ids; losses look at the solution only."""

    ids: list[int]
    prompt: int


def new_generator(tokenizer: Any, seed: int) -> LlamaForCausalLM:
    """A model of random weights in float32."""
    torch.manual_seed(seed)
    end, pad = tokenizer.eos_token_id, tokenizer.pad_token_id
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=DEFAULT_WIDTH,
        intermediate_size=DEFAULT_INNER,
        num_hidden_layers=DEFAULT_LAYERS,
        num_attention_heads=DEFAULT_WIDTH // HEAD,
        num_key_value_heads=DEFAULT_WIDTH // HEAD,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=end,
        pad_token_id=pad,
    )
    return LlamaForCausalLM(config).to(device())


def example(tokenizer: Any, problem: PocketProblem) -> Example:
    """Write a problem and its solution as the chat template would."""
    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": problem.question}], add_generation_prompt=True, tokenize=False
    )
    start = tokenizer.encode(prompt, add_special_tokens=False)
    solution = tokenizer.encode(problem.solution, add_special_tokens=False)
    return Example([*start, *solution, tokenizer.eos_token_id], len(start))


def examples(tokenizer: Any, seed: int, size: int) -> Iterator[list[Example]]:
    """Batches of fresh training problems without end.

    Args:
        tokenizer: of the model.
        seed: of the first problems; each later lot has the next one.
        size: tokens of a batch.
    """
    while True:
        random = Random(f"lot {seed}")
        rows = [example(tokenizer, problem) for problem in pocket_math(8000, seed, split="train")]
        yield from batches(rows, size, random, lambda row: len(row.ids))
        seed += 1


def language_loss(model: LlamaForCausalLM, batch: list[Example]) -> tuple[torch.Tensor, int, dict[str, float]]:
    """Mean negative log-probability of the solutions' tokens."""
    ids = padded([row.ids for row in batch], 0, device=device())
    labels = padded([[*[IGNORED] * row.prompt, *row.ids[row.prompt :]] for row in batch], IGNORED, device=device())
    with mixed_precision():
        logits = model(input_ids=ids).logits
    loss = torch.nn.functional.cross_entropy(
        logits[:, :-1].flatten(0, 1).float(), labels[:, 1:].flatten(), ignore_index=IGNORED
    )
    return loss, sum(len(row.ids) for row in batch), {"loss": loss.item()}


def train_generator(
    tokenizer: Any,
    seed: int,
    schedule: Schedule,
    report: Callable[[str], None],
    pause: Callable[[Any, int], bool] | None = None,
) -> LlamaForCausalLM:
    """Train pocket-gen from nothing."""
    model = new_generator(tokenizer, seed)
    report(f"pocket-gen: {sum(each.numel() for each in model.parameters()):,} parameters")
    rows = examples(tokenizer, seed, schedule.batch)

    def look(seen: int) -> bool:
        if pause is None:
            return False
        model.eval()
        stop = pause(model, seen)
        model.train()
        return stop

    model.train()
    train(model, schedule, rows, lambda batch: language_loss(model, batch), report, pause=look)
    return model.eval()
