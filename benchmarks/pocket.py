"""Whether the shipped pocket models still do what their cards say, on the same problems with other draws.

    python benchmarks/pocket.py [--seed 1]

Prints pass@1 by level and the areas under the ROC curve beside those of `training/measured.json`. Tolerances cover
the noise of other draws and of other kernels: 0.04 for pass@1 of a level, 0.01 for an area. Ends with status 1 where
one is passed.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

PASS_TOLERANCE, AREA_TOLERANCE = 0.04, 0.01


def main() -> None:
    from training.evaluation import evaluate
    from tt_scale.pocket import model_folder

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1, help="of the draws")
    arguments = parser.parse_args()
    told = json.loads((ROOT / "training" / "measured.json").read_text(encoding="utf-8"))
    found = evaluate(model_folder("pocket-gen").parent, arguments.seed, told["problems"], lambda line: None)
    rows = [
        (f"pass@1, level {level}", told["pass_at"][str(level)]["1"], found.pass_at[level][1], PASS_TOLERANCE)
        for level in sorted(found.pass_at)
        if level
    ]
    rows += [
        (name, told[key], getattr(found, key), AREA_TOLERANCE)
        for name, key in (
            ("area, pocket-prm, all steps", "step_area"),
            ("area, pocket-prm, last steps", "final_area"),
            ("area, least token log-probability", "confidence_area"),
        )
    ]
    print(f"{'figure':<36}{'card':>8}{'now':>8}{'tolerance':>11}")
    off = 0
    for name, card, now, tolerance in rows:
        off += abs(card - now) > tolerance
        print(f"{name:<36}{card:>8.3f}{now:>8.3f}{tolerance:>11.2f}{'  off' if abs(card - now) > tolerance else ''}")
    sys.exit(1 if off else 0)


if __name__ == "__main__":
    main()
