"""How long the rest is thought to take."""

from __future__ import annotations

import pytest

from tt_scale.report.forecast import Forecast, TimeLeft, duration
from tt_scale.report.status_line import clock


class Clock:
    """The time, as a test sets it."""

    now = 50.0


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr("tt_scale.report.forecast.time.monotonic", lambda: found.now)
    return found


def test_nothing_is_said_before_anything_is_known(time: Clock) -> None:
    """A guess from nothing is none."""
    forecast = Forecast([10])
    forecast.begin()
    time.now += 30
    assert forecast.left() is None


def test_one_at_a_time(time: Clock) -> None:
    """Three of ten took 30 s, so seven take 70."""
    forecast = Forecast([10])
    forecast.begin()
    time.now += 30
    for _ in range(3):
        forecast.more()
    assert forecast.left() == TimeLeft(70.0, None)


def test_work_under_way_counts_by_half(time: Clock) -> None:
    """With 64 at a time, 1 finished after 65 s means that 1 + 63 / 2 are done; by finished ones alone: 3.6 hours."""
    forecast = Forecast([200], at_once=64)
    forecast.begin()
    time.now += 65
    forecast.more()
    left = forecast.left()
    assert left is not None
    assert left.run == pytest.approx(65 / 32.5 * 167.5)
    for _ in range(199):
        forecast.more()
    assert forecast.left() == TimeLeft(0.0, None)


def test_more_at_once_than_there_are(time: Clock) -> None:
    """Two left of three are under way, whatever the limit."""
    forecast = Forecast([3], at_once=64)
    forecast.begin()
    time.now += 15
    forecast.more()
    assert forecast.left() == TimeLeft(15.0, None)  # 1.5 of 3 in 15 s


def test_later_runs_are_as_fast_as_those_before(time: Clock) -> None:
    """The second run is slower: the third is expected at the mean pace."""
    forecast = Forecast([10, 10, 20])
    forecast.begin()
    time.now += 20
    for _ in range(10):
        forecast.more()
    assert forecast.left() == TimeLeft(0.0, 60.0)
    forecast.begin()
    assert forecast.left() == TimeLeft(20.0, 60.0)  # nothing of it is done, and what was tells
    time.now += 5
    assert forecast.left() == TimeLeft(15.0, 55.0)
    time.now += 35
    for _ in range(10):
        forecast.more()
    assert forecast.left() == TimeLeft(0.0, 60.0)  # 3 s a piece
    forecast.begin()
    time.now += 3
    forecast.more()
    assert forecast.left() == TimeLeft(57.0, None)


def test_a_run_that_ended_early_is_left_behind(time: Clock) -> None:
    """A time limit may end a run before its last piece."""
    forecast = Forecast([10, 10])
    forecast.begin()
    time.now += 8
    forecast.more()
    forecast.begin()
    left = forecast.left()
    assert left == TimeLeft(80.0, None)


@pytest.mark.parametrize(
    ("seconds", "words", "digits"),
    [(0.4, "0 s", "0:00"), (119.4, "119 s", "1:59"), (119.6, "2 min 00 s", "2:00"), (3599.7, "1 h 00 min", "1:00:00"),
     (7530, "2 h 05 min", "2:05:30")],
)  # fmt: skip
def test_times_for_people(seconds: float, words: str, digits: str) -> None:
    """Rounding must not write 60 seconds or 60 minutes."""
    assert duration(seconds) == words
    assert clock(seconds) == digits
