r"""How Qwen2.5-Math-PRM reads a solution: no engine, only token ids and positions.

Chat prompt, then each step followed by the token `<extra_0>`; the probability that a step is right is read at its
tag. The ids are put together from pieces that are tokenised one by one, so that the ids of a path are a prefix of
those of its children (which makes prefix caches work), the place of every tag is known instead of searched for, and
a step or a question that contains `<extra_0>` as text has no tag in it.

Source: model card of Qwen/Qwen2.5-Math-PRM-7B (Zhang et al. 2025, arXiv 2501.07301). Attention is causal, so the tokens
that close the assistant's turn cannot change a score; the ids end at the last tag.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

from tt_scale.base_classes import Problem
from tt_scale.errors import PRMError
from tt_scale.generator.tokens import Tokens
from tt_scale.model_names import read_settings
from tt_scale.path import Path
from tt_scale.segmentation import step_texts

__all__ = ["ARCHITECTURE", "QwenMathProtocol", "Reading", "context_of", "read_model_config"]

ARCHITECTURE = "Qwen2ForProcessRewardModel"
TAG = "<extra_0>"
SYSTEM = r"Please reason step by step, and put your final answer within \boxed{}."
PLACE = "{the question}"
QWEN_TURN, QWEN_TAG = 151644, 151651
"""Ids of `<|im_start|>` and of the tag in Qwen's own vocabulary."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What is given to the model and where its verdicts stand.

    Attributes:
        ids: token ids, ending with the tag of the newest step [length].
        positions: of the tags of the steps that have no score yet [new steps].
    """

    ids: tuple[int, ...]
    positions: tuple[int, ...]

    def checked(self, values: Sequence[float]) -> tuple[float, ...]:
        """Make sure that there is one probability for each new step.

        Raises:
            PRMError: there are more or fewer, or one is no probability.
        """
        if len(values) != len(self.positions):
            raise PRMError(
                f"The PRM gave {len(values)} scores for {len(self.positions)} new steps; one each is needed."
            )
        for value in values:
            if not 0.0 <= value <= 1.0:  # a number that is none fails here too
                raise PRMError(
                    f"The PRM gave the score {value}; a score lies between 0 and 1.",
                    "float16 is too narrow for some models. Type: --dtype bfloat16",
                )
        return tuple(values)


class QwenMathProtocol:
    """Turns paths into token ids.

    Args:
        tokens: of the PRM.
        delimiters: that end a step; they are no part of what is scored.
        context: most tokens that the PRM reads.

    Attributes:
        tag: the id after each step.

    Raises:
        PRMError: the tokenizer is not that of such a PRM: no tag, or no chat template.
    """

    def __init__(self, tokens: Tokens, delimiters: Sequence[str], context: int) -> None:
        self.context = context
        self._delimiters = tuple(delimiters)
        self._tokens = tokens
        vocabulary: dict[str, int] = tokens.tokenizer.get_vocab()
        self.tag = _tag(vocabulary, tokens.name)
        special = {token for token in tokens.tokenizer.get_added_vocab() if len(token) > 1} | {TAG}
        self._special = re.compile(f"(?={'|'.join(map(re.escape, sorted(special)))})")
        self._as_text = lru_cache(8192)(self._encode_as_text)
        self._opening, self._before, self._after, self._closing = self._layout()

    def read(self, problem: Problem, path: Path) -> Reading:
        """Lay out one path.

        Raises:
            PRMError: it does not fit into the context; past it such a model is silently wrong.
        """
        question = self._as_text(f"{self._before}{problem.question}{self._after}")
        ids = [*self._opening, *question, *self._closing]
        positions: list[int] = []
        for index, text in enumerate(step_texts(path.steps, self._delimiters)):
            ids += self._as_text(text)
            ids.append(self.tag)
            if index >= len(path.scores):
                positions.append(len(ids) - 1)
        if len(ids) > self.context:
            raise PRMError(
                f"The PRM would have to read {len(ids)} tokens of problem {problem.id!r}; its context holds "
                f"{self.context}.",
                "Lower max_tokens.",
            )
        return Reading(tuple(ids), tuple(positions))

    def _layout(self) -> tuple[tuple[int, ...], str, str, tuple[int, ...]]:
        """Take the chat template apart: ids, text around the question, ids.

        A tokenizer cuts at special tokens first. Between two of them text is encoded whole, so that a question gets
        the very ids that it has in the whole prompt.
        """
        chat = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": PLACE}]
        tokenizer = self._tokens.tokenizer
        if not getattr(tokenizer, "chat_template", None):
            raise PRMError(
                f"The PRM {self._tokens.name!r} has no chat template.", "Use the tokenizer that came with it."
            )
        text: str = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        head, _, tail = text.partition(PLACE)
        special = [token for token in tokenizer.get_added_vocab() if token]
        start = max([head.rfind(token) + len(token) for token in special if token in head], default=0)
        end = min([tail.find(token) for token in special if token in tail], default=len(tail))
        return self._tokens.encode(head[:start]), head[start:], tail[:end], self._tokens.encode(tail[end:])

    def _encode_as_text(self, text: str) -> tuple[int, ...]:
        """Tokenise text in which special tokens are nothing special: each is cut after its first character."""
        cuts = [0, *[found.start() + 1 for found in self._special.finditer(text)], len(text)]
        parts = [text[start:end] for start, end in pairwise(cuts)]
        return tuple([token for part in parts if part for token in self._tokens.encode(part)])


def _tag(vocabulary: dict[str, int], name: str) -> int:
    """Look the tag up and make sure that it is the one that the PRM was trained with."""
    tag = vocabulary.get(TAG)
    if tag is None:
        raise PRMError(
            f"The tokenizer of {name!r} knows no token {TAG!r}; a Qwen2.5-Math-PRM marks its steps by it.",
            "Use the tokenizer that came with the PRM.",
        )
    if vocabulary.get("<|im_start|>") == QWEN_TURN and tag != QWEN_TAG:
        raise PRMError(
            f"The tokenizer of {name!r} gives {TAG!r} the id {tag}; the model was trained with {QWEN_TAG}.",
            "Use the tokenizer that came with the PRM.",
        )
    return tag


def read_model_config(model: str, name: str) -> dict[str, Any]:
    """Read `config.json` of a PRM and check what it is.

    Args:
        model: local folder or hub name.
        name: as the configuration has it.

    Raises:
        PRMError: there is none, or it is of another architecture: a generator, say.
    """
    try:
        config = read_settings(model)
    except (OSError, ValueError) as error:
        line = str(error).strip().splitlines()[0]
        raise PRMError(
            f"The PRM {name!r} has no config.json that can be read: {line}.", "Check the name, or give a local folder."
        ) from error
    found = config.get("architectures") or ["model that does not say what it is"]
    if ARCHITECTURE not in found:
        what = ", a generator" if any(name.endswith("ForCausalLM") for name in found) else ""
        raise PRMError(
            f"prm_name is {name!r}, a {', '.join(found)}{what}; a PRM of architecture {ARCHITECTURE} is needed.",
            "A generator can judge: --prm judge, or --prm-name judge for the run's own",
        )
    return config


def context_of(settings: dict[str, Any]) -> int:
    """Most tokens that a PRM was trained to read, from its `config.json`."""
    return int(settings.get("max_position_embeddings", 4096))
