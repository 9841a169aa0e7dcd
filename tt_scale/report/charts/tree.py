"""A search as a drawn tree: the Vega specification that the page fills and that figures are made of.

Depth increases to the right. The shape of a step shows its outcome, its colour its score, the width of the line to it
its tokens; small signs mark events of the search.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from tt_scale.core.printable import excerpt
from tt_scale.report.charts.palette import LIGHT, PAGE, Palette
from tt_scale.report.search_tree import SearchTree, TreeStep

__all__ = ["MARK_SIGNS", "SCORE_BOUNDS", "SHAPE_PATHS", "tree_figure", "tree_spec"]

SHAPE_PATHS: Mapping[str, str] = MappingProxyType(
    {
        "question": "M-.7,-.7H.7V.7H-.7Z",
        "answer": "M0,-1.25L.37,-.4L1.2,-.38L.54,.18L.76,1.05L0,.55L-.76,1.05L-.54,.18L-1.2,-.38L-.37,-.4Z",
        "pool": "M-.75,-.75H.75V.75H-.75Z",
        "continued": "M.8,0A.8,.8,0,1,1,-.8,0A.8,.8,0,1,1,.8,0Z",
        "rejected": "M-.85,-.6L-.6,-.85L0,-.25L.6,-.85L.85,-.6L.25,0L.85,.6L.6,.85L0,.25L-.6,.85L-.85,.6L-.25,0Z",
        "truncated": "M-.7,-.9L.9,0L-.7,.9Z",
        "failed": "M0,.9L-.95,-.75H.95Z",
        "unreadable": "M0,-1L1,0L0,1L-1,0ZM0,-.45L-.45,0L0,.45L.45,0Z",
    }
)
"""Outcome of a step -> SVG path around 0, about one unit large."""

MARK_SIGNS: Mapping[str, str] = MappingProxyType(
    {"retried": "↻", "protected": "◇", "jumped": "»", "cut": "¦", "forced": "?", "rescued": "+", "left": "⊣"}
)
"""Mark of a step -> sign beside it."""

SCORE_BOUNDS = (0.2, 0.4, 0.6, 0.8)
"""Scores at which the colour changes."""

SCORE_COLOURS: Mapping[Palette, Sequence[str]] = {
    LIGHT: ("#b2451a", "#d08b55", "#a9a493", "#6a9cc2", "#14609f"),
    PAGE: tuple([f"var(--score-{number})" for number in range(1, 6)]),
}
ROW, COLUMN, LABELLED_COLUMN = 24, 64, 210
"""Distance of leaves, and of depths without and with texts."""

LABEL_WIDTH, TEXT_SIZE = 26, 12


def tree_spec(palette: Palette, steps: Sequence[Mapping[str, Any]] = (), column: int = COLUMN) -> dict[str, Any]:
    """The Vega specification of a tree.

    With steps it fills `width` and `height`; without, rows and columns have fixed distances. Signals: `labels` (whether
    texts are shown), `column` and `row` (distances of depths and of leaves), `heaviest` (most tokens of
    a step). The data set `picked` holds the
    places of rings.

    Args:
        palette: to paint with.
        steps: items as `tree_items` makes them; the page puts them in later.
        column: distance of depths.
    """
    return {
        "$schema": "https://vega.github.io/schema/vega/v6.json",
        "description": "The tree of a search",
        "width": 10,
        "height": 10,
        "padding": 0,
        "autosize": "none",
        "background": palette.paper,
        "signals": [
            {"name": "labels", "value": column == LABELLED_COLUMN},
            {"name": "column", "value": column},
            {"name": "row", "value": ROW},
            {"name": "heaviest", "value": max([1, *(step["tokens"] or 0 for step in steps)])},
        ],
        "data": _data(steps),
        "scales": _scales(palette),
        "marks": _marks(palette),
        "config": {"text": {"font": palette.font}},
    }


def _data(steps: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    layout = {"type": "tree", "method": "tidy", "separation": False}
    size = (
        {"size": [{"signal": "height"}, {"signal": "width"}]}
        if steps
        else {"nodeSize": [{"signal": "row"}, {"signal": "column"}]}
    )
    shape = {"type": "linkpath", "orient": "horizontal", "shape": "diagonal"}
    return [
        {
            "name": "steps",
            "values": list(steps),
            "transform": [
                {"type": "stratify", "key": "id", "parentKey": "parent"},
                {**layout, **size, "as": ["y", "x", "depth", "children"]},
            ],
        },
        {"name": "links", "source": "steps", "transform": [{"type": "treelinks"}, shape]},
        {"name": "signed", "source": "steps", "transform": [{"type": "filter", "expr": "datum.signs"}]},
        {"name": "worded", "source": "steps", "transform": [{"type": "filter", "expr": "labels || datum.short"}]},
        {"name": "picked", "values": []},
    ]


def _scales(palette: Palette) -> list[dict[str, Any]]:
    colours = SCORE_COLOURS[palette]
    width = {"domain": [0, {"signal": "heaviest"}], "range": [0.75, 5]}
    return [
        {"name": "score", "type": "threshold", "domain": list(SCORE_BOUNDS), "range": list(colours)},
        {"name": "shape", "type": "ordinal", "domain": list(SHAPE_PATHS), "range": list(SHAPE_PATHS.values())},
        {"name": "width", "type": "sqrt", **width},
    ]


PLACE: Mapping[str, Any] = MappingProxyType({"x": {"field": "x"}, "y": {"field": "y"}})


def _marks(palette: Palette) -> list[dict[str, Any]]:
    """From back to front."""
    sign = {**PLACE, "dx": {"value": -7}, "dy": {"value": -8}, "text": {"field": "signs"}}
    above = {"dx": {"value": 11}, "dy": {"signal": "datum.leaf ? 0 : -9"}}
    label = {**PLACE, **above, "text": {"signal": "labels ? datum.label : datum.short"}}
    return [
        _link(palette),
        _ring(palette),
        _step(palette),
        _text(palette, "sign", "signed", sign),
        _text(palette, "label", "worded", label),
    ]


def _link(palette: Palette) -> dict[str, Any]:
    """The line to a step: dark where it leads to a path of the pool, as wide as the step has tokens."""
    update = {
        "path": {"field": "path"},
        "stroke": {"signal": f"datum.target.useful ? '{palette.muted}' : '{palette.band}'"},
        "strokeWidth": {"scale": "width", "signal": "datum.target.tokens"},
        "strokeOpacity": {"signal": "datum.target.useful ? 0.95 : 0.55"},
    }
    return {"type": "path", "name": "link", "aria": False, "from": {"data": "links"}, "encode": {"update": update}}


def _ring(palette: Palette) -> dict[str, Any]:
    """Around a step: whole where it was chosen, dashed where an event concerns it."""
    update = {
        **PLACE,
        "size": {"value": 330},
        "fill": {"value": "transparent"},
        "stroke": {"value": palette.ink},
        "strokeWidth": {"signal": "datum.chosen ? 2 : 1.25"},
        "strokeDash": {"signal": "datum.chosen ? [1, 0] : [3, 2]"},
    }
    about = {"type": "symbol", "name": "ring", "aria": False, "interactive": False}
    return {**about, "from": {"data": "picked"}, "encode": {"update": update}}


def _step(palette: Palette) -> dict[str, Any]:
    """The step itself: the shape is its outcome, the colour its score."""
    update = {
        **PLACE,
        "shape": {"scale": "shape", "field": "kind"},
        "size": {"signal": "datum.kind === 'answer' ? 150 : datum.kind === 'rejected' ? 70 : 90"},
        "fill": {"signal": f"datum.score === null ? '{palette.muted}' : scale('score', datum.score)"},
        "stroke": {"value": palette.ink},
        "strokeWidth": {"signal": "datum.chosen ? 1.5 : datum.kind === 'rejected' ? 0.6 : 0.75"},
    }
    encode = {"enter": {"cursor": {"value": "pointer"}}, "update": update}
    return {"type": "symbol", "name": "step", "aria": False, "from": {"data": "steps"}, "encode": encode}


def _text(palette: Palette, name: str, data: str, encoding: Mapping[str, Any]) -> dict[str, Any]:
    fixed = {
        "align": {"value": "left" if name == "label" else "right"},
        "baseline": {"value": "middle"},
        "fontSize": {"value": TEXT_SIZE},
        "fill": {"value": palette.ink if name == "sign" else palette.muted},
    }
    about = {"type": "text", "name": name, "aria": False, "interactive": False}
    return {**about, "from": {"data": data}, "encode": {"enter": fixed, "update": dict(encoding)}}


def tree_items(tree: SearchTree) -> list[dict[str, Any]]:
    """The items of a drawn tree, equal siblings once."""
    places = {step.id: place for place, step in enumerate(tree.steps)}
    shown = {-1}
    items: list[dict[str, Any]] = [{**_EMPTY, "id": -1, "parent": None, "kind": "question", "short": "", "label": ""}]
    parents = {places.get(step.parent, -1) for step in tree.steps}
    for place, step in enumerate(tree.steps):
        parent = places.get(step.parent, -1)
        if step.copies and parent in shown:
            shown.add(place)
            items.append({**_item(step), "id": place, "parent": parent, "leaf": place not in parents})
    return items


_EMPTY = {"score": None, "tokens": 0, "useful": 1, "chosen": 0, "signs": "", "leaf": False}


def _item(step: TreeStep) -> dict[str, Any]:
    copies = f"×{step.copies}" if step.copies > 1 else ""
    answer = "" if step.member is None or step.member.answer is None else excerpt(step.member.answer, LABEL_WIDTH)
    return {
        "kind": step.kind,
        "score": step.score,
        "tokens": step.step.counted_tokens,
        "useful": int(step.useful),
        "chosen": int(step.chosen),
        "signs": "".join([MARK_SIGNS[mark] for mark in step.marks]),
        "short": " ".join(filter(None, [answer, copies])),
        "label": " ".join(filter(None, [excerpt(step.step.text, LABEL_WIDTH), copies])),
    }


def tree_figure(tree: SearchTree, palette: Palette = LIGHT) -> dict[str, Any]:
    """A whole specification of one tree with its texts, sized to fit, for a file.

    Args:
        tree: of a search.
        palette: to paint with.
    """
    items = tree_items(tree)
    leaves = sum([1 for item in items if item["leaf"]])
    deepest = max([step.depth for step in tree.steps], default=0)
    spec = tree_spec(palette, items, LABELLED_COLUMN)
    size = {"width": deepest * LABELLED_COLUMN, "height": max(leaves, 1) * ROW}
    return {**spec, **size, "padding": 14, "autosize": "pad"}
