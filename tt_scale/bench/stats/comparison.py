"""Comparison of runs on the same problems: at each budget, at equal tokens, and on the Pareto frontier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from tt_scale.bench.record import Row
from tt_scale.bench.stats.metrics import Summary, common_pool, mean_pass_at_k, summarise
from tt_scale.bench.stats.pairs import Pair, corrected, outcomes, paired_test, uncorrected_differences
from tt_scale.bench.stats.vote_curve import VoteCurve

__all__ = ["Comparison", "Entry", "VoteGap", "against", "compare_entries", "frontier"]

VOTE = "majority voting"


@dataclass(frozen=True)
class Entry:
    """One line of a comparison.

    Attributes:
        label: the method and its varied knobs.
        budget: in units of one sampled solution; None for a method without a budget, which is listed at every budget.
        rows: one per search.
        folder: folder of the records.
        derived: whether it was computed from the pool of a wider run, so that its seconds are unknown.
        votes: whether it is a majority vote over independent samples.
        samples: independent samples that its method draws; None if it draws none, or if the entry is a vote over the
            pool of another.
        selector: the selector of its answers.
        final_agg: aggregate of step scores for the selection, if derived; None is the aggregate of the wider run.
        prm_counts: whether its answers depend on the PRM, so that the PRM's tokens are charged.
    """

    label: str
    budget: int | None
    rows: Sequence[Row]
    folder: str = ""
    derived: bool = False
    votes: bool = False
    samples: int | None = None
    selector: str = ""
    final_agg: str | None = None
    prm_counts: bool = True

    @cached_property
    def summary(self) -> Summary:
        """Accuracy, its interval and the usage."""
        return summarise("Overall", self.rows)

    @property
    def accuracy(self) -> float:
        """Accuracy of the method's own answers, in [0, 1]."""
        return self.summary.accuracy

    @property
    def tokens(self) -> float:
        """Mean generated tokens per search."""
        return self.summary.tokens

    @property
    def counted(self) -> bool:
        """Whether its tokens are known; those of recorded samples may not be."""
        return self.summary.counted_tokens is not None

    def pass_at(self, k: int) -> float:
        """Estimate of pass@k over finished paths; see `metrics.mean_pass_at_k`."""
        return mean_pass_at_k(self.rows, k)

    @property
    def pool(self) -> float:
        """Finished paths per search."""
        return self._mean("pool")

    @property
    def cut(self) -> float:
        """Paths per search that were ended by a limit after they had stated an answer."""
        return self._mean("cut")

    @property
    def truncated(self) -> float:
        """Truncated paths per search; they never vote."""
        return self._mean("truncated")

    @property
    def seconds(self) -> float | None:
        """Wall-clock seconds per search, with other problems running concurrently; None if not measured."""
        return None if self.derived else self.summary.usage.seconds / max(len(self.rows), 1) or None

    @property
    def prm_tokens(self) -> float:
        """Tokens read by the PRM per search."""
        return self.summary.usage.prm_tokens / max(len(self.rows), 1)

    @property
    def name(self) -> str:
        """Label and budget, in words."""
        return self.label if self.budget is None else f"{self.label} at budget {self.budget}"

    def _mean(self, count: str) -> float:
        return sum([row.telemetry.get(count, 0) for row in self.rows]) / max(len(self.rows), 1)


@dataclass(frozen=True)
class VoteGap:
    """Comparison of one entry with majority voting at equal tokens.

    Attributes:
        entry: the entry.
        vote: accuracy of the vote at the entry's tokens, in [0, 1]; None outside the vote's range of tokens.
        pair: the paired difference, corrected for all compared entries; None likewise.
    """

    entry: Entry
    vote: float | None
    pair: Pair | None


@dataclass(frozen=True)
class Comparison:
    """All results of a comparison of runs on one problem set.

    Attributes:
        dataset: name of the problem set.
        models: generator and PRM.
        entries: all entries, in the order of budgets.
        pairs: budget -> paired differences, corrected for all pairs of all budgets.
        votes: each entry that is not a vote itself against the vote at equal tokens; empty without a vote.
        vote_tokens: smallest and largest mean tokens of the vote; None without a vote.
        footer: sentences printed below every table.
    """

    dataset: str
    models: str
    entries: Sequence[Entry]
    pairs: Mapping[int | None, Sequence[Pair]]
    votes: Sequence[VoteGap]
    vote_tokens: tuple[float, float] | None
    footer: tuple[str, ...] = ()

    @property
    def budgets(self) -> list[int | None]:
        """Budgets that occur, ascending; [None] if no method has one."""
        return _budgets(self.entries)

    @property
    def problems(self) -> int:
        """Number of problems."""
        return len({row.id for entry in self.entries for row in entry.rows})

    def at(self, budget: int | None) -> list[Entry]:
        """Entries of one budget's table."""
        return _at(self.entries, budget)

    @cached_property
    def k(self) -> int:
        """The k of pass@k over all entries; each budget's table has its own."""
        return common_pool([entry.rows for entry in self.entries])

    def k_at(self, budget: int | None) -> int:
        """The k of pass@k in one budget's table."""
        return common_pool([entry.rows for entry in self.at(budget)])


def compare_entries(dataset: str, models: str, entries: Sequence[Entry], curve: VoteCurve | None) -> Comparison:
    """Compare entries with each other and with majority voting.

    Args:
        dataset: name of the problem set.
        models: generator and PRM, for display.
        entries: entries on the same problems; labels are unique within a budget.
        curve: majority voting over independent samples of these problems, if any were drawn.
    """
    raw = {
        budget: uncorrected_differences({entry.label: entry.rows for entry in _at(entries, budget)})
        for budget in _budgets(entries)
    }
    all_pairs = iter(corrected([pair for pairs in raw.values() for pair in pairs]))
    pairs = {budget: [next(all_pairs) for _ in of_budget] for budget, of_budget in raw.items()}
    if curve is None or not all(entry.counted for entry in entries):
        return Comparison(dataset, models, entries, pairs, (), None)
    token_range = (curve.tokens[0], curve.tokens[-1])
    return Comparison(dataset, models, entries, pairs, _against_vote(entries, curve), token_range)


def _against_vote(entries: Sequence[Entry], curve: VoteCurve) -> list[VoteGap]:
    """Compare with the vote at each entry's own tokens, problem by problem."""
    gaps = []
    for entry in entries:
        if entry.votes:
            continue
        vote = curve.at(entry.tokens)
        by_problem = outcomes(entry.rows)
        shared = [problem for problem in by_problem if vote is not None and problem in vote]
        if vote is None or not shared:
            gaps.append(VoteGap(entry, None, None))
            continue
        own = [sum(by_problem[problem]) / len(by_problem[problem]) for problem in shared]
        others = [vote[problem] for problem in shared]
        pair = paired_test(entry.name, VOTE, [a - b for a, b in zip(own, others, strict=True)], 1.0)
        gaps.append(VoteGap(entry, sum(others) / len(others), pair))
    compared = iter(corrected([gap.pair for gap in gaps if gap.pair is not None]))
    return [gap if gap.pair is None else VoteGap(gap.entry, gap.vote, next(compared)) for gap in gaps]


def against(comparison: Comparison, label: str) -> dict[int | None, list[Pair]]:
    """Compare all other entries with a given one at each budget; planned in advance, corrected for these pairs alone.

    Args:
        comparison: a comparison of several entries.
        label: label of the given entry; budgets without it are left out.

    Returns:
        Budget -> each other entry against the given one.
    """
    raw: dict[int | None, list[Pair]] = {}
    for budget in comparison.budgets:
        entries = {entry.label: entry.rows for entry in comparison.at(budget)}
        others = [each for each in entries if each != label]
        if label in entries:
            pairs = [uncorrected_differences({each: entries[each], label: entries[label]}) for each in others]
            raw[budget] = [pair for each in pairs for pair in each]
    all_pairs = iter(corrected([pair for pairs in raw.values() for pair in pairs]))
    return {budget: [next(all_pairs) for _ in pairs] for budget, pairs in raw.items()}


def frontier(entries: Sequence[Entry]) -> list[Entry]:
    """Pareto frontier: entries for which no other has at least their accuracy at no more tokens; by tokens.

    Entries whose tokens are unknown are left out.
    """
    efficient: list[Entry] = []
    for entry in sorted([each for each in entries if each.counted], key=lambda entry: (entry.tokens, -entry.accuracy)):
        if not efficient or entry.accuracy > efficient[-1].accuracy:
            efficient.append(entry)
    return efficient


def _budgets(entries: Sequence[Entry]) -> list[int | None]:
    known = sorted({entry.budget for entry in entries if entry.budget is not None})
    return [*known] or [None]


def _at(entries: Sequence[Entry], budget: int | None) -> list[Entry]:
    return [entry for entry in entries if entry.budget in (budget, None)]
