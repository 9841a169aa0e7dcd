"""A world that is a function of keys: every path exists, and hashes say how good it is and whether it ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from random import Random

from tt_scale.core.path import Key, Path
from tt_scale.core.records import Step


class KeyWorld:
    """A tree without end that a reference walks by keys and a searcher through the verbs of a space.

    Args:
        seed: of scores and ends.
        least: steps of the shortest solution.
        most: steps of the longest.
    """

    exhausted = False

    def __init__(self, seed: int, least: int = 2, most: int = 5) -> None:
        self.seed, self.least, self.most = seed, least, most
        self.drawn: list[Key] = []
        self._children: Counter[Key] = Counter()
        self._roots = 0

    def score(self, key: Key) -> float:
        """What the PRM says of a path, in (0, 1)."""
        return (self._hash(key, "score") + 0.5) / 2**32

    def ends(self, key: Key) -> bool:
        """Whether a path is a whole solution."""
        steps = len(key) - 1
        return steps >= self.most or (steps >= self.least and self._hash(key, "end") % 3 == 0)

    def children(self, key: Key, count: int) -> list[Key]:
        """Draw the next children of a path, for a reference."""
        first = self._children[key]
        self._children[key] = first + count
        found = [(*key, first + number) for number in range(count)]
        self.drawn += found
        return found

    def random(self, name: str) -> Random:
        return Random(f"{self.seed} {name}")

    def commit(self, alive: Iterable[Path], pool: Iterable[Path] = ()) -> None:
        """Nobody follows."""

    def roots(self, count: int = 1) -> list[Path]:
        self._roots += count
        return [Path((number,)) for number in range(self._roots - count, self._roots)]

    async def expand(
        self, paths: Sequence[Path], n: int | Sequence[int] = 1, *, temperature: float
    ) -> list[list[Path]]:
        counts = [n] * len(paths) if isinstance(n, int) else n
        return [
            [self._grown(path, key) for key in self.children(path.key, count)]
            for path, count in zip(paths, counts, strict=True)
        ]

    def _grown(self, path: Path, key: Key) -> Path:
        steps = (*path.steps, Step(f"{key[-1]} ", (key[-1],), "stop", 0, 1.0))
        state = "finished" if self.ends(key) else "open"
        return Path(key, steps, (*path.scores, self.score(key)), self.score(key), state)

    def _hash(self, key: Key, what: str) -> int:
        return int.from_bytes(blake2b(f"{self.seed} {what} {key}".encode(), digest_size=4).digest(), "big")
