"""`tt-scale prm-check`: score a worked example with a PRM on every installed engine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from tt_scale.cli.options import flags_of
from tt_scale.config import Config
from tt_scale.config.listing import config_keys
from tt_scale.errors import ConfigError, TTScaleError
from tt_scale.prm.inspection.example import EXAMPLE, Example

if TYPE_CHECKING:
    from rich.console import Console

    from tt_scale.prm.inspection.score_check import EngineScores

__all__ = ["check_options", "check_prm", "taken_example"]

KEYS = (
    "model_name", "model_revision", "quantization", "generator", "prm", "prm_revision", "prm_adapter", "prm_args",
    "prm_quantization", "prm_max_model_len", "prm_device", "prm_gpu_mem_util", "gpu_mem_util", "max_model_len",
    "stop_tokens", "tensor_parallel_size", "dtype", "kv_cache_gib", "trust_remote_code",
)  # fmt: skip
"""Keys of a PRM, and of the generator, which is the model of a judge."""


def check_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the PRM argument, the options of the example, and the flags of `KEYS`."""
    for option in (
        click.option("--wrong", metavar="TEXT", help="A wrong version of the last step; it should score lower."),
        click.option("--step", "steps", multiple=True, metavar="TEXT", help="A right step. Repeatable."),
        click.option(
            "--question", metavar="TEXT", help="Question of the example; without it, a built-in example is used."
        ),
        click.argument("prm_name", metavar="PRM"),
    ):
        command = option(command)
    return flags_of([key for key in config_keys() if key.name in KEYS])(command)


def taken_example(values: dict[str, Any]) -> Example:
    """Remove the worked example from the options; the built-in example if none is given.

    Raises:
        ConfigError: the example is incomplete, or one of its texts is blank.
    """
    question, steps, wrong = values.pop("question"), values.pop("steps"), values.pop("wrong")
    if question is None and not steps and wrong is None:
        return EXAMPLE
    if question is None or not steps:
        raise ConfigError(
            f"An example needs a question and at least one step; {'no' if question is None else 'a'} question "
            f"and {len(steps)} steps were given.",
            "Type: --question TEXT --step TEXT --step TEXT",
        )
    named = {"--question": question, **{f"--step number {n}": step for n, step in enumerate(steps, 1)}}
    for name, text in (named | ({} if wrong is None else {"--wrong": wrong})).items():
        if not text.strip():
            raise ConfigError(f"{name} is blank; a PRM scores text only.")
    return Example(question, tuple(steps), wrong or "")


async def check_prm(config: Config, example: Example) -> int:
    """Check a PRM, and print the result.

    Args:
        config: the PRM and how to load it.
        example: the worked example to score.

    Returns:
        0 if all engines and ways of scoring agree, 1 if they do not or an installed engine cannot run the PRM.

    Raises:
        TTScaleError: no engine can run the PRM.
    """
    from tt_scale.backends import ENGINES
    from tt_scale.preflight import preflight_prms
    from tt_scale.prm.inspection.layout_check import lay_out
    from tt_scale.prm.inspection.score_check import (
        agreement,
        comparable,
        engines,
        judges,
        score_remarks,
        slow_dtypes,
        tolerance,
    )
    from tt_scale.report import prm_check as report
    from tt_scale.report.prm_layout import print_layout
    from tt_scale.report.terminal import Terminal

    console = Terminal(fixed=True, highlight=False)
    tried = engines(config)
    if not judges(config):
        await asyncio.to_thread(preflight_prms, config)
    slow = slow_dtypes(config, tried)
    dtype, config = _dtype_in_words(config), comparable(config)
    layout = None
    if not judges(config) and set(tried) <= ENGINES.keys():
        layout = await asyncio.to_thread(lay_out, config, example)
        print_layout(layout, config, example, dtype, console)
    console.print()
    scores, faults = await _measured(config, tried, example, console)
    if layout is None:
        report.print_prompts(scores[-1], console)
    report.print_scores(example, scores, console)
    same = agreement(scores, report.NAMES, tolerance(config))
    report.print_agreement(same, scores, console)
    remarks = [*slow, *(layout.remarks if layout else ()), *score_remarks(example, scores[-1].whole)]
    report.print_faults(faults, remarks, console)
    return int(bool(same.off or faults))


async def _measured(
    config: Config, tried: Sequence[str], example: Example, console: Console
) -> tuple[list[EngineScores], dict[str, TTScaleError]]:
    """Score on every engine, and collect the errors of engines that fail; raise the first error if all fail."""
    from tt_scale.prm.inspection.score_check import measure
    from tt_scale.report.loading import loading
    from tt_scale.report.prm_check import NAMES

    scores: list[EngineScores] = []
    faults: dict[str, TTScaleError] = {}
    for engine in tried:
        try:
            with loading(console, f"on {NAMES.get(engine, engine)}", words=("Scoring", "Scored")):
                scores.append(await measure(config, engine, example))
        except TTScaleError as error:
            faults[engine] = error
    if not scores:
        raise next(iter(faults.values()))
    return scores, faults


def _dtype_in_words(config: Config) -> str:
    """Describe the data type of a check."""
    from tt_scale.prm.inspection.score_check import comparable

    chosen = comparable(config).dtype or "a type that it chooses"
    if config.prm_quantization:
        return f"{chosen}, quantized: {config.prm_quantization}"
    return chosen + ("" if config.dtype else ", for this comparison (--dtype sets another)")
