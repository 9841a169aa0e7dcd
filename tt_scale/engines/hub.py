"""Access to the Hugging Face hub: reachability, cached files, and a log line for each download.

The hub's client retries an unreachable server six times for each file, half a minute in all. Here reachability is
checked first, with one short retry; if the hub is unreachable, the process uses cached files only.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from time import sleep

__all__ = ["cached_hub_file", "fetch_hub_file", "go_offline_if_unreachable", "hub_access", "is_offline"]

SECONDS = 4.0
"""Timeout of one attempt; the client's own timeout does not cover name resolution."""

PAUSE = 1.0
"""Time between two attempts, in seconds."""

LOG = logging.getLogger("tt_scale")


def is_offline() -> bool:
    """Whether the hub is not used: by HF_HUB_OFFLINE, because it is unreachable, or because its client is missing."""
    try:
        from huggingface_hub import constants
    except ImportError:
        return True
    return bool(constants.HF_HUB_OFFLINE)


@contextmanager
def hub_access(what: str) -> Iterator[bool]:
    """Check that the hub is reachable, log what is fetched, and silence its client's warnings.

    If the hub is unreachable, this process goes offline as with HF_HUB_OFFLINE; if the block raises, that is undone,
    so that the next attempt checks again.

    Args:
        what: is fetched: the name of a model or a problem set.

    Yields:
        Whether the hub is reachable.
    """
    online = not is_offline()
    reachable = online and _is_reachable()
    if reachable:
        LOG.warning("Fetching %s from the Hugging Face hub ...", what)
    elif online:
        _set_offline(True)
    try:
        with quiet_hub():
            yield reachable
    except BaseException:
        if online and not reachable:
            _set_offline(False)
        raise


def go_offline_if_unreachable() -> None:
    """Set this process offline if the hub is unreachable, when all files that it needs are cached."""
    if not is_offline() and not _is_reachable():
        _set_offline(True)


@contextmanager
def quiet_hub() -> Iterator[None]:
    """Silence the client's messages about retries, which would hide our error message."""
    logs = [logging.getLogger(name) for name in ("huggingface_hub", "datasets")]
    levels = [log.level for log in logs]
    for log in logs:
        log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for log, level in zip(logs, levels, strict=True):
            log.setLevel(level)


def cached_hub_file(name: str, file: str, revision: str | None = None) -> Path | None:
    """Find a file of a model in the local cache; None also where the hub's client is not installed.

    Args:
        name: name of the model on the hub.
        file: path of the file in the model's repository.
        revision: branch, tag or commit; None is the main branch.
    """
    if find_spec("huggingface_hub") is None:
        return None
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    with suppress(HFValidationError):
        path = try_to_load_from_cache(name, file, revision=revision)
        return Path(path) if isinstance(path, str) else None
    return None


def fetch_hub_file(name: str, file: str, revision: str | None = None) -> Path:
    """Download a small file of a model; arguments as of `cached_hub_file`.

    Raises:
        OSError: the hub is unreachable, or has no such model, revision or file.
    """
    from huggingface_hub import hf_hub_download

    with hub_access(name) as reachable:
        if not reachable:
            raise ConnectionError("the hub cannot be reached")
        return Path(hf_hub_download(name, file, revision=revision, etag_timeout=SECONDS))


def _is_reachable() -> bool:
    if _responds():
        return True
    sleep(PAUSE)
    return _responds()


def _responds() -> bool:
    """Whether the hub sends any response, also an error; in a thread, since name resolution has no timeout."""
    from huggingface_hub import constants
    from huggingface_hub.utils import get_session

    answered = threading.Event()

    def ask() -> None:
        with suppress(Exception):  # requests or httpx, by version
            get_session().head(constants.ENDPOINT, timeout=SECONDS)
            answered.set()
        ended.set()

    ended = threading.Event()
    threading.Thread(target=ask, daemon=True).start()
    ended.wait(SECONDS)
    return answered.is_set()


def _set_offline(offline: bool) -> None:
    """Set the offline mode of the libraries in this process and in processes that it starts."""
    from huggingface_hub import constants

    constants.HF_HUB_OFFLINE = offline
    settings = getattr(sys.modules.get("datasets"), "config", None)
    if hasattr(settings, "HF_HUB_OFFLINE"):
        settings.HF_HUB_OFFLINE = offline  # type: ignore[union-attr]
    if offline:
        os.environ["HF_HUB_OFFLINE"] = "1"
    else:
        os.environ.pop("HF_HUB_OFFLINE", None)
