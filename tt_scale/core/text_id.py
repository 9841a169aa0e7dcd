"""An id that carries the text it stands for, where the text cannot be computed from the number."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["TextId"]


class TextId(int):
    """An integer that is equal to, hashed and written like its number, and holds a text.

    The text lives as long as the ids of the path that it belongs to: no table has to be emptied when a search ends.

    Args:
        number: the id.
        text: the text that it stands for; lost if the id is written as JSON.
    """

    text: str

    def __new__(cls, number: int, text: str) -> Self:
        """Attach the text."""
        token = super().__new__(cls, number)
        token.text = text
        return token

    def __reduce__(self) -> tuple[type[TextId], tuple[int, str]]:
        """Keep the text when another process receives the id."""
        return type(self), (int(self), self.text)
