"""What a comparison shows, in words.

A difference whose corrected p-value is not below 0.05 is not called a win. Methods that differ by more than 10 % in
tokens are not compared without saying how much.
"""

from __future__ import annotations

from collections.abc import Sequence

from tt_scale.bench.stats.comparison import Comparison, Entry, VoteGap
from tt_scale.bench.stats.intervals import LEVEL
from tt_scale.bench.stats.pairs import Pair

__all__ = ["significance", "verdict"]

EQUAL = 0.9
"""Two methods are compared at equal tokens where one generates at least so many per token of the other."""

CLOSE = 0.03
"""A method that is so little below the best, and not shown to be worse, is as good to use."""

MOST_NAMED = 5
"""More methods than these are counted instead of named."""


def verdict(comparison: Comparison) -> list[str]:
    """Say which method to use at which budget, and whether anything beats majority voting at equal tokens.

    Args:
        comparison: of at least one entry.

    Returns:
        One sentence or a few for each budget, then those about the vote.
    """
    budgets = [_at_budget(comparison, budget) for budget in comparison.budgets]
    return [line for line in budgets if line] + _against_vote(comparison)


def significance(p_value: float) -> str:
    """Write a p-value as people read it: "p = 0.012", "p < 0.001"."""
    return f"p = {p_value:.3f}" if p_value >= 0.001 else "p < 0.001"


def _at_budget(comparison: Comparison, budget: int | None) -> str:
    entries = comparison.at(budget)
    if len(entries) < 2:
        return ""
    head = "" if budget is None else f"Budget {budget}: "
    leader = min(entries, key=lambda entry: (-entry.accuracy, entry.tokens))
    beaten: list[tuple[Entry, Pair | None]] = []
    level: list[tuple[Entry, Pair | None]] = []
    for entry in entries:
        if entry is not leader:
            pair = _pair(comparison.pairs[budget], leader, entry)
            (beaten if pair is not None and pair.p_value < LEVEL else level).append((entry, pair))
    told = f"{leader.label} ({leader.accuracy:.1%}, {leader.tokens:,.0f} tokens)"
    if not level:
        most = max([pair.p_value for _, pair in beaten if pair is not None])
        ratio = _ratio(leader, [entry for entry, _ in beaten])
        return f"{head}use {told}: better than every other here ({_beside(_at_most(most), ratio)})."
    named = _level(leader, level, others=bool(beaten))
    lines = [f"{head}{told} is highest, but it is not shown to be better than {named}."]
    if beaten:
        lines.append(f"It is better than {_beaten(leader, [entry for entry, _ in beaten])}.")
    return " ".join([*lines, _cheapest(leader, [entry for entry, _ in level])])


def _beaten(leader: Entry, entries: Sequence[Entry]) -> str:
    """Name methods, those of equal tokens first, then those that generate fewer, then those that generate more."""
    equal = [entry for entry in entries if _spends_as(leader, entry)]
    others = [entry for entry in entries if not _spends_as(leader, entry)]
    fewer = [entry for entry in others if entry.tokens < leader.tokens]
    more = [entry for entry in others if entry.tokens > leader.tokens]
    named = [_labels(equal) + (" at equal tokens" if others else "")] if equal else []
    named += [f"{_labels(group)} ({_ratio(leader, group)})" for group in (fewer, more) if group]
    return "; than ".join(named)


def _labels(entries: Sequence[Entry]) -> str:
    return _listed([entry.label for entry in entries])


def _spends_as(one: Entry, other: Entry) -> bool:
    return min(one.tokens, other.tokens) >= EQUAL * max(one.tokens, other.tokens)


def _ratio(leader: Entry, others: Sequence[Entry]) -> str:
    """Tokens of others per token of the leader; empty where all are within 10 % of it."""
    if all(_spends_as(leader, other) for other in others):
        return ""
    ratios = [other.tokens / max(leader.tokens, 1e-9) for other in others]
    low, high = f"{min(ratios):.2f}", f"{max(ratios):.2f}"
    return f"{low} x its tokens" if low == high else f"{low} to {high} x its tokens"


def _cheapest(leader: Entry, level: Sequence[Entry]) -> str:
    cheapest = min([leader, *level], key=lambda entry: entry.tokens)
    if _spends_as(leader, cheapest):
        return "None of these is much cheaper: use it."
    return f"The cheapest of these is {cheapest.label} ({cheapest.tokens:,.0f} tokens){_advice(leader, cheapest)}"


def _advice(leader: Entry, cheapest: Entry) -> str:
    """Not told apart is not shown to be equal: a wide gap over few problems is no reason to take the cheaper."""
    gap = leader.accuracy - cheapest.accuracy
    if gap <= CLOSE:
        return ": use it."
    return f", but {100 * gap:.1f} points lower: more problems would tell."


def _level(leader: Entry, level: Sequence[tuple[Entry, Pair | None]], *, others: bool) -> str:
    """Name those that are not told apart from the best; many are counted, since those that are told apart are named."""
    if len(level) <= MOST_NAMED:
        return _listed([f"{entry.label} ({_beside(_p(pair), _ratio(leader, [entry]))})" for entry, pair in level])
    least = min([pair.p_value for _, pair in level if pair is not None], default=1.0)
    ratio = _ratio(leader, [entry for entry, _ in level])
    return f"{'the' if others else 'any of the'} other {len(level)} ({_beside(f'p at least {least:.3f}', ratio)})"


def _beside(p_value: str, ratio: str) -> str:
    return f"{p_value}; {ratio}" if ratio else p_value


def _pair(pairs: Sequence[Pair], one: Entry, other: Entry) -> Pair | None:
    return next((pair for pair in pairs if {pair.first, pair.second} == {one.label, other.label}), None)


def _p(pair: Pair | None) -> str:
    return significance(pair.p_value) if pair is not None else "no problem in common"


def _at_most(p_value: float) -> str:
    return f"p at most {p_value:.3f}" if p_value >= 0.001 else "p < 0.001"


def _against_vote(comparison: Comparison) -> list[str]:
    if comparison.vote_tokens is None:
        return [
            "Majority voting was not drawn, so nothing is said about it. Add --method best_of_n or --method "
            "self_consistency."
        ]
    compared = [(gap, gap.pair) for gap in comparison.votes if gap.pair is not None]
    ahead = [(gap, pair) for gap, pair in compared if pair.p_value < LEVEL and pair.difference > 0]
    behind = [(gap, pair) for gap, pair in compared if pair.p_value < LEVEL and pair.difference < 0]
    level = [(gap, pair) for gap, pair in compared if pair.p_value >= LEVEL]
    lines = []
    if ahead:
        lines.append(f"At equal tokens, majority voting is beaten by {_listed(_grouped(ahead))}.")
    elif compared:
        lines.append("Nothing here is shown to beat majority voting at equal tokens.")
    if level:
        lines.append(f"Not told apart from it: {_listed(_counted(level))}.")
    if behind:
        lines.append(f"Behind it: {_listed(_grouped(behind))}.")
    outside = [gap.entry for gap in comparison.votes if gap.pair is None]
    if outside:
        low, high = comparison.vote_tokens
        lines.append(
            f"Not compared with it: {_listed(_by_label(outside))}; the vote was drawn from {low:,.0f} to {high:,.0f} "
            "tokens a problem."
            + (" More samples reach further." if max([entry.tokens for entry in outside]) > high else "")
        )
    return lines


def _grouped(gaps: Sequence[tuple[VoteGap, Pair]]) -> list[str]:
    """Each method once: its budgets, the range of its differences, its p-values."""
    found = []
    for label in dict.fromkeys([gap.entry.label for gap, _ in gaps]):
        pairs = [pair for gap, pair in gaps if gap.entry.label == label]
        [name] = _by_label([gap.entry for gap, _ in gaps if gap.entry.label == label])
        low, high = (f"{100 * bound([pair.difference for pair in pairs]):+.1f}" for bound in (min, max))
        spread = f"{low} points" if low == high else f"{low} to {high} points"
        found.append(f"{name} ({spread}, {_p_range([pair.p_value for pair in pairs])})")
    return found


def _counted(gaps: Sequence[tuple[VoteGap, Pair]]) -> list[str]:
    """As `_grouped`; many are counted instead, since a table has them line by line."""
    named = _grouped(gaps)
    if len(named) <= MOST_NAMED:
        return named
    differences = [100 * pair.difference for _, pair in gaps]
    spread = f"{min(differences):+.1f} to {max(differences):+.1f} points"
    return [f"{len(gaps)} others of {len(named)} methods ({spread}, {_p_range([pair.p_value for _, pair in gaps])})"]


def _by_label(entries: Sequence[Entry]) -> list[str]:
    """Each method once, with all its budgets."""
    found = []
    for label in dict.fromkeys([entry.label for entry in entries]):
        budgets = [str(entry.budget) for entry in entries if entry.label == label and entry.budget is not None]
        word = "budget" if len(budgets) == 1 else "budgets"
        found.append(f"{label} at {word} {_listed(budgets)}" if budgets else label)
    return found


def _p_range(values: Sequence[float]) -> str:
    if len({significance(value) for value in values}) == 1:
        return significance(values[0])
    return _at_most(max(values)) if max(values) < LEVEL else f"p at least {min(values):.3f}"


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
