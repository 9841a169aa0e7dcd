"""`python -m training`: data, tokenizer, both models, evaluation, cards. What it writes is what is shipped.

    python -m training [--out tt_scale/pocket/models] [--seed 0] [--scale 1.0]

On two cores it takes under two hours; a CUDA device is used where there is one. `--scale 0.01` is a quick run to see
that everything works; its models know nothing.
"""

from __future__ import annotations

import argparse
import logging
import os
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random

import torch

from tt_scale.pocket import pocket_math

from .evaluation import evaluate, write_figures, write_found
from .folders import save_generator, save_verifier, write_card
from .generator import CONTEXT, train_generator
from .loop import Schedule, device
from .prm import Layout, Verifier, scores, train_verifier
from .sampling import Sample, sample, solved_by_level
from .tokenizer import train_tokenizer

GENERATOR = Schedule(tokens=7_000_000, batch=3072)
ABLE = 0.45
"""Mean pass@1 over the levels at which pocket-gen's training stops."""

EXPECT = Schedule(tokens=9_000_000, batch=4096, cooldown=0.7)
JUDGE = Schedule(tokens=9_000_000, batch=4096, matrix_rate=0.01, rate=0.002, cooldown=0.8)
TEMPERATURES = (0.5, 0.7, 0.9, 1.1)
SAMPLED = 20_000
"""Solutions that pocket-prm learns from."""


class Log:
    """Prints lines and keeps them in a file."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("w", encoding="utf-8")
        self._began = time.monotonic()

    def __call__(self, line: str) -> None:
        text = f"[{(time.monotonic() - self._began) / 60:6.1f} min] {line}"
        print(text, flush=True)
        self._file.write(f"{text}\n")
        self._file.flush()


def main() -> None:
    """Make both models."""
    arguments = _arguments()
    logging.getLogger("transformers").setLevel(logging.ERROR)
    log = Log(arguments.log)
    place = torch.cuda.get_device_name() if torch.cuda.is_available() else f"{os.cpu_count()} cores"
    log(f"seed {arguments.seed}, torch {torch.__version__}, Python {platform.python_version()}, {place}")

    def scaled(schedule: Schedule) -> Schedule:
        return replace(schedule, tokens=max(1, int(schedule.tokens * arguments.scale)))

    tokenizer = train_tokenizer(arguments.seed, CONTEXT)
    log(f"tokenizer: {len(tokenizer)} tokens")
    watched = pocket_math(400, seed=arguments.seed + 999, split="train")

    def watch(model: object, seen: int) -> bool:
        if seen < scaled(GENERATOR).tokens * 0.35:
            return False
        by_level = solved_by_level(sample(model, tokenizer, watched, 0.7, seed=1))
        log("    pass@1 by level  " + "  ".join(f"{value:.2f}" for value in by_level.values()))
        return sum(by_level.values()) / len(by_level) >= ABLE

    generator = train_generator(tokenizer, arguments.seed, scaled(GENERATOR), log, _now_and_then(watch, 300_000))
    save_generator(generator, tokenizer, arguments.out / "pocket-gen")
    samples = _sampled(generator, tokenizer, arguments, log)

    layout = Layout(tokenizer, CONTEXT)
    held = sample(generator, tokenizer, pocket_math(300, arguments.seed + 998, split="train"), 0.7, seed=2)
    rows = [layout.row(each.problem, each.steps, each.right) for each in held]

    def look(verifier: Verifier, seen: int) -> bool:
        right, least = scores(verifier, rows)
        labels = [each.right for each in held]
        log(
            f"    step AUC {_auc(right, labels):.4f}, "
            f"of the lower layers' least log-probability {_auc(least, labels):.4f}"
        )
        return False

    verifier = train_verifier(
        generator, layout, samples, arguments.seed, scaled(EXPECT), scaled(JUDGE), log, _now_and_then(look, 1_000_000)
    )
    save_verifier(verifier, tokenizer, arguments.out / "pocket-prm")
    finish(arguments, log)


def finish(arguments: argparse.Namespace, log: Log) -> None:
    """Measure what was saved on test problems, and write the cards."""
    found = evaluate(arguments.out, arguments.seed, max(10, int(500 * min(1.0, arguments.scale))), log)
    write_figures(found, arguments.figures)
    write_found(found, arguments.log.with_name("measured.json"))
    for name in ("pocket-gen", "pocket-prm"):
        write_card(name, arguments.out / name, found, arguments.seed)
    log("done")


def _now_and_then(look: Callable[..., bool], every: int) -> Callable[..., bool]:
    """Look only after so many more tokens."""
    last = 0

    def looked(model: object, seen: int) -> bool:
        nonlocal last
        if seen - last < every:
            return False
        last = seen
        return look(model, seen)

    return looked


def _sampled(generator: object, tokenizer: object, arguments: argparse.Namespace, log: Log) -> list[Sample]:
    count = max(64, int(SAMPLED * arguments.scale)) // len(TEMPERATURES)
    samples: list[Sample] = []
    for number, temperature in enumerate(TEMPERATURES):
        problems = pocket_math(count, arguments.seed + 5000 + number, split="train")
        samples += sample(generator, tokenizer, problems, temperature, seed=100 + number)
        solved = solved_by_level(samples[-count:])
        log(f"sampled {count} at {temperature}: pass@1 " + "  ".join(f"{value:.2f}" for value in solved.values()))
    Random(arguments.seed).shuffle(samples)
    return samples


def _auc(values: list[list[float]], labels: list[list[bool]]) -> float:
    from tt_scale.prm_eval.calibration import roc_auc

    return roc_auc([each for row in values for each in row], [each for row in labels for each in row])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m training", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("tt_scale/pocket/models"), help="folder of both models")
    parser.add_argument("--seed", type=int, default=0, help="of everything")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the usual training")
    parser.add_argument("--log", type=Path, default=Path("training/log.txt"), help="what is printed is kept there")
    parser.add_argument("--figures", type=Path, default=Path("docs/figures"), help="folder of the calibration plot")
    parser.add_argument("--only", choices=("evaluate",), help="skip the training, measure what --out holds")
    arguments = parser.parse_args()
    if arguments.scale <= 0:
        parser.error(f"--scale is {arguments.scale}; allowed: above 0")
    if arguments.only == "evaluate":
        finish(arguments, Log(arguments.log.with_suffix(".evaluation.txt")))
        sys.exit()
    print(f"on {device()}")
    return arguments


if __name__ == "__main__":
    main()
