"""The store's SuperNode takes every reply away, also one whose message it has forgotten."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flwr.app import ConfigRecord, Message, RecordDict
from flwr.app.metadata import Metadata
from flwr.supercore.inflatable.inflatable_object import get_object_tree, no_object_id_recompute
from flwr.supercore.object_store import ObjectStoreFactory
from flwr.supernode import start_client_internal as node
from flwr.supernode.nodestate import NodeStateFactory

from highstreet.client.supernode import has_waiting_reply, with_waiting_replies


class _Turns:
    """Flower's own loop over a real node state; messages come from a script, replies go to a list."""

    def __init__(self) -> None:
        self.store = ObjectStoreFactory().store()
        self.state = NodeStateFactory(objectstore_factory=ObjectStoreFactory()).state()
        self.sent: list[str] = []

    def answer(self, name: str) -> None:
        """Do what the shim does with a message: leave a reply with the node."""
        message = _message(name)
        with no_object_id_recompute():
            self.state.store_message(message)
            self.store.preregister(1, get_object_tree(message))

    def turn(self, pull: node._pull_and_store_message) -> bool:
        """One turn of the loop; return whether it came to taking replies away."""
        if pull(state=self.state) is None:
            return False
        node._push_messages(self.state, self.store, self._send, lambda *_: None)
        return True

    def _send(self, message: Message, *_: object) -> tuple[set[str], str]:
        self.sent.append(message.metadata.reply_to_message_id)
        return set(), "session"


def _message(reply_to: str) -> Message:
    metadata = Metadata(
        run_id=1,
        message_id="",
        src_node_id=2,
        dst_node_id=3,
        reply_to_message_id=reply_to,
        group_id="",
        created_at=1.0,
        ttl=100.0,
        message_type="query",
    )
    content = RecordDict({"body": ConfigRecord({"name": reply_to})})
    message = Message(content=content, metadata=metadata)
    message.metadata.__dict__["_message_id"] = message.object_id
    return message


def _script(turns: _Turns, *, received: list[str | None]) -> Iterator[int | None]:
    for name in received:
        if name is not None:
            turns.answer(name)
        yield None if name is None else 1


@pytest.mark.parametrize("is_changed", [True, False])
def test_a_reply_whose_message_was_forgotten_delays_no_other(*, is_changed: bool) -> None:
    turns = _Turns()
    turns.answer("forgotten")
    script = _script(turns, received=[None, "first", None, "second", None])

    def pull(**_: object) -> int | None:
        return next(script)

    seen = []
    for _ in range(5):
        turns.turn(with_waiting_replies(pull) if is_changed else pull)
        seen.append(list(turns.sent))
    if is_changed:
        assert seen[0] == ["forgotten"]
        assert seen[1] == ["forgotten", "first"]
        assert seen[3] == ["forgotten", "first", "second"]
        assert not has_waiting_reply(turns.state)
    else:
        assert seen[0] == []  # Flower leaves it where it is until another message comes


def test_only_replies_count_and_only_until_they_are_taken() -> None:
    turns = _Turns()
    assert not has_waiting_reply(turns.state)
    question = _message("")
    with no_object_id_recompute():
        turns.state.store_message(question)
    assert not has_waiting_reply(turns.state)
    turns.answer("question")
    assert has_waiting_reply(turns.state)
    turns.state.get_messages(is_reply=True)
    assert not has_waiting_reply(turns.state)
