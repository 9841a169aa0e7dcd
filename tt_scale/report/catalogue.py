"""What there is to choose from, for `tt-scale list`."""

from __future__ import annotations

from collections.abc import Iterator

from tt_scale.errors import ConfigError
from tt_scale.evaluation.sets import LABELLED
from tt_scale.problems import list_problem_sets
from tt_scale.registry import available, generator_class, own_knobs, prm_class, searcher_class, summary

__all__ = ["catalogue", "print_catalogue"]


def catalogue() -> dict[str, list[tuple[str, str]]]:
    """Heading -> (name, one line about it)."""
    finders = {"searchers": searcher_class, "generators": generator_class, "prms": prm_class}
    headings = {"searchers": "Methods", "generators": "Generators", "prms": "PRMs"}

    def lines(kind: str) -> Iterator[tuple[str, str]]:
        for name in available(kind):
            try:
                line = summary(finders[kind](name))
                knobs = ", ".join(own_knobs(name)) if kind == "searchers" else ""
                yield name, f"{line} (method_args: {knobs})" if knobs else line
            except ConfigError as error:  # a third-party class that does not load must not hide the rest
                yield name, error.message

    found = {headings[kind]: list(lines(kind)) for kind in finders}
    found["Problem sets"] = [(each.name, each.summary) for each in list_problem_sets()]
    found["Labelled solutions, for prm-eval and calibrate"] = list(LABELLED.items())
    return found


def print_catalogue() -> None:
    """Print all names, aligned, under their headings."""
    from rich.console import Console

    console = Console(highlight=False)
    for heading, lines in catalogue().items():
        console.print(f"[bold]{heading}[/bold]")
        width = max([len(name) for name, _ in lines], default=0)
        for name, line in lines:
            console.print(f"  {name:<{width}}  {line}", markup=False, soft_wrap=True)
        console.print()
