"""The addresses in `base_url` and `prm_url`, and the keys that servers ask for."""

from __future__ import annotations

import os

from tt_scale.errors import ConfigError

__all__ = ["GENERATOR_KEYS", "api_key", "api_root", "split_urls", "without_key"]

GENERATOR_KEYS = ("TT_SCALE_GENERATOR_API_KEY", "OPENAI_API_KEY")
"""Environment variables that may hold the key of a generator's server; the first that is set counts."""

SHORTEST_KEY = 8
"""A shorter one is a placeholder ("EMPTY"), and its characters are ordinary text."""


def split_urls(text: str) -> tuple[str, ...]:
    """The addresses in a text that lists them with commas, without slashes at their ends."""
    return tuple([url.strip().rstrip("/") for url in text.split(",") if url.strip()])


def api_root(url: str) -> str:
    """Add `/v1` to an address that names a server alone."""
    _, _, place = url.partition("://")
    return url if "/" in place.rstrip("/") else f"{url.rstrip('/')}/v1"


def api_key(variables: tuple[str, ...]) -> str | None:
    """Read a key from the environment, the only place where it is looked for.

    Raises:
        ConfigError: it holds a character that no request can carry; the message does not repeat it.
    """
    for name in variables:
        key = os.environ.get(name, "").strip()
        if not (key.isascii() and key.isprintable()):
            raise ConfigError(
                f"The key in the variable {name} holds a line break or another character that no key can have.",
                "Set it again.",
            )
        if key:
            return key
    return None


def without_key(text: str, key: str | None) -> str:
    """Blot out a key in words that somebody else wrote."""
    return text.replace(key, "***") if key and len(key) >= SHORTEST_KEY else text
