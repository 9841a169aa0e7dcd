"""The complete solutions of a search as flat records: what every export is made of."""

from __future__ import annotations

from dataclasses import dataclass

from tt_scale.bench.reader.search_record import Member, Node, SearchRecord

__all__ = ["ExportedSolution", "solutions"]

COMPLETE = frozenset({"finished", "truncated"})


@dataclass(frozen=True, slots=True)
class ExportedSolution:
    """One complete path of a search.

    Attributes:
        key: of the path in its tree.
        state: "finished" or "truncated".
        steps: texts of its steps, delimiters included [steps].
        scores: of the steps, in [0, 1] [steps]; empty without a PRM.
        tokens: sampled along the path.
        member: of the pool; None for a path that is not in it.
        chosen: whether its answer is that of the search.
    """

    key: str
    state: str
    steps: tuple[str, ...]
    scores: tuple[float, ...]
    tokens: int
    member: Member | None
    chosen: bool

    @property
    def text(self) -> str:
        """The whole solution."""
        return "".join(self.steps)


def solutions(search: SearchRecord) -> list[ExportedSolution]:
    """Complete solutions of a search, in the order in which they were sampled."""
    pool = {member.key: member for member in search.pool}
    return [_solution(search, node, pool.get(node.key)) for node in search.nodes if node.state in COMPLETE]


def _solution(search: SearchRecord, node: Node, member: Member | None) -> ExportedSolution:
    steps = search.path_steps[node.key]
    return ExportedSolution(
        key=node.key,
        state=node.state,
        steps=tuple([step.text for step in steps]),
        scores=search.path_scores[node.key],
        tokens=sum([step.tokens for step in steps]),
        member=member,
        chosen=search.chosen is not None and search.chosen.key == node.key,
    )
