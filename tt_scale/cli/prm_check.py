"""Arguments of `tt-scale prm-check`: a PRM, a worked example, and the keys that concern a PRM."""

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
"""Keys of a PRM, and of the generator in case it is the judge."""


def check_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the PRM argument, the options of the example, and the flags."""
    for option in (
        click.option("--wrong", metavar="TEXT", help="A wrong version of the last step; it should score lower."),
        click.option(
            "--step", "steps", multiple=True, metavar="TEXT", help="A correct step of the example. Repeatable."
        ),
        click.option(
            "--question", metavar="TEXT", help="Question of the example; without it, a built-in example is used."
        ),
        click.argument("prm_name", metavar="PRM"),
    ):
        command = option(command)
    return flags_of([key for key in config_keys() if key.name in KEYS])(command)


def taken_example(values: dict[str, Any]) -> Example:
    """Remove the worked example from the arguments; the built-in one if none was given.

    Raises:
        ConfigError: it is incomplete, or one of its texts is blank.
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
