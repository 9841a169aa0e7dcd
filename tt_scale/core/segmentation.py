r"""Step segmentation: one rule for sampling step by step and for splitting a whole solution.

A step ends with the token that completes a delimiter in the text sampled since the step began. The whole token belongs
to the step, also if the delimiter ends inside it: cut off, the next request would sample the same merged token
(`\n\n#`) again, endlessly. Ids and text therefore always agree, and requests continue exactly the ids that were
sampled.

With `step_tokens` a step ends after that many tokens instead. A character whose last token is still missing there
belongs to the text of the step that completes it. Such a step ends in "stop", as at a delimiter; "length" is reserved
for steps that a limit cut short.

Blank steps (only whitespace and delimiters) are merged with the next step, or with the previous one at the end of a
solution; they are never scored.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import accumulate, islice, pairwise

from tt_scale.core.records import Step

__all__ = [
    "Pieces",
    "continued_pieces",
    "divided_steps",
    "full_step",
    "is_blank",
    "split_steps",
    "step_texts",
]

Pieces = Callable[[Sequence[int]], Sequence[str]]
"""(ids) -> text that each id adds to a continuation, as `Generator.pieces` returns it."""

UNFINISHED = "\N{REPLACEMENT CHARACTER}"
"""Character that a decoder emits for bytes of an incomplete character."""

MOST_ENDS = 8192
"""So many ends of steps are looked for in one continuation, whose splitting blocks all other searches; what follows
belongs to its last step."""


def is_blank(text: str, delimiters: Sequence[str]) -> bool:
    """Whether a step contains only whitespace and delimiters."""
    if len(text) > 64:  # no delimiter is that long; avoids the copies below for ordinary steps
        return not text.strip()
    for delimiter in delimiters:
        text = text.replace(delimiter, "")
    return not text.strip()


def split_steps(
    step: Step, pieces: Sequence[str], delimiters: Sequence[str], step_tokens: int | None = None
) -> list[Step]:
    """Split a continuation into the steps that would have been sampled one by one.

    Args:
        step: the continuation.
        pieces: text of each of its ids [length].
        delimiters: strings that end a step; without them and `step_tokens` it is not split.
        step_tokens: number of tokens after which a step ends instead.

    Returns:
        The steps in order, none of them blank unless the whole text is, and at most `MOST_ENDS` + 1; the last one
        keeps `ended`, unless a limit coincides with its end; the others end in "stop".
    """
    if not pieces or not (delimiters or step_tokens):  # a failed request has no pieces
        return [step]
    whole = "".join(pieces)
    if step_tokens:
        ends = list(islice(_token_ends(pieces, step_tokens), MOST_ENDS))
        full = len(pieces) % step_tokens == 0
    else:
        ends = list(islice(_delimiter_ends(whole, pieces, delimiters), MOST_ENDS))
        full = (len(pieces), len(whole)) in ends[-1:]
    full = full and step.ended in ("length", "context")  # the limit coincides with the end of the step
    if full and step_tokens:
        whole = _whole_characters(whole)
    cuts = [(0, 0)]  # number of ids and of characters before each
    begin = 0
    for length, end in ends:
        if not is_blank(whole[begin:end], delimiters):
            cuts.append((length, end))
        begin = end  # also after a blank step
    if cuts[-1][0] < len(pieces):
        if len(cuts) > 1 and is_blank(whole[cuts[-1][1] :], delimiters):
            cuts.pop()
        cuts.append((len(pieces), len(whole)))
    seed, temperature, logprobs, confidences = step.seed, step.temperature, step.logprobs, step.confidences
    return [  # by position, since a text may have a step for each of its tokens
        Step(
            whole[begin:end],
            step.ids[first:last],
            step.ended if last == len(pieces) and not full else "stop",
            seed,
            temperature,
            step.cached if first == 0 else 0,
            step.error if last == len(pieces) else "",
            logprobs[first:last],
            confidences[first:last],
        )
        for (first, begin), (last, end) in pairwise(cuts)
    ]


def divided_steps(step: Step) -> list[Step]:
    """Give the steps of a whole solution as its source divides it; all its tokens are those of the last one.

    Args:
        step: the solution; its `divided` has at least one text.
    """
    *before, last = step.divided
    seed, temperature = step.seed, step.temperature
    steps = [Step(text, (), "stop", seed, temperature) for text in before]
    return [*steps, replace(step, text=last, divided=())]


def _delimiter_ends(whole: str, pieces: Sequence[str], delimiters: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Ends of steps at delimiters, each as the number of ids and of characters before it."""
    piece_ends = list(accumulate(map(len, pieces)))
    next_ends = dict.fromkeys(delimiters, 0)  # offset at which each delimiter is complete next
    length = begin = 0
    while True:
        for delimiter, end in next_ends.items():
            if end - len(delimiter) < begin:
                place = whole.find(delimiter, begin)
                next_ends[delimiter] = place + len(delimiter) if place >= 0 else len(whole) + len(delimiter) + 1
        complete = min(next_ends.values())
        if complete > len(whole):
            return
        length = bisect_left(piece_ends, complete, length)  # the token that completes it
        begin = piece_ends[length]
        length += 1
        yield length, begin


def _token_ends(pieces: Sequence[str], step_tokens: int) -> Iterator[tuple[int, int]]:
    """Ends of all steps but the last by `step_tokens`; an incomplete character is left to the next step."""
    end, offset = 0, 0
    for length in range(step_tokens, len(pieces), step_tokens):
        text = "".join(pieces[length - step_tokens : length])
        if whole := _whole_characters(text):
            end = offset + len(whole)
        offset += len(text)
        yield length, end


def full_step(step: Step, pieces: Sequence[str], step_tokens: int) -> Step:
    """Set `ended` and `text` of a step that was sampled alone to the values that it has within a whole solution.

    Args:
        step: a step of at most `step_tokens` tokens.
        pieces: text of each of its ids, as `continued_pieces` returns it [length].
        step_tokens: number of tokens after which a step ends.
    """
    text = "".join(pieces)
    if step.ended == "length" and len(step.ids) == step_tokens:
        return replace(step, text=_whole_characters(text), ended="stop")
    return replace(step, text=text)


def continued_pieces(before: Sequence[Step], step: Step, pieces: Pieces) -> Sequence[str]:
    """Decode each id of a step whose predecessor may have ended inside a character.

    Args:
        before: all steps of the path so far; their texts lack the bytes of an incomplete character.
        step: the step that follows.
        pieces: the generator's `pieces`.

    Returns:
        The pieces [length]; appended to the texts of the steps before, they form the text of the whole. Bytes that
        never become a character are replacement characters in the step after them. Some decoders (SentencePiece)
        replace a whole run of bytes while its last character is incomplete; its text then belongs to the step that
        completes it.
    """
    own = pieces(step.ids)
    if not own or not (_incomplete(own) or any(_incomplete(pieces(each.ids)) for each in _since_last_text(before))):
        return own  # almost always; avoids decoding the whole path
    ids = [token for each in before for token in each.ids]
    decoded = pieces([*ids, *step.ids])
    known = sum([len(each.text) for each in before])
    missing = "".join(decoded[: len(ids)])[known:]
    return [missing + decoded[len(ids)], *decoded[len(ids) + 1 :]]


def _since_last_text(steps: Sequence[Step]) -> Sequence[Step]:
    """The steps from the last one with text on: an incomplete character began there."""
    first = next((index for index in range(len(steps) - 1, 0, -1) if steps[index].text), 0)
    return steps[first:]


def _incomplete(pieces: Sequence[str]) -> bool:
    return any(UNFINISHED in piece for piece in pieces)


def _whole_characters(text: str) -> str:
    return text.rstrip(UNFINISHED)


def step_texts(steps: Sequence[Step], delimiters: Sequence[str]) -> list[str]:
    r"""Texts of steps as a PRM reads them: stripped, without delimiters [steps].

    A delimiter that begins the next step (`\n## Step`) ends the step that it was sampled in; its visible part is moved
    to the step that it introduces. Without delimiters a step may end within a word or between words, and only the
    whitespace there shows which: it is kept at the beginning of the next step, as tokenizers do, so that the joined
    texts are the solution.
    """
    if not delimiters:
        return _undelimited_texts(steps)
    texts: list[str] = []
    carried = ""
    for step in steps:
        text = carried + step.text
        carried = ""
        for delimiter in delimiters:
            visible = delimiter.strip()
            end = text.rfind(delimiter) if visible else -1
            if end >= 0 and not text[end + len(delimiter) :].strip():
                cut = end + delimiter.index(visible)
                text, carried = text[:cut], text[cut:]
                break
        texts.append(text.strip())
    return texts


def _undelimited_texts(steps: Sequence[Step]) -> list[str]:
    texts: list[str] = []
    carried = ""
    for step in steps:
        content = step.text.rstrip()
        if not content:
            carried += step.text
            texts.append("")
            continue
        texts.append(carried + content if texts else content.lstrip())
        carried = step.text[len(content) :]
    return texts
