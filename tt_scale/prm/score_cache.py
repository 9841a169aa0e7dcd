"""Cache of PRM scores: equal steps get equal scores, and are computed once.

On Transformers the last digits of a score depend on the other inputs of its batch. Without a cache, siblings with the
same text would be ranked by these digits, and a repeated search would build a different tree. The same holds for steps
of which a PRM is almost certain, since their scores are nearly equal. Scores are therefore rounded to five decimals;
ties are ranked in the order of the tree.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from tt_scale.base_classes import PRM, Generator
from tt_scale.core.path import Path
from tt_scale.core.records import Problem, Scores
from tt_scale.prm.token_prm import TokenPRM

if TYPE_CHECKING:
    from typing_extensions import Self

    from tt_scale.config import Config

__all__ = ["CachedPRM"]

PrefixTexts = tuple[str, ...]
"""Cache key: the question and the texts of the steps up to the scored one; later steps cannot change its score."""

DIGITS = 5
"""Decimals of a score. In float32 the batch changes the seventh decimal. About one score in a hundred lies so close to
a rounding boundary that its fifth decimal changes too, which matters only if another score is next to it: of 15,480
searches that were run twice with different batches, 95 differed without rounding and none with it."""

MAX_CACHED_SCORES = 1 << 18
"""Capacity of the cache, in scores; the least recently used ones are evicted."""


class CachedPRM(PRM):
    """Wraps a PRM and forwards only steps that have no cached score.

    Tokens are counted as if nothing were cached, so that the cost of a search does not depend on earlier searches; the
    tokens of cached scores count as cached. PRMs that score finished solutions only are not cached.

    Args:
        inner: the wrapped PRM.
    """

    def __init__(self, inner: TokenPRM) -> None:
        self.inner = inner
        self._cache: OrderedDict[PrefixTexts, tuple[float, int]] = OrderedDict()  # score, tokens up to its position

    @classmethod
    def from_config(cls, config: Config, generator: Generator) -> Self:
        """Wrap the Transformers PRM that a configuration names."""
        from tt_scale.prm.huggingface import HuggingFacePRM

        return cls(HuggingFacePRM.from_config(config, generator))

    @property
    def parameters(self) -> int:  # type: ignore[override]
        """Number of parameters of the model; 0 if unknown."""
        return self.inner.parameters

    async def start(self) -> None:
        """Load the model."""
        await self.inner.start()

    async def close(self) -> None:
        """Release the model; a second call does nothing."""
        await self.inner.close()

    def progress(self) -> float:
        """The last sign of progress of either."""
        return max(self.last_progress, self.inner.progress())

    def died(self) -> str:
        """How the model's process ended; empty while all is well."""
        return self.inner.died()

    async def score(self, problem: Problem, paths: Sequence[Path]) -> list[Scores]:
        """Score the new steps of each path, computing only those not in the cache; errors as of the wrapped PRM."""
        if self.inner.adapter.finished_only:
            return [_rounded(scores) for scores in await self.inner.score(problem, paths)]
        lookups = [self._look_up(problem, path) for path in paths]
        misses: dict[tuple[PrefixTexts, int], Path] = {}  # by last key and number of missing scores
        for path, (keys, hits) in zip(paths, lookups, strict=True):
            if len(hits) < len(keys):
                values = tuple([value for value, _ in hits])
                misses.setdefault((keys[-1], len(keys) - len(hits)), replace(path, scores=path.scores + values))
        pairs = await self.inner.score_with_inputs(problem, list(misses.values()))
        computed = {miss: (item, _rounded(scores)) for miss, (item, scores) in zip(misses, pairs, strict=True)}
        counted: set[tuple[PrefixTexts, int]] = set()
        results = []
        for keys, hits in lookups:
            miss = (keys[-1], len(keys) - len(hits))
            scores = computed[miss][1] if miss in computed else Scores((), hits[-1][1])
            if miss not in computed or miss in counted:  # the first of several equal paths carries the cost
                scores = replace(scores, cached=scores.tokens, flops=0.0)
            counted.add(miss)
            if not scores.too_long:
                scores = replace(scores, values=tuple([value for value, _ in hits]) + scores.values)
            results.append(scores)
        for (last, missing), (item, scores) in computed.items():
            self._insert(last, missing, item.positions, scores)
        return results

    def _look_up(self, problem: Problem, path: Path) -> tuple[list[PrefixTexts], list[tuple[float, int]]]:
        """Return the keys of all unscored steps, and the cached entries of the first of them."""
        texts = (problem.question, *[step.text for step in path.steps])
        keys = [texts[:end] for end in range(len(path.scores) + 2, len(texts) + 1)]
        hits = []
        for key in keys:
            entry = self._cache.get(key)
            if entry is None:
                break
            self._cache.move_to_end(key)
            hits.append(entry)
        return keys, hits

    def _insert(self, texts: PrefixTexts, missing: int, positions: Sequence[int], scores: Scores) -> None:
        for end, position, value in zip(
            range(len(texts) - missing + 1, len(texts) + 1), positions, scores.values, strict=False
        ):
            self._cache[texts[:end]] = (value, position + 1)
        while len(self._cache) > MAX_CACHED_SCORES:
            self._cache.popitem(last=False)


def _rounded(scores: Scores) -> Scores:
    return replace(scores, values=tuple([round(value, DIGITS) for value in scores.values]))
