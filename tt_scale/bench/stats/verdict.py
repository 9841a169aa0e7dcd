"""Conclusions of a comparison, in sentences.

A difference whose corrected p-value is not below 0.05 is not called a win. Where the tokens of two methods differ by
more than 10 %, the ratio is stated.
"""

from __future__ import annotations

from collections.abc import Sequence

from tt_scale.bench.stats.comparison import Comparison, Entry, VoteGap
from tt_scale.bench.stats.intervals import LEVEL
from tt_scale.bench.stats.pairs import Pair

__all__ = ["significance", "verdict"]

EQUAL = 0.9
"""Two methods have equal tokens if one generates at least this many per token of the other."""

CLOSE = 0.03
"""Accuracy gap up to which a cheaper method that is not shown to be worse is recommended."""

MOST_NAMED = 5
"""Maximum number of methods listed by name; more are counted."""


def verdict(comparison: Comparison) -> list[str]:
    """Recommend a method at each budget, and state whether any beats majority voting at equal tokens.

    Args:
        comparison: a comparison of at least one entry.

    Returns:
        One or several sentences for each budget, then those about majority voting.
    """
    budgets = [_at_budget(comparison, budget) for budget in comparison.budgets]
    return [line for line in budgets if line] + _against_vote(comparison)


def significance(p_value: float) -> str:
    """Format a p-value: "p = 0.012", "p < 0.001"."""
    return f"p = {p_value:.3f}" if p_value >= 0.001 else "p < 0.001"


def _at_budget(comparison: Comparison, budget: int | None) -> str:
    entries = comparison.at(budget)
    if len(entries) < 2:
        return ""
    head = "" if budget is None else f"Budget {budget}: "
    leader = min(entries, key=lambda entry: (-entry.accuracy, entry.tokens))
    beaten: list[tuple[Entry, Pair | None]] = []
    tied: list[tuple[Entry, Pair | None]] = []
    for entry in entries:
        if entry is not leader:
            pair = _pair(comparison.pairs[budget], leader, entry)
            (beaten if pair is not None and pair.p_value < LEVEL else tied).append((entry, pair))
    tokens = f", {leader.tokens:,.0f} tokens" if leader.counted else ""
    description = f"{leader.label} ({leader.accuracy:.1%}{tokens})"
    if not tied:
        most = max([pair.p_value for _, pair in beaten if pair is not None])
        ratio = _ratio(leader, [entry for entry, _ in beaten])
        return f"{head}use {description}: better than every other method here ({_beside(_at_most(most), ratio)})."
    names = _tied(leader, tied, others=bool(beaten))
    lines = [f"{head}{description} has the highest accuracy, but it is not shown to be better than {names}."]
    if beaten:
        lines.append(f"It is better than {_beaten(leader, [entry for entry, _ in beaten])}.")
    return " ".join([*lines, _cheapest(leader, [entry for entry, _ in tied])])


def _beaten(leader: Entry, entries: Sequence[Entry]) -> str:
    """List methods: those of equal tokens first, then those with fewer, then those with more."""
    equal = [entry for entry in entries if _spends_as(leader, entry)]
    others = [entry for entry in entries if not _spends_as(leader, entry)]
    fewer = [entry for entry in others if entry.tokens < leader.tokens]
    more = [entry for entry in others if entry.tokens > leader.tokens]
    names = [_labels(equal) + (" at equal tokens" if others else "")] if equal else []
    names += [f"{_labels(group)} ({_ratio(leader, group)})" for group in (fewer, more) if group]
    return "; than ".join(names)


def _labels(entries: Sequence[Entry]) -> str:
    return _listed([entry.label for entry in entries])


def _spends_as(one: Entry, other: Entry) -> bool:
    return min(one.tokens, other.tokens) >= EQUAL * max(one.tokens, other.tokens)


def _ratio(leader: Entry, others: Sequence[Entry]) -> str:
    """Tokens of others per token of the leader; empty if all are within 10 %."""
    if all(_spends_as(leader, other) for other in others):
        return ""
    ratios = [other.tokens / max(leader.tokens, 1e-9) for other in others]
    low, high = f"{min(ratios):.2f}", f"{max(ratios):.2f}"
    return f"{low} x its tokens" if low == high else f"{low} to {high} x its tokens"


def _cheapest(leader: Entry, tied: Sequence[Entry]) -> str:
    cheapest = min([leader, *tied], key=lambda entry: entry.tokens)
    if not all(entry.counted for entry in (leader, *tied)):
        return "Which of these is cheaper is unknown, as token counts are."
    if _spends_as(leader, cheapest):
        return "None is substantially cheaper; use the leader."
    return f"The cheapest of these is {cheapest.label} ({cheapest.tokens:,.0f} tokens){_advice(leader, cheapest)}"


def _advice(leader: Entry, cheapest: Entry) -> str:
    """Advice on the cheapest method: a large gap on few problems is not evidence of equality."""
    gap = leader.accuracy - cheapest.accuracy
    if gap <= CLOSE:
        return "; use it."
    return f", but {100 * gap:.1f} points lower; more problems are needed to decide."


def _tied(leader: Entry, tied: Sequence[tuple[Entry, Pair | None]], *, others: bool) -> str:
    """List the methods that cannot be distinguished from the leader; many are counted instead."""
    if len(tied) <= MOST_NAMED:
        return _listed([f"{entry.label} ({_beside(_p(pair), _ratio(leader, [entry]))})" for entry, pair in tied])
    least = min([pair.p_value for _, pair in tied if pair is not None], default=1.0)
    ratio = _ratio(leader, [entry for entry, _ in tied])
    return f"{'the' if others else 'any of the'} other {len(tied)} ({_beside(f'p at least {least:.3f}', ratio)})"


def _beside(p_value: str, ratio: str) -> str:
    return f"{p_value}; {ratio}" if ratio else p_value


def _pair(pairs: Sequence[Pair], one: Entry, other: Entry) -> Pair | None:
    return next((pair for pair in pairs if {pair.first, pair.second} == {one.label, other.label}), None)


def _p(pair: Pair | None) -> str:
    return significance(pair.p_value) if pair is not None else "no problem in common"


def _at_most(p_value: float) -> str:
    return f"p at most {p_value:.3f}" if p_value >= 0.001 else "p < 0.001"


def _against_vote(comparison: Comparison) -> list[str]:
    if not all(entry.counted for entry in comparison.entries):
        return ["Token counts are unknown, so that no method is compared with majority voting at equal tokens."]
    if comparison.vote_tokens is None:
        return ["Majority voting is not part of this comparison. Add --method best_of_n or --method self_consistency."]
    compared = [(gap, gap.pair) for gap in comparison.votes if gap.pair is not None]
    ahead = [(gap, pair) for gap, pair in compared if pair.p_value < LEVEL and pair.difference > 0]
    behind = [(gap, pair) for gap, pair in compared if pair.p_value < LEVEL and pair.difference < 0]
    tied = [(gap, pair) for gap, pair in compared if pair.p_value >= LEVEL]
    lines = []
    if ahead:
        lines.append(f"At equal tokens, majority voting is beaten by {_listed(_grouped(ahead))}.")
    elif compared:
        lines.append("No method here is shown to beat majority voting at equal tokens.")
    if tied:
        lines.append(f"Not distinguished from it: {_listed(_counted(tied))}.")
    if behind:
        lines.append(f"Worse than it: {_listed(_grouped(behind))}.")
    outside = [gap.entry for gap in comparison.votes if gap.pair is None]
    if outside:
        low, high = comparison.vote_tokens
        lines.append(
            f"Not compared with it: {_listed(_by_label(outside))}; the vote covers {low:,.0f} to {high:,.0f} "
            "tokens per problem."
            + (" More samples extend this range." if max([entry.tokens for entry in outside]) > high else "")
        )
    return lines


def _grouped(gaps: Sequence[tuple[VoteGap, Pair]]) -> list[str]:
    """One phrase per method: its budgets, the range of its differences, its p-values."""
    phrases = []
    for label in dict.fromkeys([gap.entry.label for gap, _ in gaps]):
        pairs = [pair for gap, pair in gaps if gap.entry.label == label]
        [name] = _by_label([gap.entry for gap, _ in gaps if gap.entry.label == label])
        low, high = (f"{100 * bound([pair.difference for pair in pairs]):+.1f}" for bound in (min, max))
        spread = f"{low} points" if low == high else f"{low} to {high} points"
        phrases.append(f"{name} ({spread}, {_p_range([pair.p_value for pair in pairs])})")
    return phrases


def _counted(gaps: Sequence[tuple[VoteGap, Pair]]) -> list[str]:
    """`_grouped`; many methods are counted instead, since a table lists them."""
    phrases = _grouped(gaps)
    if len(phrases) <= MOST_NAMED:
        return phrases
    differences = [100 * pair.difference for _, pair in gaps]
    spread = f"{min(differences):+.1f} to {max(differences):+.1f} points"
    p_values = _p_range([pair.p_value for _, pair in gaps])
    return [f"{len(gaps)} others of {len(phrases)} methods ({spread}, {p_values})"]


def _by_label(entries: Sequence[Entry]) -> list[str]:
    """One phrase per method, with all its budgets."""
    phrases = []
    for label in dict.fromkeys([entry.label for entry in entries]):
        budgets = [str(entry.budget) for entry in entries if entry.label == label and entry.budget is not None]
        word = "budget" if len(budgets) == 1 else "budgets"
        phrases.append(f"{label} at {word} {_listed(budgets)}" if budgets else label)
    return phrases


def _p_range(values: Sequence[float]) -> str:
    if len({significance(value) for value in values}) == 1:
        return significance(values[0])
    return _at_most(max(values)) if max(values) < LEVEL else f"p at least {min(values):.3f}"


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
