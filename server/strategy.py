"""Flower's Grid as the carrier of rounds (Message API): opaque bytes out, opaque bytes back."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence

from flwr.app import ConfigRecord, Message, RecordDict
from flwr.serverapp import Grid

from highstreet.server.exchange import Carried
from highstreet.server.superlink import signed_node_id

__all__ = ["GridCarrier"]

_RECORD = "highstreet"
_BODY = "body"
_MESSAGE_TYPE = "query"
_LOG = logging.getLogger("highstreet.rounds")


class GridCarrier:
    """Carries bodies over Flower; knows nothing of rounds.

    Args:
        grid: of the running ServerApp.
    """

    def __init__(self, grid: Grid) -> None:
        self._grid = grid

    def online(self) -> Collection[int]:
        """Return the nodes that can be reached now."""
        return {signed_node_id(node) for node in self._grid.get_node_ids()}

    def send(self, bodies: Sequence[tuple[int, bytes]], *, seconds: float) -> Sequence[str | None]:
        """Send (node, body) pairs that are of use for so long; return a ticket, or None, for each."""
        messages = [
            Message(_content(body), dst_node_id=node % 2**64, message_type=_MESSAGE_TYPE, ttl=seconds)
            for node, body in bodies
        ]
        tickets = [ticket or None for ticket in self._grid.push_messages(messages)]
        return tickets if len(tickets) == len(messages) else [None] * len(messages)

    def collect(self, tickets: Collection[str]) -> Sequence[Carried]:
        """Return what has come back for these tickets, each at most once."""
        return [
            Carried(ticket=message.metadata.reply_to_message_id, body=_body(message))
            for message in self._grid.pull_messages(list(tickets))
            if message.metadata.reply_to_message_id in tickets
        ]


def _content(body: bytes) -> RecordDict:
    return RecordDict({_RECORD: ConfigRecord({_BODY: body})})


def _body(message: Message) -> bytes | None:
    """Return the body of a reply; None for an error or any other form."""
    if message.has_error():
        _LOG.info("a node did not answer: code %s", message.error.code)
        return None
    record = message.content.get(_RECORD)
    body = record.get(_BODY) if isinstance(record, ConfigRecord) else None
    return body if isinstance(body, bytes) else None
