"""The id of a problem that is known by its question alone: the same in `solve`, in a server and in a problem set."""

from __future__ import annotations

from hashlib import blake2b

__all__ = ["question_id"]


def question_id(question: str) -> str:
    """Name a question: `question-` and twelve hexadecimal digits of its digest."""
    return f"question-{blake2b(question.encode('utf-8', 'surrogatepass'), digest_size=6).hexdigest()}"
