"""Asking over a carrier that loses, repeats and garbles messages."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from played_coop import Clock

from highstreet.server.exchange import Carried, Exchange
from highstreet.server.membership import Member


def _member(number: int) -> Member:
    return Member(
        member_id=f"m{number}",
        name=f"shop {number}",
        signing_public_key=b"",
        encryption_public_key=b"",
        node_public_key=b"",
        node_id=number,
        certificate_pem=b"",
        joined_at=1,
        left_at=None,
    )


class EchoCarrier:
    """Brings back what was sent; loses the first `lost` messages, does not reach some nodes."""

    def __init__(self, *nodes: int, lost: int = 0, offline: Collection[int] = ()) -> None:
        self.nodes = nodes
        self.lost = lost
        self.offline = set(offline)
        self.refuses = False
        self.sent: list[tuple[int, bytes]] = []
        self.waiting: dict[str, bytes | None] = {}

    def online(self) -> Collection[int]:
        return {node for node in self.nodes if node not in self.offline}

    def send(self, bodies: Sequence[tuple[int, bytes]], *, seconds: float) -> Sequence[str | None]:
        assert seconds > 0
        return [None if self.refuses else self._send(node, body) for node, body in bodies]

    def _send(self, node: int, body: bytes) -> str:
        self.sent.append((node, body))
        ticket = f"t{len(self.sent)}"
        if self.lost > 0:
            self.lost -= 1
        else:
            self.waiting[ticket] = body
        return ticket

    def collect(self, tickets: Collection[str]) -> Sequence[Carried]:
        here = [ticket for ticket in tickets if ticket in self.waiting]
        return [Carried(ticket=ticket, body=self.waiting.pop(ticket)) for ticket in here]


def _exchange(
    carrier: EchoCarrier,
    *,
    body: Callable[[Member], bytes | None] = lambda member: member.member_id.encode(),
    take: Callable[[Member, bytes], bool] = lambda member, answer: True,
) -> Exchange:
    return Exchange([_member(node) for node in carrier.nodes], carrier, body=body, take=take)


def _turn(exchange: Exchange, clock: Clock, seconds: float = 0.0) -> None:
    clock.now += seconds
    exchange.ask(clock(), until=1e6)
    exchange.take_answers(clock())


def test_each_member_gets_its_own_message_once_there_is_one() -> None:
    clock, carrier = Clock(), EchoCarrier(1, 2)
    ready: dict[str, bytes] = {"m1": b"for one"}
    taken: list[str] = []

    def take(member: Member, body: bytes) -> bool:
        taken.append(member.member_id)
        return taken.count(member.member_id) > 1  # the first reply of each is no answer

    exchange = _exchange(carrier, body=lambda member: ready.get(member.member_id), take=take)
    _turn(exchange, clock)
    assert taken == ["m1"]
    ready["m2"] = b"for two"
    _turn(exchange, clock)  # m1's pause is not over
    assert taken == ["m1", "m2"]
    _turn(exchange, clock, 60)
    assert sorted(taken) == ["m1", "m1", "m2", "m2"]
    _turn(exchange, clock, 600)  # both have answered
    assert len(taken) == 4
    assert set(carrier.sent) == {(1, b"for one"), (2, b"for two")}


def test_nobody_is_asked_whose_answer_is_known() -> None:
    carrier = EchoCarrier(1)
    exchange = _exchange(carrier)
    exchange.settle("m1")
    _turn(exchange, Clock())
    assert carrier.sent == []


def test_a_lost_message_is_sent_again_after_a_minute_and_not_before() -> None:
    clock, carrier = Clock(), EchoCarrier(1, lost=1)
    taken: list[bytes] = []
    exchange = _exchange(carrier, take=lambda member, body: taken.append(body) is None)
    _turn(exchange, clock)
    _turn(exchange, clock, 59)
    assert len(carrier.sent) == 1
    _turn(exchange, clock, 1)
    assert taken == [b"m1"]


def test_who_talks_nonsense_is_asked_again_after_pauses_that_grow() -> None:
    clock, carrier = Clock(), EchoCarrier(1)
    exchange = _exchange(carrier, take=lambda member, body: False)
    for _ in range(600):
        _turn(exchange, clock, 1)
    assert 20 < len(carrier.sent) < 30


def test_who_is_offline_is_asked_when_it_comes_back() -> None:
    clock, carrier = Clock(), EchoCarrier(1, 2, offline=[2])
    exchange = _exchange(carrier)
    _turn(exchange, clock)
    assert carrier.sent == [(1, b"m1")]
    carrier.offline.clear()
    _turn(exchange, clock, 1)
    assert carrier.sent == [(1, b"m1"), (2, b"m2")]


def test_a_carrier_that_takes_nothing_is_tried_again() -> None:
    clock, carrier = Clock(), EchoCarrier(1)
    carrier.refuses = True
    exchange = _exchange(carrier)
    _turn(exchange, clock)
    carrier.refuses = False
    _turn(exchange, clock, 1)
    assert carrier.sent == []
    _turn(exchange, clock, 1)
    assert carrier.sent == [(1, b"m1")]
