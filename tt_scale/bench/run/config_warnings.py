"""What runs but is probably not meant: said once, before anything is searched."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from tt_scale.backends import resolve
from tt_scale.bench.run.journal import differing_keys
from tt_scale.bench.run.manifest import METHOD_KEYS, ignored_options, other_methods_knobs
from tt_scale.config import Config
from tt_scale.core.records import Problem
from tt_scale.engines.model_dtypes import dtype_warnings
from tt_scale.models import make_searcher

__all__ = ["delimiter_warnings", "first_temperature", "sample_warnings", "shared_warnings", "warnings"]

_ESCAPES = {"\\n": "\n", "\\r": "\r", "\\t": "\t"}
_ESCAPE = re.compile(r"\\[nrt]")
_ESCAPE_IN_PROSE = re.compile(r"\\[nrt](?![a-z]|V(?:ert|[dD]ash)|(?:Left|Right|Leftright)arrow)")
"""Prose may contain LaTeX, such as `\\text` or `\\nRightarrow`."""
_AROUND = 12
"""Characters of a long text that are shown on each side of an escape."""


def warnings(configs: Sequence[Config], quiet: Collection[str] = ()) -> list[str]:
    """What is said before methods are run side by side.

    Args:
        configs: equal but for the method; at least one.
        quiet: keys that are not warned about where nothing reads them: those of a recipe for several methods.
    """
    told = shared_warnings(configs, quiet)
    told += [
        f"{config.method} spends the same at every budget; {config.budget} only limits its tokens."
        for config in configs
        if config.budget and config.budget > 1 and not make_searcher(config).widths(config.budget)
    ]
    told += _too_small_limits(configs)
    first = {config.method: first_temperature(config) for config in configs}
    temperatures = {method: temperature for method, temperature in first.items() if temperature is not None}
    if len(set(temperatures.values())) > 1:
        shown = ", ".join([f"{method} {temperature}" for method, temperature in temperatures.items()])
        told.append(f"the methods sample at different temperatures ({shown}); set temperature and temp_origin equal.")
    return told + _differences(configs)


def _too_small_limits(configs: Sequence[Config]) -> list[str]:
    """Warn of limits under one solution: nothing is left to search with."""
    limits = {config.max_tokens: most for config in configs if (most := config.limits.max_generated_tokens) is not None}
    return [
        f"max_generated_tokens is {most}, less than one solution may have (max_tokens {whole}): every method samples "
        "whole solutions one after another. Lower --max-tokens to what solutions need, or raise the limit."
        for whole, most in limits.items()
        if most < whole
    ]


def shared_warnings(configs: Sequence[Config], quiet: Collection[str] = ()) -> list[str]:
    """What is said whatever several configurations are run for; arguments as of `warnings`."""
    first = configs[0]
    ignored = frozenset.intersection(*[frozenset(ignored_options(config)) for config in configs]) - frozenset(quiet)
    told = [f"no method or PRM of this run reads {', '.join(sorted(ignored))}."] if ignored else []
    return (
        told
        + dtype_warnings(resolve(first))
        + delimiter_warnings(first)
        + _length_warning(first)
        + _equal_samples(configs)
    )


def delimiter_warnings(config: Config) -> list[str]:
    r"""A text such as `'\n\n'` in single quotes, which YAML takes as backslashes and letters.

    It is not read as line breaks, since `\nabla` may be meant.
    """
    delimiters = [
        f"stop_tokens holds {_literal(text)}, which is a backslash and a letter, and no line break or tab: a step ends "
        f"only where a model writes just that. If a line break is meant, write [{_intended(text)}] in YAML, in double "
        "quotes."
        for text in config.stop_tokens
        if _ESCAPE.search(text)
    ]
    tags = [("reasoning_tags", text, _ESCAPE.search(text)) for text in config.reasoning_tags]
    prose = [(key, text, _ESCAPE_IN_PROSE.search(text)) for key, text in _prose(config)]
    return delimiters + [_escape_in(key, text, found) for key, text, found in (*tags, *prose) if found]


def _prose(config: Config) -> list[tuple[str, str]]:
    """The keys whose value is inserted into a model's input or searched for in its output, and their texts."""
    arguments = [*config.prm_args.items(), *_inner(config.prm_args)]
    texts = [(f"prm_args: {name}", value) for name, value in arguments if isinstance(value, str)]
    return [("system_prompt", config.system_prompt), ("final_answer_prefix", config.final_answer_prefix), *texts]


def _inner(arguments: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Arguments that are given for each of several PRMs."""
    return [item for values in arguments.values() if isinstance(values, Mapping) for item in values.items()]


def _escape_in(key: str, text: str, found: re.Match[str]) -> str:
    start = max(0, found.start() - _AROUND)
    end = min(len(text), found.end() + _AROUND)
    fragment = (
        text if len(text) <= 4 * _AROUND else f"{'...' * (start > 0)}{text[start:end]}{'...' * (end < len(text))}"
    )
    return (
        f"{key} holds {_literal(fragment)}, in which {found[0]} is a backslash and a letter, and no line break or tab. "
        f"If a line break is meant, write {_intended(fragment)} in YAML, in double quotes."
    )


def _literal(text: str) -> str:
    return f"'{text}'".replace("\n", "\\n")


def _intended(text: str) -> str:
    return json.dumps(_ESCAPE.sub(lambda found: _ESCAPES[found[0]], text), ensure_ascii=False)


def _length_warning(config: Config) -> list[str]:
    given = "max_tokens" in config.model_fields_set and "max_model_len" not in other_methods_knobs(config)
    if config.max_model_len is None or config.max_tokens < config.max_model_len or not given:
        return []
    return [
        f"max_tokens is {config.max_tokens}, but prompt and solution together have max_model_len "
        f"{config.max_model_len}: no solution can be that long."
    ]


def _equal_samples(configs: Sequence[Config]) -> list[str]:
    """Without chance all samples of a prompt are one sample."""
    told = []
    for config in configs:
        count = make_searcher(config).samples
        certain = "temperature is 0" if first_temperature(config) == 0 else "top_k is 1" if config.top_k == 1 else ""
        if certain and count is not None and count > 1:
            told.append(f"{certain}, so the {count} samples of {config.method} are equal; one says as much.")
        elif certain and count is None and config.method != "greedy":
            hotter = certain.startswith("temperature") and getattr(make_searcher(config), "temp_step", 0) > 0
            what = "first attempts at" if hotter else "children of"
            told.append(f"{certain}, so all {what} one path by {config.method} are equal.")
    return told


def sample_warnings(config: Config, dataset: str, problems: Sequence[Problem]) -> list[str]:
    """A sample that is larger than the set is the whole set."""
    if config.num_samples is None or config.num_samples <= len(problems):
        return []
    return [f"num_samples is {config.num_samples}, but {dataset} holds {len(problems)} problems: all are taken."]


def _differences(configs: Sequence[Config]) -> list[str]:
    """What beside the method differs, so that a comparison would be of something else."""
    shared = [config.experiment(ignore=METHOD_KEYS | {"method", "method_args"}) for config in configs]
    keys = sorted({key for other in shared[1:] for key in differing_keys(shared[0], other)})
    return [f"the methods are compared at different settings: {', '.join(keys)}."] if keys else []


def first_temperature(config: Config) -> float | None:
    """The temperature of a method's first step; None where it has none of its own, as greedy search."""
    knobs = make_searcher(config)
    temperature = getattr(knobs, "temperature", getattr(knobs, "temp_origin", None))
    return None if temperature is None else float(temperature)
