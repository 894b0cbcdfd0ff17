"""Guessing is slowed down; honest mistakes of others are not held against anybody."""

from __future__ import annotations

from highstreet.server.throttle import Throttle


def test_a_peer_that_keeps_failing_waits_and_is_heard_again() -> None:
    now = 0.0
    throttle = Throttle(lambda: now, per_peer=3, in_all=100, window_seconds=60)
    for _ in range(3):
        assert throttle.is_open("a")
        throttle.count("a")
    assert not throttle.is_open("a")
    assert throttle.is_open("b")
    now = 59.9
    assert not throttle.is_open("a")
    now = 60.0
    assert throttle.is_open("a")


def test_many_peers_failing_together_are_slowed_down_too() -> None:
    throttle = Throttle(lambda: 0.0, per_peer=3, in_all=5, window_seconds=60)
    for number in range(5):
        assert throttle.is_open("new")
        throttle.count(f"peer {number}")
    assert not throttle.is_open("new")
