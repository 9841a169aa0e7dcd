"""What a server is started with, beside the configuration of its models."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tt_scale.errors import ConfigError, MissingExtraError

__all__ = ["TOKEN_VARIABLE", "ServeSettings", "read_tokens", "require_serve"]

TOKEN_VARIABLE = "TT_SCALE_SERVE_TOKEN"

SamplingRule = Literal["follow", "fixed"]


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """What a server does with requests.

    Attributes:
        tokens: bearer tokens, one of which each request must have; empty for none.
        sampling: "follow" takes temperature, top_p, seed and max_tokens of a request; "fixed" keeps the server's own.
        concurrency: searches at a time, at least 1.
        max_queue: requests that wait for a search, at least 0; more are refused with 429.
        max_body: bytes of a request's body, at least 1.
        max_paths: largest number of paths that a request may ask for, by budget or any width, at least 1.
        keep_alive: seconds between two signs of life in a stream, above 0.
        default_timeout: seconds of a search for requests without `timeout_s`; None for no limit.
    """

    tokens: tuple[str, ...] = ()
    sampling: SamplingRule = "follow"
    concurrency: int = 64
    max_queue: int = 1024
    max_body: int = 4 << 20
    max_paths: int = 1024
    keep_alive: float = 10.0
    default_timeout: float | None = None


def require_serve() -> None:
    """Refuse to go on without FastAPI, uvicorn and prometheus_client.

    Raises:
        MissingExtraError: one of them is not installed.
    """
    for package in ("fastapi", "uvicorn", "prometheus_client"):
        try:
            __import__(package)
        except ImportError:
            raise MissingExtraError(package, "serve", "The server") from None


def read_tokens(file: str | None, host: str, environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Read the bearer tokens from a file, one a line, or from the environment; never from the command line.

    Raises:
        ConfigError: the file cannot be read or holds no token, or there is none and the address is not loopback.
    """
    tokens = _from_file(file) if file is not None else tuple(environment.get(TOKEN_VARIABLE, "").split())
    if not tokens and not _is_loopback(host):
        raise ConfigError(
            f"--host {host} can be reached from other machines, and no token is required of them.",
            f"Set {TOKEN_VARIABLE}, or type: --token-file FILE",
        )
    return tokens


def _from_file(file: str) -> tuple[str, ...]:
    if not file:
        raise ConfigError("--token-file is empty.", f"Name a file, or set {TOKEN_VARIABLE}.")
    try:
        tokens = tuple(Path(file).read_text(encoding="utf-8").split())
    except (OSError, ValueError) as error:  # ValueError: no text in UTF-8, or no name that the system has
        raise ConfigError(f"The token file {file!r} cannot be read: {getattr(error, 'strerror', error)}.") from None
    if not tokens:
        raise ConfigError(f"The token file {file!r} is empty.", "Write a token into it, one a line.")
    return tokens


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
