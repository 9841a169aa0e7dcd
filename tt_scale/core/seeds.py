"""Seeds that depend on what is sampled, never on when."""

from __future__ import annotations

from hashlib import blake2b

from tt_scale.core.path import Key

__all__ = ["derive_seed"]


def derive_seed(run_seed: int, problem_id: str, key: Key, child: int, part: int = 0) -> int:
    """Hash where a child hangs in the tree into the seed that draws it.

    Neighbouring children get unrelated seeds, so `seed + 1` of one is never the seed of another.

    Args:
        run_seed: of the run.
        problem_id: of the problem; a repeat of a problem carries its number in it.
        key: of the parent.
        child: its number among all children that the parent ever had, from 0.
        part: 0, or how many blank steps were drawn before in the same child.

    Returns:
        A number in [0, 2**48): exact in JSON readers that know only doubles.
    """
    where = f"{run_seed}\x1f{problem_id}\x1f{key}\x1f{child}\x1f{part}".encode()
    return int.from_bytes(blake2b(where, digest_size=6).digest(), "big")
