"""The exchange book: comparisons of codes under way with other members, and how many there were in a day.

Every exchange that came as far as a code is a chance of one in a million for whoever stands between, also one
that no person ever looked at. So they are counted when their codes become fixed, by member and by name, and
in all; a coordinator cannot try many and show the owner the one that happens to fit.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from highstreet.audit.errors import RosterError
from highstreet.audit.roster import Member
from highstreet.audit.vouching import Exchange, Role
from highstreet.client.errors import StoreConfigError, VouchRefusedError
from highstreet.client.home import StoreHome
from highstreet.client.locking import held
from highstreet.files import read_limited, write_private

__all__ = ["EXCHANGES_A_DAY", "WRONG_CODES_A_DAY", "ExchangeBook", "Kept", "opened_book", "read_book"]

#: With one member: exchanges whose codes became fixed, and codes typed that did not fit.
EXCHANGES_A_DAY = 3
WRONG_CODES_A_DAY = 3
#: Exchanges with all members together, for a coordinator that invents one after the other.
_EXCHANGES_IN_ALL = 40
_DAY_SECONDS = 86_400
_DECLINED_LIMIT = 100
_LIMIT_BYTES = 4 << 20


@dataclass(slots=True)
class Kept:
    """One exchange as it is kept.

    Attributes:
        exchange: this side's state of it.
        is_sent: whether the coordinator has taken the message this side owes in this state.
        is_confirmed: whether the other's code was typed and fitted; a responder may then read out its own.
    """

    exchange: Exchange
    is_sent: bool = False
    is_confirmed: bool = False


@dataclass(slots=True)
class ExchangeBook:
    """All of a store's exchanges.

    Attributes:
        kept: by the other member's id; one with each.
        codes: (unix seconds, member id, name, commitment in hex) of each exchange whose codes became fixed.
        wrong: (unix seconds, member id, name) of each code that did not fit.
        odd: (unix seconds, member id, name) of each exchange that another's store began with other keys than
            the roster here names, or for other keys than this store's.
        declined: (unix seconds, commitment in hex) of each offer that gave way to one of this store's own.
    """

    kept: dict[str, Kept] = field(default_factory=dict)
    codes: list[tuple[int, str, str, str]] = field(default_factory=list)
    wrong: list[tuple[int, str, str]] = field(default_factory=list)
    odd: list[tuple[int, str, str]] = field(default_factory=list)
    declined: list[tuple[int, str]] = field(default_factory=list)

    def forget_old(self, now: int) -> None:
        """Drop what is over a day old; a clock set back drops nothing."""
        self.kept = {
            member_id: each
            for member_id, each in self.kept.items()
            if now - each.exchange.begun_at < _DAY_SECONDS
        }
        self.codes = [each for each in self.codes if now - each[0] < _DAY_SECONDS]
        self.wrong = [each for each in self.wrong if now - each[0] < _DAY_SECONDS]
        self.odd = [each for each in self.odd if now - each[0] < _DAY_SECONDS]
        self.declined = [each for each in self.declined if now - each[0] < _DAY_SECONDS][-_DECLINED_LIMIT:]

    def tries_left(self, member: Member) -> int:
        """Return how many codes may still be typed wrong with this member today."""
        return max(0, WRONG_CODES_A_DAY - sum(1 for each in self.wrong if _is_of(member, each[1], each[2])))

    def refuse_more(self, member: Member) -> None:
        """Refuse to fix codes with this member once more today.

        Raises:
            VouchRefusedError: too many wrong codes, or too many exchanges.
        """
        next_step = (
            f"Nothing was signed. Ask {member.name} in person what their store shows, and try again tomorrow."
        )
        if not self.tries_left(member):
            raise VouchRefusedError(
                f"{WRONG_CODES_A_DAY} codes with {member.name} did not fit within a day. The coordinator, or "
                "somebody between you, may have put another key in place of theirs.",
                next_step=next_step,
            )
        with_member = sum(1 for each in self.codes if _is_of(member, each[1], each[2]))
        if with_member >= EXCHANGES_A_DAY or len(self.codes) >= _EXCHANGES_IN_ALL:
            raise VouchRefusedError(
                f"Codes were made {with_member} times with {member.name} within a day, and {len(self.codes)} "
                "times in all; somebody may be trying until two of them agree by chance.",
                next_step=next_step,
            )

    def code_fixed(self, exchange: Exchange, now: int) -> None:
        """Count an exchange whose codes are fixed from here on."""
        other = exchange.other
        self.codes.append((now, other.member_id, other.name, exchange.commitment.hex()))

    def has_had(self, commitment: bytes) -> bool:
        """Say whether an offer was answered, or declined: it is not answered again."""
        name = commitment.hex()
        return any(each[3] == name for each in self.codes) or any(each[1] == name for each in self.declined)


def read_book(home: StoreHome, *, now: int) -> ExchangeBook:
    """Return the book as it is on disk, without what is over a day old.

    Raises:
        StoreConfigError: the file is damaged.
    """
    path = home.coop / "exchanges.json"
    book = ExchangeBook()
    if path.exists():
        try:
            book = _from_json(read_limited(path, limit_bytes=_LIMIT_BYTES))
        except (ValueError, KeyError, TypeError, RosterError) as error:
            raise StoreConfigError(
                f"{path} is damaged.", next_step="Remove it and compare codes anew; vouches given stay."
            ) from error
    book.forget_old(now)
    return book


@contextmanager
def opened_book(home: StoreHome, *, now: int) -> Iterator[ExchangeBook]:
    """Change the book while the block runs; it is written at the end, or not at all when the block fails."""
    with held(home.coop / "exchanges.lock"):
        book = read_book(home, now=now)
        before = _to_json(book)
        yield book
        after = _to_json(book)
        if after != before:
            write_private(home.coop / "exchanges.json", after)


def _is_of(member: Member, member_id: str, name: str) -> bool:
    return member.member_id == member_id or member.name == name


def _to_json(book: ExchangeBook) -> bytes:
    exchanges = [
        {
            "coop_id": each.exchange.coop_id,
            "initiator": each.exchange.initiator.to_dict(),
            "responder": each.exchange.responder.to_dict(),
            "role": each.exchange.role.value,
            "commitment": each.exchange.commitment.hex(),
            "own_nonce": each.exchange.own_nonce.hex(),
            "other_nonce": (each.exchange.other_nonce or b"").hex(),
            "begun_at": each.exchange.begun_at,
            "is_sent": each.is_sent,
            "is_confirmed": each.is_confirmed,
        }
        for each in book.kept.values()
    ]
    plain = {"exchanges": exchanges, "codes": book.codes, "wrong": book.wrong, "odd": book.odd}
    plain["declined"] = book.declined
    return json.dumps(plain, indent=1, ensure_ascii=False).encode()


def _from_json(data: bytes) -> ExchangeBook:
    plain = json.loads(data)
    kept = {}
    for value in plain["exchanges"]:
        exchange = Exchange(
            coop_id=str(value["coop_id"]),
            initiator=Member.from_dict(value["initiator"]),
            responder=Member.from_dict(value["responder"]),
            role=Role(value["role"]),
            commitment=bytes.fromhex(value["commitment"]),
            own_nonce=bytes.fromhex(value["own_nonce"]),
            other_nonce=bytes.fromhex(value["other_nonce"]) or None,
            begun_at=int(value["begun_at"]),
        )
        kept[exchange.other.member_id] = Kept(
            exchange, is_sent=bool(value["is_sent"]), is_confirmed=bool(value["is_confirmed"])
        )
    return ExchangeBook(
        kept=kept,
        codes=[(int(at), str(who), str(name), str(which)) for at, who, name, which in plain["codes"]],
        wrong=[(int(at), str(who), str(name)) for at, who, name in plain["wrong"]],
        odd=[(int(at), str(who), str(name)) for at, who, name in plain["odd"]],
        declined=[(int(at), str(which)) for at, which in plain["declined"]],
    )
