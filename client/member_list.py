"""Who is in the co-op as this store sees it: who counts, who vouched for whom, what waits for the owner."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from highstreet.audit.roster import Edge, Member, Roster, as_seen, fewest_pairs, trusted_members
from highstreet.audit.strikes import struck_for
from highstreet.audit.vouches import verified_replacements
from highstreet.audit.vouching import Role
from highstreet.audit.withdrawals import verified_withdrawals
from highstreet.client.errors import VouchRefusedError
from highstreet.client.exchange_book import ExchangeBook, Kept
from highstreet.client.home import StoreHome
from highstreet.client.membership import load_charter, load_membership
from highstreet.client.vouches import counted_on, known_vouches, struck_on
from highstreet.client.withdrawals import known_withdrawals

__all__ = ["MemberList", "MemberView", "Waiting", "find_member", "member_list"]


class Waiting(StrEnum):
    """What an exchange with a member waits for."""

    NOTHING = ""
    THEIR_STORE = "their store's answer"
    TYPE_THEIRS = "you, to type the code they read out"
    READ_THEN_TYPE = "you, to read out a code and type theirs"
    THEY_TYPE = "them, to type the code you read out"


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberView:
    """One member as `highstreet store members` shows it.

    Attributes:
        member: the roster's entry.
        is_me: whether it is this store.
        counts: whether it counts for this store.
        is_struck_out: whether it never will, under its keys of now: this store took its vouch back, or it was
            gone, or replaced by another, or two are said to have come in the place of one. Of this store:
            whether it is so for others.
        vouched_by: names of those who vouch for it, in the roster's order.
        i_vouch, vouches_for_me: the two directions between it and this store.
        waiting: what an exchange under way waits for.
        is_odd: whether its store, within a day, spoke of other keys than this store's roster.
    """

    member: Member
    is_me: bool
    counts: bool
    is_struck_out: bool
    vouched_by: tuple[str, ...]
    i_vouch: bool
    vouches_for_me: bool
    waiting: Waiting
    is_odd: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberList:
    """The whole list.

    Attributes:
        members: in the order they joined.
        colluders: c of the charter: more than c members that count must vouch for another.
        counting_me: how many of the others this store counts for, as far as it can tell.
        to_call: names of members with whom comparing a code helps most, best first.
    """

    members: tuple[MemberView, ...]
    colluders: int
    counting_me: int
    to_call: tuple[str, ...]

    def to_dict(self) -> dict[str, object]:
        """Return plain values, for programs."""
        return {
            "colluders": self.colluders,
            "counting_me": self.counting_me,
            "to_call": list(self.to_call),
            "members": [
                {
                    "member_id": each.member.member_id,
                    "name": each.member.name,
                    "is_me": each.is_me,
                    "counts": each.counts,
                    "is_struck_out": each.is_struck_out,
                    "vouched_by": list(each.vouched_by),
                    "i_vouch": each.i_vouch,
                    "vouches_for_me": each.vouches_for_me,
                    "waiting": each.waiting.name.lower(),
                    "is_odd": each.is_odd,
                }
                for each in self.members
            ],
        }


def member_list(home: StoreHome, roster: Roster, edges: frozenset[Edge], book: ExchangeBook) -> MemberList:
    """Put together what the owner is shown.

    Args:
        home: the store's folder.
        roster: the newest accepted.
        edges: the vouches that stand on it.
        book: this store's exchanges.
    """
    me, colluders = load_membership(home).member_id, load_charter(home).rounds.colluders
    ids = [member.member_id for member in roster.members]
    counted = {member.member_id for member in counted_on(home, roster, edges)}
    struck = struck_on(home, roster, edges)
    counting = _counting(home, roster, edges, colluders)
    struck_me = any(me in each.struck for each in counting.values())
    odd = {member_id for _, member_id, _ in book.odd}
    views = tuple(
        MemberView(
            member=member,
            is_me=member.member_id == me,
            counts=member.member_id in counted,
            is_struck_out=struck_me if member.member_id == me else member.member_id in struck,
            vouched_by=tuple(
                other.name for other in roster.members if (other.member_id, member.member_id) in edges
            ),
            i_vouch=(me, member.member_id) in edges,
            vouches_for_me=(member.member_id, me) in edges,
            waiting=_waiting(book.kept.get(member.member_id), member),
            is_odd=member.member_id in odd,
        )
        for member in roster.members
    )
    others = [member_id for member_id in ids if member_id != me and member_id not in struck]
    counting_me = sum(me in counting[other].counted for other in others)
    complete = counted.issuperset(others) and counting_me == len(others)
    to_call = () if complete else _to_call(views, me, colluders)
    return MemberList(members=views, colluders=colluders, counting_me=counting_me, to_call=to_call)


def find_member(roster: Roster, text: str, *, me: str) -> Member:
    """Return the other member of a name (its case does not matter) or a member id.

    Raises:
        VouchRefusedError: there is none, or it is this store.
    """
    wanted = as_seen(" ".join(text.split()))
    for member in roster.members:
        if wanted in {as_seen(member.name), member.member_id}:
            if member.member_id == me:
                raise VouchRefusedError("That is this store.", next_step="Name another shop.")
            return member
    raise VouchRefusedError(
        f"No member is called {text!r}.", next_step="See who is in: `highstreet store members`."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counting:
    """Who counts for another member and who is struck out there, as far as this store can tell."""

    counted: frozenset[str]
    struck: frozenset[str]


def _counting(
    home: StoreHome, roster: Roster, edges: frozenset[Edge], colluders: int
) -> dict[str, _Counting]:
    ids = frozenset(member.member_id for member in roster.members)
    replacements = verified_replacements(roster, known_vouches(home))
    withdrawn = verified_withdrawals(roster, known_withdrawals(home))
    found = {}
    for other in ids:
        speakers = trusted_members(ids, edges, me=other, colluders=colluders)
        struck = struck_for(other, ids, replacements, speakers=speakers, withdrawn=withdrawn)
        counted = trusted_members(ids - struck, edges, me=other, colluders=colluders)
        found[other] = _Counting(counted=counted, struck=struck)
    return found


def _waiting(kept: Kept | None, member: Member) -> Waiting:
    if kept is None or kept.exchange.other != member:
        return Waiting.NOTHING
    if not kept.exchange.is_complete:
        return Waiting.THEIR_STORE
    if kept.exchange.role is Role.INITIATOR:
        return Waiting.READ_THEN_TYPE
    return Waiting.THEY_TYPE if kept.is_confirmed else Waiting.TYPE_THEIRS


def _to_call(views: tuple[MemberView, ...], me: str, colluders: int) -> tuple[str, ...]:
    """The members everybody should compare a code with first, then who does not count; none twice."""
    views = tuple(view for view in views if view.is_me or not view.is_struck_out)
    ids = [view.member.member_id for view in views]
    pairs = {pair for pair in fewest_pairs(ids, colluders=colluders) if me in pair}
    first = {other for pair in pairs for other in pair}
    lacking = [view for view in views if not view.is_me and not (view.i_vouch and view.vouches_for_me)]
    chosen = [view for view in lacking if view.member.member_id in first]
    return tuple(view.member.name for view in chosen or [view for view in lacking if not view.counts])
