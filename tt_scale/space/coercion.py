"""Convert results of backends to plain Python values: NumPy and tensor scalars are converted, other types rejected.

Results are stored, hashed, aggregated and written as JSON. A type that only resembles a number would fail there, far
from the backend that returned it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import isfinite
from operator import index
from typing import Any, get_args

from tt_scale.core.records import Ended, Scores, Step
from tt_scale.core.text import escaped
from tt_scale.core.text_id import TextId
from tt_scale.errors import GeneratorError, PRMError

__all__ = ["plain_scores", "plain_step", "plain_texts"]

ENDED = frozenset(get_args(Ended))
_INTEGERS, _FLOATS, _TEXTS = {int, TextId}, {float}, {str}


def plain_step(step: Step) -> Step:
    """Convert the fields of a step to their declared types.

    Raises:
        GeneratorError: it is not a step, or a field cannot be converted.
    """
    if type(step) is Step and _is_plain(step):
        return step
    if not isinstance(step, Step):
        raise GeneratorError(f"The generator gave a {type(step).__name__} for a request; it must be a Step.")
    try:
        return replace(
            step,
            text=_text(step.text),
            ids=tuple(map(_id, step.ids)),
            ended=_ended(step.ended),
            seed=index(step.seed),
            temperature=_real(step.temperature),
            cached=_count(step.cached),
            prompt_tokens=_count(step.prompt_tokens),
            divided=tuple(map(_text, step.divided)),
            error=escaped(step.error),
            logprobs=tuple(map(_real, step.logprobs)),
            confidences=tuple(map(_real, step.confidences)),
        )
    except (TypeError, ValueError, OverflowError, AttributeError) as error:
        raise GeneratorError(f"The generator gave a step that cannot be kept: {error}.") from None


def plain_texts(texts: Sequence[str]) -> Sequence[str]:
    """Replace lone surrogates in token texts, as `plain_step` does in the text of a step."""
    return texts if _encodes("".join(texts)) else [_text(text) for text in texts]


def plain_scores(scores: Scores) -> Scores:
    """Convert the fields of scores to their declared types.

    Raises:
        PRMError: they are not scores, or a field cannot be converted.
    """
    if type(scores) is Scores and _are_plain(scores):
        return scores
    if not isinstance(scores, Scores):
        raise PRMError(f"The PRM gave a {type(scores).__name__} for a path; it must be Scores.")
    try:
        return replace(
            scores,
            values=_reals(scores.values),
            tokens=_count(scores.tokens),
            cached=_count(scores.cached),
            too_long=bool(scores.too_long),
            parts={str(name): _reals(values) for name, values in scores.parts.items()},
            flops=None if scores.flops is None else _amount(scores.flops),
        )
    except (TypeError, ValueError, OverflowError, AttributeError) as error:
        raise PRMError(f"The PRM gave scores that cannot be kept: {error}.") from None


def _is_plain(step: Step) -> bool:
    return (
        type(step.text) is str
        and type(step.ids) is tuple
        and set(map(type, step.ids)) <= _INTEGERS
        and step.ended in ENDED
        and type(step.seed) is type(step.cached) is type(step.prompt_tokens) is int
        and min(step.cached, step.prompt_tokens) >= 0
        and type(step.temperature) is float
        and not step.error
        and set(map(type, step.logprobs)) <= _FLOATS
        and set(map(type, step.confidences)) <= _FLOATS
        and _encodes(step.text)
        and type(step.divided) is tuple
        and set(map(type, step.divided)) <= _TEXTS
    )


def _are_plain(scores: Scores) -> bool:
    return (
        type(scores.values) is tuple
        and set(map(type, scores.values)) <= _FLOATS
        and type(scores.tokens) is type(scores.cached) is int
        and scores.tokens >= 0
        and scores.cached >= 0
        and type(scores.too_long) is bool
        and not scores.parts
        and scores.flops is None
    )


def _encodes(text: str) -> bool:
    """Whether a text can be encoded as UTF-8, that is, has no lone surrogate."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _text(value: Any) -> str:
    """Convert to text; lone surrogates become U+FFFD, the replacement character."""
    if not isinstance(value, str):
        raise TypeError(f"its text is a {type(value).__name__}")
    if _encodes(value):
        return str(value)
    return "".join(["\N{REPLACEMENT CHARACTER}" if "\ud800" <= sign <= "\udfff" else sign for sign in value])


def _id(value: Any) -> int:
    return value if isinstance(value, TextId) else index(value)


def _ended(value: Any) -> Ended:
    if value not in ENDED:
        raise ValueError(f"it ended in {value!r}; allowed: {', '.join(get_args(Ended))}")
    return str(value)  # type: ignore[return-value]


def _reals(values: Iterable[Any]) -> tuple[float, ...]:
    return tuple(map(_real, values))


def _real(value: Any) -> float:
    """Convert a number, a NumPy scalar or a tensor of one element; text is rejected."""
    if isinstance(value, str | bytes) or not hasattr(type(value), "__float__"):
        raise TypeError(f"{value!r} is a {type(value).__name__}, not a number")
    return float(value)


def _count(value: Any) -> int:
    """Convert a count, which is an integer of at least 0."""
    real = _real(value)
    if not (isfinite(real) and real >= 0 and real == int(real)):
        raise ValueError(f"{value!r} is not a count; allowed: integers of at least 0")
    return int(value)


def _amount(value: Any) -> float:
    real = _real(value)
    if not (isfinite(real) and real >= 0):
        raise ValueError(f"{value!r} is not an amount; allowed: finite numbers of at least 0")
    return real
