r"""Where a step ends: one rule for sampling step by step and for cutting a whole solution.

A step ends with the token that completes a delimiter in the text sampled since the step began. The token belongs
to the step whole, also where the delimiter ends inside it: cutting it off instead would make the next request
sample the same merged token (`\n\n#`) again, for ever. Ids and text therefore always agree, and the ids that are
continued are the ids that were sampled.

Blank steps (whitespace and delimiters only) are merged with what follows, at the end of a solution with what
went before; they are never scored.
"""

from __future__ import annotations

from collections.abc import Sequence

from tt_scale.base_classes import Step

__all__ = ["is_blank", "last_boxed", "answer_is_complete", "split_steps", "step_texts"]


def is_blank(text: str, delimiters: Sequence[str]) -> bool:
    """Whether a step says nothing: only whitespace and delimiters."""
    if len(text) > 64:  # no delimiter is that long; spares the copies below for ordinary steps
        return not text.strip()
    for delimiter in delimiters:
        text = text.replace(delimiter, "")
    return not text.strip()


def split_steps(step: Step, pieces: Sequence[str], delimiters: Sequence[str]) -> list[Step]:
    """Cut one long continuation into the steps that would have been sampled one by one.

    Args:
        step: the continuation.
        pieces: the text of each of its ids [length].
        delimiters: what ends a step; none leaves it whole.

    Returns:
        The steps in order, none of them blank unless all is; the last one keeps `ended`, the others ended in "stop".
    """
    if not delimiters or not pieces:  # a failed request has none
        return [step]
    cuts: list[int] = []
    start, text = 0, ""
    for index, piece in enumerate(pieces):
        text += piece
        if any(delimiter in text for delimiter in delimiters):
            if not is_blank(text, delimiters):
                cuts.append(index + 1)
                start = index + 1
            text = ""  # after a blank step, too, the next one begins here
    if start < len(pieces):
        if cuts and is_blank("".join(pieces[start:]), delimiters):
            cuts[-1] = len(pieces)
        else:
            cuts.append(len(pieces))
    bounds = zip([0, *cuts[:-1]], cuts, strict=True)
    return [
        Step(
            text="".join(pieces[begin:end]),
            ids=step.ids[begin:end],
            ended=step.ended if end == len(pieces) else "stop",
            seed=step.seed,
            temperature=step.temperature,
            cached=step.cached if begin == 0 else 0,
            error=step.error if end == len(pieces) else "",
        )
        for begin, end in bounds
    ] or [step]


def step_texts(steps: Sequence[Step], delimiters: Sequence[str]) -> list[str]:
    r"""Give the texts that a PRM reads: one for each step, stripped, delimiters gone.

    A delimiter that opens the next step (`\n## Step`) ends the step that it was sampled in; its visible part is
    handed on to the step that it names.
    """
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


def last_boxed(text: str) -> str | None:
    r"""Give the content of the last `\boxed{...}` whose braces balance, or None. An unclosed one is no answer."""
    end = len(text)
    while (start := text.rfind("\\boxed", 0, end)) >= 0:
        opening = start + len("\\boxed")
        while opening < len(text) and text[opening] == " ":
            opening += 1
        if opening < len(text) and text[opening] == "{":
            closing = _matching_brace(text, opening)
            if closing is not None:
                return text[opening + 1 : closing]
        end = start
    return None


def _matching_brace(text: str, opening: int) -> int | None:
    depth = 0
    index = opening
    while index < len(text):
        if text[index] == "\\":
            index += 2
            continue
        if text[index] == "{":
            depth += 1
        elif text[index] == "}":
            depth -= 1
            if depth == 0:
                return index
        index += 1
    return None


def answer_is_complete(text: str, final_answer_prefix: str) -> bool:
    """Whether a solution states its final answer: a balanced box, or text after the prefix."""
    if final_answer_prefix:
        _, found, after = text.rpartition(final_answer_prefix)
        if found and after.strip():
            return True
    return "\\boxed" in text and last_boxed(text) is not None
