"""What the saved models can do, on test problems: pass@k by level, how well steps are told apart, calibration."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any

import torch

from tt_scale.core.selection import pass_at_k
from tt_scale.pocket import pocket_math
from tt_scale.prm_eval.calibration import expected_calibration_error, reliability, roc_auc
from tt_scale.report.charts.reliability import Curve
from tt_scale.report.plots import draw_reliability

from .sampling import Sample, sample

DRAWS = 16
TEMPERATURE = 0.7


@dataclass(frozen=True)
class Found:
    """What was measured.

    Attributes:
        problems: how many test problems, each solved `DRAWS` times.
        steps: how many sampled steps were scored.
        pass_at: level -> k -> share; level 0 is overall.
        step_area: area under the ROC curve of pocket-prm over all steps: "right so far" against "not".
        final_area: the same over last steps only.
        confidence_area: of pocket-gen's own least token log-probability over the solution so far, over all steps.
        best: share of problems solved by the best of `DRAWS` by last score.
        majority: by the most frequent answer.
        bins: of calibration: mean score, share right, steps.
        error: expected calibration error.
    """

    problems: int
    steps: int
    pass_at: dict[int, dict[int, float]]
    step_area: float
    final_area: float
    confidence_area: float
    best: float
    majority: float
    bins: list[tuple[float, float, int]]
    error: float

    def card(self, name: str, seed: int) -> str:
        """The model card."""
        return (_GENERATOR_CARD if name == "pocket-gen" else _PRM_CARD).format(
            seed=seed,
            problems=self.problems,
            draws=DRAWS,
            temperature=TEMPERATURE,
            steps=f"{self.steps:,}",
            table=self.table(),
            step_area=f"{self.step_area:.3f}",
            final_area=f"{self.final_area:.3f}",
            confidence_area=f"{self.confidence_area:.3f}",
            best=f"{self.best:.3f}",
            majority=f"{self.majority:.3f}",
            oracle=f"{self.pass_at[0][DRAWS]:.3f}",
            single=f"{self.pass_at[0][1]:.3f}",
            error=f"{self.error:.3f}",
        )

    def table(self) -> str:
        """Pass@k by level, as Markdown."""
        ks = sorted(self.pass_at[0])
        lines = [f"| level | {' | '.join(f'pass@{k}' for k in ks)} |", f"|---|{'---:|' * len(ks)}"]
        for level, shares in sorted(self.pass_at.items()):
            lines.append(f"| {level or 'all'} | {' | '.join(f'{shares[k]:.2f}' for k in ks)} |")
        return "\n".join(lines)


def evaluate(folder: Path, seed: int, count: int, log: Callable[[str], None]) -> Found:
    """Measure both saved models.

    Args:
        folder: holds `pocket-gen` and `pocket-prm`.
        seed: of the test problems is the usual one; this one is of the draws.
        count: problems, a multiple of 5 for equal levels.
        log: takes lines.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from .loop import device

    problems = pocket_math(count)
    tokenizer = AutoTokenizer.from_pretrained(folder / "pocket-gen")
    generator = AutoModelForCausalLM.from_pretrained(folder / "pocket-gen", dtype=torch.float32).to(device()).eval()
    drawn = sample(generator, tokenizer, [each for each in problems for _ in range(DRAWS)], TEMPERATURE, seed + 300)
    by_problem = [drawn[start : start + DRAWS] for start in range(0, len(drawn), DRAWS)]
    right = _prm_scores(folder / "pocket-prm", drawn)
    least = _least(generator, tokenizer, drawn)
    labels = [each.right for each in drawn]
    flat = [label for row in labels for label in row]
    flat_scores = [value for row in right for value in row]
    bins = reliability(flat_scores, flat)
    last = [row[-1] for row in right]
    per_problem = [last[start : start + DRAWS] for start in range(0, len(last), DRAWS)]
    found = Found(
        problems=count,
        steps=len(flat),
        pass_at=_pass_at(by_problem),
        step_area=roc_auc(flat_scores, flat),
        final_area=roc_auc(last, [row[-1] for row in labels]),
        confidence_area=roc_auc([value for row in least for value in row], flat),
        best=_best(by_problem, per_problem),
        majority=_majority(by_problem),
        bins=[(each.score, each.right, int(each.count)) for each in bins],
        error=expected_calibration_error(bins),
    )
    for line in found.table().splitlines():
        log(line)
    log(
        f"step AUC {found.step_area:.4f}, last steps {found.final_area:.4f}, confidence {found.confidence_area:.4f}; "
        f"best of {DRAWS} {found.best:.3f}, majority {found.majority:.3f}; calibration error {found.error:.3f}"
    )
    return found


def _prm_scores(folder: Path, drawn: Sequence[Sample]) -> list[list[float]]:
    """Score through the product's own PRM, so that card and product cannot differ."""
    import asyncio

    from tt_scale.base_classes import Step
    from tt_scale.config import Config
    from tt_scale.core.path import Path as SolutionPath
    from tt_scale.pocket.problems import as_problem
    from tt_scale.prm.huggingface import HuggingFacePRM

    async def run() -> list[list[float]]:
        prm = HuggingFacePRM(Config(prm_name=str(folder), dtype="float32"))
        await prm.start()
        try:
            found = []
            for each in drawn:
                path = SolutionPath((0,), tuple(Step(text, (), "stop") for text in each.steps))
                found.append(prm.score(as_problem(each.problem), [path]))
            return [list(scores[0].values) for scores in await asyncio.gather(*found)]
        finally:
            await prm.close()

    return asyncio.run(run())


@torch.inference_mode()
def _least(generator: Any, tokenizer: Any, drawn: Sequence[Sample]) -> list[list[float]]:
    """The least log-probability that pocket-gen gave to a token of the solution up to the end of each step."""
    from .generator import Example
    from .loop import batches, device, mixed_precision, padded

    rows: list[tuple[int, Example, list[int]]] = []
    for number, each in enumerate(drawn):
        prompt = tokenizer.apply_chat_template(
            [{"role": "user", "content": each.problem.question}], add_generation_prompt=True, tokenize=False
        )
        ids = tokenizer.encode(prompt, add_special_tokens=False)
        start, ends = len(ids), []
        for index, step in enumerate(each.steps):
            ids += tokenizer.encode(step + ("" if index == len(each.steps) - 1 else "\n\n"), add_special_tokens=False)
            ends.append(len(ids))
        rows.append((number, Example(ids, start), ends))
    found: list[list[float]] = [[] for _ in drawn]
    for batch in batches(rows, 16384, Random(0), lambda row: len(row[1].ids)):
        ids = padded([row[1].ids for row in batch], 0, device=device())
        with mixed_precision():
            logp = torch.log_softmax(generator(input_ids=ids).logits[:, :-1].float(), -1)
        came = logp.gather(-1, ids[:, 1:, None]).squeeze(-1)
        for place, (number, row, ends) in enumerate(batch):
            spans = [came[place, row.prompt - 1 : end - 1] for end in ends]
            found[number] = [span.min().item() if len(span) else 0.0 for span in spans]
    return found


def _pass_at(by_problem: Sequence[Sequence[Sample]]) -> dict[int, dict[int, float]]:
    """Mean pass@k by level; level 0 is overall."""
    shares: dict[int, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for draws in by_problem:
        solved, n = sum(each.solved for each in draws), len(draws)
        for k in (1, 2, 4, 8, 16):
            value = pass_at_k(n, solved, k)
            for level in (0, draws[0].problem.level):
                shares[level][k].append(value)
    return {level: {k: sum(each) / len(each) for k, each in ks.items()} for level, ks in shares.items()}


def _answer(each: Sample) -> str:
    from tt_scale.core.extraction import extract_answer

    return (extract_answer(each.steps[-1]) or "").strip() if each.finished else ""


def _best(by_problem: Sequence[Sequence[Sample]], scores: Sequence[Sequence[float]]) -> float:
    solved = 0
    for draws, values in zip(by_problem, scores, strict=True):
        finished = [(value, each) for value, each in zip(values, draws, strict=True) if each.finished]
        solved += bool(finished) and _answer(max(finished, key=lambda pair: pair[0])[1]) == draws[0].problem.answer
    return solved / len(by_problem)


def _majority(by_problem: Sequence[Sequence[Sample]]) -> float:
    solved = 0
    for draws in by_problem:
        votes = Counter(filter(None, map(_answer, draws)))
        solved += bool(votes) and votes.most_common(1)[0][0] == draws[0].problem.answer
    return solved / len(by_problem)


def write_found(found: Found, file: Path) -> None:
    """Keep the figures for `benchmarks/pocket.py`."""
    file.write_text(json.dumps(asdict(found), indent=2) + "\n", encoding="utf-8")


def write_figures(found: Found, folder: Path) -> None:
    """Draw the reliability curve of pocket-prm."""
    title = f"{found.steps:,} steps, AUC {found.step_area:.3f}, calibration error {found.error:.3f}"
    folder.mkdir(parents=True, exist_ok=True)
    draw_reliability([Curve(title, "pocket-prm", "steps", found.bins)], folder / "pocket_prm_calibration.svg")


_GENERATOR_CARD = """\
# pocket-gen

A Llama of 2.2 million parameters that solves some problems of `pocket-math`: small enough to live inside tt_scale,
partly able, so that search methods differ. It knows nothing else: it is no chat model, and its chat template leaves
system messages out.

* Made by `make pocket` (seed {seed}) from generated problems alone; log in `training/log.txt`. Licence: Apache-2.0.
* Digits are single tokens; steps end in a blank line; the answer stands in `\\boxed{{}}`.

On {problems} test problems, {draws} solutions each at temperature {temperature}:

{table}

A solution counts where every step follows and its answer is right. Majority of {draws}: {majority}; best of {draws} by
pocket-prm: {best}.
"""

_PRM_CARD = """\
# pocket-prm

A process reward model of the Qwen2.5-Math-PRM architecture (`Qwen2ForProcessRewardModel`, tag `<extra_0>`, two
classes), 4.8 million parameters, for solutions of pocket-gen. Score of a step: the odds that it and all steps before it
follow.

* Made by `make pocket` (seed {seed}): the generator's four layers, taught further, and five layers on top, trained on
  solutions that pocket-gen sampled at four temperatures and on right solutions with a slip put in, labelled by the
  exact checker of `pocket-math`. Log in `training/log.txt`. Licence: Apache-2.0.
* Read its tokenizer with `PreTrainedTokenizerFast`, as tt_scale does: the AutoTokenizer of Transformers 5 gives every
  checkpoint of type "qwen2" the splitting rules of Qwen's own.

On {steps} steps of {draws} solutions each of {problems} test problems (temperature {temperature}):

| figure | value |
|---|---:|
| area under the ROC curve, all steps | {step_area} |
| the same, last steps only | {final_area} |
| of pocket-gen's own least token log-probability, all steps | {confidence_area} |
| expected calibration error | {error} |
| pass@1 | {single} |
| majority of {draws} | {majority} |
| best of {draws} by last score | {best} |
| oracle | {oracle} |
"""
