"""A round over a carrier that loses, repeats and garbles messages."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from highstreet.audit.requests import seal_reply
from highstreet.models.plan import PhaseKind, PhasePlan
from highstreet.models.state import SharedState
from highstreet.protos.rounds_pb2 import (
    REFUSAL_BUDGET,
    REFUSAL_UNAVAILABLE,
    ReleaseSpec,
    RoundReply,
    RoundRequest,
    SignedRequest,
)
from highstreet.server.checkpoints import Checkpoints, OpenRound
from highstreet.server.database import connect
from highstreet.server.errors import ProgrammeFailedError
from highstreet.server.exchange import Carried, Exchange, hold_round
from highstreet.server.membership import Member
from highstreet.server.rounds import Tally

PHASE = PhasePlan(
    index=0,
    name="sums",
    kind=PhaseKind.STATISTICS,
    dimension=2,
    clipping_norm=1.0,
    noise_multiplier=1.0,
)


class Clock:
    """Time that passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Store:
    """A store that answers what `answers` says, one entry per message; the last one again and again."""

    def __init__(self, number: int, *answers: str) -> None:
        self.key = Ed25519PrivateKey.generate()
        self.member = Member(
            member_id=f"m{number}",
            name=f"shop {number}",
            signing_public_key=self.key.public_key().public_bytes_raw(),
            encryption_public_key=b"",
            node_public_key=b"",
            node_id=number,
            certificate_pem=b"",
            joined_at=1,
            left_at=None,
        )
        self.answers = list(answers)
        self.asked: list[bytes] = []

    def answer(self, body: bytes) -> bytes | None:
        self.asked.append(body)
        kind = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        signed = SignedRequest.FromString(body)
        request = RoundRequest.FromString(signed.request)
        reply = RoundReply(
            format_version=1,
            coop_id=request.coop_id,
            programme_id=request.programme_id,
            round=request.round,
            request_sha256=hashlib.sha256(signed.request).digest(),
            member_id=self.member.member_id,
        )
        if kind == "error":
            return None
        if kind == "garbage":
            return b"\x00garbage"
        if kind == "unavailable":
            reply.refusal = REFUSAL_UNAVAILABLE
        elif kind == "budget":
            reply.refusal = REFUSAL_BUDGET
        else:
            reply.values = np.array([1, self.member.node_id], dtype="<i4").tobytes()
        return seal_reply(reply, self.key)


class FakeCarrier:
    """Delivers at once to the stores that are online; `lost` messages never come back."""

    def __init__(self, *stores: Store, lost: int = 0, offline: Collection[int] = ()) -> None:
        self.stores = {store.member.node_id: store for store in stores}
        self.lost = lost
        self.offline = set(offline)
        self.waiting: dict[str, bytes | None] = {}
        self.sent = 0

    def online(self) -> Collection[int]:
        return {node for node in self.stores if node not in self.offline and node is not None}

    def send(self, bodies: Sequence[tuple[int, bytes]], *, seconds: float) -> Sequence[str | None]:
        assert seconds > 0
        return [self._send(node, body) for node, body in bodies]

    def _send(self, node: int, body: bytes) -> str:
        self.sent += 1
        ticket = f"t{self.sent}"
        if self.lost > 0:
            self.lost -= 1
        else:
            self.waiting[ticket] = self.stores[node].answer(body)
        return ticket

    def collect(self, tickets: Collection[str]) -> Sequence[Carried]:
        here = [ticket for ticket in tickets if ticket in self.waiting]
        return [Carried(ticket=ticket, body=self.waiting.pop(ticket)) for ticket in here]


@pytest.fixture
def book(tmp_path: Path) -> Checkpoints:
    connection = connect(tmp_path / "coop.db", create=True)
    with closing(connection):
        connection.execute(
            "INSERT INTO programmes (programme_id, number, requested_at, state, charter_sha256)"
            " VALUES ('p1', 1, 0, 'running', x'00')"
        )
        for number in range(1, 5):
            connection.execute(
                "INSERT INTO members (member_id, name, signing_public_key,"
                " encryption_public_key, node_public_key, keys_sha256,"
                " certificate_serial, certificate_pem, claimed_at, joined_at)"
                " VALUES (?, ?, ?, ?, ?, x'00', ?, x'00', 1, 1)",
                (f"m{number}", f"shop {number}", *[bytes([number])] * 3, str(number)),
            )
        yield Checkpoints(connection, clock=lambda: 100.0)


def _signed(opened_at: int) -> bytes:
    request = RoundRequest(
        format_version=1,
        coop_id="c",
        programme_id="p1",
        round=0,
        opened_unix_seconds=opened_at,
        release=ReleaseSpec(dimension=2),
    )
    return SignedRequest(request=request.SerializeToString(), signature=b"s").SerializeToString()


def _hold(
    book: Checkpoints, carrier: FakeCarrier, clock: Clock, *, required: int, deadline: float = 700.0
) -> tuple[OpenRound, Tally]:
    opened = book.open_round("p1", PHASE, _signed)
    members = [store.member for store in carrier.stores.values()]
    tally = Tally(members=len(members), required=required, opened_at=100.0, deadline=deadline)
    hold_round(opened, tally, members, carrier, book, phase=PHASE, clock=clock, sleep=clock.sleep)
    return opened, tally


def test_every_store_gets_the_same_bytes_and_its_answer_is_kept(book: Checkpoints) -> None:
    carrier = FakeCarrier(Store(1, "values"), Store(2, "values"))
    opened, tally = _hold(book, carrier, Clock(), required=2)
    assert set(tally.updates) == {"m1", "m2"}
    assert {body for store in carrier.stores.values() for body in store.asked} == {opened.signed_request}
    assert [stored.member_id for stored in book.replies(opened)] == ["m1", "m2"]


def test_a_round_resumed_after_a_crash_asks_only_who_is_missing_with_the_same_bytes(
    book: Checkpoints,
) -> None:
    first, late = Store(1, "values"), Store(2, "values")
    with pytest.raises(ProgrammeFailedError):
        _hold(book, FakeCarrier(first, late, offline=[2]), Clock(), required=2, deadline=101.0)
    opened, tally = _hold(book, FakeCarrier(first, late), Clock(), required=2)
    assert set(tally.updates) == {"m1", "m2"}
    assert len(first.asked) == 1
    assert late.asked == [opened.signed_request] == [first.asked[0]]


def test_a_lost_message_is_sent_again_and_a_garbled_reply_asked_for_again(book: Checkpoints) -> None:
    carrier = FakeCarrier(Store(1, "values"), Store(2, "garbage", "error", "values"), lost=1)
    _, tally = _hold(book, carrier, Clock(), required=2)
    assert set(tally.updates) == {"m1", "m2"}


def test_an_unavailable_store_is_asked_again_a_final_refusal_is_not(book: Checkpoints) -> None:
    carrier = FakeCarrier(Store(1, "unavailable", "values"), Store(2, "budget"), Store(3, "values"))
    opened, tally = _hold(book, carrier, Clock(), required=2)
    assert set(tally.updates) == {"m1", "m3"}
    assert tally.refused == {"m2": "budget"}
    assert len(carrier.stores[1].asked) == 2
    assert len(carrier.stores[2].asked) == 1
    assert len(book.replies(opened)) == 3


def test_a_store_that_stays_away_does_not_stop_a_quorum(book: Checkpoints) -> None:
    clock = Clock()
    carrier = FakeCarrier(Store(1, "values"), Store(2, "values"), Store(3, "values"), offline=[3])
    _, tally = _hold(book, carrier, clock, required=2)
    assert set(tally.updates) == {"m1", "m2"}
    assert clock.now < 700


def test_a_store_that_only_talks_nonsense_ends_the_round_when_it_is_needed(book: Checkpoints) -> None:
    carrier = FakeCarrier(Store(1, "values"), Store(2, "garbage"))
    with pytest.raises(ProgrammeFailedError, match="1 of 2 stores took part in phase sums, 2 are required"):
        _hold(book, carrier, Clock(), required=2)
    assert len(carrier.stores[2].asked) < 40


def test_closing_a_round_keeps_the_sum_and_drops_the_stores_own_updates(book: Checkpoints) -> None:
    opened, _ = _hold(book, FakeCarrier(Store(1, "values"), Store(2, "budget")), Clock(), required=1)
    after = SharedState({"a": np.ones(2)})
    book.close_round(opened, after, contributors=1)
    assert book.last_closed("p1") == (0, after.to_bytes())
    assert book.contributors("p1") == (1,)
    kept = {stored.member_id: stored.reply for stored in book.replies(opened)}
    assert kept["m1"] == b""
    assert kept["m2"] != b""


def test_a_closed_round_is_not_closed_again_with_another_state(book: Checkpoints) -> None:
    opened = book.open_round("p1", PHASE, _signed)
    book.close_round(opened, SharedState({"a": np.ones(2)}), contributors=2)
    book.close_round(opened, SharedState({"a": np.zeros(2)}), contributors=3)
    assert book.last_closed("p1") == (0, SharedState({"a": np.ones(2)}).to_bytes())
    assert book.contributors("p1") == (2,)


def test_an_exchange_sends_each_member_its_own_message_once_there_is_one() -> None:
    clock, stores = Clock(), [Store(1, "sum"), Store(2, "sum")]
    ready: dict[str, bytes] = {"m1": _signed(1)}
    taken: list[str] = []

    def take(member: Member, body: bytes) -> bool:
        taken.append(member.member_id)
        return taken.count(member.member_id) > 1  # the first reply of each is no answer

    exchange = Exchange(
        [store.member for store in stores],
        FakeCarrier(*stores),
        body=lambda member: ready.get(member.member_id),
        take=take,
    )

    def turn() -> None:
        exchange.ask(clock(), until=1e6)
        exchange.take_answers(clock())

    turn()
    assert taken == ["m1"]
    ready["m2"] = _signed(2)
    turn()  # m1's pause is not over
    assert taken == ["m1", "m2"]
    clock.now += 60
    turn()
    assert sorted(taken) == ["m1", "m1", "m2", "m2"]
    clock.now += 600
    turn()  # both have answered
    assert len(taken) == 4
    assert [store.asked[-1] for store in stores] == [_signed(1), _signed(2)]


def test_an_exchange_asks_nobody_whose_answer_is_known() -> None:
    store = Store(1, "sum")
    exchange = Exchange(
        [store.member], FakeCarrier(store), body=lambda member: _signed(1), take=lambda member, body: True
    )
    exchange.settle("m1")
    exchange.ask(100.0, until=200.0)
    assert store.asked == []
