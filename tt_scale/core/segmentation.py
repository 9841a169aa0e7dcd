r"""Where a step ends: one rule for sampling step by step and for cutting a whole solution.

A step ends with the token that completes a delimiter in the text sampled since the step began. The token belongs
to the step whole, also where the delimiter ends inside it: cutting it off instead would make the next request
sample the same merged token (`\n\n#`) again, for ever. Ids and text therefore always agree, and the ids that are
continued are the ids that were sampled.

With `step_tokens` a step ends after so many tokens instead, wherever that is. What is unfinished there of a character
of several tokens is told by the step that finishes it. Such an end is "stop" like that of a delimiter: the step is
whole. "length" is left for a step that a limit cut short.

Blank steps (whitespace and delimiters only) are merged with what follows, at the end of a solution with what
went before; they are never scored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

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
"""The text that each id adds to a continuation, as `Generator.pieces` gives it."""

UNFINISHED = "\N{REPLACEMENT CHARACTER}"
"""How a decoder shows bytes that are no character yet."""


def is_blank(text: str, delimiters: Sequence[str]) -> bool:
    """Whether a step says nothing: only whitespace and delimiters."""
    if len(text) > 64:  # no delimiter is that long; spares the copies below for ordinary steps
        return not text.strip()
    for delimiter in delimiters:
        text = text.replace(delimiter, "")
    return not text.strip()


def split_steps(
    step: Step, pieces: Sequence[str], delimiters: Sequence[str], step_tokens: int | None = None
) -> list[Step]:
    """Cut one long continuation into the steps that would have been sampled one by one.

    Args:
        step: the continuation.
        pieces: the text of each of its ids [length].
        delimiters: what ends a step; neither this nor `step_tokens` leaves it whole.
        step_tokens: tokens after which a step ends instead.

    Returns:
        The steps in order, none of them blank unless all is; the last one keeps `ended`, unless a limit came just
        where it is whole; the others ended in "stop".
    """
    if not pieces or not (delimiters or step_tokens):  # a failed request has no pieces
        return [step]
    whole = "".join(pieces)
    if step_tokens:
        ends = list(_token_ends(pieces, step_tokens))
        full = len(pieces) % step_tokens == 0
    else:
        ends = list(_delimiter_ends(pieces, delimiters))
        full = (len(pieces), len(whole)) in ends[-1:]
    full = full and step.ended in ("length", "context")  # the limit came just where the step ends anyway
    if full and step_tokens:
        whole = _whole_characters(whole)
    cuts = [(0, 0)]  # ids and characters up to each
    begin = 0
    for length, end in ends:
        if not is_blank(whole[begin:end], delimiters):
            cuts.append((length, end))
        begin = end  # after a blank step, too, the next one begins here
    if cuts[-1][0] < len(pieces):
        if len(cuts) > 1 and is_blank(whole[cuts[-1][1] :], delimiters):
            cuts.pop()
        cuts.append((len(pieces), len(whole)))
    return [
        Step(
            text=whole[begin:end],
            ids=step.ids[first:last],
            ended=step.ended if last == len(pieces) and not full else "stop",
            seed=step.seed,
            temperature=step.temperature,
            cached=step.cached if first == 0 else 0,
            error=step.error if last == len(pieces) else "",
            logprobs=step.logprobs[first:last],
            confidences=step.confidences[first:last],
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


def _delimiter_ends(pieces: Sequence[str], delimiters: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Where delimiters end a step: ids and characters up to there."""
    longest = max(map(len, delimiters))
    seen, end = "", 0  # of a step, what a delimiter that the next piece completes can begin in
    for length, piece in enumerate(pieces, 1):
        seen += piece
        end += len(piece)
        if any(delimiter in seen for delimiter in delimiters):
            yield length, end
            seen = ""
        seen = seen[max(len(seen) - longest, 0) :]


def _token_ends(pieces: Sequence[str], step_tokens: int) -> Iterator[tuple[int, int]]:
    """Where `step_tokens` end a step before the last one; an unfinished character is left to the next one."""
    end, read = 0, 0
    for length in range(step_tokens, len(pieces), step_tokens):
        text = "".join(pieces[length - step_tokens : length])
        if whole := _whole_characters(text):
            end = read + len(whole)
        read += len(text)
        yield length, end


def full_step(step: Step, pieces: Sequence[str], step_tokens: int) -> Step:
    """Give a step that was sampled alone the end and the text that it has in a whole solution.

    Args:
        step: of at most `step_tokens` tokens.
        pieces: the text of each of its ids, as `continued_pieces` gives it [length].
        step_tokens: tokens after which a step ends.
    """
    text = "".join(pieces)
    if step.ended == "length" and len(step.ids) == step_tokens:
        return replace(step, text=_whole_characters(text), ended="stop")
    return replace(step, text=text)


def continued_pieces(before: Sequence[Step], step: Step, pieces: Pieces) -> Sequence[str]:
    """Give the text of each id of a step, where the step before it may have ended inside a character.

    Args:
        before: all steps of the path so far; what they left unfinished is in none of their texts.
        step: what follows.
        pieces: of the generator.

    Returns:
        The pieces [length]; behind the texts of the steps before, they are the text of the whole. Bytes that never
        become a character are marks in the step after them. Where a decoder shows a whole run of bytes as marks while
        its last character is unfinished (SentencePiece), the run is told once it is finished.
    """
    own = pieces(step.ids)
    if not own or not (_shows_marks(own) or any(_shows_marks(pieces(each.ids)) for each in _last_told(before))):
        return own  # almost always; spares decoding the whole path
    ids = [token for each in before for token in each.ids]
    found = pieces([*ids, *step.ids])
    known = sum([len(each.text) for each in before])
    owed = "".join(found[: len(ids)])[known:]
    return [owed + found[len(ids)], *found[len(ids) + 1 :]]


def _last_told(steps: Sequence[Step]) -> Sequence[Step]:
    """The last steps from the last one on that has a text: what is unfinished began there."""
    first = next((place for place in range(len(steps) - 1, 0, -1) if steps[place].text), 0)
    return steps[first:]


def _shows_marks(pieces: Sequence[str]) -> bool:
    return any(UNFINISHED in piece for piece in pieces)


def _whole_characters(text: str) -> str:
    return text.rstrip(UNFINISHED)


def step_texts(steps: Sequence[Step], delimiters: Sequence[str]) -> list[str]:
    r"""Give the texts that a PRM reads: one for each step, stripped, delimiters gone.

    A delimiter that opens the next step (`\n## Step`) ends the step that it was sampled in; its visible part is
    handed on to the step that it names. Without delimiters a step may end inside a word or between two, and the
    whitespace there is all that tells which: it is kept and opens the next step, as tokenizers write it, so that the
    texts join to the solution; a word that was cut stays cut.
    """
    if not delimiters:
        return _undelimited_texts(steps)
    texts: list[str] = []
    carried = ""
    for step in steps:
        text = carried + step.text
        carried = ""
        for delimiter in delimiters:
            mark = delimiter.strip()
            end = text.rfind(delimiter) if mark else -1
            if end >= 0 and not text[end + len(delimiter) :].strip():
                cut = end + delimiter.index(mark)
                text, carried = text[:cut], text[cut:]
                break
        texts.append(text.strip())
    return texts


def _undelimited_texts(steps: Sequence[Step]) -> list[str]:
    texts: list[str] = []
    carried = ""
    for step in steps:
        said = step.text.rstrip()
        if not said:
            carried += step.text
            texts.append("")
            continue
        texts.append(carried + said if texts else said.lstrip())
        carried = step.text[len(said) :]
    return texts
