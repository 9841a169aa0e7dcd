"""How long grading takes: recorded samples, extracted and graded with one worker.

    python benchmarks/grading.py math500_n32_qwen_math_prm_7b.jsonl.gz [--samples 32]

Each distinct answer of a problem is compared once, as in a run; the start of the worker is counted. Printed are the
verdicts and the mean milliseconds per sample, by the clock. Target: 3 ms on MATH-500 with 32 samples.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections import Counter

from tt_scale.core.final_answer import FinalAnswer
from tt_scale.errors import TTScaleError
from tt_scale.grading import Grader
from tt_scale.problems.recorded import read_recorded


async def graded(path: str, samples: int) -> tuple[Counter[str], float]:
    """Grade the first samples of each problem; give verdicts and seconds."""
    found = read_recorded(path)
    finder = FinalAnswer(rule=found.header.answer_rule or "boxed")
    verdicts: Counter[str] = Counter()
    began = time.perf_counter()
    with Grader(workers=1) as grader:
        for problem in found.problems:
            texts = [sample.text for sample in found.samples[problem.id][:samples]]
            verdicts.update(await grader.grade_many(problem.answer, [finder.of(text) for text in texts]))
    return verdicts, time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("--samples", type=int, default=32, help="of each problem")
    arguments = parser.parse_args()
    try:
        verdicts, seconds = asyncio.run(graded(arguments.file, arguments.samples))
    except TTScaleError as error:
        raise SystemExit(str(error)) from None
    count = sum(verdicts.values())
    told = ", ".join([f"{number:,} {verdict}" for verdict, number in verdicts.most_common()])
    print(f"{count:,} samples: {told}; {1000 * seconds / count:.2f} ms per sample")


if __name__ == "__main__":
    main()
