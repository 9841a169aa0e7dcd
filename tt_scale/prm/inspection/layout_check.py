"""Check of an adapter's input format on an example, without loading a model."""

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
    """An example as the model receives it.

    Attributes:
        ids: token ids, including those after the last step [length].
        pieces: text of each token; special tokens by name [length].
        positions: position at which each step is scored; with fewer positions, of the last steps [steps or fewer].
    """

    ids: tuple[int, ...]
    pieces: tuple[str, ...]
    positions: tuple[int, ...]


@dataclass(frozen=True)
class Layout:
    """An encoded example, with warnings about its format.

    Attributes:
        adapter: adapter of the PRM.
        encoded: the encoded example.
        context: largest input of the model, in tokens.
        remarks: warnings about the format, in sentences.
    """

    adapter: Adapter
    encoded: TokenizedExample
    context: int
    remarks: Sequence[str]

    @property
    def length(self) -> int:
        """Length of the example up to the last scored position, in tokens."""
        return self.encoded.positions[-1] + 1


def lay_out(config: Config, example: Example) -> Layout:
    """Encode an example in a PRM's input format; no weights are loaded.

    Args:
        config: configuration that names the PRM.
        example: example to encode.

    Raises:
        TTScaleError: the PRM has no adapter, or the example does not fit into its context.
    """
    from tt_scale.engines.model_names import resolve_model
    from tt_scale.engines.transformers.loading import require_torch
    from tt_scale.prm.adapters.lookup import open_adapter

    require_torch(f"Scoring with {config.prm_name!r}")
    adapter = open_adapter(config, resolve_model(config.prm_name))
    encoded = tokenize_example(adapter, example)
    context = PRM.context_of(adapter.checkpoint.settings, config)
    layout = Layout(adapter, encoded, context, layout_remarks(adapter, example, encoded))
    if layout.length > layout.context:
        raise PRMError(
            f"The example has {layout.length} tokens, but the context of {config.prm_name!r} is {layout.context}.",
            "Use a shorter one: --question --step",
        )
    return layout


def tokenize_example(adapter: Adapter, example: Example) -> TokenizedExample:
    """Encode an example with an adapter.

    Raises:
        PRMError: the adapter returns another number of positions than there are steps, or positions out of order.
    """
    scoring_input = adapter.read(example.problem, path_of(example.steps, adapter.checkpoint.delimiters, finished=True))
    ids, positions = adapter.layout(example.question, example.steps)
    if sorted({*positions}) != list(positions) or not 0 <= positions[0] <= positions[-1] < len(ids):
        raise PRMError(
            f"The adapter returned the positions {positions} of {len(ids)} tokens; expected one per step, ascending."
        )
    ids = [*scoring_input.ids, *ids[len(scoring_input.ids) :]]
    return TokenizedExample(tuple(ids), _pieces(adapter, ids), tuple(positions))


def layout_remarks(adapter: Adapter, example: Example, encoded: TokenizedExample) -> list[str]:
    """List warnings about an encoded example, in sentences."""
    return [
        *_marks(adapter, encoded),
        *_growth(adapter, example, encoded),
        *_specials(adapter, example),
        *_unknown(adapter, encoded),
    ]


def _pieces(adapter: Adapter, ids: Sequence[int]) -> tuple[str, ...]:
    tokenizer = adapter.checkpoint.tokens.tokenizer
    texts = adapter.checkpoint.tokens.pieces(ids)
    names = tokenizer.convert_ids_to_tokens(list(ids))
    special = set(tokenizer.all_special_ids) | set(tokenizer.get_added_vocab().values())
    return tuple([name if token in special else text for token, text, name in zip(ids, texts, names, strict=True)])


def _marks(adapter: Adapter, encoded: TokenizedExample) -> list[str]:
    """Warn if neither the scored token nor the token after it is the same for all steps."""
    ids, positions = encoded.ids, encoded.positions
    scored = {ids[position]: encoded.pieces[position] for position in positions}
    after = {ids[position + 1] if position + 1 < len(ids) else None for position in positions}
    if len(scored) > 1 and len(after) > 1:
        tokens = ", ".join([f"{token} {piece!r}" for token, piece in scored.items()])
        return [f"a different token is scored after each step ({tokens}): the mark merges with the text before it."]
    mark = _mark(adapter)
    tokenizer = adapter.checkpoint.tokens.tokenizer
    if len(mark) < 2 or set(mark) & set(tokenizer.all_special_ids):  # a turn of a chat is many tokens by nature
        return []
    tokens = ", ".join([f"{token} {piece!r}" for token, piece in zip(mark, _pieces(adapter, mark), strict=True)])
    return [f"the mark after a step has {len(mark)} tokens here ({tokens}); the score is read at the last of them."]


def _mark(adapter: Adapter) -> list[int]:
    """Return the tokens with which steps of different texts end alike."""
    ids, positions = adapter.layout("?", ["a", "(7"])
    if len(positions) < 2:  # one verdict for all
        return []
    first, second = ids[: positions[0] + 1], ids[positions[0] + 1 : positions[1] + 1]
    same = takewhile(lambda pair: pair[0] == pair[1], zip(reversed(first), reversed(second), strict=False))
    return [token for token, _ in same][::-1]


def _growth(adapter: Adapter, example: Example, encoded: TokenizedExample) -> list[str]:
    """Warn if the ids of a path are not a prefix of the ids of its children."""
    for count in range(1, len(encoded.positions)):
        ids, positions = adapter.layout(example.question, example.steps[:count])
        end = positions[-1] + 1
        if tuple(ids[:end]) != encoded.ids[:end] or positions[-1] != encoded.positions[count - 1]:
            return [
                f"the first {count} steps are encoded differently once another follows: scores of whole solutions and "
                "of single steps will differ, and no prefix can be cached."
            ]
    return []


def _specials(adapter: Adapter, example: Example) -> list[str]:
    """Warn if the spelling of a special token in a question or a step is encoded as that token."""
    added = adapter.checkpoint.tokens.tokenizer.get_added_vocab()
    plain = Counter(adapter.layout(example.question, example.steps)[0])
    injected = []
    for name, token in sorted(added.items()):
        ids, _ = adapter.layout(f"{example.question} {name}", [f"{step} {name} so" for step in example.steps])
        if len(name) > 1 and ids.count(token) > plain[token]:
            injected.append(name)
    if not injected:
        return []
    more = f" and {len(injected) - 3} others" if len(injected) > 3 else ""
    return [
        f"{', '.join(injected[:3])}{more} in a question or a step would be encoded as special tokens; an adapter "
        "should tokenise data with PlainText."
    ]


def _unknown(adapter: Adapter, encoded: TokenizedExample) -> list[str]:
    unknown = adapter.checkpoint.tokens.tokenizer.unk_token_id
    count = encoded.ids.count(unknown) if unknown is not None else 0
    return [f"{count} tokens of the example are unknown to the tokenizer."] if count else []
