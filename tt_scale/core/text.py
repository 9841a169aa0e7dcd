"""Text that can be written as UTF-8, whatever it was made from."""

from __future__ import annotations

__all__ = ["described", "escaped", "message_of"]


def escaped(text: str) -> str:
    r"""Write halves of surrogate pairs, which UTF-8 does not have, as people write them: `\ud83d`."""
    return str(text) if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


def message_of(error: BaseException) -> str:
    """Give the message of an exception, also of one that cannot say it."""
    try:
        return escaped(str(error))
    except Exception as fault:  # noqa: BLE001 - whatever it is, the error that is described is another one
        return f"(its message raised {type(fault).__name__})"


def described(error: BaseException) -> str:
    """Give the class and the message of an exception."""
    return f"{escaped(type(error).__name__)}: {message_of(error)}"
