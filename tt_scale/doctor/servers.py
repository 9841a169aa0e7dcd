"""What the servers of a configuration say: whether they answer, and which models they serve."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from tt_scale.backends import ResolvedModels
from tt_scale.engines.endpoints.addresses import GENERATOR_KEYS, api_key, split_urls
from tt_scale.engines.endpoints.faults import RequestFault
from tt_scale.engines.endpoints.http_client import HttpEndpoint, require_httpx
from tt_scale.engines.endpoints.openai_client import Endpoint, require_openai
from tt_scale.errors import MissingExtraError
from tt_scale.prm.server import API_KEY

__all__ = ["server_lines"]

SECONDS = 5.0

SHOWN = 5
"""Names of models in a line."""


class _Client(Protocol):
    """What is asked here of a client."""

    async def models(self) -> list[Mapping[str, Any]]: ...

    async def close(self) -> None: ...


def server_lines(models: ResolvedModels) -> list[str]:
    """Ask each server that a run would use for its models; a line for each, and one for the key."""
    config, lines = models.config, list[str]()
    if "base_url" in models.generator.cls.config_keys and config.base_url:
        lines += _asked(config.base_url, GENERATOR_KEYS, require_openai, Endpoint)
    if any("prm_url" in prm.cls.config_keys for prm in models.prms) and config.prm_url:
        lines += _asked(config.prm_url, (API_KEY,), require_httpx, HttpEndpoint)
    return lines


def _asked(
    urls: str,
    variables: tuple[str, ...],
    require: Callable[[str], None],
    client: Callable[[str, str | None, float], _Client],
) -> list[str]:
    try:
        require("Asking a server")
    except MissingExtraError as error:
        return [str(error)]
    key = api_key(variables)
    given = next((name for name in variables if os.environ.get(name, "").strip()), "")
    verb = "are" if len(variables) > 1 else "is"
    told = f"its key is that of {given}" if given else f"no key, since {' and '.join(variables)} {verb} not set"
    return [f"{line}; {told}" for line in asyncio.run(_all(split_urls(urls), key, client))]


async def _all(urls: Sequence[str], key: str | None, client: Callable[[str, str | None, float], _Client]) -> list[str]:
    return list(await asyncio.gather(*[_one(url, client(url, key, SECONDS)) for url in urls]))


async def _one(url: str, client: _Client) -> str:
    try:
        names = [str(each.get("id")) for each in await client.models()]
    except RequestFault as fault:
        return fault.message.rstrip(".")
    finally:
        await client.close()
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{url} serves {', '.join(names[:SHOWN]) or 'models that it does not list'}{more}"
