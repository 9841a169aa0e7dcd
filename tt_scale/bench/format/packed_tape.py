"""The tape of a record as columns, in which nothing is said again that its tree says.

A request refers to its node; its ids and its text are those that the node adds to its parent, followed by what lies
behind the end of the path. Only what differs is written out. `docs/journal.md` describes every column.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any

from tt_scale.bench.format.packed_tree import Columns, Node, groups
from tt_scale.core.path import Key, name
from tt_scale.core.records import Scores, Step
from tt_scale.space.tape import AnswerClasses, Call, Failure, GeneratorCall, PRMCall, SampledRequest, Tape

__all__ = ["packed_tape", "unpacked_tape"]

REQUEST = ("seed", "max_tokens", "temperature", "delimited", "top_logprobs")
OFTEN_ZERO = ("cached", "prompt_tokens", "delimited", "top_logprobs")


class _Additions:
    """What each node of a tree adds to its parent: ids, text and scores.

    Args:
        tree: its nodes.
    """

    def __init__(self, tree: Sequence[Node]) -> None:
        self.tree = tree
        self.places: dict[str, int] = {node["key"]: place for place, node in enumerate(tree)}
        self._steps = [node["from"] + len(node["steps"]) for node in tree]
        self._scores: list[int] = []
        for node in tree:
            known = self._parent(node)
            before = self._scores[known] if known is not None and known < len(self._scores) else 0
            self._scores.append(min(node["from"], before) + len(node["scores"]))

    def of(self, place: int) -> tuple[list[int], str]:
        """Give ids and text; a blank step at the parent's end was merged into the first of them."""
        node = self.tree[place]
        ids = [token for step in node["steps"] for token in step["ids"]]
        text = "".join([step["text"] for step in node["steps"]])
        parent = self._parent(node)
        if parent is None or node["from"] == self._steps[parent]:
            return ids, text
        merged = self.tree[parent]["steps"][-1]
        return ids[len(merged["ids"]) :], text[len(merged["text"]) :]

    def scores(self, place: int) -> list[float]:
        """Give the scores that were asked for."""
        node = self.tree[place]
        parent = self._parent(node)
        old = 0 if parent is None else max(self._scores[parent] - node["from"], 0)
        return list(node["scores"][old:])

    def node(self, key: Key) -> int | str:
        """Give the place of a node; its key, written out, where a path never became one."""
        written = name(key)
        return self.places.get(written, written)

    def key(self, node: int | str) -> Key:
        """Give the key of what `node` gave."""
        written = self.tree[node]["key"] if isinstance(node, int) else node
        return tuple(map(int, written.split(".")))

    def _parent(self, node: Node) -> int | None:
        return self.places.get(node["key"].rpartition(".")[0])


def packed_tape(tape: Tape, tree: Sequence[Node]) -> Columns:
    """Turn a tape into columns; `tree` is that of the same search."""
    additions = _Additions(tree)
    columns: Columns = {
        "prompt": [tape.prompt_tokens, tape.prompt_end],
        "generator": [tape.context, tape.parameters, tape.most_logprobs, tape.reasoning_tags],
        "prm": tape.prm,
        "calls": [len(call.requests) if isinstance(call, GeneratorCall) else -len(call.keys) for call in tape.calls],
        "failures": [
            [place, call.failure.kind, call.failure.message] for place, call in enumerate(tape.calls) if call.failure
        ],
        "order": tape.order,
        "requests": _packed_requests(tape.requests, additions),
        "scores": _packed_scores(tape.calls, additions),
        "texts": _packed_texts(tape),
        "lead_in": None if tape.lead_in is None else [tape.lead_in],
        "groupings": _packed_groupings(tape.groupings),
        "bars": [[*asked, height] for asked, height in tape.bars.items()],
        "timeout": tape.timeout or None,
    }
    return {key: value for key, value in columns.items() if value}


def _packed_requests(requests: Sequence[SampledRequest], additions: _Additions) -> Columns:
    answered = [(place, step) for place, request in enumerate(requests) if (step := request.step) is not None]
    columns: Columns = {key: [getattr(request, key) for request in requests] for key in REQUEST}
    columns["delimited"] = list(map(int, columns["delimited"]))
    columns["node"] = [additions.node(request.key) for request in requests]
    columns["tokens"] = [-1 if request.step is None else len(request.step.ids) for request in requests]
    columns["ended"] = [step.ended for _, step in answered]
    for key in ("cached", "prompt_tokens"):
        columns[key] = [getattr(step, key) for _, step in answered]
    columns["error"] = [[place, step.error] for place, step in answered if step.error]
    columns["divided"] = [[place, step.divided] for place, step in answered if step.divided]
    columns["said"] = [
        [place, step.seed, step.temperature]
        for place, step in answered
        if (step.seed, step.temperature) != (requests[place].seed, requests[place].temperature)
    ]
    for key in ("logprobs", "confidences"):
        numbers = [getattr(step, key) for _, step in answered]
        columns[key] = numbers if any(numbers) else []
    columns |= _packed_contents(answered, columns["node"], additions)
    return {key: value for key, value in columns.items() if (any(value) if key in OFTEN_ZERO else value)}


def _packed_contents(
    answered: Sequence[tuple[int, Step]], nodes: Sequence[int | str], additions: _Additions
) -> Columns:
    """Write down ids and texts where they are not those that a node adds: in full, or what lies behind its end."""
    behind, chars, explicit = [], [], []
    of_nodes: dict[int | str, list[tuple[int, Step]]] = {}
    for place, step in answered:
        of_nodes.setdefault(nodes[place], []).append((place, step))
    for node, steps in of_nodes.items():
        ids = [token for _, step in steps for token in step.ids]
        text = "".join([step.text for _, step in steps])
        own_ids, own_text = additions.of(node) if isinstance(node, int) else ([], "")
        if isinstance(node, int) and ids[: len(own_ids)] == own_ids and text.startswith(own_text):
            if len(ids) > len(own_ids) or len(text) > len(own_text):
                behind.append([node, ids[len(own_ids) :], text[len(own_text) :]])
            if len(steps) > 1:
                chars += [[place, len(step.text)] for place, step in steps]
        else:
            explicit += [[place, step.ids, step.text] for place, step in steps]
    return {"behind": behind, "chars": chars, "explicit": explicit}


def _packed_scores(calls: Sequence[Call], additions: _Additions) -> Columns:
    asked = [(call, place) for call in calls if isinstance(call, PRMCall) for place in range(len(call.keys))]
    columns: Columns = {"node": [additions.node(call.keys[place]) for call, place in asked]}
    scores = [call.scores[place] if call.scores else None for call, place in asked]
    told = [(place, each) for place, each in enumerate(scores) if each is not None]
    columns["tokens"] = [each.tokens for _, each in told]
    columns["cached"] = [each.cached for _, each in told]
    columns["too_long"] = [place for place, each in told if each.too_long]
    columns["flops"] = [[place, each.flops] for place, each in told if each.flops is not None]
    columns["values"] = [
        [place, each.values, each.parts]
        for place, each in told
        if not _is_of_node(columns["node"][place], each, additions)
    ]
    return {key: value for key, value in columns.items() if value}


def _is_of_node(node: int | str, scores: Scores, additions: _Additions) -> bool:
    """Whether the tree says what the PRM said."""
    if isinstance(node, str):
        return False
    parts = {prm: tuple(values) for prm, values in additions.tree[node].get("parts", {}).items()}
    return tuple(additions.scores(node)) == scores.values and parts == dict(scores.parts)


def _packed_texts(tape: Tape) -> Columns:
    """Write token texts down as lengths, beside the request whose ids and text they are."""
    first: dict[tuple[int, ...], int] = {}
    requests = tape.requests
    for place, request in enumerate(requests):
        if request.step is not None:
            first.setdefault(request.step.ids, place)
    of_request, lengths, explicit = [], [], []
    for ids, texts in tape.texts.items():
        place = first.get(ids, -1)
        step = requests[place].step if place >= 0 else None
        if step is not None and len(texts) == len(ids) and "".join(texts) == step.text:
            of_request.append(place)
            lengths += list(map(len, texts))
        else:
            explicit.append([ids, texts])
    return {
        key: value for key, value in (("request", of_request), ("lengths", lengths), ("explicit", explicit)) if value
    }


def _packed_groupings(groupings: Sequence[AnswerClasses]) -> list[Any]:
    """Write each down as what it keeps of the one before, and what follows: votes are counted over growing pools."""
    packed, before = [], AnswerClasses((), ())
    for each in groupings:
        kept = min(_kept(before.answers, each.answers), _kept(before.classes, each.classes))
        packed.append([kept, each.answers[kept:], each.classes[kept:]])
        before = each
    return packed


def _kept(before: Sequence[Any], now: Sequence[Any]) -> int:
    """How many members two sequences have in common at their beginning."""
    pairs = zip(before, now, strict=False)
    return next((place for place, (one, other) in enumerate(pairs) if one != other), min(len(before), len(now)))


def _unpacked_groupings(packed: Sequence[Any]) -> list[AnswerClasses]:
    found: list[AnswerClasses] = []
    before = AnswerClasses((), ())
    for kept, answers, classes in packed:
        before = AnswerClasses((*before.answers[:kept], *answers), (*before.classes[:kept], *classes))
        found.append(before)
    return found


def unpacked_tape(columns: Mapping[str, Any], tree: Sequence[Node]) -> Tape:
    """Turn columns back into a tape.

    Args:
        columns: of the tape.
        tree: unpacked, of the same search.

    Raises:
        ValueError, KeyError, TypeError, IndexError: the columns do not fit together.
    """
    additions = _Additions(tree)
    requests = _unpacked_requests(columns.get("requests", {}), additions)
    context, parameters, most_logprobs, tags = columns["generator"]
    prm = columns.get("prm")
    prompt_tokens, prompt_end = columns["prompt"]
    return Tape(
        prompt_tokens=prompt_tokens,
        prompt_end=prompt_end,
        context=context,
        parameters=parameters,
        most_logprobs=most_logprobs,
        reasoning_tags=tuple([(opening, closing) for opening, closing in tags]),
        prm=None if prm is None else (prm[0], prm[1]),
        calls=_unpacked_calls(columns, requests, additions),
        order=columns.get("order", []),
        texts=_unpacked_texts(columns.get("texts", {}), requests),
        lead_in=tuple(columns["lead_in"][0]) if "lead_in" in columns else None,
        groupings=_unpacked_groupings(columns.get("groupings", [])),
        bars={(tau, relaxed): height for tau, relaxed, height in columns.get("bars", [])},
        timeout=columns.get("timeout", 0),
    )


def _unpacked_requests(columns: Mapping[str, Any], additions: _Additions) -> list[SampledRequest]:
    nodes = columns.get("node", [])
    none = [0] * len(nodes)
    rows = zip(*[columns.get(key, none) for key in REQUEST], strict=True)
    requests = [
        SampledRequest(additions.key(node), seed, limit, temperature, bool(delimited), top_logprobs)
        for node, (seed, limit, temperature, delimited, top_logprobs) in zip(nodes, rows, strict=True)
    ]
    contents = _contents(columns, additions)
    answered = [place for place, tokens in enumerate(columns.get("tokens", [])) if tokens >= 0]
    said = {place: (seed, temperature) for place, seed, temperature in columns.get("said", [])}
    errors, divided = dict(columns.get("error", [])), dict(columns.get("divided", []))
    silent: list[tuple[float, ...]] = [()] * len(answered)
    none = [0] * len(answered)
    counts = [columns.get(key, none) for key in ("cached", "prompt_tokens")]
    numbers = [columns.get(key, silent) for key in ("logprobs", "confidences")]
    for place, ended, cached, prompt_tokens, logprobs, confidences in zip(
        answered, columns.get("ended", []), *counts, *numbers, strict=True
    ):
        request = requests[place]
        ids, text = contents[place]
        seed, temperature = said.get(place, (request.seed, request.temperature))
        error = errors.get(place, "")
        request.step = Step(
            *(text, tuple(ids), ended, seed, temperature, cached, error, tuple(logprobs), tuple(confidences)),
            *(prompt_tokens, tuple(divided.get(place, ()))),
        )
    return requests


def _contents(columns: Mapping[str, Any], additions: _Additions) -> dict[int, tuple[Sequence[int], str]]:
    """Place of an answered request -> its ids and text."""
    found: dict[int, tuple[Sequence[int], str]] = {
        place: (ids, text) for place, ids, text in columns.get("explicit", [])
    }
    behind = {node: (ids, text) for node, ids, text in columns.get("behind", [])}
    chars = dict(columns.get("chars", []))
    of_nodes: dict[int, list[int]] = {}
    for place, (node, tokens) in enumerate(zip(columns.get("node", []), columns.get("tokens", []), strict=True)):
        if tokens >= 0 and place not in found:
            of_nodes.setdefault(node, []).append(place)
    for node, places in of_nodes.items():
        ids, text = additions.of(node)
        more_ids, more_text = behind.get(node, ([], ""))
        ids, text = ids + more_ids, text + more_text
        lengths = [chars[place] for place in places] if len(places) > 1 else [len(text)]
        own = groups(ids, [columns["tokens"][place] for place in places])
        ends = [0, *accumulate(lengths)]
        for place, (begin, end) in zip(places, pairwise(ends), strict=True):
            found[place] = next(own), text[begin:end]
    return found


def _unpacked_calls(
    columns: Mapping[str, Any], requests: Sequence[SampledRequest], additions: _Additions
) -> list[Call]:
    failures = {place: Failure(kind, message) for place, kind, message in columns.get("failures", [])}
    keys, scores = _unpacked_scores(columns.get("scores", {}), columns.get("calls", []), set(failures), additions)
    calls: list[Call] = []
    asked = iter(requests)
    scored = iter(zip(keys, scores, strict=True))
    for place, count in enumerate(columns.get("calls", [])):
        if count > 0:
            calls.append(GeneratorCall([next(asked) for _ in range(count)], failures.get(place)))
            continue
        its = [next(scored) for _ in range(-count)]
        told = [each for _, each in its if each is not None]
        calls.append(PRMCall([key for key, _ in its], told, failures.get(place)))
    return calls


def _unpacked_scores(
    columns: Mapping[str, Any], calls: Sequence[int], failed: set[int], additions: _Additions
) -> tuple[list[Key], list[Scores | None]]:
    nodes = columns.get("node", [])
    answered = [place not in failed for place, count in enumerate(calls) if count < 0 for _ in range(-count)]
    values = {place: (tuple(own), parts) for place, own, parts in columns.get("values", [])}
    flops, too_long = dict(columns.get("flops", [])), set(columns.get("too_long", []))
    none = [0] * sum(answered)
    costs = zip(columns.get("tokens", none), columns.get("cached", none), strict=True)
    found: list[Scores | None] = []
    for place, (node, told) in enumerate(zip(nodes, answered, strict=True)):
        if not told:
            found.append(None)
            continue
        if place not in values:
            values[place] = tuple(additions.scores(node)), additions.tree[node].get("parts", {})
        own, parts = values[place]
        tokens, cached = next(costs)
        parts = {prm: tuple(each) for prm, each in parts.items()}
        found.append(Scores(own, tokens, cached, place in too_long, parts, flops.get(place)))
    return [additions.key(node) for node in nodes], found


def _unpacked_texts(
    columns: Mapping[str, Any], requests: Sequence[SampledRequest]
) -> dict[tuple[int, ...], tuple[str, ...]]:
    found = {tuple(ids): tuple(texts) for ids, texts in columns.get("explicit", [])}
    lengths = iter(columns.get("lengths", []))
    for place in columns.get("request", []):
        step = requests[place].step
        assert step is not None
        ends = [0, *accumulate([next(lengths) for _ in step.ids])]
        found[step.ids] = tuple([step.text[begin:end] for begin, end in pairwise(ends)])
    return found
