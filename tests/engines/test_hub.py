"""A hub that does not answer is asked twice, and its library is not left to ask it again."""

from __future__ import annotations

import logging
import os

import pytest

pytest.importorskip("huggingface_hub")

from huggingface_hub import constants

import tt_scale.engines.hub as hub


@pytest.fixture(autouse=True)
def _online(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setattr(hub, "PAUSE", 0.0)


def test_one_retry_then_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Six attempts for each file took half a minute and printed twelve lines."""
    attempts = []
    monkeypatch.setattr(hub, "_responds", lambda: bool(attempts.append(1)))
    with hub.hub_access("owner/model") as answers:
        assert not answers
        assert hub.is_offline()
        assert os.environ["HF_HUB_OFFLINE"] == "1"  # for the processes of vLLM
        with hub.hub_access("owner/other") as again:
            assert not again
    assert len(attempts) == 2
    assert hub.is_offline()


def test_a_failure_leaves_the_process_online(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a notebook the next attempt must ask again."""
    monkeypatch.setattr(hub, "_responds", lambda: False)
    with pytest.raises(KeyError), hub.hub_access("owner/model"):
        raise KeyError
    assert not hub.is_offline()
    assert "HF_HUB_OFFLINE" not in os.environ


def test_a_hub_that_answers_late(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """One short retry."""
    answers = iter([False, True])
    monkeypatch.setattr(hub, "_responds", lambda: next(answers))
    with hub.hub_access("owner/model") as answer:
        assert answer
        assert logging.getLogger("huggingface_hub").level == logging.ERROR
    assert [record.message for record in caplog.records] == ["Fetching owner/model from the Hugging Face hub ..."]
    assert not hub.is_offline()


def test_name_resolution_without_a_response(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking up a name knows no time limit of the library."""
    import threading

    class Session:
        def head(self, *_: object, **__: object) -> None:
            threading.Event().wait(30)

    monkeypatch.setattr(hub, "SECONDS", 0.05)
    monkeypatch.setattr("huggingface_hub.utils.get_session", Session)
    assert not hub._responds()


def test_any_response_counts_as_reachable(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error page says that somebody is there."""

    class Session:
        def head(self, *_: object, **__: object) -> str:
            return "500"

    monkeypatch.setattr("huggingface_hub.utils.get_session", Session)
    assert hub._responds()


def test_copies_on_this_machine_do_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that is all there asked a dead network for each of its files."""
    monkeypatch.setattr(hub, "_responds", lambda: False)
    hub.go_offline_if_unreachable()
    assert hub.is_offline()
    hub._set_offline(False)
    monkeypatch.setattr(hub, "_responds", lambda: True)
    hub.go_offline_if_unreachable()
    assert not hub.is_offline()
