"""Keys of problem sets and grading."""

from __future__ import annotations

from typing import Literal

from tt_scale.config.declare import DATA, Keys, key

__all__ = ["MATH_ARENA", "DataKeys"]

MATH_ARENA = ["hmmt_nov_2025", "aime_2025", "cmimc_2025", "brumo_2025", "apex_2025", "hmmt_feb_2025"]
"""The competition sets of matharena.ai that are the default of `datasets`."""


class DataKeys(Keys):
    """Keys of problem sets and grading."""

    datasets: tuple[str, ...] = key(
        DATA,
        "Problem sets: bundled names, local files, names on the Hub (name@revision for a given revision); with "
        ":ids=question behind a name its ids are those of solve and of a server.",
        tuple(MATH_ARENA),
    )
    split: str = key(DATA, "Split of problem sets on the Hub.", "train")
    num_samples: int | None = key(DATA, "Size of a seeded sample of problems per set; unset uses all.", None, ge=1)
    question_field: str | None = key(DATA, "Field that holds the question, if it is not recognised.", None)
    answer_field: str | None = key(DATA, "Field that holds the gold answer, if it is not recognised.", None)
    answer_rule: Literal["boxed", "last_number"] | None = key(
        DATA,
        "Where recorded samples state their answer: boxed, or last_number; unset is that of their file, else boxed.",
        None,
    )
    repeats: int = key(DATA, "Number of searches per problem, each with other seeds.", 1, ge=1)
    grade_timeout: float = key(
        DATA, "Seconds after which one comparison of answers is killed and counted as ungraded.", 5.0, gt=0
    )
