"""The coordinator's letter box: small, for members, about themselves; and vouches that hold."""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from highstreet.audit.limits import StoreLimits
from highstreet.audit.roster import Member, read_roster
from highstreet.audit.vouches import Vouch, sign_vouch
from highstreet.audit.withdrawals import Withdrawal, sign_withdrawal
from highstreet.cli import main
from highstreet.client.home import StoreHome
from highstreet.client.identity import load_identity
from highstreet.client.join import join_coop
from highstreet.client.membership import load_membership
from highstreet.protos import coop_pb2, coop_pb2_grpc
from highstreet.server import listening, vouching
from highstreet.server.database import connect
from highstreet.server.membership import leave
from highstreet.server.vouching import current_edges, current_vouches

OFFER, ANSWER, OPENING = (
    coop_pb2.VOUCHING_STEP_OFFER,
    coop_pb2.VOUCHING_STEP_ANSWER,
    coop_pb2.VOUCHING_STEP_OPENING,
)


@dataclass
class Caller:
    """A member that says what it likes."""

    member_id: str
    coop_id: str
    key: Ed25519PrivateKey
    stub: coop_pb2_grpc.CoopStub

    def send(self, to: str, step: int = OFFER, commitment: bytes = bytes(32), nonce: bytes = b"") -> None:
        message = coop_pb2.VouchingMessage(
            member_id=to,
            step=step,  # type: ignore[arg-type]  # also steps that are none
            commitment=commitment,
            nonce=nonce,
        )
        self.stub.SendVouching(message, timeout=5)

    def fetch(self, after: int = 0) -> coop_pb2.FetchVouchingReply:
        reply: coop_pb2.FetchVouchingReply = self.stub.FetchVouching(
            coop_pb2.FetchVouchingRequest(after=after), timeout=5
        )
        return reply

    def roster(self) -> coop_pb2.RosterReply:
        reply: coop_pb2.RosterReply = self.stub.GetRoster(coop_pb2.RosterRequest(), timeout=5)
        return reply

    def entry(self, member_id: str) -> Member:
        found = read_roster(self.roster().roster.document).member(member_id)
        assert found is not None
        return found

    def put(self, vouch: Vouch) -> None:
        wire = coop_pb2.Vouch(
            voucher_id=vouch.voucher_id,
            subject_id=vouch.subject_id,
            signature=vouch.signature,
            replaces=vouch.replaces,
        )
        self.stub.PutVouch(coop_pb2.PutVouchRequest(vouch=wire), timeout=5)

    def vouch_for(self, other: str) -> Vouch:
        return sign_vouch(self.coop_id, self.member_id, self.entry(other), self.key)


@pytest.fixture
def callers(coop: Any, tmp_path: Path, limits: StoreLimits) -> Iterator[list[Caller]]:
    found, channels = [], []
    for name in ("Ann", "Bob", "Cem"):
        home = StoreHome(tmp_path / name)
        join_coop(home, coop.invite(name), limits, now=datetime.datetime.now(datetime.UTC))
        identity, membership = load_identity(home), load_membership(home)
        credentials = grpc.ssl_channel_credentials(
            coop.home.ca_certificate.read_bytes(),
            identity.tls_key_pem,
            (home.coop / "client.pem").read_bytes(),
        )
        channels.append(grpc.secure_channel(coop.home.config().member_address, credentials))
        stub = coop_pb2_grpc.CoopStub(channels[-1])  # type: ignore[no-untyped-call]
        found.append(Caller(membership.member_id, membership.coop_id, identity.signing, stub))
    yield found
    for channel in channels:
        channel.close()


def _refusal(call: Any, *arguments: Any, **named: Any) -> str:
    with pytest.raises(grpc.RpcError) as caught:
        call(*arguments, **named)
    return str(caught.value.details())


def test_a_message_reaches_whom_it_is_for_and_nobody_else(callers: list[Caller]) -> None:
    ann, bob, cem = callers
    commitment = os.urandom(32)
    ann.send(bob.member_id, OFFER, commitment)
    (message,) = bob.fetch().messages
    assert (message.member_id, message.step, message.commitment) == (ann.member_id, OFFER, commitment)
    assert list(ann.fetch().messages) == list(cem.fetch().messages) == []


def test_only_what_is_new_is_given_again(callers: list[Caller]) -> None:
    ann, bob, _ = callers
    ann.send(bob.member_id)
    seen = bob.fetch().last
    assert list(bob.fetch(seen).messages) == []
    assert bob.fetch(seen).last == seen
    ann.send(bob.member_id, ANSWER, nonce=bytes(32))
    assert [message.step for message in bob.fetch(seen).messages] == [ANSWER]
    assert list(bob.fetch((1 << 64) - 1).messages) == []


def test_one_message_of_a_step_is_kept_for_a_pair_and_for_a_day(coop: Any, callers: list[Caller]) -> None:
    ann, bob, cem = callers
    for number in range(5):
        ann.send(bob.member_id, OFFER, bytes([number]) * 32)
    assert [message.commitment[0] for message in bob.fetch().messages] == [4]
    coop.skew_seconds = 86_400
    assert list(bob.fetch().messages) == []
    cem.send(ann.member_id)
    with closing(connect(coop.home.database)) as connection:
        assert connection.execute("SELECT count(*) FROM vouching_messages").fetchone()[0] == 1


@pytest.mark.parametrize(
    "odd",
    [
        {"step": 0},
        {"step": 9},
        {"commitment": bytes(31)},
        {"commitment": bytes(5000)},
        {"nonce": bytes(32)},
        {"step": ANSWER},
        {"step": OPENING, "nonce": bytes(33)},
    ],
)
def test_a_message_of_another_form_is_refused(callers: list[Caller], odd: dict[str, Any]) -> None:
    ann, bob, _ = callers
    assert _refusal(ann.send, bob.member_id, **odd) == "COOP_REFUSAL_UNREADABLE"
    assert list(bob.fetch().messages) == []


def test_a_message_to_nobody_oneself_or_who_left_is_refused(coop: Any, callers: list[Caller]) -> None:
    ann, bob, _ = callers
    with closing(connect(coop.home.database)) as connection:
        leave(connection, bob.member_id, now=coop.now())
    for recipient in ("f" * 16, "", ann.member_id, bob.member_id):
        assert _refusal(ann.send, recipient) == "COOP_REFUSAL_NO_SUCH_MEMBER"


@pytest.fixture
def few_letters(monkeypatch: pytest.MonkeyPatch) -> int:
    """A lower limit, for a co-op that starts after this."""
    monkeypatch.setattr(listening, "_LETTERS_A_MINUTE", 12)
    return 12


def test_a_flood_of_messages_is_stopped_for_its_sender_alone(few_letters: int, callers: list[Caller]) -> None:
    ann, bob, _ = callers
    for _ in range(few_letters):
        ann.send(bob.member_id)
    assert _refusal(ann.send, bob.member_id) == "COOP_REFUSAL_TOO_MANY"
    assert _refusal(ann.put, Vouch(voucher_id="", subject_id="", signature=b"")) == "COOP_REFUSAL_TOO_MANY"
    bob.send(ann.member_id)


def test_a_vouch_is_kept_served_and_counted_once(callers: list[Caller]) -> None:
    ann, bob, _ = callers
    before = ann.fetch().vouch_number
    vouch = ann.vouch_for(bob.member_id)
    ann.put(vouch)
    after = ann.fetch().vouch_number
    assert after > before
    ann.put(vouch)
    assert ann.fetch().vouch_number == after
    (served,) = bob.roster().vouches
    assert (served.voucher_id, served.subject_id, served.signature) == (
        ann.member_id,
        bob.member_id,
        vouch.signature,
    )


def test_a_vouch_that_does_not_hold_is_not_kept(callers: list[Caller]) -> None:
    ann, bob, cem = callers
    vouch = ann.vouch_for(bob.member_id)
    odd = [
        Vouch(voucher_id=ann.member_id, subject_id=cem.member_id, signature=vouch.signature),
        Vouch(voucher_id=ann.member_id, subject_id=bob.member_id, signature=bytes(64)),
        Vouch(voucher_id=ann.member_id, subject_id=bob.member_id, signature=b""),
        bob.vouch_for(cem.member_id),
    ]
    for each in odd:
        assert _refusal(ann.put, each) == "COOP_REFUSAL_VOUCH"
    nobody = Vouch(voucher_id=ann.member_id, subject_id="f" * 16, signature=bytes(64))
    assert _refusal(ann.put, nobody) == "COOP_REFUSAL_NO_SUCH_MEMBER"
    assert list(ann.roster().vouches) == []


def test_vouches_of_and_for_who_left_are_not_served(coop: Any, callers: list[Caller]) -> None:
    ann, bob, cem = callers
    for one, other in ((ann, bob), (bob, ann), (bob, cem), (cem, ann)):
        one.put(one.vouch_for(other.member_id))
    with closing(connect(coop.home.database)) as connection:
        leave(connection, bob.member_id, now=coop.now())
        left = [(each.voucher_id, each.subject_id) for each in current_vouches(connection)]
    assert left == [(cem.member_id, ann.member_id)]


def test_one_member_gives_a_limited_number_of_vouches(
    callers: list[Caller], monkeypatch: pytest.MonkeyPatch
) -> None:
    ann, bob, cem = callers
    monkeypatch.setattr(vouching, "_VOUCHES_LIMIT", 1)
    ann.put(ann.vouch_for(bob.member_id))
    assert _refusal(ann.put, ann.vouch_for(cem.member_id)) == "COOP_REFUSAL_TOO_MANY"
    bob.put(bob.vouch_for(cem.member_id))


def test_the_roster_number_is_that_of_the_roster(coop: Any, callers: list[Caller]) -> None:
    ann, bob, _ = callers
    assert ann.fetch().roster_number == read_roster(ann.roster().roster.document).number == 3
    with closing(connect(coop.home.database)) as connection:
        leave(connection, bob.member_id, now=coop.now())
    assert ann.fetch().roster_number == read_roster(ann.roster().roster.document).number == 4


def test_the_coordinator_sees_who_vouches_and_what_is_missing(
    coop: Any, callers: list[Caller], capsys: pytest.CaptureFixture[str]
) -> None:
    ann, bob, cem = callers
    for one, other in ((ann, bob), (bob, ann)):
        one.put(one.vouch_for(other.member_id))
    assert main(["coop", "members", "--home", str(coop.home.root)]) == 0
    shown = capsys.readouterr().out
    assert shown.count("1 of 2") == 2
    assert "0 of 2" in shown
    assert "3 calls between owners are enough" in " ".join(shown.split())
    for one, other in ((ann, cem), (cem, ann), (cem, bob), (bob, cem)):
        one.put(one.vouch_for(other.member_id))
    main(["coop", "members", "--home", str(coop.home.root)])
    shown = capsys.readouterr().out
    assert shown.count("2 of 2") == 3
    assert "calls between owners" not in shown


def _withdraw(caller: Caller, withdrawal: Withdrawal) -> None:
    wire = coop_pb2.Withdrawal(
        voucher_id=withdrawal.voucher_id,
        subject_id=withdrawal.subject_id,
        signature=withdrawal.signature,
    )
    caller.stub.WithdrawVouch(coop_pb2.WithdrawVouchRequest(withdrawal=wire), timeout=5)


def _withdrawal(caller: Caller, other: str) -> Withdrawal:
    return sign_withdrawal(caller.coop_id, caller.member_id, caller.entry(other), caller.key)


def test_a_withdrawal_is_kept_served_and_seen_and_ends_the_vouch(coop: Any, callers: list[Caller]) -> None:
    ann, bob, _ = callers
    vouch = ann.vouch_for(bob.member_id)
    ann.put(vouch)
    before = bob.fetch().vouch_number
    withdrawal = _withdrawal(ann, bob.member_id)
    _withdraw(ann, withdrawal)
    after = bob.fetch().vouch_number
    assert after > before
    _withdraw(ann, withdrawal)
    assert bob.fetch().vouch_number == after
    (served,) = bob.roster().withdrawals
    assert (served.voucher_id, served.subject_id, served.signature) == (
        ann.member_id,
        bob.member_id,
        withdrawal.signature,
    )
    with closing(connect(coop.home.database)) as connection:
        assert current_edges(connection, ann.coop_id) == frozenset()
    again = sign_vouch(ann.coop_id, ann.member_id, ann.entry(bob.member_id), ann.key, ["f" * 16])
    assert _refusal(ann.put, again) == "COOP_REFUSAL_VOUCH"


def test_a_withdrawal_that_is_none_is_not_kept(callers: list[Caller]) -> None:
    ann, bob, cem = callers
    true = _withdrawal(ann, bob.member_id)
    odd = [
        replace(true, subject_id=cem.member_id),
        replace(true, signature=bytes(64)),
        replace(true, signature=b""),
        replace(true, signature=ann.vouch_for(bob.member_id).signature),
        _withdrawal(bob, cem.member_id),
    ]
    for each in odd:
        assert _refusal(_withdraw, ann, each) == "COOP_REFUSAL_VOUCH"
    assert _refusal(_withdraw, ann, replace(true, subject_id="f" * 16)) == "COOP_REFUSAL_NO_SUCH_MEMBER"
    assert list(ann.roster().withdrawals) == []


def test_one_member_gives_a_limited_number_of_withdrawals(
    callers: list[Caller], monkeypatch: pytest.MonkeyPatch
) -> None:
    ann, bob, cem = callers
    monkeypatch.setattr(vouching, "_VOUCHES_LIMIT", 1)
    _withdraw(ann, _withdrawal(ann, bob.member_id))
    assert _refusal(_withdraw, ann, _withdrawal(ann, cem.member_id)) == "COOP_REFUSAL_TOO_MANY"
    _withdraw(bob, _withdrawal(bob, cem.member_id))


def test_what_a_vouch_says_of_former_ids_is_served_and_never_unsaid(callers: list[Caller]) -> None:
    ann, bob, _ = callers
    entry = ann.entry(bob.member_id)
    one, two = (
        sign_vouch(ann.coop_id, ann.member_id, entry, ann.key, former)
        for former in (["a" * 16], ["a" * 16, "b" * 16])
    )
    ann.put(ann.vouch_for(bob.member_id))
    ann.put(one)
    ann.put(two)
    for less in (ann.vouch_for(bob.member_id), one):
        assert _refusal(ann.put, less) == "COOP_REFUSAL_VOUCH"
    (served,) = bob.roster().vouches
    assert list(served.replaces) == ["a" * 16, "b" * 16]
