"""Catalogue of methods, backends, recipes and problem sets for `tt-scale list`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tt_scale.config.recipe_files import recipe_names, recipe_summary
from tt_scale.errors import ConfigError
from tt_scale.prm.adapters.lookup import adapter_class, adapter_knobs
from tt_scale.prm_eval.sets import LABELLED
from tt_scale.problems import list_problem_sets
from tt_scale.registry import (
    available,
    generator_class,
    own_knobs,
    prm_class,
    searcher_class,
    summary,
)

__all__ = ["catalogue", "print_catalogue"]


def catalogue() -> dict[str, list[tuple[str, str]]]:
    """Heading -> pairs of a name and a one-line description."""
    finders: dict[str, Callable[[str], type]] = {
        "searchers": searcher_class,
        "generators": generator_class,
        "prms": prm_class,
        "prm_adapters": adapter_class,
    }
    headings = {"searchers": "Methods", "generators": "Generators", "prms": "PRMs", "prm_adapters": "PRM adapters"}

    def lines(kind: str) -> Iterator[tuple[str, str]]:
        for name in available(kind):
            try:
                cls = finders[kind](name)
                yield name, "; ".join([summary(cls), *_remarks(kind, name, cls)])
            except ConfigError as error:  # a third-party class that cannot be loaded must not hide the rest
                yield name, error.message

    sections = {headings[kind]: list(lines(kind)) for kind in finders}
    sections["Recipes, for --config and init"] = [(name, recipe_summary(name)) for name in recipe_names()]
    sections["Problem sets"] = [(each.name, each.summary) for each in list_problem_sets()]
    sections["Labelled solutions, for prm-eval and calibrate"] = list(LABELLED.items())
    return sections


def _remarks(kind: str, name: str, cls: Any) -> Iterator[str]:
    """Remarks beside the summary: knobs, and reading costs beyond the new step."""
    if kind == "searchers" and own_knobs(name):
        yield f"method_args: {', '.join(own_knobs(name))}"
    if kind == "prms" and not cls.causal:
        yield "reads the whole path again for each step"
    if kind == "prm_adapters" and cls.finished_only:
        yield "finished paths only, each read whole"
    knobs = cls.knobs if kind == "prms" else adapter_knobs(cls) if kind == "prm_adapters" else ()
    if knobs:
        yield f"prm_args: {', '.join(knobs)}"


def print_catalogue() -> None:
    """Print all names, aligned, under their headings."""
    from tt_scale.report.terminal import Terminal

    console = Terminal(highlight=False)
    for heading, lines in catalogue().items():
        console.print(f"[bold]{heading}[/bold]")
        width = max([len(name) for name, _ in lines], default=0)
        for name, line in lines:
            console.print(f"  {name:<{width}}  {line}", markup=False, soft_wrap=True)
        console.print()
