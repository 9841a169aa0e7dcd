"""Solutions that pocket-gen samples, and how often they are right."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from tt_scale.pocket import PocketProblem, right_steps

from .loop import device, mixed_precision

MOST_TOKENS = 160


@dataclass(frozen=True)
class Sample:
    """One sampled solution.

    Attributes:
        problem: that it answers.
        steps: texts, without the blank lines between them [steps].
        right: whether each step and all before it follow [steps].
        finished: whether it ended by itself.
        temperature: at which it was drawn.
    """

    problem: PocketProblem
    steps: list[str]
    right: list[bool]
    finished: bool
    temperature: float

    @property
    def solved(self) -> bool:
        return self.finished and self.right[-1] and "\\boxed" in self.steps[-1]


@torch.inference_mode()
def sample(
    model: Any, tokenizer: Any, problems: Sequence[PocketProblem], temperature: float, seed: int, batch: int = 256
) -> list[Sample]:
    """Draw one solution for each problem; repeat a problem to draw several.

    Args:
        model: pocket-gen.
        tokenizer: of it.
        problems: in any order.
        temperature: above 0; nothing else shapes the distribution.
        seed: of the draws.
        batch: problems at a time.
    """
    torch.manual_seed(seed)
    prompts = [
        tokenizer.apply_chat_template(
            [{"role": "user", "content": problem.question}], add_generation_prompt=True, tokenize=False
        )
        for problem in problems
    ]
    tokenizer.padding_side = "left"
    found: dict[int, Sample] = {}
    order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
    for start in range(0, len(order), batch):
        chosen = order[start : start + batch]
        given = tokenizer([prompts[i] for i in chosen], return_tensors="pt", padding=True, add_special_tokens=False)
        with mixed_precision():
            output = model.generate(
                input_ids=given["input_ids"].to(device()),
                attention_mask=given["attention_mask"].to(device()),
                do_sample=True,
                temperature=temperature,
                top_k=0,
                top_p=1.0,
                max_new_tokens=MOST_TOKENS,
                pad_token_id=tokenizer.pad_token_id,
            )
        for index, row in zip(chosen, output[:, given["input_ids"].shape[1] :].tolist(), strict=True):
            found[index] = _read(tokenizer, problems[index], row, temperature)
    return [found[index] for index in range(len(problems))]


def _read(tokenizer: Any, problem: PocketProblem, ids: list[int], temperature: float) -> Sample:
    finished = tokenizer.eos_token_id in ids
    text = tokenizer.decode(ids, skip_special_tokens=True)
    steps = [step.strip() for step in text.split("\n\n") if step.strip()] or [""]
    return Sample(problem, steps, right_steps(problem, steps), finished, temperature)


def solved_by_level(samples: Sequence[Sample]) -> dict[int, float]:
    """Share of samples that are right, by level: pass@1."""
    verdicts: dict[int, list[bool]] = defaultdict(list)
    for each in samples:
        verdicts[each.problem.level].append(each.solved)
    return {level: sum(found) / len(found) for level, found in sorted(verdicts.items())}
