"""The vouch desk: compares codes with other members through the coordinator, and signs when they fit.

The service and the owner's commands do the same steps, whichever comes first: what a step needs is on the
disk, and a message is handed over again until the coordinator has taken it. A code is typed by a person only.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

from highstreet.audit.errors import VouchingError
from highstreet.audit.roster import Edge, Member, Roster
from highstreet.audit.vouches import Vouch, holds, sign_vouch
from highstreet.audit.vouching import Exchange, Role, answer, offer
from highstreet.audit.withdrawals import sign_withdrawal
from highstreet.client.coop_calls import CoopCaller
from highstreet.client.errors import CoopRefusedError, VouchRefusedError, WrongCodeError
from highstreet.client.exchange_book import ExchangeBook, Kept, opened_book, read_book
from highstreet.client.former_members import refuse_unsaid
from highstreet.client.home import StoreHome
from highstreet.client.identity import load_identity
from highstreet.client.membership import Membership, load_membership
from highstreet.client.rosters import accept_roster, fetch_roster, newest_roster
from highstreet.client.vouch_post import post_vouch, post_withdrawal
from highstreet.client.vouches import add_vouches, edges_on, known_vouches
from highstreet.client.withdrawals import known_withdrawals
from highstreet.protos import coop_pb2

__all__ = ["Seen", "VouchDesk"]

_LOG = logging.getLogger("highstreet.vouching")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """How far this side has read what the coordinator keeps; a new one reads everything again.

    Attributes:
        letter: number of the last message.
        roster_number, vouch_number: as of the roster fetched last.
    """

    letter: int = 0
    roster_number: int = -1
    vouch_number: int = -1


class VouchDesk:
    """One store's side of all its exchanges.

    Args:
        home: the store's folder.
        caller: an open channel to the coordinator's member port.
        now: unix seconds.
        entropy: random bytes, from the operating system but in tests.
    """

    def __init__(
        self,
        home: StoreHome,
        caller: CoopCaller,
        *,
        now: Callable[[], int] = lambda: int(time.time()),
        entropy: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._home = home
        self._caller = caller
        self._now = now
        self._entropy = entropy
        self._membership: Membership = load_membership(home)
        self._identity = load_identity(home)

    def tend(self, seen: Seen) -> Seen:
        """Take up what has come, do the steps that need no person, hand over what is owed.

        Raises:
            CoopUnreachableError, CoopRefusedError: the coordinator said nothing, or no.
            RosterRefusedError, AuditError: the roster it serves cannot be used; the one held stays.
        """
        request = coop_pb2.FetchVouchingRequest(after=seen.letter)
        reply = self._caller.call(lambda stub, timeout: stub.FetchVouching(request, timeout=timeout))
        if (reply.roster_number, reply.vouch_number) != (seen.roster_number, seen.vouch_number):
            self.refresh()
        self._take(list(reply.messages))
        self.hand_over()
        return Seen(letter=reply.last, roster_number=reply.roster_number, vouch_number=reply.vouch_number)

    def refresh(self) -> tuple[Roster, frozenset[Edge]]:
        """Fetch the roster and its vouches; put back own vouches and withdrawals that the coordinator lacks.

        Returns:
            The newest roster accepted and the edges that stand on it.
        """
        served = fetch_roster(self._caller)
        roster = accept_roster(self._home, self._membership, served.roster)
        edges = add_vouches(self._home, roster, served.vouches, served.withdrawals)
        own = self._membership.member_id
        # Of several own vouches for one member the last says most: it may name whom that member replaces.
        latest = {each.subject_id: each for each in known_vouches(self._home) if each.voucher_id == own}
        for vouch in latest.values():
            if (own, vouch.subject_id) in edges and vouch not in served.vouches:
                post_vouch(self._caller, vouch)
        for withdrawal in known_withdrawals(self._home):
            if (
                withdrawal.voucher_id == own
                and roster.member(withdrawal.subject_id) is not None
                and withdrawal not in served.withdrawals
            ):
                post_withdrawal(self._caller, withdrawal)
        self._close_finished(edges)
        return roster, edges

    def _close_finished(self, edges: frozenset[Edge]) -> None:
        """Forget exchanges after which both sides have signed: nobody waits for their codes any more."""
        own = self._membership.member_id
        with opened_book(self._home, now=self._now()) as book:
            for member_id, kept in list(book.kept.items()):
                if kept.is_confirmed and {(own, member_id), (member_id, own)} <= edges:
                    del book.kept[member_id]

    def begin(self, other: Member) -> Exchange:
        """Begin an exchange with a member, or go on with the one under way.

        Raises:
            VouchRefusedError: too many with this member today, or this store took its word back.
        """
        self._refuse_withdrawn(other)
        with opened_book(self._home, now=self._now()) as book:
            kept = book.kept.get(other.member_id)
            if kept is None or kept.exchange.other != other:
                book.refuse_more(other)
                made = offer(
                    self._membership.coop_id, self._own(), other, entropy=self._entropy, now=self._now()
                )
                kept = book.kept[other.member_id] = Kept(made)
            exchange = kept.exchange
        self.hand_over()
        return exchange

    def exchange_with(self, other: Member) -> Kept | None:
        """Return the exchange under way with a member, if there is one for its keys as they are now."""
        kept = read_book(self._home, now=self._now()).kept.get(other.member_id)
        return kept if kept is not None and kept.exchange.other == other else None

    def tries_left(self, other: Member) -> int:
        """Return how many codes may still be typed wrong with a member today."""
        return read_book(self._home, now=self._now()).tries_left(other)

    def enter_code(self, other: Member, code: str, *, replaces: Collection[str] | None = None) -> Exchange:
        """Compare the code that the other's owner read out; vouch for the other when it fits.

        Args:
            other: as the newest roster names it.
            code: six digits.
            replaces: ids under which the same shop was a member before, as its owner says; empty: it is no
                shop that counted before; None: nothing was said.

        Returns:
            The exchange. Its `shown_code` is, for a responder, what the other's owner is to be told.

        Raises:
            SameNameError: a shop of that name counted here before; nothing was compared.
            WrongCodeError: it does not fit; nothing was signed.
            VouchRefusedError: there is no exchange with codes, or too many wrong ones today, or this store
                took its word for the other back, or another has taken the place of one of `replaces`.
        """
        self._refuse_withdrawn(other)
        former = self._said(newest_roster(self._home, self._membership), other, replaces)
        with opened_book(self._home, now=self._now()) as book:
            kept = book.kept.get(other.member_id)
            if kept is None or kept.exchange.other != other or not kept.exchange.is_complete:
                raise VouchRefusedError(
                    f"There is no code to compare with {other.name}.",
                    next_step="Begin: `highstreet store vouch`, and their shop's name.",
                )
            exchange = kept.exchange
            if not book.tries_left(other):
                book.refuse_more(other)
            fits = exchange.accepts(code)
            if not fits:
                book.wrong.append((self._now(), other.member_id, other.name))
                left = book.tries_left(other)
                if not left:
                    del book.kept[other.member_id]
        if not fits:
            _LOG.warning("a code did not fit; nothing was signed")
            raise _wrong(other, left)
        self._vouch(exchange, former)
        return exchange

    def replace(self, other: Member, former: Collection[str]) -> None:
        """Add to a vouch already given that the member is a shop that was a member before.

        Args:
            other: as the newest roster names it.
            former: its ids before.

        Raises:
            VouchRefusedError: this store does not vouch for it, or see `enter_code`.
        """
        roster = newest_roster(self._home, self._membership)
        if (self._membership.member_id, other.member_id) not in edges_on(self._home, roster):
            raise VouchRefusedError(
                f"This shop does not vouch for {other.name}.",
                next_step="Compare codes first: `highstreet store vouch`, and their shop's name.",
            )
        post_vouch(self._caller, self._signed(roster, other, self._said(roster, other, former)))

    def withdraw(self, other: Member) -> None:
        """Take back this store's vouch for a member, for good: kept here first, then handed over.

        From here on the member does not count for this store, whoever vouches for it; for others it counts
        without this store's word.

        Args:
            other: as the newest roster names it.

        Raises:
            VouchRefusedError: this store does not vouch for it.
        """
        roster, own = newest_roster(self._home, self._membership), self._membership.member_id
        if (own, other.member_id) not in edges_on(self._home, roster):
            raise VouchRefusedError(
                f"This shop does not vouch for {other.name}: there is nothing to take back.",
                next_step="See who vouches for whom: `highstreet store members`.",
            )
        made = sign_withdrawal(roster.coop_id, own, other, self._identity.signing)
        add_vouches(self._home, roster, (), [made])
        with opened_book(self._home, now=self._now()) as book:
            book.kept.pop(other.member_id, None)
        _LOG.info("this store took back a vouch")
        post_withdrawal(self._caller, made)

    def hand_over(self) -> None:
        """Give the coordinator every message that is owed and that it has not taken yet."""
        for member_id, kept in read_book(self._home, now=self._now()).kept.items():
            if kept.is_sent:
                continue
            try:
                self._send(_owed(member_id, kept.exchange))
            except CoopRefusedError as error:
                _LOG.warning("a vouching message was refused: %s", error.what)
                continue
            self._mark_sent(member_id, kept.exchange)

    def _send(self, message: coop_pb2.VouchingMessage) -> None:
        self._caller.call(lambda stub, timeout: stub.SendVouching(message, timeout=timeout))

    def _take(self, messages: list[coop_pb2.VouchingMessage]) -> None:
        if not messages:
            return
        roster = newest_roster(self._home, self._membership)
        with opened_book(self._home, now=self._now()) as book:
            for message in messages:
                other = roster.member(message.member_id)
                if other is None or other.member_id == self._membership.member_id:
                    continue
                try:
                    self._step(book, other, message)
                except (VouchingError, VouchRefusedError) as error:
                    _LOG.warning("an exchange was not gone on with: %s", error.what)

    def _step(self, book: ExchangeBook, other: Member, message: coop_pb2.VouchingMessage) -> None:
        kept = book.kept.get(other.member_id)
        if message.step == coop_pb2.VOUCHING_STEP_OFFER:
            self._take_offer(book, other, message.commitment)
            return
        if kept is None or kept.exchange.commitment != message.commitment or kept.exchange.other != other:
            return  # of an exchange that is over, or of none
        exchange = kept.exchange
        if exchange.is_complete:
            return
        if message.step == coop_pb2.VOUCHING_STEP_ANSWER and exchange.role is Role.INITIATOR:
            complete = exchange.take_answer(message.nonce)
        elif message.step == coop_pb2.VOUCHING_STEP_OPENING and exchange.role is Role.RESPONDER:
            complete = self._opened(book, exchange, message.nonce)
        else:
            return
        if complete.role is Role.INITIATOR:
            book.code_fixed(complete, self._now())
        # A responder owes nothing more.
        book.kept[other.member_id] = Kept(complete, is_sent=complete.role is Role.RESPONDER)
        _LOG.info("there is a code to compare with another member: highstreet store vouch")

    def _opened(self, book: ExchangeBook, exchange: Exchange, nonce: bytes) -> Exchange:
        try:
            return exchange.take_opening(nonce)
        except VouchingError:
            del book.kept[exchange.other.member_id]
            book.odd.append((self._now(), exchange.other.member_id, exchange.other.name))
            raise

    def _take_offer(self, book: ExchangeBook, other: Member, commitment: bytes) -> None:
        kept = book.kept.get(other.member_id)
        if book.has_had(commitment) or (kept is not None and kept.exchange.commitment == commitment):
            return
        crossed = kept is not None and kept.exchange.role is Role.INITIATOR and not kept.exchange.is_complete
        if crossed and self._membership.member_id < other.member_id:
            book.declined.append((self._now(), commitment.hex()))  # both began at once: theirs gives way
            return
        book.refuse_more(other)
        answered = answer(
            self._membership.coop_id, self._own(), other, commitment, entropy=self._entropy, now=self._now()
        )
        # Whoever made the commitment knows both nonces, and so the codes, as soon as this answer is sent.
        book.code_fixed(answered, self._now())
        book.kept[other.member_id] = Kept(answered)

    def _vouch(self, exchange: Exchange, former: Collection[str]) -> None:
        """Sign, keep, then hand over: what is cut short after the first write is made good by `refresh`."""
        roster = newest_roster(self._home, self._membership)
        vouch = self._signed(roster, exchange.other, former)
        with opened_book(self._home, now=self._now()) as book:
            kept = book.kept.get(exchange.other.member_id)
            if kept is not None and kept.exchange.commitment == exchange.commitment:
                kept.is_confirmed = True
                if exchange.role is Role.INITIATOR:  # a responder's owner may want to read its code out again
                    del book.kept[exchange.other.member_id]
        _LOG.info("this store vouches for another member now")
        post_vouch(self._caller, vouch)

    def _signed(self, roster: Roster, other: Member, former: Collection[str]) -> Vouch:
        """Sign a vouch and keep it."""
        own = self._membership.member_id
        vouch = sign_vouch(roster.coop_id, own, other, self._identity.signing, former)
        add_vouches(self._home, roster, [vouch])
        return vouch

    def _said(self, roster: Roster, other: Member, replaces: Collection[str] | None) -> tuple[str, ...]:
        """Return what a vouch says of former ids, what an earlier one for the member said included."""
        own = self._membership.member_id
        before = {
            each
            for vouch in known_vouches(self._home)
            if (vouch.voucher_id, vouch.subject_id) == (own, other.member_id) and holds(roster, vouch)
            for each in vouch.replaces
        }
        said = before.union(replaces or ()) if before else replaces
        return refuse_unsaid(self._home, roster, other, said)

    def _refuse_withdrawn(self, other: Member) -> None:
        own = self._membership.member_id
        if any(
            (each.voucher_id, each.subject_id) == (own, other.member_id)
            for each in known_withdrawals(self._home)
        ):
            raise VouchRefusedError(
                f"This shop took back its vouch for {other.name} as {other.member_id}; that is for good.",
                next_step="If it was a mistake, they leave and join again with a new code; then compare "
                "codes anew.",
            )

    def _mark_sent(self, member_id: str, exchange: Exchange) -> None:
        with opened_book(self._home, now=self._now()) as book:
            kept = book.kept.get(member_id)
            if kept is not None and kept.exchange == exchange:
                kept.is_sent = True

    def _own(self) -> Member:
        """This store's entry: id and name as the roster has them, keys as they lie here."""
        entry = newest_roster(self._home, self._membership).member(self._membership.member_id)
        if entry is None:
            raise VouchingError("The roster does not name this store.")
        return Member(
            member_id=entry.member_id,
            name=entry.name,
            signing_public_key=self._identity.signing_public_key,
            encryption_public_key=self._identity.encryption_public_key,
        )


def _owed(member_id: str, exchange: Exchange) -> coop_pb2.VouchingMessage:
    """Return the message that this side owes in this state."""
    if exchange.role is Role.RESPONDER:
        step, nonce = coop_pb2.VOUCHING_STEP_ANSWER, exchange.own_nonce
    elif exchange.is_complete:
        step, nonce = coop_pb2.VOUCHING_STEP_OPENING, exchange.own_nonce
    else:
        step, nonce = coop_pb2.VOUCHING_STEP_OFFER, b""
    return coop_pb2.VouchingMessage(
        member_id=member_id, step=step, commitment=exchange.commitment, nonce=nonce
    )


def _wrong(other: Member, left: int) -> WrongCodeError:
    tries = f"{left} tries with {other.name} are left today" if left != 1 else "one try is left today"
    return WrongCodeError(
        "The code does not fit; nothing was signed. If it was read and typed right, the coordinator, or "
        f"somebody between you, may have put another key in place of that of {other.name}.",
        next_step=f"Let {other.name} read it once more; {tries}.",
    )
