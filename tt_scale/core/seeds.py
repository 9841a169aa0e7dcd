"""Request seeds derived from the position in the search tree, independent of the order of requests."""

from __future__ import annotations

from hashlib import blake2b

from tt_scale.core.path import Key

__all__ = ["derive_seed"]


def derive_seed(run_seed: int, problem_id: str, key: Key, child: int, part: int = 0) -> int:
    """Hash the position of a child in the tree to the seed of its request.

    Neighbouring children get unrelated seeds: `seed + 1` of one is not the seed of another.

    Args:
        run_seed: seed of the run.
        problem_id: id of the problem; that of a repetition contains its number.
        key: key of the parent.
        child: number of the child among all children that the parent ever had, from 0.
        part: number of blank steps sampled before in the same child.

    Returns:
        A number in [0, 2**48), which JSON readers that use doubles represent exactly.
    """
    position = f"{run_seed}\x1f{problem_id}\x1f{key}\x1f{child}\x1f{part}".encode()
    return int.from_bytes(blake2b(position, digest_size=6).digest(), "big")
