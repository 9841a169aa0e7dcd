"""The table of budgets in docs/algorithms.md: `python -m tt_scale.scripts.budget_table` prints it; a test compares."""

from __future__ import annotations

from tt_scale.registry import BUILT_IN, searcher_class

__all__ = ["budget_table"]

BUDGETS = (1, 4, 9, 16, 32)


def budget_table() -> str:
    """The widths of every built-in method at some budgets, as a Markdown table."""
    rows = [f"| method | {' | '.join([f'budget {budget}' for budget in BUDGETS])} |", "|---" * (len(BUDGETS) + 1) + "|"]
    for name in sorted(BUILT_IN["searchers"]):
        method = searcher_class(name)()
        cells = [", ".join([f"{knob} {value}" for knob, value in method.widths(each).items()]) for each in BUDGETS]
        rows.append(f"| `{name}` | {' | '.join([cell or 'the same' for cell in cells])} |")
    return "\n".join(rows)


if __name__ == "__main__":
    print(budget_table())  # noqa: T201
