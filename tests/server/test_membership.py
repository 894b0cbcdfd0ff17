"""An invitation lets one store in, once; a membership ends at once."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from highstreet.audit.canonical import canonical_json
from highstreet.audit.invite import Invite
from highstreet.protos import coop_pb2
from highstreet.server.database import connect
from highstreet.server.errors import InviteRefusedError, JoinRefusedError, MembershipError
from highstreet.server.home import CoopHome
from highstreet.server.membership import (
    Application,
    claim,
    complete,
    current_members,
    leave,
    member_by_serial,
    record_invite,
    roster,
)
from highstreet.server.pki import Authority, certificate_serial

NOW = 1_800_000_000
AUTHORITY = Authority.create("Hill Road", now=datetime.fromtimestamp(NOW, UTC))


@pytest.fixture
def database(coop_home: CoopHome) -> Iterator[sqlite3.Connection]:
    connection = connect(coop_home.database)
    yield connection
    connection.close()


def _invite(connection: sqlite3.Connection, name: str = "Corner Shop", hours: float = 72) -> Invite:
    return record_invite(
        connection,
        name=name,
        address=("127.0.0.1", 9440),
        ca_sha256=bytes(32),
        coordinator_key_hash=bytes(16),
        now=NOW,
        hours=hours,
    )


def _application(invite: Invite, mark: int = 1) -> Application:
    key = ec.generate_private_key(ec.SECP256R1())
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    public = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return Application(
        invite_id=invite.invite_id,
        invite_secret=invite.secret,
        request_der=request.public_bytes(serialization.Encoding.DER),
        tls_public_key=public,
        signing_public_key=bytes([mark]) * 32,
        encryption_public_key=bytes([mark + 100]) * 32,
        node_public_key=b"node %d" % mark,
    )


def _join(connection: sqlite3.Connection, name: str, mark: int) -> str:
    member = claim(connection, AUTHORITY, _application(_invite(connection, name), mark), now=NOW)
    return complete(connection, member.member_id, node_id=mark, now=NOW + mark).member_id


def _refusal(connection: sqlite3.Connection, application: Application, now: int = NOW) -> int:
    with pytest.raises(JoinRefusedError) as caught:
        claim(connection, AUTHORITY, application, now=now)
    return caught.value.refusal


def test_the_secret_is_not_in_the_database(database: sqlite3.Connection) -> None:
    invite = _invite(database)
    everything = "\n".join(database.iterdump())
    assert invite.invite_id in everything
    assert invite.secret.hex() not in everything.lower()
    assert invite.seed.hex() not in everything.lower()


def test_a_member_counts_only_when_its_node_is_registered(database: sqlite3.Connection) -> None:
    member = claim(database, AUTHORITY, _application(_invite(database)), now=NOW)
    assert current_members(database) == []
    with pytest.raises(MembershipError):
        member_by_serial(database, certificate_serial(member.certificate_pem))
    complete(database, member.member_id, node_id=7, now=NOW + 5)
    assert [(each.name, each.node_id, each.joined_at) for each in current_members(database)] == [
        ("Corner Shop", 7, NOW + 5)
    ]


def test_the_same_store_asking_again_gets_the_same_certificate(database: sqlite3.Connection) -> None:
    application = _application(_invite(database))
    first = claim(database, AUTHORITY, application, now=NOW)
    again = claim(database, AUTHORITY, application, now=NOW + 60)
    assert again == first
    complete(database, first.member_id, node_id=7, now=NOW)
    third = claim(database, AUTHORITY, application, now=NOW + 120)
    assert third.certificate_pem == first.certificate_pem
    assert complete(database, third.member_id, node_id=7, now=NOW + 999).joined_at == NOW


def test_another_store_cannot_use_a_used_code(database: sqlite3.Connection) -> None:
    invite = _invite(database)
    claim(database, AUTHORITY, _application(invite, 1), now=NOW)
    assert _refusal(database, _application(invite, 2)) == coop_pb2.COOP_REFUSAL_INVITE_USED


@pytest.mark.parametrize(
    "key", ["tls_public_key", "signing_public_key", "encryption_public_key", "node_public_key"]
)
def test_one_other_key_is_another_store(database: sqlite3.Connection, key: str) -> None:
    application = _application(_invite(database))
    claim(database, AUTHORITY, application, now=NOW)
    changed = replace(application, **{key: b"x" * 32})  # type: ignore[arg-type]
    assert _refusal(database, changed) == coop_pb2.COOP_REFUSAL_INVITE_USED


def test_an_expired_code_is_refused_also_to_the_store_that_began_with_it(
    database: sqlite3.Connection,
) -> None:
    invite = _invite(database, hours=1)
    assert _refusal(database, _application(invite), NOW + 3600) == coop_pb2.COOP_REFUSAL_INVITE_EXPIRED
    begun = _application(invite)
    claim(database, AUTHORITY, begun, now=NOW + 3599)
    assert _refusal(database, begun, NOW + 3600) == coop_pb2.COOP_REFUSAL_INVITE_EXPIRED


def test_an_unknown_code_and_a_wrong_secret_are_told_apart_by_nobody(database: sqlite3.Connection) -> None:
    application = _application(_invite(database))
    wrong = replace(application, invite_secret=bytes(32))
    unknown = replace(application, invite_id="ff" * 8)
    assert _refusal(database, wrong) == _refusal(database, unknown) == coop_pb2.COOP_REFUSAL_INVITE


def test_a_store_that_is_in_cannot_join_a_second_time(database: sqlite3.Connection) -> None:
    first = _application(_invite(database, "A"))
    claim(database, AUTHORITY, first, now=NOW)
    second = _invite(database, "B")
    again = replace(first, invite_id=second.invite_id, invite_secret=second.secret)
    assert _refusal(database, again) == coop_pb2.COOP_REFUSAL_ALREADY_MEMBER


def test_of_many_stores_racing_for_one_code_one_gets_in(coop_home: CoopHome) -> None:
    connection = connect(coop_home.database)
    invite = _invite(connection)
    connection.close()
    outcomes: list[str] = []

    def attempt(mark: int) -> None:
        own = connect(coop_home.database)
        try:
            claim(own, AUTHORITY, _application(invite, mark), now=NOW)
            outcomes.append("in")
        except JoinRefusedError as error:
            outcomes.append(str(error.refusal))
        finally:
            own.close()

    threads = [threading.Thread(target=attempt, args=(mark,)) for mark in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == sorted(["in"] + [str(coop_pb2.COOP_REFUSAL_INVITE_USED)] * 7)


def test_a_new_code_for_a_name_replaces_the_one_not_used(database: sqlite3.Connection) -> None:
    lost, fresh = _invite(database), _invite(database)
    assert _refusal(database, _application(lost), NOW + 1) == coop_pb2.COOP_REFUSAL_INVITE_EXPIRED
    assert claim(database, AUTHORITY, _application(fresh, 2), now=NOW + 1).name == "Corner Shop"


def test_a_members_name_is_taken_until_it_leaves(database: sqlite3.Connection) -> None:
    member_id = _join(database, "Corner Shop", 1)
    with pytest.raises(InviteRefusedError, match="a member already"):
        _invite(database)
    leave(database, member_id, now=NOW + 50)
    assert _join(database, "Corner Shop", 2) != member_id


@pytest.mark.parametrize("name", ["", "   ", "x" * 65, "a\x1bb", "a\u202eb"])
def test_a_name_that_cannot_be_shown_is_refused(database: sqlite3.Connection, name: str) -> None:
    with pytest.raises(InviteRefusedError, match="1 to 64"):
        _invite(database, name)


@pytest.mark.parametrize("hours", [0, -1, 24 * 90 + 1, float("nan")])
def test_an_invitation_has_an_end(database: sqlite3.Connection, hours: float) -> None:
    with pytest.raises(InviteRefusedError, match="90 days"):
        _invite(database, hours=hours)


def test_who_left_is_known_to_nobody_and_leaves_once(database: sqlite3.Connection) -> None:
    member_id = _join(database, "A", 1)
    (member,) = current_members(database)
    assert member_by_serial(database, certificate_serial(member.certificate_pem)) == member
    leave(database, member_id, now=NOW + 9)
    with pytest.raises(MembershipError):
        member_by_serial(database, certificate_serial(member.certificate_pem))
    with pytest.raises(MembershipError):
        leave(database, member_id, now=NOW + 9)
    with pytest.raises(MembershipError, match="ended"):
        complete(database, member_id, node_id=1, now=NOW + 10)


def test_who_comes_back_brings_a_new_key_for_its_node(database: sqlite3.Connection) -> None:
    leave(database, _join(database, "A", 1), now=NOW + 9)
    assert _refusal(database, _application(_invite(database, "A"), 1)) == coop_pb2.COOP_REFUSAL_ALREADY_MEMBER
    assert _join(database, "A", 2)


def test_a_claim_that_was_given_up_can_be_made_again_with_the_same_keys(
    database: sqlite3.Connection,
) -> None:
    claim(database, AUTHORITY, _application(_invite(database)), now=NOW)
    assert claim(database, AUTHORITY, _application(_invite(database)), now=NOW).name == "Corner Shop"


def test_the_roster_is_the_same_bytes_for_the_same_members_and_counts_every_change(
    database: sqlite3.Connection,
) -> None:
    numbers = []
    for step in range(3):
        numbers.append(roster(database, "ab")["number"])
        assert canonical_json(roster(database, "ab")) == canonical_json(roster(database, "ab"))
        _join(database, f"Shop {step}", step + 1)
    leave(database, current_members(database)[0].member_id, now=NOW + 99)
    last = roster(database, "ab")
    numbers.append(last["number"])
    assert numbers == [0, 1, 2, 4]
    assert [each["name"] for each in last["members"]] == ["Shop 1", "Shop 2"]  # type: ignore[index, attr-defined]


def test_a_claim_given_up_leaves_no_trace_in_the_roster(database: sqlite3.Connection) -> None:
    claim(database, AUTHORITY, _application(_invite(database)), now=NOW)
    _invite(database)
    assert roster(database, "ab")["number"] == 0
