"""Durations counted and summed up."""

from holdfast.timing import Timer, quantile


def test_a_timer_tells_count_spread_and_rate() -> None:
    timer = Timer()
    for number in range(100):
        timer.note(number / 100, now=1000.0 + number)
    shown = timer.snapshot(now=1100.0)
    assert (shown["count"], shown["min"], shown["max"]) == (100, 0.0, 0.99)
    assert (shown["p50"], shown["p99"]) == (0.5, 0.99)
    assert shown["m1_rate"] == 59 / 60


def test_a_timer_of_nothing_is_zero() -> None:
    assert Timer().snapshot(0.0)["mean"] == 0.0
    assert quantile([], 0.5) == 0.0
