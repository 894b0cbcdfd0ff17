"""Who is in the co-op: invitations, joining in two steps, leaving, and the roster that names the members.

Joining is a claim, then a completion. The claim spends the invitation on one set of keys, in one
transaction; then the store's Flower node is registered; then the member counts. A store that lost the
connection anywhere in between asks again with the same invitation and the same keys and gets the same
certificate; other keys get nothing.
"""

from __future__ import annotations

import datetime
import hashlib
import hmac
import secrets
import sqlite3
from dataclasses import dataclass

from highstreet.audit.invite import SEED_BYTES, Invite
from highstreet.audit.roster import FORMAT_VERSION
from highstreet.audit.signing import join_statement
from highstreet.protos import coop_pb2
from highstreet.server.database import transaction
from highstreet.server.errors import InviteRefusedError, JoinRefusedError, MembershipError
from highstreet.server.pki import Authority, certificate_serial, pem

__all__ = [
    "Application",
    "Member",
    "claim",
    "complete",
    "current_ids",
    "current_members",
    "leave",
    "member_by_serial",
    "members_ever",
    "record_invite",
    "roster",
    "roster_number",
]

_NAME_LIMIT = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One shop of the co-op.

    Attributes:
        member_id: 16 hex digits; the name of its client certificate.
        name: what the coordinator called it when inviting.
        signing_public_key: raw Ed25519.
        encryption_public_key: raw X25519.
        node_public_key: P-256, OpenSSH form.
        node_id: the SuperLink's id of its Flower node; None until it is registered.
        certificate_pem: its client certificate.
        joined_at, left_at: unix seconds; None: not yet.
    """

    member_id: str
    name: str
    signing_public_key: bytes
    encryption_public_key: bytes
    node_public_key: bytes
    node_id: int | None
    certificate_pem: bytes
    joined_at: int | None
    left_at: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """What a store brings to join, its form and its possession of the signing key already checked.

    Attributes:
        invite_id, invite_secret: from the code.
        request_der: PKCS #10 request for the client certificate.
        tls_public_key: the DER key in that request.
        signing_public_key: raw Ed25519.
        encryption_public_key: raw X25519.
        node_public_key: P-256, OpenSSH form.
    """

    invite_id: str
    invite_secret: bytes
    request_der: bytes
    tls_public_key: bytes
    signing_public_key: bytes
    encryption_public_key: bytes
    node_public_key: bytes

    def keys_sha256(self) -> bytes:
        """Name the four keys together: what a claimed invitation is bound to."""
        fields = join_statement(
            self.tls_public_key, self.signing_public_key, self.encryption_public_key, self.node_public_key
        )
        return hashlib.sha256(fields).digest()


def record_invite(
    connection: sqlite3.Connection,
    *,
    name: str,
    address: tuple[str, int],
    ca_sha256: bytes,
    coordinator_key_hash: bytes,
    now: int,
    hours: float,
) -> Invite:
    """Make an invitation for one shop. An earlier unused one for the same name stops working.

    Raises:
        InviteRefusedError: the name is not usable, or a member has it.
    """
    clean = " ".join(name.split())
    if not 0 < len(clean) <= _NAME_LIMIT or not clean.isprintable():
        raise InviteRefusedError(f"A shop's name has 1 to {_NAME_LIMIT} characters that can be printed.")
    if not 0 < hours <= 24 * 90:
        raise InviteRefusedError("An invitation lasts more than 0 hours and at most 90 days.")
    invite = Invite(
        host=address[0],
        port=address[1],
        ca_sha256=ca_sha256,
        coordinator_key_hash=coordinator_key_hash,
        seed=secrets.token_bytes(SEED_BYTES),
    )
    with transaction(connection):
        if any(member.name == clean for member in current_members(connection)):
            raise InviteRefusedError(
                f"{clean} is a member already.",
                next_step="Choose another name, or see `highstreet coop members`.",
            )
        # A claim that was never completed gives the name free; so does an unused invitation.
        connection.execute(
            "UPDATE members SET left_at = ? WHERE name = ? AND joined_at IS NULL AND left_at IS NULL",
            (now, clean),
        )
        connection.execute(
            "UPDATE invites SET expires_at = min(expires_at, ?) WHERE name = ? AND used_at IS NULL",
            (now, clean),
        )
        connection.execute(
            "INSERT INTO invites (invite_id, name, secret_sha256, created_at, expires_at)"
            " VALUES (?, ?, ?, ?, ?)",
            (invite.invite_id, clean, _secret_hash(invite.secret), now, now + int(hours * 3600)),
        )
    return invite


def claim(
    connection: sqlite3.Connection, authority: Authority, application: Application, *, now: int
) -> Member:
    """Spend an invitation on one store's keys and certify them; asked again, answer the same.

    Raises:
        JoinRefusedError: no such invitation or secret, used by others, expired, or the keys are a member's.
        MembershipError: the certificate request is not sound.
    """
    with transaction(connection):
        invite = _matching_invite(connection, application)
        if invite["used_by"] is not None:
            return _claimed_before(connection, invite, application, now=now)
        if now >= invite["expires_at"]:
            raise JoinRefusedError(coop_pb2.COOP_REFUSAL_INVITE_EXPIRED, "The invitation has expired.")
        _refuse_known_keys(connection, application)
        member_id = secrets.token_hex(8)
        moment = datetime.datetime.fromtimestamp(now, datetime.UTC)
        certificate = pem(authority.issue_member(application.request_der, member_id, now=moment))
        connection.execute(
            "INSERT INTO members (member_id, name, signing_public_key, encryption_public_key,"
            " node_public_key, keys_sha256, certificate_serial, certificate_pem, claimed_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                member_id,
                invite["name"],
                application.signing_public_key,
                application.encryption_public_key,
                application.node_public_key,
                application.keys_sha256(),
                certificate_serial(certificate),
                certificate,
                now,
            ),
        )
        connection.execute(
            "UPDATE invites SET used_at = ?, used_by = ? WHERE invite_id = ?",
            (now, member_id, application.invite_id),
        )
        return _member(connection, "member_id", member_id)


def complete(connection: sqlite3.Connection, member_id: str, *, node_id: int, now: int) -> Member:
    """Count a claimed member in, once its Flower node is registered; doing it again changes nothing.

    Raises:
        MembershipError: it left, or its claim was given up, in the meantime.
    """
    with transaction(connection):
        connection.execute(
            "UPDATE members SET node_id = ?, joined_at = coalesce(joined_at, ?)"
            " WHERE member_id = ? AND left_at IS NULL",
            (node_id, now, member_id),
        )
        member = _member(connection, "member_id", member_id)
        if member.left_at is not None:
            raise MembershipError("This membership has ended.")
        return member


def leave(connection: sqlite3.Connection, member_id: str, *, now: int) -> Member:
    """End a membership at once; its certificate opens nothing from here on.

    Raises:
        MembershipError: no such member, or it left before.
    """
    with transaction(connection):
        changed = connection.execute(
            "UPDATE members SET left_at = ? WHERE member_id = ? AND left_at IS NULL", (now, member_id)
        )
        if changed.rowcount != 1:
            raise MembershipError(
                f"{member_id} is not a member.", next_step="See who is with `highstreet coop members`."
            )
        return _member(connection, "member_id", member_id)


def current_members(connection: sqlite3.Connection) -> list[Member]:
    """Return who has joined and not left, in the order they joined."""
    rows = connection.execute(
        "SELECT * FROM members WHERE joined_at IS NOT NULL AND left_at IS NULL ORDER BY joined_at, member_id"
    )
    return [_from_row(row) for row in rows]


def members_ever(connection: sqlite3.Connection) -> list[Member]:
    """Return who ever joined, those who left included; an id and its keys are never used for another."""
    rows = connection.execute("SELECT * FROM members WHERE joined_at IS NOT NULL ORDER BY member_id")
    return [_from_row(row) for row in rows]


def current_ids(connection: sqlite3.Connection) -> frozenset[str]:
    """Return the ids of who has joined and not left."""
    rows = connection.execute("SELECT member_id FROM members WHERE joined_at IS NOT NULL AND left_at IS NULL")
    return frozenset(str(row["member_id"]) for row in rows)


def member_by_serial(connection: sqlite3.Connection, serial: str) -> Member:
    """Return the current member a client certificate belongs to.

    Raises:
        MembershipError: nobody's, or of one who left.
    """
    member = _member(connection, "certificate_serial", serial)
    if member.joined_at is None or member.left_at is not None:
        raise MembershipError("This certificate's holder is not a member any more.")
    return member


def roster(connection: sqlite3.Connection, coop_id: str) -> dict[str, object]:
    """Return who is in, as the roster is signed: the same members always give the same bytes.

    Its number counts joins and departures, so a store never accepts an older roster than one it has seen.
    """
    members = [
        {
            "member_id": member.member_id,
            "name": member.name,
            "signing_public_key": member.signing_public_key.hex(),
            "encryption_public_key": member.encryption_public_key.hex(),
            "joined_at": member.joined_at,
        }
        for member in current_members(connection)
    ]
    return {
        "format_version": FORMAT_VERSION,
        "coop_id": coop_id,
        "number": roster_number(connection),
        "members": members,
    }


def roster_number(connection: sqlite3.Connection) -> int:
    """Return the number of the roster as of now."""
    (number,) = connection.execute(
        "SELECT count(joined_at) + count(CASE WHEN joined_at IS NOT NULL THEN left_at END) FROM members"
    ).fetchone()
    return int(number)


def _matching_invite(connection: sqlite3.Connection, application: Application) -> sqlite3.Row:
    row = connection.execute("SELECT * FROM invites WHERE invite_id = ?", (application.invite_id,)).fetchone()
    # The comparison runs also when there is no such invitation, so that both refusals take the same time.
    expected = row["secret_sha256"] if row else bytes(32)
    matches = hmac.compare_digest(_secret_hash(application.invite_secret), expected)
    if row is None or not matches:
        raise JoinRefusedError(coop_pb2.COOP_REFUSAL_INVITE, "No such invitation.")
    return row  # type: ignore[no-any-return]  # sqlite3 types a row as Any


def _claimed_before(
    connection: sqlite3.Connection, invite: sqlite3.Row, application: Application, *, now: int
) -> Member:
    row = connection.execute("SELECT * FROM members WHERE member_id = ?", (invite["used_by"],)).fetchone()
    if row["left_at"] is not None or not hmac.compare_digest(row["keys_sha256"], application.keys_sha256()):
        raise JoinRefusedError(coop_pb2.COOP_REFUSAL_INVITE_USED, "The invitation was used by another store.")
    if now >= invite["expires_at"]:
        raise JoinRefusedError(coop_pb2.COOP_REFUSAL_INVITE_EXPIRED, "The invitation has expired.")
    return _from_row(row)


def _refuse_known_keys(connection: sqlite3.Connection, application: Application) -> None:
    # A node's key works for one membership: the SuperLink does not take it again after it was refused once.
    known = connection.execute(
        "SELECT 1 FROM members WHERE (left_at IS NULL AND (signing_public_key = ?"
        " OR encryption_public_key = ?))"
        " OR ((left_at IS NULL OR joined_at IS NOT NULL) AND node_public_key = ?)",
        (application.signing_public_key, application.encryption_public_key, application.node_public_key),
    ).fetchone()
    if known:
        raise JoinRefusedError(coop_pb2.COOP_REFUSAL_ALREADY_MEMBER, "These keys are or were a member's.")


def _member(connection: sqlite3.Connection, column: str, value: str) -> Member:
    query = {
        "member_id": "SELECT * FROM members WHERE member_id = ?",
        "certificate_serial": "SELECT * FROM members WHERE certificate_serial = ?",
    }[column]
    row = connection.execute(query, (value,)).fetchone()
    if row is None:
        raise MembershipError("There is no such member.")
    return _from_row(row)


def _from_row(row: sqlite3.Row) -> Member:
    return Member(**{name: row[name] for name in Member.__dataclass_fields__})


def _secret_hash(secret: bytes) -> bytes:
    return hashlib.sha256(secret).digest()
