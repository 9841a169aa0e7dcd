"""Catalogue of the problem sets that have a short name."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["HUB_NAMES", "ProblemSet", "list_problem_sets"]


@dataclass(frozen=True, slots=True)
class ProblemSet:
    """Metadata of a problem set.

    Attributes:
        name: short name, as typed.
        summary: description in one line.
        count: number of problems.
        licence: licence of its texts.
        hub: its name on the Hugging Face hub; None if it is bundled and needs no network.
    """

    name: str
    summary: str
    count: int
    licence: str
    hub: str | None = None


def _math_arena(name: str, summary: str, count: int) -> ProblemSet:
    return ProblemSet(name, summary, count, "CC BY-NC-SA 4.0", f"MathArena/{name}")


_SETS = (
    ProblemSet(
        "pocket-math",
        "Generated arithmetic in five levels, for the pocket models; any count, seed and levels",
        1000,
        "Apache-2.0",
    ),
    ProblemSet("math500", "MATH-500: competition mathematics in five levels and seven subjects", 500, "MIT"),
    ProblemSet("gsm8k", "GSM8K test: grade-school word problems of two to eight steps", 1319, "MIT"),
    ProblemSet("svamp", "SVAMP: elementary word problems of one or two steps", 1000, "MIT"),
    ProblemSet("simulated", "Problems of the simulated world, for runs without a model", 1000, "Apache-2.0"),
    _math_arena("hmmt_nov_2025", "Harvard-MIT Mathematics Tournament, November 2025", 30),
    _math_arena("aime_2025", "American Invitational Mathematics Examination I and II, 2025", 30),
    _math_arena("cmimc_2025", "Carnegie Mellon Informatics and Mathematics Competition, 2025", 40),
    _math_arena("brumo_2025", "Brown University Math Olympiad, 2025", 30),
    _math_arena("apex_2025", "MathArena Apex: the hardest problems of competitions of 2025", 12),
    _math_arena("hmmt_feb_2025", "Harvard-MIT Mathematics Tournament, February 2025", 30),
)

HUB_NAMES = {known.name: known.hub for known in _SETS if known.hub}
"""Hub names by short name."""


def list_problem_sets() -> list[ProblemSet]:
    """All sets that have a short name, bundled ones first."""
    return list(_SETS)
