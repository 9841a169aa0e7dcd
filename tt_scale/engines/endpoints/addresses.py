"""Server addresses in `base_url` and `prm_url`, and API keys."""

from __future__ import annotations

import os

from tt_scale.errors import ConfigError

__all__ = ["GENERATOR_KEYS", "api_key", "api_root", "split_urls", "without_key"]

GENERATOR_KEYS = ("TT_SCALE_GENERATOR_API_KEY", "OPENAI_API_KEY")
"""Environment variables with the API key of a generator's server; the first that is set counts."""

SHORTEST_KEY = 8
"""Shortest key that is masked in messages; a shorter one is a placeholder ("EMPTY") and may be ordinary text."""


def split_urls(text: str) -> tuple[str, ...]:
    """Split comma-separated addresses and strip trailing slashes."""
    return tuple([url.strip().rstrip("/") for url in text.split(",") if url.strip()])


def api_root(url: str) -> str:
    """Add `/v1` to an address without a path."""
    _, _, rest = url.partition("://")
    return url if "/" in rest.rstrip("/") else f"{url.rstrip('/')}/v1"


def api_key(variables: tuple[str, ...]) -> str | None:
    """Read an API key from the environment; keys are never part of a configuration.

    Raises:
        ConfigError: the key contains a character that an HTTP header cannot; the message does not repeat the key.
    """
    for name in variables:
        key = os.environ.get(name, "").strip()
        if not (key.isascii() and key.isprintable()):
            raise ConfigError(
                f"The API key in the variable {name} contains a line break or another invalid character.",
                "Set it again.",
            )
        if key:
            return key
    return None


def without_key(text: str, key: str | None) -> str:
    """Mask an API key in a text from a server."""
    return text.replace(key, "***") if key and len(key) >= SHORTEST_KEY else text
