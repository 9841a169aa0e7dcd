"""Keys of the search methods. Each method reads those named by its fields; setting others gives a warning."""

from __future__ import annotations

from typing import Literal

from tt_scale.config.declare import SEARCH, Keys, key, path_count
from tt_scale.core.aggregate import AGGREGATES
from tt_scale.core.threshold import Tau

__all__ = ["MethodKeys", "SearchKeys"]


class SearchKeys(Keys):
    """Widths, thresholds and stopping rules shared by several methods."""

    tau: Tau = key(
        SEARCH, "Score that a step must reach to pass, or a quantile of the scores of first steps, such as q0.5.", 0.6
    )
    tau_relax: float = key(SEARCH, "independent: decrease of `tau` on each retry.", 0.05, ge=0, le=1)
    max_total_branches: int = path_count(SEARCH, "Children proposed per expansion, over all paths.", 9, width=True)
    keeping_branches: int = path_count(SEARCH, "Paths kept after an expansion.", 3, width=True)
    passing_minimum: int = path_count(
        SEARCH, "collective: passing steps needed to continue; also the number of roots.", 3, width=True
    )
    max_backtracks: int = key(SEARCH, "Retries before a failing step is accepted anyway.", 3, ge=0)
    max_steps: int = key(SEARCH, "Most steps of a path; the last one extends it to its end.", 30, ge=1)
    backtrack: bool = key(SEARCH, "collective: false keeps the steps that pass and never retries.", True)
    backtrack_depth: int = key(
        SEARCH, "collective: levels to step back before a jump; 1 retries from the parents only.", 1, ge=1
    )
    always_expand: bool = key(SEARCH, "collective: propose `max_total_branches` children on first attempts too.", False)
    expansion_factor: int = path_count(SEARCH, "independent: copies of a path that is retried.", 2)
    max_branches: int = path_count(SEARCH, "independent: most paths in the frontier.", 6, width=True, most=None)
    max_finished_branches: int = path_count(
        SEARCH, "independent: number of finished paths at which the search ends.", 2, width=True, most=None
    )
    N: int = path_count(
        SEARCH,
        "Complete solutions or particles that a method samples; for other methods, the number of "
        "finished paths at which they end.",
        4,
        width=True,
    )
    agg: str = key(SEARCH, f"How step scores become the score of a path: {', '.join(AGGREGATES)}.", "last")
    final_agg: str | None = key(
        SEARCH, "Aggregate for the final selection by `best` and `weighted`; unset uses `agg`.", None
    )
    n_beams: int | None = path_count(
        SEARCH, "beam_search, dvts: paths kept; unset uses `keeping_branches`.", None, width=True
    )
    beam_width: int | None = path_count(
        SEARCH,
        "beam_search, dvts, mcts, gumbel: children per path; unset is `max_total_branches` divided by "
        "the number of paths kept.",
        None,
        width=True,
    )
    wider_beams: int = path_count(
        SEARCH,
        "beam_search, dvts: number of beams that propose one additional child; derived from an uneven budget.",
        0,
        least=0,
    )
    num_iterations: int | None = key(
        SEARCH, "beam_search, dvts: most steps of a path; unset uses `max_steps`.", None, ge=1
    )
    lookahead: int = key(
        SEARCH, "beam_search: greedy steps beyond a candidate that its score takes into account.", 0, ge=0
    )
    selector: str | None = key(
        SEARCH,
        "How the answer is selected from the finished paths: best, majority, weighted, first; unset uses "
        "the method's own.",
        None,
    )


class MethodKeys(Keys):
    """Keys of single methods."""

    balance_temperature: float | None = key(
        SEARCH,
        "rebase, dora: temperature of the softmax over scores that divides the width; unset is 0.2 for "
        "rebase, 0.1 for dora.",
        None,
        gt=0,
    )
    similarity_temperature: float = key(
        SEARCH,
        "dora: temperature of the softmax over similarities; a small value groups near copies only, a "
        "large one ignores similarity.",
        0.01,
        gt=0,
    )
    resampling: Literal["multinomial", "systematic", "stratified", "residual"] = key(
        SEARCH, "particle_filter: resampling scheme.", "multinomial"
    )
    ess_threshold: float = key(
        SEARCH,
        "particle_filter: resample when the effective sample size is below this share of N; 1 resamples at every step.",
        1.0,
        ge=0,
        le=1,
    )
    particle_weights: Literal["whole", "incremental"] = key(
        SEARCH,
        "particle_filter: weight by the odds of the score (whole), or by their change since the last "
        "resampling (incremental).",
        "whole",
    )
    weight_temperature: float = key(
        SEARCH,
        "particle_filter, particle_gibbs: divisor of the log-odds of scores; small values are greedy.",
        1.0,
        gt=0,
    )
    sweeps: int = path_count(SEARCH, "particle_gibbs: number of successive particle filters.", 2)
    exploration: float = key(SEARCH, "mcts: weight of the exploration term; 0 follows the values only.", 1.25, ge=0)
    exploration_base: float = key(
        SEARCH, "mcts: number of visits at which the weight of exploration begins to grow.", 19652.0, gt=0
    )
    simulations: int = path_count(SEARCH, "gumbel: simulations per chosen step.", 8, width=True)
    considered: int = path_count(SEARCH, "gumbel: candidates at the start of sequential halving.", 4)
    gumbel_scale: float = key(SEARCH, "gumbel: scale of the Gumbel noise; 0 chooses by values only.", 1.0, ge=0)
    value_scale: float = key(SEARCH, "gumbel: weight of values relative to the noise.", 0.1, ge=0)
    visit_offset: float = key(
        SEARCH, "gumbel: number added to the most visits before they scale the values.", 50.0, ge=0
    )
    adaptive: Literal["off", "beta", "early_stopping"] = key(
        SEARCH, "self_consistency: rule for stopping early; true is beta, false is off.", "off"
    )
    confidence: float = key(
        SEARCH,
        "self_consistency: confidence at which the beta rule stops; 1 stops only when the vote is certain.",
        0.95,
        ge=0,
        le=1,
    )
    window: int | None = path_count(
        SEARCH,
        "self_consistency: solutions between two checks of the vote; unset is 1 for beta, 5 for early_stopping.",
        None,
    )
    subpools: int = path_count(
        SEARCH,
        "subpool: number of random parts into which all prefixes are divided; the best of each part are extended.",
        4,
    )
    doubt: float = key(
        SEARCH, "best_first: the worth of a prefix is divided by 1 + doubt x its number of children.", 1.0, ge=0
    )
    power: float = key(
        SEARCH, "power_backtrack: exponent of the scores; 0 ignores them, large values are greedy.", 4.0, ge=0
    )
    decay: float | None = key(
        SEARCH,
        "subpool, power_backtrack: factor on the score of a prefix for each time it was extended; unset "
        "is 0.5 and 0.25.",
        None,
        ge=0,
        le=1,
    )
    warmup_traces: int = path_count(SEARCH, "deepconf: solutions sampled in full to set the bar.", 16)
    trace_batch: int = path_count(
        SEARCH, "deepconf: solutions extended concurrently between two checks of the vote.", 8
    )
    keep_percent: float = key(
        SEARCH, "deepconf: percentage of the first solutions that reach the bar; 100 lets all vote.", 90.0, gt=0, le=100
    )
    group_tokens: int = key(SEARCH, "deepconf: tokens in the window over which confidence is averaged.", 64, ge=1)
    trace_measure: Literal["lowest", "bottom", "tail", "mean"] = key(
        SEARCH,
        "deepconf: weight of a solution: the confidence of its lowest group, bottom tenth of groups, "
        "last group, or the mean.",
        "lowest",
    )
    consensus: float | None = key(
        SEARCH, "deepconf: share of the vote at which the search ends; none never ends it.", 0.95, gt=0, le=1
    )
