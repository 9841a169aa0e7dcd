"""One question, answered by a real model with collective backtracking.

python examples/solve.py                                  # the pocket pair, on this machine's CPU
python examples/solve.py Qwen/Qwen2.5-3B-Instruct-AWQ Qwen/Qwen2.5-Math-PRM-7B     # on a GPU
"""

from __future__ import annotations

import sys

import tt_scale
from tt_scale.config import Config

if __name__ == "__main__":  # vLLM starts processes, which import this file again
    model, prm = sys.argv[1:3] if len(sys.argv) > 2 else ("pocket-gen", "pocket-prm")
    config = Config(
        model_name=model, prm_name=prm, method="collective", dtype="auto", max_tokens=160, max_model_len=512
    )
    question = "Ann has 12 pens. Ann buys 3 bags of 4 pens. Ben takes 5 of the pens. How many pens are left in the end?"
    solution = tt_scale.solve(question, config)
    print(solution.path.text if solution.path else "No path finished.")
    print(f"Answer: {solution.answer}  ({solution.usage.generated_tokens} tokens)")
