"""What is asked, and how answers are judged."""

from __future__ import annotations

from tt_scale.config.declare import DATA, Keys, key

__all__ = ["MATH_ARENA", "DataKeys"]

MATH_ARENA = ["hmmt_nov_2025", "aime_2025", "cmimc_2025", "brumo_2025", "apex_2025", "hmmt_feb_2025"]
"""The competition sets of matharena.ai that are the default of `datasets`."""


class DataKeys(Keys):
    """What is asked, and how answers are judged."""

    datasets: tuple[str, ...] = key(
        DATA,
        "Problem sets: bundled names, local files, hub names (name@revision for a state of the set).",
        tuple(MATH_ARENA),
    )
    split: str = key(DATA, "Split of hub sets.", "train")
    num_samples: int | None = key(DATA, "A seeded sample of so many problems per set; unset means all.", None, ge=1)
    question_field: str | None = key(DATA, "Field of the question, where it is not recognised.", None)
    answer_field: str | None = key(DATA, "Field of the gold answer, where it is not recognised.", None)
    repeats: int = key(DATA, "Times that each problem is searched, with other seeds.", 1, ge=1)
    grade_timeout: float = key(DATA, "Seconds after which one comparison is killed and counted as ungraded.", 5.0, gt=0)
