from __future__ import annotations

import struct

import numpy as np
import pytest

from highstreet.models.errors import InvalidStateError
from highstreet.models.state import SharedState, StateLimits


@pytest.fixture
def state() -> SharedState:
    return SharedState({"b": np.arange(3.0), "a/x": np.ones((2, 2), dtype=np.float32)})


def test_a_state_survives_its_bytes(state):
    again = SharedState.from_bytes(state.to_bytes())
    assert again == state
    assert again.sha256() == state.sha256()
    assert list(again) == ["a/x", "b"]


def test_bytes_do_not_depend_on_the_order_of_names():
    one, two = np.zeros(1), np.ones(2)
    assert SharedState({"a": one, "b": two}).to_bytes() == SharedState({"b": two, "a": one}).to_bytes()


def test_a_state_cannot_be_changed(state):
    with pytest.raises(ValueError, match="read-only"):
        state["b"][0] = 7.0
    source = np.zeros(2)
    kept = SharedState({"a": source})
    source[0] = 1.0
    assert kept["a"][0] == 0.0


def test_updating_returns_a_new_state(state):
    newer = state.updated({"b": np.zeros(1)})
    assert newer["b"].tolist() == [0.0]
    assert state["b"].tolist() == [0.0, 1.0, 2.0]


@pytest.mark.parametrize(
    "arrays",
    [
        {"a": np.array([np.nan])},
        {"a": np.array([np.inf])},
        {"a": np.array([1, 2])},
        {"A name": np.zeros(1)},
        {"": np.zeros(1)},
    ],
)
def test_a_bad_array_is_refused(arrays):
    with pytest.raises(InvalidStateError):
        SharedState(arrays)


def test_foreign_bytes_are_refused(state):
    data = state.to_bytes()
    for bad in (b"", b"12345", data[:-1], data[:20], b"\xff" * 64, struct.pack("<Q", 1 << 60) + b"{}"):
        with pytest.raises(InvalidStateError):
            SharedState.from_bytes(bad)


def test_a_state_over_the_limits_is_refused(state):
    data = state.to_bytes()
    for limits in (StateLimits(payload_bytes=10), StateLimits(arrays=1), StateLimits(dimensions=1)):
        with pytest.raises(InvalidStateError):
            SharedState.from_bytes(data, limits)
    assert SharedState.from_bytes(data, StateLimits(payload_bytes=len(data), arrays=2, dimensions=2)) == state
