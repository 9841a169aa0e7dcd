"""Write your own PRM adapter: the token ids that the model reads, the scored positions, and the head.

    tt-scale prm-check FOLDER --prm-adapter own_prm:MyPRM     # from this folder, or with it on PYTHONPATH
    python examples/own_prm.py                                # the layout of a solution, with pocket-prm's tokenizer

To give it a name on the command line, declare an entry point in the package that holds it:

    [project.entry-points."tt_scale.prm_adapters"]
    my-prm = "own_prm:MyPRM"

Then `--prm-name FOLDER --prm-adapter my-prm` scores with it, on vLLM or Transformers. With `names` or `architectures`
the second flag is not needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from tt_scale.prm.adapters.base import Adapter, Checkpoint, LayerHead
from tt_scale.prm.adapters.plain_text import PlainText


class MyPRM(Adapter):
    """Question, then steps, each followed by a tag; a layer `score` with the classes wrong and right scores the tag."""

    summary: ClassVar[str] = "my PRM: a tag after each step, two classes"
    source: ClassVar[str] = "examples/own_prm.py"
    names: ClassVar[tuple[str, ...]] = ("my-prm",)
    head = LayerHead(("score",), column=1)

    def __init__(self, checkpoint: Checkpoint, *, tag: str = "<extra_0>") -> None:
        super().__init__(checkpoint)
        self.tag = self.known_id(tag)
        self.text = PlainText(checkpoint.tokens, [tag])

    def layout(self, question: str, steps: Sequence[str]) -> tuple[list[int], list[int]]:
        ids, positions = list(self.text.encode(question)), []
        for step in steps:
            ids += [*self.text.encode(step), self.tag]
            positions.append(len(ids) - 1)
        return ids, positions


def main() -> None:
    from tt_scale.generator.tokens import Tokens

    adapter = MyPRM(Checkpoint("pocket-prm", Tokens.load("pocket-prm"), {}))
    ids, positions = adapter.layout("What is 2 + 3 + 4?", ["2 + 3 = 5.", "5 + 4 = 9."])
    words = adapter.checkpoint.tokens.tokenizer.convert_ids_to_tokens(ids)
    for place, word in enumerate(words):
        print(f"{place:3} {ids[place]:4} {word}{'   <- read' if place in positions else ''}")


if __name__ == "__main__":
    main()
