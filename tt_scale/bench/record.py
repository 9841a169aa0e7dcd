"""What a run keeps of one problem: a line of `problems.jsonl`, and the few numbers of it that tables need."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import takewhile
from typing import Any

from tt_scale.core.budget import Usage
from tt_scale.core.path import Key, Outcome, Path, name
from tt_scale.core.records import Problem
from tt_scale.core.selection import SELECTORS, Candidate, candidates, oracle, sizes
from tt_scale.grading import Grade, Grader
from tt_scale.space.search_space import Event, SearchSpace

__all__ = ["Row", "failure_record", "search_record", "verdicts"]


@dataclass(frozen=True, slots=True)
class Row:
    """The numbers of one record; all that stays in memory.

    Attributes:
        index: of the problem in its set, from 0.
        id: of the problem.
        repeat: from 0.
        level: of the problem, if it has one.
        grade: of the method's own answer; a failed problem has "no_answer" and an error.
        answer: the method's own answer.
        gold: the gold answer.
        usage: what was spent.
        telemetry: counts of what happened: steps, judged, passed, retries, backtracks, recovered, jumps, nodes, pool,
            truncated, cut, forced, unreadable, failed, wasted_tokens; wasted_tokens alone where the problem failed.
        selectors: selector -> pool size -> whether its answer is right.
        stopped: why the search ended.
        error: empty where nothing failed.
        right: how many members of the pool have a right answer.
    """

    index: int
    id: str
    repeat: int
    level: int | None
    grade: Grade
    answer: str | None
    gold: str
    usage: Usage
    telemetry: Mapping[str, int]
    selectors: Mapping[str, Mapping[int, bool]]
    stopped: str
    error: str
    right: int = 0

    @property
    def correct(self) -> bool:
        """Whether it counts as right."""
        return self.grade == "correct"

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Row:
        """Take the numbers out of a record."""
        return cls(
            index=record["index"],
            id=record["id"],
            repeat=record["repeat"],
            level=record["level"],
            grade=record["grade"],
            answer=record["answer"],
            gold=record["gold"],
            usage=Usage(**record["usage"]),
            telemetry=record["telemetry"],
            selectors={
                selector: {int(size): verdict == "correct" for size, verdict in verdicts.items()}
                for selector, verdicts in record["selectors"].items()
            },
            stopped=record["stopped"],
            error=record["error"],
            right=sum([member["grade"] == "correct" for member in record["pool"]]),
        )


async def search_record(
    index: int,
    repeat: int,
    space: SearchSpace,
    outcome: Outcome,
    selector: str,
    grader: Grader,
    final_agg: str | None = None,
) -> dict[str, Any]:
    """Grade a finished search under every selector and write down everything about it.

    The score of a pool member is the one that selectors saw; that of the search is in the tree.
    """
    problem, pool = space.problem, outcome.pool
    answers = [space.answer(path) for path in pool]
    classes = await grader.group(answers)
    grades = await grader.grade_many(problem.answer, answers)
    voters = candidates(outcome, classes, final_agg)
    chosen = SELECTORS[selector](voters)
    record = _head(index, repeat, problem)
    record |= {
        "answer": None if chosen is None else answers[chosen],
        "grade": "no_answer" if chosen is None else grades[chosen],
        "selector": selector,
        "selectors": verdicts(voters, grades),
        "stopped": outcome.stopped,
        "error": "",
        "usage": asdict(space.usage),
        "telemetry": _telemetry(space, pool, grades),
        "pool": [
            {
                "key": name(path.key),
                "answer": answer,
                "class": group,
                "grade": grade,
                "score": voter.score,
                "tokens": path.tokens,
                **({} if voter.weight is None else {"weight": voter.weight}),
                **_marks(path),
            }
            for path, answer, group, grade, voter in zip(pool, answers, classes, grades, voters, strict=True)
        ],
        "events": [
            {"kind": event.kind, "keys": [name(key) for key in event.keys], "created": event.created}
            for event in space.events
        ],
        "tree": _tree(space.nodes, space.costs, space.parts),
    }
    return record


def failure_record(index: int, repeat: int, problem: Problem, usage: Usage, error: BaseException) -> dict[str, Any]:
    """Write down a problem that failed; it stays in the denominator as not correct."""
    record = _head(index, repeat, problem)
    record |= {
        "answer": None,
        "grade": "no_answer",
        "selector": "",
        "selectors": {},
        "stopped": "error",
        "error": f"{type(error).__name__}: {error}",
        "usage": asdict(usage),
        "telemetry": {"wasted_tokens": usage.generated_tokens},
        "pool": [],
        "events": [],
        "tree": [],
    }
    return record


def _head(index: int, repeat: int, problem: Problem) -> dict[str, Any]:
    return {
        "index": index,
        "id": problem.id,
        "repeat": repeat,
        "level": problem.level,
        "subject": problem.subject,
        "question": problem.question,
        "gold": problem.answer,
    }


def verdicts(voters: Sequence[Candidate], grades: Sequence[Grade]) -> dict[str, dict[str, str]]:
    """Every selector's verdict at each power of two up to the size of the pool, and at its size; with the oracle."""
    found: dict[str, dict[str, str]] = {}
    for size in sizes(len(voters)):
        for selector, choose in SELECTORS.items():
            chosen = choose(voters[:size])
            found.setdefault(selector, {})[str(size)] = "no_answer" if chosen is None else grades[chosen]
        right = oracle([grade == "correct" for grade in grades[:size]])
        found.setdefault("oracle", {})[str(size)] = "wrong" if right is None else "correct"
    return found


def _telemetry(space: SearchSpace, pool: Sequence[Path], grades: Sequence[Grade]) -> dict[str, int]:
    kinds = Counter([event.kind for event in space.events])
    states = Counter([node.state for node in space.nodes])
    useful = _tokens_on(space.nodes, pool)
    right = [path for path, grade in zip(pool, grades, strict=True) if grade == "correct"]
    return {
        "steps": space.expansions,
        "judged": space.bar.judged,
        "passed": space.bar.passed,
        "retries": sum([len(event.keys) for event in space.events if event.kind == "retry"]),
        "backtracks": len(_backtracks(space)),
        "recovered": _recovered(space, right),
        "jumps": kinds["jump"],
        "nodes": len(space.nodes),
        "pool": len(pool),
        "truncated": states["truncated"],
        "cut": sum([path.cut for path in pool]),
        "forced": sum([path.forced for path in pool]),
        "failed": states["failed"],
        "unreadable": states["unreadable"],
        "wasted_tokens": space.usage.generated_tokens - useful,
    }


def _backtracks(space: SearchSpace) -> list[Event]:
    """Those that were acted upon: a search may decide to step back and then end, as it has enough or no budget left."""
    return [event for event in space.events if event.kind == "backtrack" and event.created < len(space.nodes)]


def _recovered(space: SearchSpace, right: Sequence[Path]) -> int:
    """How many backtracks a correct path followed: one that leaves a backtracking path by a child drawn later.

    Needs the gold answer, so it is worked out here, where no search sees it.
    """
    drawn = {node.key: order for order, node in enumerate(space.nodes)}
    branchings: dict[Key, int] = {}  # a path on the way to a right answer -> its last child that leads there
    for path in right:
        for end in range(1, len(path.key)):
            child = drawn[path.key[: end + 1]]
            branchings[path.key[:end]] = max(child, branchings.get(path.key[:end], -1))
    return sum([any(branchings.get(key, -1) >= event.created for key in event.keys) for event in _backtracks(space)])


def _marks(path: Path) -> dict[str, bool]:
    """What is unusual about a finished path, where anything is."""
    return {mark: True for mark in ("cut", "forced") if getattr(path, mark)}


def _tokens_on(nodes: Sequence[Path], pool: Sequence[Path]) -> int:
    """How many of the generated tokens lie on a path of the pool, shared ones counted once."""
    tokens = {node.key: node.tokens for node in nodes}
    on_pool = {path.key[:end] for path in pool for end in range(2, len(path.key) + 1)}
    return sum([tokens[key] - tokens.get(key[:-1], 0) for key in on_pool if key in tokens])


def _tree(
    nodes: Sequence[Path], costs: Mapping[Key, Usage], parts: Mapping[Key, Mapping[str, Sequence[float]]]
) -> list[dict[str, Any]]:
    """Each path by what it adds to its parent, and its cost; `from` says how many of the parent's steps it keeps.

    Where several PRMs scored, `parts` holds what each said of the steps that were new then: the last of `scores`.
    """
    by_key = {node.key: node for node in nodes}
    tree = []
    for node in nodes:
        parent = by_key.get(node.key[:-1])
        pairs = zip(node.steps, parent.steps if parent else (), strict=False)
        kept = len(list(takewhile(lambda pair: pair[0] is pair[1], pairs)))
        tree.append(
            {
                "key": name(node.key),
                "state": node.state,
                **_marks(node),
                "score": node.score,
                "from": kept,
                "scores": list(node.scores[kept:]),
                **({"parts": {prm: list(own) for prm, own in parts[node.key].items()}} if node.key in parts else {}),
                "usage": costs[node.key].spent(),
                "steps": [
                    {
                        "text": step.text,
                        "ids": list(step.ids),
                        "ended": step.ended,
                        "seed": step.seed,
                        "temperature": step.temperature,
                        "cached": step.cached,
                        **({"error": step.error} if step.error else {}),
                    }
                    for step in node.steps[kept:]
                ],
            }
        )
    return tree
