r"""How Qwen2.5-Math-PRM reads a solution: no engine, only token ids and positions.

Chat prompt, then each step followed by the token `<extra_0>`; the probability that a step is right is read at its
tag. The ids are put together from pieces that are tokenised one by one, so that the ids of a path are a prefix of
those of its children (which makes prefix caches work), the place of every tag is known instead of searched for, and
a step or a question that contains `<extra_0>` as text has no tag in it.

Source: model card of Qwen/Qwen2.5-Math-PRM-7B (Zhang et al. 2025, arXiv 2501.07301). Attention is causal, so the tokens
that close the assistant's turn cannot change a score; the ids end at the last tag.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

from tt_scale.base_classes import Problem
from tt_scale.errors import PRMError
from tt_scale.generator.tokens import Tokens
from tt_scale.path import Path
from tt_scale.segmentation import step_texts

__all__ = ["ARCHITECTURE", "QwenMathProtocol", "Reading", "read_model_config"]

ARCHITECTURE = "Qwen2ForProcessRewardModel"
TAG = "<extra_0>"
SYSTEM = r"Please reason step by step, and put your final answer within \boxed{}."
PLACE = "{the question}"


@dataclass(frozen=True, slots=True)
class Reading:
    """What is given to the model and where its verdicts stand.

    Attributes:
        ids: token ids, ending with the tag of the newest step [length].
        positions: of the tags of the steps that have no score yet [new steps].
    """

    ids: tuple[int, ...]
    positions: tuple[int, ...]


class QwenMathProtocol:
    """Turns paths into token ids.

    Args:
        tokens: of the PRM.
        delimiters: that end a step; they are no part of what is scored.
        context: most tokens that the PRM reads.

    Raises:
        PRMError: the tokenizer knows no tag, so it is not that of such a PRM.
    """

    def __init__(self, tokens: Tokens, delimiters: Sequence[str], context: int) -> None:
        self.context = context
        self._tokens = tokens
        self._delimiters = tuple(delimiters)
        vocabulary: dict[str, int] = tokens.tokenizer.get_vocab()
        if TAG not in vocabulary:
            raise PRMError(
                f"The tokenizer of {tokens.name!r} knows no token {TAG!r}; a Qwen2.5-Math-PRM marks its steps by it.",
                "Use the tokenizer that came with the PRM.",
            )
        self.tag = vocabulary[TAG]
        chat = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": PLACE}]
        text = tokens.tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        head, _, tail = text.partition(PLACE)
        self._head, self._tail = tokens.encode(head), tokens.encode(tail)

    def read(self, problem: Problem, path: Path) -> Reading:
        """Lay out one path.

        Raises:
            PRMError: it does not fit into the context; past it such a model is silently wrong.
        """
        ids = [*self._head, *self._as_text(problem.question.strip()), *self._tail]
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

    def _as_text(self, text: str) -> list[int]:
        """Tokenise text in which special tokens are nothing special."""
        ids: list[int] = self._tokens.tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)
        return ids


def read_model_config(model: str) -> dict[str, Any]:
    """Read `config.json` of a PRM and check what it is.

    Args:
        model: local folder or hub name.

    Raises:
        PRMError: there is none, or it is of another architecture: a generator, say.
    """
    from transformers.utils import cached_file

    folder = FilePath(model)
    try:
        file = folder / "config.json" if folder.is_dir() else FilePath(cached_file(model, "config.json"))
        config: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        line = str(error).strip().splitlines()[0]
        raise PRMError(
            f"The PRM {model!r} has no config.json that can be read: {line}.", "Check the name, or give a local folder."
        ) from error
    found = config.get("architectures") or ["a model that does not say what it is"]
    if ARCHITECTURE not in found:
        raise PRMError(
            f"prm_name is {model!r}, which is {', '.join(found)}; a PRM of architecture {ARCHITECTURE} is needed.",
            "A generator can judge its own steps: --prm-name judge",
        )
    return config
