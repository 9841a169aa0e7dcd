"""The Hugging Face hub: whether it answers, what of it is on this machine, and one line about what is fetched.

Its own library tries a server that does not answer six times for each file, half a minute in all. Here it is asked
once, with one short retry; where it stays silent, the process works with the copies on this machine alone.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import sleep

__all__ = ["cached_file_of", "fetched_file", "is_offline", "leave_a_dead_hub", "without_dead_hub"]

SECONDS = 4.0
"""For which one attempt waits; a name server that does not answer is not covered by the library's own limit."""

PAUSE = 1.0

LOG = logging.getLogger("tt_scale")


def is_offline() -> bool:
    """Whether the hub is not to be asked: a user says so, it does not answer, or there is nothing to ask it with."""
    try:
        from huggingface_hub import constants
    except ImportError:
        return True
    return bool(constants.HF_HUB_OFFLINE)


@contextmanager
def without_dead_hub(what: str) -> Iterator[bool]:
    """Ask the hub whether it answers, say what is fetched from it, and keep its library from warning.

    Where it does not answer, this process stays offline as if HF_HUB_OFFLINE were set, unless what was wanted fails:
    then the next attempt asks again.

    Args:
        what: is fetched: the name of a model or a problem set.

    Yields:
        Whether the hub answers.
    """
    asked = not is_offline()
    answers = asked and _answers()
    if answers:
        LOG.warning("Fetching %s from the Hugging Face hub ...", what)
    elif asked:
        _set_offline(True)
    try:
        with quiet_hub():
            yield answers
    except BaseException:
        if asked and not answers:
            _set_offline(False)
        raise


def leave_a_dead_hub() -> None:
    """Keep this process from waiting for a hub that does not answer, where all that is wanted is on this machine."""
    if not is_offline() and not _answers():
        _set_offline(True)


@contextmanager
def quiet_hub() -> Iterator[None]:
    """Keep the library's retries and hints from burying the one sentence that says what is wrong."""
    logs = [logging.getLogger(name) for name in ("huggingface_hub", "datasets")]
    levels = [log.level for log in logs]
    for log in logs:
        log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for log, level in zip(logs, levels, strict=True):
            log.setLevel(level)


def cached_file_of(name: str, file: str, revision: str | None = None) -> Path | None:
    """Find one file of a model in the cache of this machine.

    Args:
        name: of the model on the hub.
        file: its path in the model.
        revision: branch, tag or commit; None is the main branch.
    """
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    with suppress(HFValidationError):
        found = try_to_load_from_cache(name, file, revision=revision)
        return Path(found) if isinstance(found, str) else None
    return None


def fetched_file(name: str, file: str, revision: str | None = None) -> Path:
    """Fetch one small file of a model; arguments as of `cached_file_of`.

    Raises:
        OSError: the hub does not answer, or has no such model, revision or file.
    """
    from huggingface_hub import hf_hub_download

    with without_dead_hub(name) as answers:
        if not answers:
            raise ConnectionError("the hub does not answer")
        return Path(hf_hub_download(name, file, revision=revision, etag_timeout=SECONDS))


def _answers() -> bool:
    if _answers_once():
        return True
    sleep(PAUSE)
    return _answers_once()


def _answers_once() -> bool:
    """Whether anything comes back, be it an error; asked in a thread, since looking up a name knows no time limit."""
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
    """Tell the libraries of this process, and those of processes that it starts."""
    from huggingface_hub import constants

    constants.HF_HUB_OFFLINE = offline
    settings = getattr(sys.modules.get("datasets"), "config", None)
    if hasattr(settings, "HF_HUB_OFFLINE"):
        settings.HF_HUB_OFFLINE = offline  # type: ignore[union-attr]
    if offline:
        os.environ["HF_HUB_OFFLINE"] = "1"
    else:
        os.environ.pop("HF_HUB_OFFLINE", None)
