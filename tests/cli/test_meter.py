from __future__ import annotations

import pytest

from curate.cli.meter import Meter


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_rate_counts_only_what_was_done_since_the_start(clock):
    meter = Meter("fit", "steps", total=100, done=40, clock=clock)
    clock.now = 10
    meter.advance(60, None)
    assert meter.rate == 2  # 20 steps in 10 s
    assert meter.seconds_left == 20  # 40 steps are left
    assert meter.seconds == 10


def test_nothing_done_has_no_rate(clock):
    meter = Meter("fit", "steps", total=100, done=40, clock=clock)
    clock.now = 10
    assert meter.rate is None
    assert meter.seconds_left is None


def test_rate_follows_the_last_minute(clock):
    meter = Meter("score", "images", total=10_000, done=0, clock=clock)
    for second in range(1, 101):
        clock.now = second
        meter.advance(second, None)
    for second in range(101, 201):
        clock.now = second
        meter.advance(100 + 10 * (second - 100), None)
    assert meter.rate == pytest.approx(10, rel=0.1)


def test_newest_values_are_kept_by_name(clock):
    meter = Meter("fit", "steps", total=3, done=0, clock=clock)
    meter.advance(1, {"loss": 2.0, "auroc": 0.5})
    meter.advance(2, {"loss": 1.0})
    meter.advance(3, None)
    assert meter.values == {"loss": 1.0, "auroc": 0.5}


def test_time_left_is_never_negative(clock):
    meter = Meter("fit", "steps", total=3, done=0, clock=clock)
    clock.now = 1
    meter.advance(5, None)
    assert meter.seconds_left == 0


def test_memory_stays_small(clock):
    meter = Meter("fit", "steps", total=10**6, done=0, clock=clock)
    for n in range(5000):
        clock.now = n / 10
        meter.advance(n, None)
    assert len(meter._samples) < 200
