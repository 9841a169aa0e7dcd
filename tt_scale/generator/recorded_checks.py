"""Checks of a configuration against files of recorded samples, before anything is searched or written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from tt_scale.core.final_answer import AnswerRule
from tt_scale.core.records import Problem
from tt_scale.errors import ConfigError
from tt_scale.problems.identity import sample
from tt_scale.problems.recorded import RecordedSet
from tt_scale.problems.samples import RecordedSample
from tt_scale.registry import available, searcher_class

if TYPE_CHECKING:
    from tt_scale.base_classes import Searcher
    from tt_scale.config import Config

__all__ = ["SAMPLING_KEYS", "check_recorded"]

SAMPLING_KEYS = frozenset(
    ("temperature", "temp_origin", "temp_step", "top_p", "top_k", "min_p", "repetition_penalty", "k_tokens", "warmup")
) | {
    *("system_prompt", "stop_tokens", "step_tokens", "max_steps", "max_model_len", "model_revision", "quantization"),
    *("dtype", "trust_remote_code"),
}
"""Keys that affect how a model samples; they cannot change recorded samples."""


def check_recorded(config: Config, sets: Sequence[RecordedSet]) -> Config:
    """Check a configuration, and set the keys that follow from the files.

    Args:
        config: of one method.
        sets: the files that `datasets` names.

    Returns:
        The configuration with the answer rule of the files, and with room for their longest sample unless `max_tokens`
        was given.

    Raises:
        ConfigError: the configuration cannot run on the files.
    """
    searcher = searcher_class(config.method).from_config(config)
    _check_method(config, searcher)
    _check_keys(config, sets)
    for recorded in sets:
        used = _used(recorded, config)
        _check_count(recorded, used, config, searcher)
        if config.has_prm:
            _check_scores(recorded, used, config)
        if searcher.top_logprobs:
            _check_logprobs(recorded, used, config)
    changes: dict[str, Any] = {"answer_rule": _answer_rule(config, sets)}
    if "model_name" not in config.model_fields_set:
        changes["model_name"] = "recorded"
    if "max_tokens" not in config.model_fields_set:
        changes["max_tokens"] = max(1, *[recorded.longest for recorded in sets])
    return config.model_copy(update=changes)


def _used(recorded: RecordedSet, config: Config) -> list[tuple[Problem, Sequence[RecordedSample]]]:
    """The problems of a set that are searched, with their samples."""
    problems = sample(recorded.problems, config.num_samples, config.seed)
    return [(problem, recorded.samples[problem.id]) for problem in problems]


def _check_method(config: Config, searcher: Searcher) -> None:
    working = [name for name in available("searchers") if _draws_samples(searcher_class(name))]
    if not _draws_samples(type(searcher)):
        raise ConfigError(
            f"method {config.method!r} needs new samples of single steps or at temperature 0; recorded samples are "
            "whole solutions, sampled earlier.",
            f"Type: --method {', or '.join(working)}",
        )
    traces, most = getattr(searcher, "warmup_traces", None), getattr(searcher, "N", 1)
    if traces is not None and traces < most:
        raise ConfigError(
            f"warmup_traces is {traces} and N is {most}: {config.method} would stop later traces early, and recorded "
            "samples cannot be stopped.",
            f"Type: --warmup-traces {most}",
        )


def _draws_samples(cls: type[Searcher]) -> bool:
    """Whether a method draws several whole solutions, as all with a number N do that need no partial path."""
    knobs = getattr(cls, "__dataclass_fields__", {})
    return "N" in knobs and "temperature" in knobs and (cls.whole_answers or "warmup_traces" in knobs)


def _check_keys(config: Config, sets: Sequence[RecordedSet]) -> None:
    if config.prm not in ("auto", "recorded", "none"):
        raise ConfigError(
            f"prm is {config.prm!r}; recorded samples are scored by the scores in their file alone.",
            "Omit --prm, or have a PRM score the file: tt-scale prm-eval",
        )
    refused = {
        "temperature": config.temperature == 0,
        "top_k": config.top_k == 1,
        "path_end": config.path_end != "eos",
        "last_resort": config.last_resort != "none",
        "max_prm_tokens": config.max_prm_tokens is not None,
    }
    if key := next((key for key, wrong in refused.items() if wrong), ""):
        raise ConfigError(
            f"{key} is {getattr(config, key)!r}, which needs a model that samples or scores now; recorded samples are "
            "used unchanged.",
            f"Omit --{key.replace('_', '-')}.",
        )
    uncounted = next((recorded for recorded in sets if not recorded.counts_tokens), None)
    if config.max_generated_tokens is not None and uncounted is not None:
        raise ConfigError(
            f"max_generated_tokens is {config.max_generated_tokens}, but not every sample in {uncounted.path!r} states "
            "how many tokens it has.",
            "Omit --max-generated-tokens; --N or --budget limit the number of samples.",
        )


def _check_count(
    recorded: RecordedSet,
    used: Sequence[tuple[Problem, Sequence[RecordedSample]]],
    config: Config,
    searcher: Searcher,
) -> None:
    drawn = getattr(searcher, "N", 1) if searcher.samples is None else searcher.samples
    wanted = drawn * config.repeats
    short = [(problem.id, len(samples)) for problem, samples in used if len(samples) < wanted]
    if short:
        name, count = min(short, key=lambda pair: pair[1])
        repeated = f" in each of {config.repeats} repeats" if config.repeats > 1 else ""
        most = count // config.repeats
        raise ConfigError(
            f"method {config.method!r} draws {drawn} samples{repeated}, but of {recorded.path!r} "
            f"{len(short)} problems have fewer than {wanted}; {name!r} has {count}.",
            f"Type: --N {most}" if most else f"Type: --repeats {count}",
        )


def _check_scores(
    recorded: RecordedSet, used: Sequence[tuple[Problem, Sequence[RecordedSample]]], config: Config
) -> None:
    known = recorded.prms
    for prm in config.prm_names:
        if prm not in known:
            present = f"it has scores by: {', '.join(known)}" if known else "it has no scores"
            hint = f"Type: --prm-name {known[0]!r}" if known else "Type: --prm-name none"
            raise ConfigError(f"{recorded.path!r} has no scores by the PRM {prm!r}; {present}.", hint)
    for problem, number, each in _samples(used):
        counts = {prm: len(each.scores.get(prm, ())) for prm in config.prm_names}
        place = f"Sample {number} of {problem.id!r} in {recorded.path!r}"
        if lacking := next((prm for prm, count in counts.items() if not count), ""):
            raise ConfigError(
                f"{place} has no scores by {lacking!r}, which others have.", "Remove the problem from the file."
            )
        if len(set(counts.values())) > 1:
            listed = ", ".join([f"{count} by {prm}" for prm, count in counts.items()])
            raise ConfigError(
                f"{place} has unequal numbers of scores ({listed}); an ensemble combines them step by step.",
                "Name one PRM.",
            )


def _check_logprobs(
    recorded: RecordedSet, used: Sequence[tuple[Problem, Sequence[RecordedSample]]], config: Config
) -> None:
    for problem, number, each in _samples(used):
        if not each.confidences:
            raise ConfigError(
                f"method {config.method!r} reads log-probabilities; sample {number} of {problem.id!r} in "
                f"{recorded.path!r} has none (logprobs, with top_logprobs or confidences, one for each token).",
                "Type: --method self_consistency",
            )


def _samples(
    used: Sequence[tuple[Problem, Sequence[RecordedSample]]],
) -> Iterator[tuple[Problem, int, RecordedSample]]:
    for problem, samples in used:
        for number, each in enumerate(samples):
            yield problem, number, each


def _answer_rule(config: Config, sets: Sequence[RecordedSet]) -> AnswerRule:
    """The rule that the files state, otherwise that of the configuration, otherwise `boxed`."""
    stated: dict[AnswerRule, str] = {}
    for recorded in sets:
        if recorded.header.answer_rule is not None:
            stated.setdefault(recorded.header.answer_rule, recorded.path)
    for rule, path in stated.items():
        other = config.answer_rule or next(iter(stated))
        if rule != other:
            raise ConfigError(
                f"answer_rule is {other!r}, but {path!r} states {rule!r}.",
                "Omit --answer-rule, and run files of different rules one by one.",
            )
    rules: list[AnswerRule] = [*stated, "boxed"]
    chosen = config.answer_rule or rules[0]
    if chosen == "last_number" and config.final_answer_prefix:
        raise ConfigError(
            f"final_answer_prefix is {config.final_answer_prefix!r}, but answers are the last number of a solution.",
            "Omit --final-answer-prefix.",
        )
    return chosen
