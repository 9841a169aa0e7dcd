"""`tt-scale prm-check`: a PRM on a worked example, on every installed engine."""

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
"""Those of a PRM, and those of the generator that a judge is."""


def check_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add PRM, example and flags."""
    for option in (
        click.option("--wrong", metavar="TEXT", help="A wrong version of the last step; it should score lower."),
        click.option("--step", "steps", multiple=True, metavar="TEXT", help="A right step. Repeatable."),
        click.option("--question", metavar="TEXT", help="Of the example; without it a built-in one is taken."),
        click.argument("prm_name", metavar="PRM"),
    ):
        command = option(command)
    return flags_of([key for key in config_keys() if key.name in KEYS])(command)


def taken_example(values: dict[str, Any]) -> Example:
    """Take the worked example out of what was typed; the built-in one where nothing was.

    Raises:
        ConfigError: it is not whole, or a text of it is blank.
    """
    question, steps, wrong = values.pop("question"), values.pop("steps"), values.pop("wrong")
    if question is None and not steps and wrong is None:
        return EXAMPLE
    if question is None or not steps:
        raise ConfigError(
            f"An example has a question and at least one step; given are {'no' if question is None else 'a'} question "
            f"and {len(steps)} steps.",
            "Type: --question TEXT --step TEXT --step TEXT",
        )
    named = {"--question": question, **{f"--step number {n}": step for n, step in enumerate(steps, 1)}}
    for name, text in (named | ({} if wrong is None else {"--wrong": wrong})).items():
        if not text.strip():
            raise ConfigError(f"{name} is blank; a PRM is never asked about nothing.")
    return Example(question, tuple(steps), wrong or "")


async def check_prm(config: Config, example: Example) -> int:
    """Check a PRM, and print what is found.

    Args:
        config: names the PRM, and how to load it.
        example: what it is tried on.

    Returns:
        0 where all ways agree, 1 where they do not, or where an installed engine cannot run it.

    Raises:
        TTScaleError: the PRM cannot be asked at all.
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
    numbers, config = _number_type(config), comparable(config)
    layout = None
    if not judges(config) and set(tried) <= ENGINES.keys():
        layout = await asyncio.to_thread(lay_out, config, example)
        print_layout(layout, config, example, numbers, console)
    console.print()
    found, faults = await _measured(config, tried, example, console)
    if layout is None:
        report.print_prompts(found[-1], console)
    report.print_scores(example, found, console)
    same = agreement(found, report.NAMES, tolerance(config))
    report.print_agreement(same, found, console)
    remarks = [*slow, *(layout.remarks if layout else ()), *score_remarks(example, found[-1].whole)]
    report.print_faults(faults, remarks, console)
    return int(bool(same.off or faults))


async def _measured(
    config: Config, tried: Sequence[str], example: Example, console: Console
) -> tuple[list[EngineScores], dict[str, TTScaleError]]:
    """Score on every engine; engines that cannot are named with their errors, unless none can."""
    from tt_scale.prm.inspection.score_check import measure
    from tt_scale.report.loading import loading
    from tt_scale.report.prm_check import NAMES

    found: list[EngineScores] = []
    faults: dict[str, TTScaleError] = {}
    for engine in tried:
        try:
            with loading(console, f"on {NAMES.get(engine, engine)}", words=("Scoring", "Scored")):
                found.append(await measure(config, engine, example))
        except TTScaleError as error:
            faults[engine] = error
    if not found:
        raise next(iter(faults.values()))
    return found, faults


def _number_type(config: Config) -> str:
    """The number type of a check, in words."""
    from tt_scale.prm.inspection.score_check import comparable

    chosen = comparable(config).dtype or "a type that it chooses"
    if config.prm_quantization:
        return f"{chosen}, quantized: {config.prm_quantization}"
    return chosen + ("" if config.dtype else ", for this comparison (--dtype sets another)")
