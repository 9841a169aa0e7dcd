"""The complete solutions of a search as flat records: what every export is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tt_scale.bench.reader.search_record import Member, Node, SearchRecord, StepRecord
from tt_scale.bench.replay.regrade import path_scores
from tt_scale.core.selection import SELECTORS, Candidate

__all__ = ["Solution", "chosen_member", "solutions"]

COMPLETE = frozenset({"finished", "truncated"})


@dataclass(frozen=True, slots=True)
class Solution:
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


def solutions(search: SearchRecord) -> list[Solution]:
    """Give the complete solutions of a search, in the order in which they were sampled."""
    nodes = {node.key: node for node in search.nodes}
    pool = {member.key: member for member in search.pool}
    chosen = chosen_member(search)
    return [
        _solution(nodes, node, pool.get(node.key), chosen is not None and chosen.key == node.key)
        for node in search.nodes
        if node.state in COMPLETE
    ]


def chosen_member(search: SearchRecord) -> Member | None:
    """The member of the pool whose answer is the search's; None without an answer."""
    choose = SELECTORS.get(search.selector)
    if choose is None:
        return None
    voters = [Candidate(member.answer_class, member.score, member.weight) for member in search.pool]
    index = choose(voters)
    return None if index is None else search.pool[index]


def _solution(nodes: Mapping[str, Node], node: Node, member: Member | None, chosen: bool) -> Solution:
    steps = path_steps(nodes, node.key)
    tokens = sum([step.tokens for step in steps])
    texts = tuple([step.text for step in steps])
    return Solution(node.key, node.state, texts, path_scores(nodes, node.key), tokens, member, chosen)


def path_steps(nodes: Mapping[str, Node], key: str) -> Sequence[StepRecord]:
    """Steps of a path [steps]; arguments as of `path_scores`."""
    node = nodes[key]
    before = path_steps(nodes, node.parent) if node.kept and node.parent in nodes else ()
    return (*before[: node.kept], *node.steps)
