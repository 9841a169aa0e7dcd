"""The keys of the search methods. Each method reads those that its fields name; others are warned about."""

from __future__ import annotations

from typing import Literal

from tt_scale.config.declare import SEARCH, Keys, key
from tt_scale.core.aggregate import AGGREGATES
from tt_scale.core.threshold import Tau

__all__ = ["MethodKeys", "SearchKeys"]


class SearchKeys(Keys):
    """Widths, bars and ends: what most methods share, and what backtracking and beams add."""

    tau: Tau = key(
        SEARCH, "Score that a step must reach to pass, or a quantile of first steps' scores such as q0.5.", 0.6
    )
    tau_relax: float = key(SEARCH, "independent: taken off `tau` on each retry.", 0.05, ge=0, le=1)
    max_total_branches: int = key(SEARCH, "Children proposed per expansion, over all paths.", 9, width=True, ge=1)
    keeping_branches: int = key(SEARCH, "Paths kept after an expansion.", 3, width=True, ge=1)
    passing_minimum: int = key(
        SEARCH, "collective: passing steps needed to go on; also the number of roots.", 3, width=True, ge=1
    )
    max_backtracks: int = key(SEARCH, "Retries before a failing step is accepted after all.", 3, ge=0)
    max_steps: int = key(SEARCH, "Most steps of a path; the last of them grows to its end.", 30, ge=1)
    backtrack: bool = key(SEARCH, "collective: false keeps what passes and never retries.", True)
    backtrack_depth: int = key(
        SEARCH, "collective: levels to step back before a jump; 1 retries from the parents only.", 1, ge=1
    )
    always_expand: bool = key(SEARCH, "collective: propose `max_total_branches` children on first attempts too.", False)
    expansion_factor: int = key(SEARCH, "independent: copies of a path that is retried.", 2, ge=1)
    max_branches: int = key(SEARCH, "independent: most paths in the frontier.", 6, width=True, ge=1)
    max_finished_branches: int = key(SEARCH, "independent: finished paths to end at.", 2, width=True, ge=1)
    N: int = key(
        SEARCH,
        "Whole solutions or particles that a method draws; finished paths at which the others end.",
        4,
        width=True,
        ge=1,
    )
    agg: str = key(SEARCH, f"Step scores to path score: {', '.join(AGGREGATES)}.", "last")
    final_agg: str | None = key(
        SEARCH, "The same for the final selection, by `best` and `weighted`; unset means `agg`.", None
    )
    n_beams: int | None = key(
        SEARCH, "beam_search, dvts: paths kept; unset means `keeping_branches`.", None, width=True, ge=1
    )
    beam_width: int | None = key(
        SEARCH,
        "Children per path of beam_search, dvts and tree searches; unset is worked out from the branches.",
        None,
        width=True,
        ge=1,
    )
    wider_beams: int = key(
        SEARCH,
        "beam_search, dvts: how many of the beams propose one child more; an uneven budget sets it.",
        0,
        ge=0,
    )
    num_iterations: int | None = key(
        SEARCH, "beam_search, dvts: most steps of a path; unset means `max_steps`.", None, ge=1
    )
    lookahead: int = key(SEARCH, "beam_search: greedy steps beyond a candidate that its score looks at.", 0, ge=0)
    selector: str | None = key(
        SEARCH, "Pool to answer: best, majority, weighted, first; unset means the method's own.", None
    )


class MethodKeys(Keys):
    """What single methods add."""

    balance_temperature: float | None = key(
        SEARCH,
        "rebase, dora: of the softmax of scores by which a width is split; unset is 0.2 for rebase, 0.1 for dora.",
        None,
        gt=0,
    )
    similarity_temperature: float = key(
        SEARCH, "dora: of the softmax of similarities; small tells near copies apart, large ignores them.", 0.01, gt=0
    )
    resampling: Literal["multinomial", "systematic", "stratified", "residual"] = key(
        SEARCH, "particle_filter: resampling scheme.", "multinomial"
    )
    ess_threshold: float = key(
        SEARCH,
        "particle_filter: resample when the effective sample size is under this share of N; 1 does at every step.",
        1.0,
        ge=0,
        le=1,
    )
    particle_weights: Literal["whole", "incremental"] = key(
        SEARCH,
        "particle_filter: weigh by the odds of the score, or by what they gained since the last resampling.",
        "whole",
    )
    weight_temperature: float = key(
        SEARCH, "particle_filter, particle_gibbs: divides the log-odds of scores; small is greedy.", 1.0, gt=0
    )
    sweeps: int = key(SEARCH, "particle_gibbs: particle filters run in turn.", 2, ge=1)
    exploration: float = key(SEARCH, "mcts: weight of the exploration term; 0 follows the values alone.", 1.25, ge=0)
    exploration_base: float = key(SEARCH, "mcts: visits at which that weight begins to grow.", 19652.0, gt=0)
    simulations: int = key(SEARCH, "gumbel: simulations for each step that is played.", 8, width=True, ge=1)
    considered: int = key(SEARCH, "gumbel: candidates that the halving starts with.", 4, ge=1)
    gumbel_scale: float = key(SEARCH, "gumbel: of the noise; 0 chooses by values alone.", 1.0, ge=0)
    value_scale: float = key(SEARCH, "gumbel: weight of values against the noise.", 0.1, ge=0)
    visit_offset: float = key(SEARCH, "gumbel: added to the most visits before they scale the values.", 50.0, ge=0)
    adaptive: Literal["off", "beta", "early_stopping"] = key(
        SEARCH, "self_consistency: when to stop early; true is beta, false is off.", "off"
    )
    confidence: float = key(
        SEARCH, "self_consistency: of the beta rule; 1 stops only where the vote is certain.", 0.95, ge=0, le=1
    )
    window: int | None = key(
        SEARCH,
        "self_consistency: solutions between two looks at the vote; unset is 1 for beta, 5 for early_stopping.",
        None,
        ge=1,
    )
    subpools: int = key(SEARCH, "subpool: random parts of all prefixes, the best of each of which grow.", 4, ge=1)
    doubt: float = key(
        SEARCH, "best_first: what a prefix promises is divided by 1 + doubt x its children so far.", 1.0, ge=0
    )
    power: float = key(SEARCH, "power_backtrack: of the scores; 0 ignores them, large is greedy.", 4.0, ge=0)
    decay: float | None = key(
        SEARCH,
        "subpool, power_backtrack: factor on a prefix's score each time it was grown; unset is 0.5 and 0.25.",
        None,
        ge=0,
        le=1,
    )
    warmup_traces: int = key(SEARCH, "deepconf: solutions drawn in full to set the bar.", 16, ge=1)
    trace_batch: int = key(SEARCH, "deepconf: solutions grown side by side between two looks at the vote.", 8, ge=1)
    keep_percent: float = key(
        SEARCH, "deepconf: percent of the first solutions that reach the bar; 100 lets all vote.", 90.0, gt=0, le=100
    )
    group_tokens: int = key(SEARCH, "deepconf: tokens of the window over which confidence is averaged.", 64, ge=1)
    trace_measure: Literal["lowest", "bottom", "tail", "mean"] = key(
        SEARCH, "deepconf: what a solution weighs: its lowest group, bottom tenth, last group, or mean.", "lowest"
    )
    consensus: float | None = key(
        SEARCH, "deepconf: share of the vote at which the search ends; none never ends it.", 0.95, gt=0, le=1
    )
