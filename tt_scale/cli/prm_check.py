"""What `tt-scale prm-check` takes from the command line: a PRM, a worked example, and the keys that concern a PRM."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from tt_scale.cli.options import flags_of
from tt_scale.config.listing import config_keys
from tt_scale.errors import ConfigError
from tt_scale.prm.inspection.example import EXAMPLE, Example

__all__ = ["check_options", "taken_example"]

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
