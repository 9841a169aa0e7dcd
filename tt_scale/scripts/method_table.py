"""The table of methods in docs/algorithms.md: `python -m tt_scale.scripts.method_table` prints it, a test compares."""

from __future__ import annotations

from tt_scale.registry import BUILT_IN, searcher_class

__all__ = ["method_table"]


def method_table() -> str:
    """Name, idea and source of every built-in method, as a Markdown table."""
    rows = ["| method | idea | source |", "|---|---|---|"]
    for name in sorted(BUILT_IN["searchers"]):
        method = searcher_class(name)
        rows.append(f"| `{name}` | {method.summary} | {method.source} |")
    return "\n".join(rows)


if __name__ == "__main__":
    print(method_table())  # noqa: T201
