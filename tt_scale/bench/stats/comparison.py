"""Runs over the same problems, held against each other: at each budget, at equal tokens, and on the Pareto frontier."""

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
        label: the method and what was varied of it.
        budget: in units of one sampled solution; None for a method that has none, which stands at every budget.
        rows: of its problems.
        folder: where the records are.
        derived: whether it was read off the pool of a wider run, so that its seconds are not known.
        votes: whether it is a majority vote over independent samples.
        samples: independent samples that its method draws; None where it draws none, or where the entry is a vote over
            the pool of another.
        selector: who chose its answers.
        final_agg: by which step scores, where it was read off another run; None is the aggregate of that run.
        prm_counts: whether what the PRM read was needed for them.
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
        """Accuracy, its interval and what was spent."""
        return summarise("Overall", self.rows)

    @property
    def accuracy(self) -> float:
        """Of the method's own answers."""
        return self.summary.accuracy

    @property
    def tokens(self) -> float:
        """Generated per problem."""
        return self.summary.tokens

    def pass_at(self, k: int) -> float:
        """Estimate how often at least one of k finished paths is right; see `metrics.mean_pass_at_k`."""
        return mean_pass_at_k(self.rows, k)

    @property
    def pool(self) -> float:
        """Finished paths per search."""
        return self._mean("pool")

    @property
    def cut(self) -> float:
        """Paths per search that a limit ended after they had stated an answer."""
        return self._mean("cut")

    @property
    def truncated(self) -> float:
        """Truncated paths per search; they never vote."""
        return self._mean("truncated")

    @property
    def seconds(self) -> float | None:
        """Wall seconds per search, other problems running beside it; None where none were measured."""
        return None if self.derived else self.summary.usage.seconds / max(len(self.rows), 1)

    @property
    def prm_tokens(self) -> float:
        """Read by the PRM per search."""
        return self.summary.usage.prm_tokens / max(len(self.rows), 1)

    @property
    def name(self) -> str:
        """Label and budget, in words."""
        return self.label if self.budget is None else f"{self.label} at budget {self.budget}"

    def _mean(self, count: str) -> float:
        return sum([row.telemetry.get(count, 0) for row in self.rows]) / max(len(self.rows), 1)


@dataclass(frozen=True)
class VoteGap:
    """One entry against majority voting that spends as many tokens.

    Attributes:
        entry: what is compared.
        vote: accuracy of the vote at the entry's tokens, in [0, 1]; None where the vote was not drawn that far.
        pair: the paired difference, corrected for all entries that were compared; None likewise.
    """

    entry: Entry
    vote: float | None
    pair: Pair | None


@dataclass(frozen=True)
class Comparison:
    """Everything that is told of some runs over one problem set.

    Attributes:
        dataset: its name.
        models: generator and PRM.
        entries: every line, in the order of budgets.
        pairs: budget -> paired differences, corrected for all pairs of all budgets.
        votes: each entry that is no vote itself against the vote at equal tokens; empty where no vote was drawn.
        vote_tokens: least and most tokens of the vote; None where none was drawn.
        footer: sentences that belong below every table of it.
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
        """Those that occur, ascending; None alone where no method has one."""
        return _budgets(self.entries)

    @property
    def problems(self) -> int:
        """In the set."""
        return len({row.id for entry in self.entries for row in entry.rows})

    def at(self, budget: int | None) -> list[Entry]:
        """The lines of one budget's table."""
        return _at(self.entries, budget)

    @cached_property
    def k(self) -> int:
        """Of pass@k over all lines; a budget's table has its own."""
        return common_pool([entry.rows for entry in self.entries])

    def k_at(self, budget: int | None) -> int:
        """Of pass@k in one budget's table."""
        return common_pool([entry.rows for entry in self.at(budget)])


def compare_entries(dataset: str, models: str, entries: Sequence[Entry], curve: VoteCurve | None) -> Comparison:
    """Hold entries against each other.

    Args:
        dataset: the problem set's name.
        models: generator and PRM, as people read them.
        entries: over the same problems, with labels that differ within a budget.
        curve: the vote over independent samples of these problems, if some were drawn.
    """
    raw = {
        budget: uncorrected_differences({entry.label: entry.rows for entry in _at(entries, budget)})
        for budget in _budgets(entries)
    }
    together = iter(corrected([pair for pairs in raw.values() for pair in pairs]))
    pairs = {budget: [next(together) for _ in found] for budget, found in raw.items()}
    if curve is None:
        return Comparison(dataset, models, entries, pairs, (), None)
    reach = (curve.tokens[0], curve.tokens[-1])
    return Comparison(dataset, models, entries, pairs, _against_vote(entries, curve), reach)


def _against_vote(entries: Sequence[Entry], curve: VoteCurve) -> list[VoteGap]:
    """Compare with the vote at each entry's own tokens, problem by problem."""
    gaps = []
    for entry in entries:
        if entry.votes:
            continue
        vote = curve.at(entry.tokens)
        found = outcomes(entry.rows)
        shared = [problem for problem in found if vote is not None and problem in vote]
        if vote is None or not shared:
            gaps.append(VoteGap(entry, None, None))
            continue
        own = [sum(found[problem]) / len(found[problem]) for problem in shared]
        others = [vote[problem] for problem in shared]
        pair = paired_test(entry.name, VOTE, [a - b for a, b in zip(own, others, strict=True)], 1.0)
        gaps.append(VoteGap(entry, sum(others) / len(others), pair))
    compared = iter(corrected([gap.pair for gap in gaps if gap.pair is not None]))
    return [gap if gap.pair is None else VoteGap(gap.entry, gap.vote, next(compared)) for gap in gaps]


def against(comparison: Comparison, label: str) -> dict[int | None, list[Pair]]:
    """Hold all others against one, at each budget: a question asked beforehand, corrected for these pairs alone.

    Args:
        comparison: of several entries.
        label: of the one; budgets at which it does not stand are left out.

    Returns:
        Budget -> each other entry against the one.
    """
    found: dict[int | None, list[Pair]] = {}
    for budget in comparison.budgets:
        entries = {entry.label: entry.rows for entry in comparison.at(budget)}
        others = [each for each in entries if each != label]
        if label in entries:
            pairs = [uncorrected_differences({each: entries[each], label: entries[label]}) for each in others]
            found[budget] = [pair for each in pairs for pair in each]
    together = iter(corrected([pair for pairs in found.values() for pair in pairs]))
    return {budget: [next(together) for _ in pairs] for budget, pairs in found.items()}


def frontier(entries: Sequence[Entry]) -> list[Entry]:
    """The Pareto frontier: entries that none beats in accuracy with as many or fewer tokens; by tokens, ascending."""
    found: list[Entry] = []
    for entry in sorted(entries, key=lambda entry: (entry.tokens, -entry.accuracy)):
        if not found or entry.accuracy > found[-1].accuracy:
            found.append(entry)
    return found


def _budgets(entries: Sequence[Entry]) -> list[int | None]:
    known = sorted({entry.budget for entry in entries if entry.budget is not None})
    return [*known] or [None]


def _at(entries: Sequence[Entry], budget: int | None) -> list[Entry]:
    return [entry for entry in entries if entry.budget in (budget, None)]
