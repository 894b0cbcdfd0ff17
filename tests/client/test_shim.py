"""What a node's messages may take of the shop's computer: two at a time, none larger than a round's."""

from __future__ import annotations

import threading

import pytest
from flwr.proto.message_pb2 import ObjectTree
from flwr.supercore.inflatable.inflatable_utils import ObjectPullError

from highstreet.client.shim import Slots, refuse_large_tree, within_size

WAIT_SECONDS = 20


def test_a_third_message_waits_until_one_of_two_is_over() -> None:
    slots, ending = Slots(2), threading.Event()
    for _ in range(2):
        assert slots.take()
        slots.start(lambda: ending.wait(WAIT_SECONDS) and None)
    assert not slots.take()
    ending.set()
    assert _soon(slots)


def test_a_message_that_fails_frees_its_place() -> None:
    slots = Slots(1)
    assert slots.take()
    slots.start(lambda: [].pop())
    assert _soon(slots)
    slots.give_back()
    assert slots.take()


def _soon(slots: Slots) -> bool:
    """Whether a place gets free: the semaphore itself is waited on."""
    return slots._free.acquire(timeout=WAIT_SECONDS)


def test_pulling_ends_once_all_that_came_is_too_large() -> None:
    pulled: list[str] = []

    def pull(object_id: str) -> bytes:
        pulled.append(object_id)
        return bytes(40)

    within = within_size(pull, limit_bytes=100)
    assert (within("a"), within("b")) == (bytes(40), bytes(40))
    for object_id in ("c", "d", "e"):
        with pytest.raises(ObjectPullError, match="too large"):
            within(object_id)
    assert pulled == ["a", "b", "c"]


def test_a_tree_of_many_objects_is_refused_before_any_is_pulled() -> None:
    leaf = ObjectTree(object_id="record")
    refuse_large_tree(ObjectTree(object_id="message", children=[ObjectTree(object_id="r", children=[leaf])]))
    with pytest.raises(ObjectPullError, match="too many"):
        refuse_large_tree(ObjectTree(object_id="message", children=[leaf] * 8))
