"""What the coordinator keeps so that members can vouch for each other: stores' messages and their vouches.

It is a letter box. Nothing here decides who is trusted: stores check every signature and compare codes
themselves. A coordinator that withholds or changes something keeps a member from being vouched for, no more.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from highstreet.audit.canonical import canonical_json
from highstreet.audit.roster import Edge, Roster, read_roster
from highstreet.audit.vouches import Vouch, holds
from highstreet.audit.withdrawals import Withdrawal, is_withdrawal, standing_edges
from highstreet.protos import coop_pb2
from highstreet.server.database import transaction
from highstreet.server.errors import VouchingRefusedError
from highstreet.server.membership import current_members, roster, roster_number

__all__ = [
    "Letter",
    "State",
    "current_edges",
    "current_vouches",
    "current_withdrawals",
    "letters_for",
    "post",
    "put_vouch",
    "put_withdrawal",
    "state",
    "vouches_ever",
    "withdrawals_ever",
]

_DAY_SECONDS = 86_400
_VOUCHES_LIMIT = 256
_LETTERS_AT_ONCE = 1_000
#: Length of the nonce that a step carries.
_NONCE_BYTES: Mapping[int, int] = {
    coop_pb2.VOUCHING_STEP_OFFER: 0,
    coop_pb2.VOUCHING_STEP_ANSWER: 32,
    coop_pb2.VOUCHING_STEP_OPENING: 32,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One store's message to another, one step of an exchange.

    Attributes:
        number: grows with every message the coordinator takes.
        sender: member id.
        step: a `coop_pb2.VouchingStep`.
        commitment, nonce: as they came.
    """

    number: int
    sender: str
    step: int
    commitment: bytes
    nonce: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """By what a store sees that it should ask for the roster and its vouches again."""

    roster_number: int
    vouch_number: int


def post(connection: sqlite3.Connection, message: coop_pb2.VouchingMessage, *, sender: str, now: int) -> None:
    """Keep a message for its recipient, in place of an earlier one of the same step between the two.

    Raises:
        VouchingRefusedError: of another form, or to nobody, or to oneself.
    """
    if (
        message.step not in _NONCE_BYTES
        or len(message.commitment) != 32
        or len(message.nonce) != _NONCE_BYTES[message.step]
    ):
        raise VouchingRefusedError(coop_pb2.COOP_REFUSAL_UNREADABLE, "A vouching message of another form.")
    with transaction(connection):
        _refuse_no_member(connection, message.member_id, sender)
        connection.execute("DELETE FROM vouching_messages WHERE sent_at <= ?", (now - _DAY_SECONDS,))
        # REPLACE gives the message a new number, so that it is seen as new.
        connection.execute(
            "REPLACE INTO vouching_messages (sender, recipient, step, commitment, nonce, sent_at)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (sender, message.member_id, message.step, message.commitment, message.nonce, now),
        )


def letters_for(connection: sqlite3.Connection, member_id: str, *, after: int, now: int) -> list[Letter]:
    """Return what is kept for a member and came after a number, oldest first, at most a thousand."""
    rows = connection.execute(
        "SELECT number, sender, step, commitment, nonce FROM vouching_messages"
        " WHERE recipient = ? AND number > ? AND sent_at > ? ORDER BY number LIMIT ?",
        (member_id, min(after, (1 << 63) - 1), now - _DAY_SECONDS, _LETTERS_AT_ONCE),
    )
    return [Letter(**dict(row)) for row in rows]


def put_vouch(connection: sqlite3.Connection, vouch: Vouch, roster: Roster, *, sender: str) -> None:
    """Keep a member's vouch for another; the same one again changes nothing.

    Raises:
        VouchingRefusedError: not the caller's, not over the roster's entry, for nobody, withdrawn, without
            former ids that an earlier one names, or one too many.
    """
    if vouch.voucher_id != sender or len(vouch.signature) != 64:
        raise VouchingRefusedError(coop_pb2.COOP_REFUSAL_VOUCH, "A vouch by another, or of another form.")
    with transaction(connection):
        _refuse_no_member(connection, vouch.subject_id, sender)
        if not holds(roster, vouch):
            raise VouchingRefusedError(coop_pb2.COOP_REFUSAL_VOUCH, "A vouch that does not hold.")
        kept = {(each.voucher_id, each.subject_id): each for each in current_vouches(connection)}
        before = kept.get((sender, vouch.subject_id))
        if before == vouch:
            return
        if before is not None and not set(before.replaces) <= set(vouch.replaces):
            raise VouchingRefusedError(coop_pb2.COOP_REFUSAL_VOUCH, "A vouch that says less than before.")
        if any(
            (each.voucher_id, each.subject_id) == (sender, vouch.subject_id)
            for each in current_withdrawals(connection)
        ):
            raise VouchingRefusedError(coop_pb2.COOP_REFUSAL_VOUCH, "A vouch that was withdrawn.")
        if sum(1 for voucher, _ in kept if voucher == sender) >= _VOUCHES_LIMIT:
            raise VouchingRefusedError(coop_pb2.COOP_REFUSAL_TOO_MANY, "Too many vouches of one member.")
        connection.execute(
            "REPLACE INTO vouches (voucher, subject, signature, replaces) VALUES (?, ?, ?, ?)",
            (sender, vouch.subject_id, vouch.signature, " ".join(vouch.replaces)),
        )


def put_withdrawal(
    connection: sqlite3.Connection, withdrawal: Withdrawal, roster: Roster, *, sender: str
) -> None:
    """Keep a member's withdrawal, of a vouch that is here or not; the same one again changes nothing.

    Raises:
        VouchingRefusedError: not the caller's, not over the roster's entry, for nobody, or one too many.
    """
    if withdrawal.voucher_id != sender or len(withdrawal.signature) != 64:
        raise VouchingRefusedError(
            coop_pb2.COOP_REFUSAL_VOUCH, "A withdrawal by another, or of another form."
        )
    with transaction(connection):
        _refuse_no_member(connection, withdrawal.subject_id, sender)
        if not is_withdrawal(roster, withdrawal):
            raise VouchingRefusedError(coop_pb2.COOP_REFUSAL_VOUCH, "A withdrawal that is not valid.")
        own = [each.subject_id for each in current_withdrawals(connection) if each.voucher_id == sender]
        if withdrawal.subject_id in own:
            return
        if len(own) >= _VOUCHES_LIMIT:
            raise VouchingRefusedError(coop_pb2.COOP_REFUSAL_TOO_MANY, "Too many withdrawals of one member.")
        connection.execute(
            "INSERT INTO withdrawals (voucher, subject, signature) VALUES (?, ?, ?)",
            (sender, withdrawal.subject_id, withdrawal.signature),
        )


def current_vouches(connection: sqlite3.Connection) -> Sequence[Vouch]:
    """Return the vouches between current members, in the order they came."""
    members = {member.member_id for member in current_members(connection)}
    return [each for each in vouches_ever(connection) if {each.voucher_id, each.subject_id} <= members]


def vouches_ever(connection: sqlite3.Connection) -> Sequence[Vouch]:
    """Return the vouches of and for everybody who was ever a member, in the order they came."""
    rows = connection.execute("SELECT voucher, subject, signature, replaces FROM vouches ORDER BY number")
    return [
        Vouch(
            voucher_id=row["voucher"],
            subject_id=row["subject"],
            signature=row["signature"],
            replaces=tuple(row["replaces"].split()),
        )
        for row in rows
    ]


def current_withdrawals(connection: sqlite3.Connection) -> Sequence[Withdrawal]:
    """Return the withdrawals between current members, in the order they came."""
    members = {member.member_id for member in current_members(connection)}
    return [each for each in withdrawals_ever(connection) if {each.voucher_id, each.subject_id} <= members]


def withdrawals_ever(connection: sqlite3.Connection) -> Sequence[Withdrawal]:
    """Return the withdrawals of and about everybody who was ever a member, in the order they came."""
    rows = connection.execute("SELECT voucher, subject, signature FROM withdrawals ORDER BY number")
    return [
        Withdrawal(voucher_id=row["voucher"], subject_id=row["subject"], signature=row["signature"])
        for row in rows
    ]


def current_edges(connection: sqlite3.Connection, coop_id: str) -> frozenset[Edge]:
    """Return the vouches between current members that hold and were not taken back, as (voucher, subject)."""
    document = canonical_json(roster(connection, coop_id))
    return standing_edges(read_roster(document), current_vouches(connection), current_withdrawals(connection))


def state(connection: sqlite3.Connection) -> State:
    """Return the number of the roster, and one that grows with every vouch and every withdrawal."""
    (newest,) = connection.execute(
        "SELECT (SELECT coalesce(max(number), 0) FROM vouches)"
        " + (SELECT coalesce(max(number), 0) FROM withdrawals)"
    ).fetchone()
    return State(roster_number=roster_number(connection), vouch_number=newest)


def _refuse_no_member(connection: sqlite3.Connection, member_id: str, sender: str) -> None:
    if member_id == sender or all(each.member_id != member_id for each in current_members(connection)):
        raise VouchingRefusedError(coop_pb2.COOP_REFUSAL_NO_SUCH_MEMBER, "No such other member.")
