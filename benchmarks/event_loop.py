"""How long texts of models hold the event loop: answers, steps and comparisons, on the worst of some repetitive texts.

    python benchmarks/event_loop.py [--tries 5]

Printed is the processor time of the slowest text, each the least of some tries, at two lengths; comparisons at the two
lengths below their limit (`tt_scale/grading/equivalence.py`). Target: no line above 50 ms at 50,000 characters.
"""

from __future__ import annotations

import argparse
import gc
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import permutations

from tt_scale.core.final_answer import FinalAnswer
from tt_scale.core.records import Step
from tt_scale.core.segmentation import split_steps
from tt_scale.grading import equivalence, matching, normal, prose, structure

LENGTHS = (50_000, 130_000)
COMPARED = (300, 690)
TEXTS = ("{", "\\boxed1", "\\boxed{", "\\boxed{1}, ", "Answer: \\boxed{1", "Answer: ", "<think></think>", "a ", "\\")
PIECES = (("a",), ("\n\n",), (" word",), ("a\n\n",), ("a", "\n\n"), ("a", "\n", "\n"))
PUMPS = ("\\sqrt", "\\frac1", "_8", "a_1,", "{1,2},", "(1,2),", "1,", "°", "**1", "\\text{a} ", "x=1,", " ", "cm/", "(")

Work = Callable[[], object]


def least(work: Work, tries: int) -> float:
    """Milliseconds of processor time."""
    taken = []
    for _ in range(tries):
        forget()
        began = time.thread_time()
        work()
        taken.append(time.thread_time() - began)
    return 1000 * min(taken)


def forget() -> None:
    """Empty what the grader remembers of earlier texts."""
    for module in (equivalence, matching, normal, prose, structure):
        for each in vars(module).values():
            if hasattr(each, "cache_clear"):
                each.cache_clear()


def slowest(works: Iterable[Work], tries: int) -> float:
    return max([least(work, tries) for work in works])


def answers(length: int, *, cut: bool) -> list[Work]:
    final = FinalAnswer("Answer:")
    texts = [unit * (length // len(unit)) for unit in TEXTS]
    return [lambda text=text: final.of(f"\\boxed{text}\\boxed1", cut=cut) for text in texts]  # type: ignore[misc]


def steps(length: int, units: Sequence[Sequence[str]], step_tokens: int | None = None) -> list[Work]:
    delimiters = () if step_tokens else ("\n\n", "\n## Step")
    works: list[Work] = []
    for unit in units:
        pieces = list(unit) * (length // len("".join(unit)))
        step = Step("".join(pieces), tuple(range(len(pieces))), "length")
        works.append(lambda step=step, pieces=pieces: split_steps(step, pieces, delimiters, step_tokens))  # type: ignore[misc]
    return works


def comparisons(length: int) -> list[Work]:
    texts = [(pump * length)[:length] + "1" for pump in PUMPS]
    return [lambda one=one, other=other: equivalence.settled(one, other) for one, other in permutations(texts, 2)]  # type: ignore[misc]


def line(what: str, columns: Iterable[float]) -> str:
    return f"| {what} | {' | '.join([f'{milliseconds:.0f} ms' for milliseconds in columns])} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tries", type=int, default=5)
    tries = parser.parse_args().tries
    gc.disable()
    print(f"| what | {' | '.join([f'{length:,} characters' for length in LENGTHS])} |\n|---|---|---|")
    kinds: dict[str, Callable[[int], list[Work]]] = {
        "answer of a whole text": lambda length: answers(length, cut=False),
        "answer of a text that a limit cut off": lambda length: answers(length, cut=True),
        "steps, no delimiter": lambda length: steps(length, PIECES[:1]),
        "steps at delimiters": lambda length: steps(length, PIECES),
        "steps of one character (`step_tokens: 1`)": lambda length: steps(length, PIECES[:1], 1),
    }
    for what, works in kinds.items():
        print(line(what, [slowest(works(length), tries) for length in LENGTHS]), flush=True)
    print(f"\n| what | {' | '.join([f'{length:,} characters' for length in COMPARED])} |\n|---|---|---|")
    print(line("comparison of two answers", [slowest(comparisons(length), tries) for length in COMPARED]))


if __name__ == "__main__":
    main()
