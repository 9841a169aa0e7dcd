"""Knobs of a method that change nothing beside the values of its others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from tt_scale.config import Config

__all__ = ["idle_knobs"]

Rule = tuple[Callable[[Config], Any], frozenset[str]]
"""When knobs change nothing, and which."""


def _rule(when: Callable[[Config], Any], *knobs: str) -> Rule:
    return when, frozenset(knobs)


_BEAMS = (
    _rule(lambda config: config.n_beams is not None, "keeping_branches"),
    _rule(lambda config: config.beam_width is not None, "max_total_branches"),
    _rule(lambda config: config.num_iterations is not None, "max_steps"),
)
_TREES = (_rule(lambda config: config.beam_width is not None, "max_total_branches", "keeping_branches"),)

RULES: Mapping[str, tuple[Rule, ...]] = MappingProxyType(
    {
        "collective": (
            _rule(lambda config: not config.backtrack, "max_backtracks", "backtrack_depth", "temp_step"),
            _rule(lambda config: not config.backtrack and not config.always_expand, "max_total_branches"),
        ),
        "independent": (
            _rule(lambda config: config.max_backtracks == 0, "tau_relax", "expansion_factor", "temp_step"),
        ),
        "beam_search": _BEAMS,
        "dvts": _BEAMS,
        "mcts": (*_TREES, _rule(lambda config: config.exploration == 0, "exploration_base")),
        "gumbel": _TREES,
        "particle_filter": (_rule(lambda config: config.ess_threshold == 0, "resampling", "weight_temperature"),),
        "self_consistency": (
            _rule(lambda config: config.adaptive == "off", "window"),
            _rule(lambda config: config.adaptive != "beta", "confidence"),
        ),
        "deepconf": (_rule(lambda config: config.warmup_traces >= config.N, "trace_batch"),),
        "power_backtrack": (_rule(lambda config: config.power == 0, "decay"),),
    }
)


def idle_knobs(config: Config) -> frozenset[str]:
    """Name the knobs that a method reads, and that change nothing as its other knobs are set.

    Args:
        config: of one method; methods of other packages have none that are known.
    """
    return frozenset().union(*[knobs for when, knobs in RULES.get(config.method, ()) if when(config)])
