"""Golden trees: what every method draws for fixed seeds on three problems of the simulated world.

    python tests/golden/regenerate.py [method ...]

writes `<method>.json` beside this file, for all methods where none is named. A line of a file is a path: key, state,
score, scores of its steps, tokens, and a short hash of its text and ids.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path as FilePath
from typing import Any

HERE = FilePath(__file__).parent
sys.path.insert(0, str(HERE.parent))

from worlds import run, sim_problem, sim_space  # noqa: E402

from tt_scale.config import Config  # noqa: E402
from tt_scale.core.path import Path, name  # noqa: E402
from tt_scale.generator.simulated import World  # noqa: E402
from tt_scale.registry import BUILT_IN, searcher_class  # noqa: E402

METHODS = sorted(BUILT_IN["searchers"])
DIGITS = 6
ROUNDED = 2.1 * 10**-DIGITS
"""Two units of the last digit: exponentials of another C library may end in other bits, and round to other digits."""
CASES: dict[str, dict[str, Any]] = {
    "ordinary": {"problem": sim_problem(0, level=2, steps=4)},
    "hard": {"problem": sim_problem(1, level=5, steps=6), "tau": 0.95, "max_backtracks": 1, "max_tokens": 90},
    "blank": {
        "problem": sim_problem(2, level=4, steps=3),
        "world": World(blank=0.3),
        "max_generated_tokens": 200,
        "max_tokens": 70,
    },
}
"""Nothing in the way; a bar that few steps pass and too few tokens; blank steps and a budget."""


def grow(method: str) -> dict[str, Any]:
    """Search the three problems; everything of the trees that must not change unnoticed."""
    trees = {}
    for case, keys in CASES.items():
        space = sim_space(**keys)
        knobs = {key: value for key, value in keys.items() if key not in ("problem", "world")}
        outcome = run(searcher_class(method).from_config(Config(method=method, **knobs)), space)
        trees[case] = {
            "stopped": outcome.stopped,
            "tokens": space.usage.generated_tokens,
            "pool": [name(path.key) for path in outcome.pool],
            "events": [f"{event.kind} {' '.join(map(name, event.keys))}" for event in space.events],
            "paths": [_path(node) for node in space.nodes],
        }
    return trees


def _path(node: Path) -> list[Any]:
    scores = [round(score, DIGITS) for score in node.scores]
    digest = blake2b(f"{node.text}{node.ids}".encode(), digest_size=4).hexdigest()
    return [name(node.key), node.state, round(node.score, DIGITS), scores, node.tokens, digest]


def settled(now: Any, golden: Any) -> Any:
    """What was grown, with the stored number wherever the two differ in no more than how they were rounded."""
    if isinstance(now, dict):
        known = golden if isinstance(golden, dict) else {}
        return {key: settled(value, known.get(key)) for key, value in now.items()}
    if isinstance(now, list):
        others = golden if isinstance(golden, list) else []
        return [settled(value, other) for value, other in zip(now, [*others, *[None] * len(now)], strict=False)]
    if isinstance(now, float) and isinstance(golden, int | float) and abs(now - golden) < ROUNDED:
        return golden
    return now


def draw(trees: dict[str, Any]) -> list[str]:
    """Draw trees for people: a line for each path below its parent, `*` where it is in the pool."""
    lines = []
    for case, tree in trees.items():
        lines += [f"{case}: ends by {tree['stopped']} after {tree['tokens']} tokens; pool {' '.join(tree['pool'])}"]
        lines += [f"    {event}" for event in tree["events"]]
        lines += _drawn_paths(tree)
    return lines


def _drawn_paths(tree: dict[str, Any]) -> Iterator[str]:
    for key, state, score, scores, tokens, digest in sorted(tree["paths"], key=lambda path: _numbers(path[0])):
        mark = "*" if key in tree["pool"] else " "
        indent = "  " * key.count(".")
        yield f"{mark} {indent}{key}  {state}  {score:.6f} of {scores}  {tokens} tokens  text {digest}"


def _numbers(key: str) -> tuple[int, ...]:
    return tuple(map(int, key.split(".")))


def stored(method: str) -> dict[str, Any]:
    """Read the golden trees of a method; none where there is no file."""
    file = HERE / f"{method}.json"
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    return found


def _written(trees: dict[str, Any]) -> str:
    """JSON with a line for each path."""
    blocks = []
    for case, tree in trees.items():
        head = {key: value for key, value in tree.items() if key != "paths"}
        fields = [f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in head.items()]
        paths = ",\n".join([f"    {json.dumps(path)}" for path in tree["paths"]])
        blocks.append(f"{json.dumps(case)}: {{\n" + ",\n".join(fields) + f',\n  "paths": [\n{paths}\n  ]\n}}')
    return "{\n" + ",\n".join(blocks) + "\n}\n"


def main(methods: list[str]) -> None:
    for method in methods or METHODS:
        golden = stored(method)
        trees = settled(grow(method), golden)
        same = trees == golden
        (HERE / f"{method}.json").write_text(_written(trees), encoding="utf-8")
        print(f"{method}: {'unchanged' if same else 'written'}")


if __name__ == "__main__":
    main(sys.argv[1:])
