"""How an adapter lays an example out, and what is odd about it; no model is needed for that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

from tt_scale.base_classes import PRM
from tt_scale.config import Config
from tt_scale.errors import PRMError
from tt_scale.prm.adapters.base import Adapter
from tt_scale.prm.inspection.example import Example, path_of

__all__ = ["Layout", "TokenizedExample", "lay_out"]


@dataclass(frozen=True, slots=True)
class TokenizedExample:
    """An example as a model sees it.

    Attributes:
        ids: token ids, what follows the last step included [length].
        pieces: the text of each, special tokens by their names [length].
        positions: where each step is scored, or the last of them where there are fewer [steps or fewer].
    """

    ids: tuple[int, ...]
    pieces: tuple[str, ...]
    positions: tuple[int, ...]


@dataclass(frozen=True)
class Layout:
    """How a PRM is asked about an example.

    Attributes:
        adapter: of the PRM.
        look: the example as the model sees it.
        context: most tokens that the model is given.
        remarks: what is odd about the layout, in sentences.
    """

    adapter: Adapter
    look: TokenizedExample
    context: int
    remarks: Sequence[str]

    @property
    def length(self) -> int:
        """Tokens of the example up to the last one at which a score is read."""
        return self.look.positions[-1] + 1


def lay_out(config: Config, example: Example) -> Layout:
    """Lay an example out as a PRM reads it; no weights are loaded.

    Args:
        config: names the PRM.
        example: what it is tried on.

    Raises:
        TTScaleError: the PRM has no adapter, or the example does not fit into what it can read.
    """
    from tt_scale.engines.model_names import resolve_model
    from tt_scale.engines.transformers.loading import require_torch
    from tt_scale.prm.adapters.lookup import open_adapter

    require_torch(f"Scoring with {config.prm_name!r}")
    adapter = open_adapter(config, resolve_model(config.prm_name))
    look = tokenize_example(adapter, example)
    context = PRM.context_of(adapter.checkpoint.settings, config)
    found = Layout(adapter, look, context, layout_remarks(adapter, example, look))
    if found.length > found.context:
        raise PRMError(
            f"The example takes {found.length} tokens; {config.prm_name!r} is given at most {found.context}.",
            "Give a shorter one: --question --step",
        )
    return found


def tokenize_example(adapter: Adapter, example: Example) -> TokenizedExample:
    """Lay an example out.

    Raises:
        PRMError: the adapter gives another number of positions than there are steps, or positions out of order.
    """
    reading = adapter.read(example.problem, path_of(example.steps, adapter.checkpoint.delimiters, finished=True))
    ids, positions = adapter.layout(example.question, example.steps)
    if sorted({*positions}) != list(positions) or not 0 <= positions[0] <= positions[-1] < len(ids):
        raise PRMError(f"The adapter reads at {positions} of {len(ids)} tokens; places ascend from 0, one a step.")
    ids = [*reading.ids, *ids[len(reading.ids) :]]
    return TokenizedExample(tuple(ids), _pieces(adapter, ids), tuple(positions))


def layout_remarks(adapter: Adapter, example: Example, look: TokenizedExample) -> list[str]:
    """Say what a reader should look into: sentences, none where nothing is odd."""
    return [
        *_marks(adapter, look),
        *_growth(adapter, example, look),
        *_specials(adapter, example),
        *_unknown(adapter, look),
    ]


def _pieces(adapter: Adapter, ids: Sequence[int]) -> tuple[str, ...]:
    tokenizer = adapter.checkpoint.tokens.tokenizer
    texts = adapter.checkpoint.tokens.pieces(ids)
    names = tokenizer.convert_ids_to_tokens(list(ids))
    special = set(tokenizer.all_special_ids) | set(tokenizer.get_added_vocab().values())
    return tuple([name if token in special else text for token, text, name in zip(ids, texts, names, strict=True)])


def _marks(adapter: Adapter, look: TokenizedExample) -> list[str]:
    """The token that is read, or the next one, should be one and the same after every step."""
    read = {look.ids[position]: look.pieces[position] for position in look.positions}
    after = {look.ids[position + 1] if position + 1 < len(look.ids) else None for position in look.positions}
    if len(read) > 1 and len(after) > 1:
        told = ", ".join([f"{token} {piece!r}" for token, piece in read.items()])
        return [f"another token is read after each step ({told}): the mark runs together with the text before it."]
    mark = _mark(adapter)
    tokenizer = adapter.checkpoint.tokens.tokenizer
    if len(mark) < 2 or set(mark) & set(tokenizer.all_special_ids):  # a turn of a chat is many tokens by nature
        return []
    told = ", ".join([f"{token} {piece!r}" for token, piece in zip(mark, _pieces(adapter, mark), strict=True)])
    return [f"what ends a step is {len(mark)} tokens here ({told}); the score is read at the last of them."]


def _mark(adapter: Adapter) -> list[int]:
    """The tokens that end steps of different texts alike."""
    ids, positions = adapter.layout("?", ["a", "(7"])
    if len(positions) < 2:  # one verdict for all
        return []
    first, second = ids[: positions[0] + 1], ids[positions[0] + 1 : positions[1] + 1]
    same = takewhile(lambda pair: pair[0] == pair[1], zip(reversed(first), reversed(second), strict=False))
    return [token for token, _ in same][::-1]


def _growth(adapter: Adapter, example: Example, look: TokenizedExample) -> list[str]:
    """What a path reads should begin what its children read."""
    for count in range(1, len(look.positions)):
        ids, positions = adapter.layout(example.question, example.steps[:count])
        end = positions[-1] + 1
        if tuple(ids[:end]) != look.ids[:end] or positions[-1] != look.positions[count - 1]:
            return [
                f"the first {count} steps are laid out otherwise once another follows: whole and step by step will "
                "differ, and nothing is taken from a cache."
            ]
    return []


def _specials(adapter: Adapter, example: Example) -> list[str]:
    """Special tokens that stand in question and steps must be text."""
    added = adapter.checkpoint.tokens.tokenizer.get_added_vocab()
    plain = Counter(adapter.layout(example.question, example.steps)[0])
    obeyed = []
    for name, token in sorted(added.items()):
        dirty, _ = adapter.layout(f"{example.question} {name}", [f"{step} {name} so" for step in example.steps])
        if len(name) > 1 and dirty.count(token) > plain[token]:
            obeyed.append(name)
    if not obeyed:
        return []
    more = f" and {len(obeyed) - 3} others" if len(obeyed) > 3 else ""
    return [
        f"{', '.join(obeyed[:3])}{more} in a question or a step would be obeyed as special tokens; an adapter should "
        "tokenise data with PlainText."
    ]


def _unknown(adapter: Adapter, look: TokenizedExample) -> list[str]:
    unknown = adapter.checkpoint.tokens.tokenizer.unk_token_id
    count = look.ids.count(unknown) if unknown is not None else 0
    return [f"{count} tokens of the example are unknown to the tokenizer."] if count else []
